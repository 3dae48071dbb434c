//! What a pod refers to and is not there.

use std::fmt::Write as _;

use api::shared::{CauseClass, ObjectRef};

use super::refs::{Reference, references};
use super::{Conclusion, Evidence, cause, fact, propose, ruled_out, setup, suspects};
use crate::graph::nearest;

/// The object, and perhaps the key, that a message says is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    kind: &'static str,
    name: String,
    key: Option<String>,
}

impl Missing {
    /// Whether it is this object, or a key of it.
    pub(super) fn is(&self, kind: &str, name: &str) -> bool {
        self.kind == kind && self.name == name
    }

    /// Kind and name, where the message has both.
    pub(super) fn object(self) -> Option<(&'static str, String)> {
        (!self.name.is_empty()).then_some((self.kind, self.name))
    }
}

/// Reads the kubelet's and the scheduler's ways to say that something is missing.
pub(super) fn read(message: &str) -> Option<Missing> {
    let lower = message.to_ascii_lowercase();
    let after = |text: &str| lower.find(text).and_then(|at| message.get(at + text.len()..));
    let quoted = |rest: &str| rest.trim_start().strip_prefix('"').and_then(|r| r.split('"').next()).map(str::to_owned);
    if let Some(rest) = after("couldn't find key ") {
        let mut words = rest.split_whitespace();
        let key = words.next()?.to_owned();
        let kind = if lower.contains(" in secret ") { "Secret" } else { "ConfigMap" };
        let name = words.nth(2)?.rsplit('/').next()?.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
        return Some(Missing { kind, name, key: Some(key) });
    }
    for (text, kind) in [
        ("configmap ", "ConfigMap"),
        ("secret ", "Secret"),
        ("persistentvolumeclaim ", "PersistentVolumeClaim"),
        ("serviceaccount ", "ServiceAccount"),
    ] {
        if lower.contains("not found")
            && let Some(name) = after(text).and_then(quoted)
        {
            return Some(Missing { kind, name: name.rsplit('/').next().unwrap_or(&name).to_owned(), key: None });
        }
    }
    let key = after("references non-existent config key: ")?;
    Some(Missing { kind: "ConfigMap", name: String::new(), key: key.split_whitespace().next().map(str::to_owned) })
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let message = evidence.symptom.value.clone();
    let missing = evidence.symptom.evidence.iter().map(|o| o.detail.as_str()).chain([message.as_str()]).find_map(read);
    match missing {
        Some(missing) => of_missing(evidence, &missing),
        None => set_up(evidence),
    }
}

