//! The objects, their versions, and the history that watches read.

use std::collections::{BTreeMap, HashMap};

use kube::Resource;
use serde_json::{Map, Value, json};

/// Group and plural: what a path names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kind {
    pub group: String,
    pub plural: String,
}

impl Kind {
    pub(super) fn of<K: Resource<DynamicType = ()>>() -> Self {
        Self { group: K::group(&()).into_owned(), plural: K::plural(&()).into_owned() }
    }

    /// Groups of Kubernetes itself have no dot, or end in k8s.io.
    pub(super) fn is_builtin(&self) -> bool {
        !self.group.contains('.') || self.group.ends_with(".k8s.io")
    }
}

type Key = (Kind, String, String);

/// What happened to an object.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub kind: Kind,
    pub namespace: String,
    pub what: &'static str,
    pub object: Value,
}

#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    /// What each manager applied last, by object, manager and subresource.
    applied: HashMap<(Key, String, String), Value>,
    /// One entry per resourceVersion, from 1 on.
    pub(super) history: Vec<Happened>,
    uids: usize,
}

impl Store {
    pub(super) fn version(&self) -> usize {
        self.history.len()
    }

    fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
        (kind.clone(), namespace.to_owned(), name.to_owned())
    }

    pub(super) fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&Self::key(kind, namespace, name))
    }

    pub(super) fn list<'a>(&'a self, kind: &'a Kind, namespace: Option<&'a str>) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |((of, inside, _), _)| of == kind && namespace.is_none_or(|namespace| namespace == inside))
            .map(|(_, object)| object)
    }

    /// A UID that no other object has.
    pub(super) fn new_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012}", self.uids)
    }

    /// Stores an object with all its parts, gives it a version, and tells the watches. Nothing happens when it is so
    /// already.
    pub(super) fn put(&mut self, kind: &Kind, mut object: Value) -> Value {
        let text =
            |object: &Value, path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = Self::key(kind, &text(&object, "/metadata/namespace"), &text(&object, "/metadata/name"));
        let old = self.objects.get(&key).cloned();
        if text(&object, "/metadata/uid").is_empty() {
            let uid = old.as_ref().map_or_else(|| self.new_uid(), |old| text(old, "/metadata/uid"));
            set(&mut object, "uid", json!(uid));
        }
        if text(&object, "/metadata/creationTimestamp").is_empty() {
            set(&mut object, "creationTimestamp", json!("2026-01-01T00:00:00Z"));
        }
        let generation = |object: &Value| object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
        match &old {
            Some(old) if desired_part(old) != desired_part(&object) => {
                set(&mut object, "generation", json!(generation(old) + 1));
            }
            Some(old) => set(&mut object, "generation", json!(generation(old))),
            None => {
                let generation = generation(&object);
                set(&mut object, "generation", json!(generation));
            }
        }
        if let Some(old) = &old {
            set(&mut object, "resourceVersion", old.pointer("/metadata/resourceVersion").cloned().unwrap_or_default());
            if *old == object {
                return object;
            }
        }
        set(&mut object, "resourceVersion", json!((self.version() + 1).to_string()));
        let gone = object.pointer("/metadata/deletionTimestamp").is_some() && !has_finalizers(&object);
        let what = match (&old, gone) {
            (_, true) => "DELETED",
            (None, _) => "ADDED",
            (Some(_), _) => "MODIFIED",
        };
        self.history.push(Happened { kind: kind.clone(), namespace: key.1.clone(), what, object: object.clone() });
        if gone {
            self.drop_key(&key);
        } else {
            self.objects.insert(key, object.clone());
        }
        object
    }

    /// Removes an object at once.
    pub(super) fn remove(&mut self, kind: &Kind, namespace: &str, name: &str) -> Option<Value> {
        let key = Self::key(kind, namespace, name);
        let mut object = self.drop_key(&key)?;
        set(&mut object, "resourceVersion", json!((self.version() + 1).to_string()));
        self.history.push(Happened {
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            what: "DELETED",
            object: object.clone(),
        });
        Some(object)
    }

    fn drop_key(&mut self, key: &Key) -> Option<Value> {
        self.applied.retain(|(of, ..), _| of != key);
        self.objects.remove(key)
    }

    /// Remembers what a manager applied; returns what it had applied before.
    pub(super) fn remember(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        manager: &str,
        subresource: &str,
        body: &Value,
    ) -> Option<Value> {
        self.applied
            .insert((Self::key(kind, namespace, name), manager.to_owned(), subresource.to_owned()), body.clone())
    }
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// Sets a field of the metadata.
pub(super) fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(object) = object
        && let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()))
    {
        metadata.insert(field.to_owned(), value);
    }
}

/// The part whose change makes a new generation.
fn desired_part(object: &Value) -> Map<String, Value> {
    let mut part = object.as_object().cloned().unwrap_or_default();
    part.remove("metadata");
    part.remove("status");
    part
}
