//! An object before it gets into a bundle: without secrets, personal data, and what nobody reads.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::llm::{REMOVED, Scrubber};

/// Bytes of one text that are kept.
const TEXT: usize = 16 * 1024;
/// A value that no scrubber would take away by its form.
const PROBE: &str = "harmless0value";
/// Annotations that repeat the object.
const REPEATED: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-data"];
/// Parts of the metadata by which objects refer to each other: they stay as they are.
const IDENTITY: [&str; 6] = ["name", "generateName", "namespace", "uid", "resourceVersion", "ownerReferences"];

/// What a bundle says of a certificate in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// DNS names that it is for.
    pub names: Vec<String>,
}

/// Takes an object into a form that may leave the cluster. Returns the fields that were cut.
pub fn reduce(object: &mut Value, scrubber: &Scrubber) -> Vec<String> {
    let Value::Object(fields) = object else { return Vec::new() };
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        managers(metadata);
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !REPEATED.contains(&key.as_str()));
        }
    }
    if let Some(binary) = fields.get_mut("binaryData").and_then(Value::as_object_mut) {
        binary.values_mut().for_each(|value| *value = json!(""));
    }
    let mut cut = Vec::new();
    for (key, value) in fields.iter_mut() {
        match (key.as_str(), value) {
            ("apiVersion" | "kind" | "involvedObject" | "type", _) => {}
            ("metadata", Value::Object(metadata)) => {
                for (key, value) in metadata.iter_mut().filter(|(key, _)| !IDENTITY.contains(&key.as_str())) {
                    clean(value, key, &format!("metadata.{key}"), scrubber, &mut cut);
                }
            }
            (_, value) => clean(value, key, key, scrubber, &mut cut),
        }
    }
    cut
}

/// A Secret: its type and the names of its keys; of a certificate its times and names.
pub fn secret(object: &Value, certificate: Option<Certificate>) -> Value {
    let mut metadata = Map::new();
    // Labels tell of a Helm release how it is.
    let kept = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "finalizers"];
    for key in kept.into_iter().chain(["labels", "ownerReferences"]) {
        if let Some(value) = object.pointer(&format!("/metadata/{key}")) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(fields) = object.pointer("/metadata/managedFields") {
        metadata.insert("managedFields".to_owned(), fields.clone());
        managers(&mut metadata);
    }
    let keys: Vec<&String> = object.get("data").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    let mut reduced = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "keys": keys,
        "type": object.get("type").and_then(Value::as_str).unwrap_or("Opaque"),
    });
    if let (Some(certificate), Value::Object(fields)) = (certificate, &mut reduced) {
        fields.insert("certificate".to_owned(), json!(certificate));
    }
    reduced
}

/// A pod that is only a neighbour: what it takes of its node, and the labels by which others see it.
pub fn slim_pod(object: &Value) -> Value {
    let at = |path: &str| object.pointer(path).cloned().unwrap_or_default();
    let containers = |path: &str| -> Value {
        let list = object.pointer(path).and_then(Value::as_array).into_iter().flatten();
        let one = |container: &Value| {
            let kept = ["name", "resources", "ports", "restartPolicy"].into_iter();
            kept.filter_map(|key| Some((key.to_owned(), container.get(key)?.clone()))).collect::<Map<_, _>>()
        };
        list.map(|container| Value::Object(one(container))).collect()
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": at("/metadata/name"), "namespace": at("/metadata/namespace"), "uid": at("/metadata/uid"),
            "resourceVersion": at("/metadata/resourceVersion"), "creationTimestamp": at("/metadata/creationTimestamp"),
            "labels": at("/metadata/labels"), "ownerReferences": at("/metadata/ownerReferences")},
        "spec": {"nodeName": at("/spec/nodeName"), "priority": at("/spec/priority"), "overhead": at("/spec/overhead"),
            "hostNetwork": at("/spec/hostNetwork"), "restartPolicy": at("/spec/restartPolicy"),
            "containers": containers("/spec/containers"), "initContainers": containers("/spec/initContainers")},
        "status": {"phase": at("/status/phase"), "conditions": at("/status/conditions")},
    });
    drop_nulls(&mut pod);
    pod
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

/// Of the fields' managers stays who changed the object, how and when.
fn managers(metadata: &mut Map<String, Value>) {
    let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) else { return };
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        entry.retain(|key, _| matches!(key.as_str(), "manager" | "operation" | "time" | "subresource"));
    }
}

/// Scrubs every text in a value. `key` is that under which it stands: a name can tell that its value is a secret.
fn clean(value: &mut Value, key: &str, path: &str, scrubber: &Scrubber, cut: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if text.len() > TEXT {
                let end = (0..=TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
                let left = text.len() - end;
                *text = format!("{}… [{left} bytes left out]", text.get(..end).unwrap_or_default());
                cut.push(path.to_owned());
            }
            *text =
                if is_secret(key, scrubber) && !text.is_empty() { REMOVED.to_owned() } else { scrubber.scrub(text) };
        }
        Value::Array(items) => {
            arguments(items, scrubber);
            for (place, item) in items.iter_mut().enumerate() {
                clean(item, key, &format!("{path}[{place}]"), scrubber, cut);
            }
        }
        Value::Object(fields) => {
            // An entry of `env` says in one field what the other is.
            let name = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(Value::String(text)) = fields.get_mut("value")
                && !text.is_empty()
                && is_secret(&name, scrubber)
            {
                REMOVED.clone_into(text);
            }
            for (key, value) in fields.iter_mut() {
                clean(value, key, &format!("{path}.{key}"), scrubber, cut);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether the scrubber takes away whatever stands under a key.
fn is_secret(key: &str, scrubber: &Scrubber) -> bool {
    !key.is_empty() && !scrubber.scrub(&format!("{key}={PROBE}")).contains(PROBE)
}

/// `--password` and its value may be two arguments.
fn arguments(items: &mut [Value], scrubber: &Scrubber) {
    for place in 1..items.len() {
        let Some([Value::String(flag), Value::String(value)]) = items.get_mut(place - 1..=place) else { continue };
        if flag.starts_with('-')
            && !value.starts_with('-')
            && !scrubber.scrub(&format!("{flag} {PROBE}")).contains(PROBE)
        {
            REMOVED.clone_into(value);
        }
    }
}
