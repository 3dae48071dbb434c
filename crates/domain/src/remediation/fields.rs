//! Fields of an object by JSON pointer: read, compare, put back. This is the form of a snapshot (`fullSpec`): an object of
//! pointer → value, where `null` means that the field was not there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Fields by JSON pointer; `null` is absent.
pub type Fields = BTreeMap<String, Value>;

/// What stands in these fields.
pub fn read(object: &Value, pointers: &[String]) -> Fields {
    pointers.iter().map(|p| (p.clone(), object.pointer(p).cloned().unwrap_or(Value::Null))).collect()
}

/// What stands in the fields of `like`.
pub fn read_like(object: &Value, like: &Fields) -> Fields {
    like.keys().map(|p| (p.clone(), object.pointer(p).cloned().unwrap_or(Value::Null))).collect()
}

/// The text of a snapshot.
pub fn to_text(fields: &Fields) -> String {
    serde_json::to_string(fields).unwrap_or_default()
}

/// Fields of the text of a snapshot.
pub fn from_text(text: &str) -> Result<Fields, serde_json::Error> {
    serde_json::from_str(text)
}

/// Fingerprint of what stands in the fields.
pub fn digest(fields: &Fields) -> String {
    let digest = Sha256::digest(to_text(fields).as_bytes());
    digest.iter().take(16).fold(String::with_capacity(32), |mut out, b| {
        use std::fmt::Write as _;
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// One segment of a JSON pointer, escaped.
pub fn segment(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// JSON Patch that makes `object` hold `wanted`: only fields that differ, parents created where they are missing.
pub fn ops(object: &Value, wanted: &Fields) -> Vec<Value> {
    let mut draft = object.clone();
    let mut ops = Vec::new();
    for (pointer, value) in wanted {
        let now = draft.pointer(pointer).cloned().unwrap_or(Value::Null);
        if now == *value {
            continue;
        }
        if value.is_null() {
            ops.push(json!({"op": "remove", "path": pointer}));
            remove(&mut draft, pointer);
            continue;
        }
        add_parents(&mut draft, pointer, &mut ops);
        ops.push(json!({"op": "add", "path": pointer, "value": value}));
        insert(&mut draft, pointer, value.clone());
    }
    ops
}

fn add_parents(draft: &mut Value, pointer: &str, ops: &mut Vec<Value>) {
    let ends: Vec<usize> = pointer.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
    for end in ends {
        let parent = pointer.get(..end).unwrap_or_default();
        if draft.pointer(parent).is_none_or(Value::is_null) {
            ops.push(json!({"op": "add", "path": parent, "value": {}}));
            insert(draft, parent, json!({}));
        }
    }
}

fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(draft: &mut Value, pointer: &str, value: Value) {
    // An existing array element is replaced in place; everything else of ours is a member of an object.
    if let Some(slot) = draft.pointer_mut(pointer) {
        *slot = value;
        return;
    }
    if let Some((parent, last)) = split(pointer)
        && let Some(Value::Object(map)) = draft.pointer_mut(parent)
    {
        map.insert(last, value);
    }
}

fn remove(draft: &mut Value, pointer: &str) {
    if let Some((parent, last)) = split(pointer)
        && let Some(Value::Object(map)) = draft.pointer_mut(parent)
    {
        map.remove(&last);
    }
}
