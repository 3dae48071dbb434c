//! A cluster that stands still: an API server in memory that answers get, list, watch and log from given objects, and
//! nothing else. For looking again at what a cluster once was, with the code that looks at a living one.
//!
//! What lives here: discovery, paths, field and label selectors, the streams that never say more than they have. What does
//! not: writes, which are refused, and any judgement about the objects.

pub mod request;
mod serve;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use serde_json::Value;

/// A kind that the server has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StillKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural, as in paths.
    pub plural: String,
    /// Name of the kind.
    pub kind: String,
    /// Whether its objects belong to a namespace.
    pub namespaced: bool,
}

/// A log, by namespace, pod, container, and whether it is that of the run before.
pub type LogKey = (String, String, String, bool);

/// The objects, by group and plural, then by namespace and name.
type Objects = BTreeMap<(String, String), BTreeMap<(String, String), Value>>;

/// What the server holds. It is filled, and then asked.
#[derive(Clone, Debug, Default)]
pub struct Still {
    kinds: BTreeSet<StillKind>,
    objects: Objects,
    logs: BTreeMap<LogKey, Vec<String>>,
    /// Kinds that it refuses to show, by group and plural, with the reason.
    refused: BTreeMap<(String, String), String>,
}

impl Still {
    /// A server without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a kind known; without objects its lists are empty.
    pub fn kind(&mut self, kind: StillKind) {
        self.kinds.insert(kind);
    }

    /// Refuses a kind as an API server does that denies the right: for what is not known as a whole.
    pub fn refuse(&mut self, kind: &StillKind, why: &str) {
        self.refused.insert((kind.group.clone(), kind.plural.clone()), why.to_owned());
    }

    /// Takes an object of a kind.
    pub fn put(&mut self, kind: &StillKind, mut object: Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = (text("/metadata/namespace"), text("/metadata/name"));
        if let Some(fields) = object.as_object_mut() {
            let version =
                if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
            fields.insert("apiVersion".to_owned(), Value::String(version));
            fields.insert("kind".to_owned(), Value::String(kind.kind.clone()));
        }
        self.kinds.insert(kind.clone());
        self.objects.entry((kind.group.clone(), kind.plural.clone())).or_default().insert(place, object);
    }

    /// Takes the last lines of a container.
    pub fn log(&mut self, key: LogKey, lines: Vec<String>) {
        self.logs.insert(key, lines);
    }

    /// A client of this server. Needs a tokio runtime.
    pub fn client(self) -> Client {
        let still = Arc::new(self);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let answer = still.answer(request.method(), request.uri());
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        Client::new(service, "default")
    }
}
