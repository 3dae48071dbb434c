//! Whether a proof still holds: each of its steps against the cluster as it is now.
//!
//! What lives here: the judgement over objects that were read. What does not: reading them (`bins/chatcli`), and where a
//! proof comes from (`diagnosis`, `graph`).

mod path;
mod value;

#[cfg(test)]
mod tests;

use api::shared::{ObjectRef, Proof, RootCause};
use serde_json::Value;

pub use path::resolve;

/// What stands in a proof where nothing was.
pub const ABSENT: &str = "(absent)";
/// What stands in a proof where a value is not shown.
const HIDDEN: [&str; 2] = ["(hidden)", crate::llm::REMOVED];
/// Where the fields of an object begin. A path that begins otherwise is no field: the rule put the value together.
const ROOTS: [&str; 13] = [
    "metadata",
    "spec",
    "status",
    "data",
    "binaryData",
    "stringData",
    "type",
    "provisioner",
    "parameters",
    "rules",
    "webhooks",
    "roleRef",
    "subjects",
];

/// What was read of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// There is no such object.
    Absent,
    /// It is there; this is all of it.
    Whole(Value),
    /// It is there; this is its metadata, and more is not read.
    Metadata(Value),
    /// It could not be read, for this reason.
    Unread(String),
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// It is still so.
    Holds,
    /// The object is there, and something else stands there.
    Changed,
    /// The object is not there any more.
    Gone,
    /// It was seen at a time; nobody can see that again.
    Seen,
    /// What stands there cannot be compared with the words of the proof.
    Unclear,
    /// It may not be read, or is never read.
    Unread,
}

impl Verdict {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Whether the proof is refuted by it.
    pub fn refutes(self) -> bool {
        matches!(self, Self::Changed | Self::Gone)
    }
}

/// A step, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How.
    pub verdict: Verdict,
    /// What is there now, or why that is not known.
    pub words: String,
}

fn checked(verdict: Verdict, words: impl Into<String>) -> Checked {
    Checked { verdict, words: words.into() }
}

/// The steps that are to be checked: what the cause itself says, then its proof.
pub fn steps(cause: &RootCause) -> Vec<Proof> {
    let own = Proof {
        object: cause.object.clone(),
        path: cause.path.clone(),
        value: cause.value.clone(),
        resource_version: None,
        time: None,
        rule: "this is the cause".to_owned(),
    };
    // A cause without a field says nothing that could be read again.
    own.path.is_some().then_some(own).into_iter().chain(cause.proof.iter().cloned()).collect()
}

/// Compares a step with what was read of its object.
pub fn check(step: &Proof, now: &Reading) -> Checked {
    let about = is_field(step, now);
    match now {
        Reading::Unread(why) => checked(Verdict::Unread, why.clone()),
        Reading::Absent if !about => seen(step, "its object is gone since"),
        Reading::Absent => absent(step),
        Reading::Whole(object) | Reading::Metadata(object) if another(&step.object, object) => {
            if about {
                checked(Verdict::Gone, "another object of this name is there now")
            } else {
                seen(step, "another object of this name is there now")
            }
        }
        Reading::Whole(_) | Reading::Metadata(_) if !about => seen(step, "its object is still there"),
        Reading::Metadata(object) => match step.path.as_deref() {
            Some(path) if path.starts_with("metadata.") => compare(step, path, object),
            _ => checked(Verdict::Unread, "the content of a Secret is never read; it exists"),
        },
        Reading::Whole(object) => compare(step, step.path.as_deref().unwrap_or_default(), object),
    }
}

/// Whether a step is about a field of its object, and not about something that was seen or measured.
fn is_field(step: &Proof, now: &Reading) -> bool {
    let Some(path) = step.path.as_deref() else { return false };
    let root: String = path.chars().take_while(|c| !matches!(c, '.' | '[')).collect();
    // Words instead of a path: "log of container app".
    let outside: String = path.split('[').map(|part| part.rsplit(']').next().unwrap_or(part)).collect();
    if outside.contains(' ') {
        return false;
    }
    let has = |object: &Value| object.get(&root).is_some();
    ROOTS.contains(&root.as_str()) || matches!(now, Reading::Whole(object) if has(object))
}

fn another(expected: &ObjectRef, object: &Value) -> bool {
    let now = object.pointer("/metadata/uid").and_then(Value::as_str);
    expected.uid.as_deref().zip(now).is_some_and(|(then, now)| !then.is_empty() && then != now)
}

fn seen(step: &Proof, and: &str) -> Checked {
    let what = match (&step.path, &step.time) {
        (_, Some(time)) => format!("seen at {} and not to be read again; {and}", time.0),
        (Some(_), None) => format!("worked out when it was seen, no field that could be read again; {and}"),
        (None, None) => format!("seen when it was looked at and not to be read again; {and}"),
    };
    checked(Verdict::Seen, what)
}

/// The object is not there: for what is said to be missing that is the fact.
fn absent(step: &Proof) -> Checked {
    let missing = step.object.uid.is_none() && step.path.as_deref() == Some("metadata.name");
    if missing || step.value.as_deref() == Some(ABSENT) {
        return checked(Verdict::Holds, "there is still no such object");
    }
    checked(Verdict::Gone, "there is no such object any more")
}

fn compare(step: &Proof, path: &str, object: &Value) -> Checked {
    let then = step.value.as_deref().unwrap_or_default();
    if HIDDEN.iter().any(|hidden| then.contains(hidden)) {
        return checked(Verdict::Unclear, "the proof does not show its value");
    }
    let mut found = resolve(object, path);
    // Of a whole `data` a proof shows the names of the keys.
    let keys: Option<Value> = match found.as_slice() {
        [Value::Object(map)] if path == "data" => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Some(keys.into_iter().cloned().map(Value::String).collect())
        }
        _ => None,
    };
    if let Some(keys) = &keys {
        found = vec![keys];
    }
    if path == "metadata.name" && then == ABSENT {
        return checked(Verdict::Changed, "it exists now");
    }
    match value::compare(then, &found) {
        value::Match::Same => checked(Verdict::Holds, ""),
        value::Match::Other(now) => checked(Verdict::Changed, format!("now {now}")),
        value::Match::Unclear(now) => {
            let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            if step.resource_version.as_deref().zip(version).is_some_and(|(then, now)| then == now) {
                return checked(Verdict::Holds, "its object has not changed since");
            }
            checked(Verdict::Unclear, format!("now {now}"))
        }
    }
}
