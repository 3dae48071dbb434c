//! An incident as a file: what the detector looks at, taken out of a cluster, scrubbed, to be looked at again elsewhere.
//!
//! What lives here: the form of the file, what may be in it (`kinds`), how an object is reduced before it gets in
//! (`reduce`), what is left out where it grows too large (`fit`), and whether a diagnosis says the same as the one of the
//! time (`compare`). What does not: reading a cluster and running the detector on a bundle (`bins/chatcli`).

mod compare;
mod fit;
mod kinds;
mod reduce;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::RootCause;
use api::{AIInsight, Issue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use compare::{Comparison, compare};
pub use fit::{Load, fit};
pub use kinds::{Kind, Reach, kind_of, kinds};
pub use reduce::{Certificate, reduce, secret, slim_pod};

/// What the first field of a bundle says.
pub const FORMAT: &str = "chatcli-incident-bundle";
/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Bytes of a bundle that are read at most.
pub const LARGEST: usize = 64 << 20;
/// Objects that a bundle may hold.
const OBJECTS: usize = 100_000;
/// Log tails that a bundle may hold.
const LOGS: usize = 10_000;
/// Bytes of a name in a cluster.
const NAME: usize = 253;

/// An incident: the cluster around it at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it was taken.
    pub at: Timestamp,
    /// What took it.
    #[serde(default)]
    pub by: String,
    /// The Issue that it is about.
    pub issue: Named,
    /// Kinds that could not be read, or not all of them; each with the reason. A replay takes them for unreadable.
    #[serde(default)]
    pub missing: BTreeMap<String, String>,
    /// Kinds beyond those of Kubernetes that the cluster has, as group, version and plural: `keda.sh/v1alpha1/scaledobjects`.
    #[serde(default)]
    pub also: BTreeSet<String>,
    /// What else was left out, in sentences.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The objects, the Issue and its AIInsight among them.
    pub objects: Vec<Value>,
    /// The last lines of containers.
    #[serde(default)]
    pub logs: Vec<Log>,
}

/// An object of a namespace, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The last lines of a run of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is of the run before the present one.
    #[serde(default)]
    pub previous: bool,
    /// Lines, oldest first.
    pub lines: Vec<String>,
}

/// Why a file is no bundle that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}; remedy: {remedy}")]
pub struct BadBundle {
    /// Which part.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
    /// What mends it.
    pub remedy: &'static str,
}

/// Read first, so that a file of another kind is not called a bundle with an unknown field.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u32,
}

fn bad(field: impl Into<String>, why: impl Into<String>, remedy: &'static str) -> BadBundle {
    BadBundle { field: field.into(), why: why.into(), remedy }
}

const EXPORT: &str = "export it again with chatcli bundle ISSUE -n NAMESPACE -o FILE";

impl Bundle {
    /// Reads a bundle and refuses what could not be played.
    ///
    /// # Errors
    /// Says which part is wrong, why, and what mends it.
    pub fn read(bytes: &[u8]) -> Result<Self, BadBundle> {
        if bytes.len() > LARGEST {
            let why = format!("it is larger than {} MiB", LARGEST >> 20);
            return Err(bad("the file", why, "export it with a smaller --limit"));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| bad("the file", error.to_string(), EXPORT))?;
        if head.format != FORMAT {
            return Err(bad("format", format!("it is {:?}, not {FORMAT:?}", short(&head.format)), EXPORT));
        }
        if head.version != VERSION {
            let why = format!("it is {}, and this chatcli reads version {VERSION}", head.version);
            return Err(bad("version", why, "use the chatcli that wrote it, or export it again"));
        }
        let bundle: Self = serde_json::from_slice(bytes).map_err(|error| bad("the file", error.to_string(), EXPORT))?;
        bundle.examine()?;
        Ok(bundle)
    }

    fn examine(&self) -> Result<(), BadBundle> {
        if self.objects.len() > OBJECTS || self.logs.len() > LOGS {
            let why = format!(
                "{} objects and {} log tails; at most {OBJECTS} and {LOGS}",
                self.objects.len(),
                self.logs.len()
            );
            return Err(bad("objects", why, EXPORT));
        }
        if !(2000..2200).contains(&self.at.to_zoned(jiff::tz::TimeZone::UTC).year()) {
            return Err(bad("at", format!("{} is no time of an incident", self.at), EXPORT));
        }
        let mut known = BTreeSet::new();
        for (position, object) in self.objects.iter().enumerate() {
            let place = examine(position, object)?;
            if !known.insert(place.clone()) {
                let (kind, namespace, name) = place;
                return Err(bad(field(position), format!("{kind} {namespace}/{name} is there twice"), EXPORT));
            }
        }
        for (position, log) in self.logs.iter().enumerate() {
            let pod = ("Pod".to_owned(), log.namespace.clone(), log.pod.clone());
            if !known.contains(&pod) {
                let why = format!(
                    "it is of pod {}/{}, which is not among the objects",
                    short(&log.namespace),
                    short(&log.pod)
                );
                return Err(bad(format!("logs[{position}]"), why, EXPORT));
            }
        }
        if self.find("Issue", &self.issue).is_none() {
            let why =
                format!("Issue {}/{} is not among the objects", short(&self.issue.namespace), short(&self.issue.name));
            return Err(bad("issue", why, EXPORT));
        }
        Ok(())
    }