pub(super) fn of_missing(evidence: &Evidence, missing: &Missing) -> Conclusion {
    let (spec, prefix) = evidence.spec().map_or((None, ""), |(s, p)| (Some(s), p));
    let all = spec.map(references).unwrap_or_default();
    let fits = |r: &&Reference| {
        r.kind == missing.kind
            && (r.name == missing.name || missing.name.is_empty())
            && (missing.key.is_none() || r.key.is_none() || r.key == missing.key)
    };
    // One that names the key says more than one that takes the whole object.
    let reference = all.iter().filter(fits).find(|r| r.key == missing.key).or_else(|| all.iter().find(fits));
    let name = if missing.name.is_empty() {
        reference.map(|r| r.name.clone()).unwrap_or_default()
    } else {
        missing.name.clone()
    };
    let path = reference.map(|r| format!("{prefix}.{}", r.path));
    let old = evidence.previous().and_then(|r| r.template.spec.as_ref()).map(references);
    let new_reference = old.as_ref().is_some_and(|old| !old.iter().any(|o| fits(&o)));
    let what = match &missing.key {
        Some(key) => format!("key {key} of {} {name}", missing.kind),
        None => format!("{} {name}", missing.kind),
    };
    let place = reference
        .and_then(|r| r.variable.as_ref())
        .map_or_else(|| path.clone().unwrap_or_else(|| "its spec".into()), |v| format!("env {v}"));
    let names = evidence.names.get(missing.kind).into_iter().flatten().map(String::as_str);
    // Where the object is there and only the key is not, another key was meant, not another object.
    let map = evidence.config_maps.iter().find(|map| missing.kind == "ConfigMap" && map.name == name);
    let keys = map.and_then(|map| map.data.as_ref()).into_iter().flatten().map(|(key, _)| key.as_str());
    let similar = match &missing.key {
        None => nearest(&name, names).map(|near| format!("{} {near}", missing.kind)),
        Some(key) => nearest(key, keys).map(|near| format!("key {near}")),
    };
    let had_key = missing
        .key
        .as_ref()
        .is_some_and(|key| map.and_then(|map| map.before.as_ref()).is_some_and(|b| b.contains_key(key)));
    let mut statement = format!("{} refers in {place} to {what}, which does not exist", evidence.who());
    if let Some(similar) = &similar {
        let _ = write!(statement, "; {similar} does, was that meant?");
    }
    if let (true, Some(revision)) = (new_reference, evidence.revision()) {
        let _ = write!(statement, "; revision {} introduced the reference", revision.number);
    }
    let mut cause = cause(
        evidence,
        CauseClass::MissingReference,
        path.clone(),
        Some(name.clone()),
        statement,
        if similar.is_some() || new_reference { 0.95 } else { 0.9 },
    );
    if let Some(path) = &path {
        cause.proof.push(fact(&evidence.view.workload, path, &name, "the reference stands here"));
    }
    let object = ObjectRef {
        api_version: Some("v1".into()),
        kind: missing.kind.into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: name.clone(),
        uid: None,
    };
    // Said so that it can be read again: of a missing key the object is there.
    cause.proof.push(match &missing.key {
        Some(key) => fact(&object, &format!("data.{key}"), "(absent)", "the object has no such key"),
        None => fact(&object, "metadata.name", "(absent)", "no such object is in the namespace"),
    });
    let mut candidates = Vec::new();
    if new_reference {
        candidates.extend(propose::rollback(evidence, &format!("refers to {what}, which does not exist")));
    } else {
        // The reference was good once: what it names is what went away.
        if old.is_some() || had_key || similar.is_none() {
            cause.object = object;
            cause.path = missing.key.as_ref().map(|key| format!("data.{key}")).or(cause.path);
        }
        cause.ruled_out.push(ruled_out(
            "A rollout brought the reference",
            if old.is_some() { "the revision before has it too" } else { "there is no earlier revision" },
        ));
    }
    let recommendations = vec![match similar {
        Some(similar) => format!("Let {place} name {similar}, or create {what}."),
        None => format!("Create {what}, or correct the reference in {place}."),
    }];
    Conclusion { cause, candidates, recommendations, log_lines: Vec::new() }
}

fn set_up(evidence: &Evidence) -> Conclusion {
    if let Some(conclusion) = setup::explain(evidence) {
        return conclusion;
    }
    let how = format!("pods of {} cannot be set up", evidence.who());
    if let Some(suspicion) = suspects::told(evidence, None, &[&evidence.symptom.value]) {
        return suspects::conclude(evidence, suspicion, None, &how);
    }
    let statement =
        format!("Pods of {} cannot be set up: {}", evidence.who(), evidence.symptom.value.trim_end_matches('.'));
    let mut conclusion = Conclusion {
        cause: cause(evidence, CauseClass::Unknown, None, None, statement, 0.5),
        candidates: Vec::new(),
        recommendations: vec!["Look at the volume's or the network plugin's own events and logs.".into()],
        log_lines: Vec::new(),
    };
    if let Some(place) = setup::volume(evidence) {
        conclusion.cause.path = Some(place.path);
        conclusion.cause.value = Some(place.value);
        conclusion.cause.class = place.class;
        conclusion.cause.object = place.claim.unwrap_or(conclusion.cause.object);
        conclusion.cause.confidence = 0.7;
        conclusion.recommendations = vec!["Correct the volume, or bring what it names to the node.".into()];
    }
    let changes = evidence.changes();
    if let Some(change) = changes
        .iter()
        .find(|c| c.path.contains("volumes") || c.path.contains("env") || c.path.contains(".name"))
        .or(changes.first())
    {
        let _ = write!(conclusion.cause.statement, "; the last revision: {}", change.words());
        conclusion.cause.path = Some(change.path.clone());
        conclusion.cause.class = CauseClass::BadConfiguration;
        conclusion.cause.confidence = 0.7;
        conclusion.candidates.extend(propose::rollback(evidence, "cannot be set up"));
    }
    conclusion
}