    /// The bundle as a file: one object a line, so that it can be searched and compared.
    ///
    /// # Errors
    /// Never for a bundle of plain JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let head = Self { objects: Vec::new(), logs: Vec::new(), ..self.clone() };
        let Value::Object(head) = serde_json::to_value(head)? else { return Ok(String::new()) };
        let fields = head.iter().filter(|(key, _)| !matches!(key.as_str(), "objects" | "logs"));
        let line = |(key, value)| Ok(format!("{}:{},", serde_json::to_string(key)?, serde_json::to_string(value)?));
        let head: Vec<String> = fields.map(line).collect::<Result<_, serde_json::Error>>()?;
        let objects: Vec<String> = self.objects.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let logs: Vec<String> = self.logs.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(format!(
            "{{\n{}\n\"objects\":[\n{}\n],\n\"logs\":[\n{}\n]\n}}\n",
            head.join("\n"),
            objects.join(",\n"),
            logs.join(",\n")
        ))
    }

    fn find(&self, kind: &str, named: &Named) -> Option<&Value> {
        self.objects.iter().find(|object| {
            let text = |path| object.pointer(path).and_then(Value::as_str);
            text("/kind") == Some(kind)
                && text("/metadata/namespace") == Some(named.namespace.as_str())
                && text("/metadata/name") == Some(named.name.as_str())
        })
    }

    /// The Issue that it is about.
    pub fn subject(&self) -> Option<Issue> {
        serde_json::from_value(self.find("Issue", &self.issue)?.clone()).ok()
    }

    /// The cause that was said at the time: that of the AIInsight, or else of the Issue.
    pub fn cause(&self) -> Option<RootCause> {
        let insights =
            self.objects.iter().filter(|object| object.get("kind").and_then(Value::as_str) == Some("AIInsight"));
        let ours =
            insights.filter_map(|object| serde_json::from_value::<AIInsight>(object.clone()).ok()).find(|insight| {
                insight.spec.issue_ref.name == self.issue.name
                    && insight.metadata.namespace.as_deref() == Some(self.issue.namespace.as_str())
            });
        let said = ours.and_then(|insight| insight.status?.root_cause);
        said.or_else(|| self.subject()?.status?.root_cause)
    }

    /// The namespaces whose objects are all there.
    pub fn namespaces(&self) -> BTreeSet<String> {
        self.subject().map(|issue| namespaces(&issue, self.cause().as_ref())).unwrap_or_default()
    }
}

/// The namespaces that an incident is about.
pub fn namespaces(issue: &Issue, cause: Option<&RootCause>) -> BTreeSet<String> {
    let status = issue.status.as_ref();
    let affected = status.iter().flat_map(|status| &status.affected_resources).chain([&issue.spec.resource]);
    let objects = cause.iter().flat_map(|cause| cause.proof.iter().map(|step| &step.object).chain([&cause.object]));
    let root = issue.spec.root.iter();
    affected
        .map(|resource| resource.namespace.clone())
        .chain(objects.chain(root).filter_map(|object| object.namespace.clone()))
        .chain(issue.metadata.namespace.clone())
        .filter(|namespace| !namespace.is_empty())
        .collect()
}

fn field(position: usize) -> String {
    format!("objects[{position}]")
}

/// A text of the file in a message.
fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Kind, namespace and name of an object that has the form of its kind.
fn examine(position: usize, object: &Value) -> Result<(String, String, String), BadBundle> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    let Some(known) = kind_of(object) else {
        let why = format!("{} {:?} is no kind that a bundle holds", short(&text("/apiVersion")), short(&kind));
        return Err(bad(field(position), why, "take it out of the file"));
    };
    if name.is_empty() || name.len() > NAME || namespace.len() > NAME || name.contains('/') {
        return Err(bad(
            format!("{}.metadata.name", field(position)),
            format!("{:?} is no name", short(&name)),
            EXPORT,
        ));
    }
    if known.namespaced() == namespace.is_empty() {
        let why = if namespace.is_empty() { "it is missing" } else { "the kind belongs to no namespace" };
        return Err(bad(format!("{}.metadata.namespace", field(position)), why, EXPORT));
    }
    if kind == "Secret" && ["data", "stringData"].iter().any(|values| object.get(*values).is_some()) {
        let why = format!("Secret {namespace}/{name} comes with its values, which no bundle has");
        return Err(bad(field(position), why, "delete the file and export it again; replace the values"));
    }
    if let Some(why) = known.misfit(object) {
        return Err(bad(
            field(position),
            format!("{kind} {namespace}/{name} has not the form of its kind: {why}"),
            EXPORT,
        ));
    }
    Ok((kind, namespace, name))
}
