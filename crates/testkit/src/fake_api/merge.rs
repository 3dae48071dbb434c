//! The patch forms.

use serde_json::{Map, Value};

/// JSON merge patch: null removes.
pub(super) fn merge(current: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *current = patch.clone();
        return;
    };
    if !current.is_object() {
        *current = Value::Object(Map::new());
    }
    let Value::Object(current) = current else { return };
    for (key, value) in patch {
        if value.is_null() {
            current.remove(key);
        } else {
            merge(current.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Strategic merge patch and server-side apply: like a merge patch, but lists of named things are merged by their key.
pub(super) fn by_key(current: &mut Value, patch: &Value, builtin: bool, field: &str) {
    match (current, patch) {
        (Value::Object(current), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    current.remove(key);
                } else if let Some(old) = current.get_mut(key) {
                    by_key(old, value, builtin, key);
                } else {
                    current.insert(key.clone(), value.clone());
                }
            }
        }
        (Value::Array(current), Value::Array(patch)) if list_key(field, builtin).is_some() => {
            let key = list_key(field, builtin).unwrap_or_default();
            for item in patch {
                match current.iter_mut().find(|old| old.get(key) == item.get(key)) {
                    Some(old) => by_key(old, item, builtin, ""),
                    None => current.push(item.clone()),
                }
            }
        }
        (current, patch) => *current = patch.clone(),
    }
}

/// Removes what a manager had applied before and leaves out now.
pub(super) fn forget(current: &mut Value, before: &Value, now: &Value, builtin: bool, field: &str) {
    match (current, before, now) {
        (Value::Object(current), Value::Object(before), Value::Object(now)) => {
            for (key, old) in before {
                match now.get(key) {
                    None => drop(current.remove(key)),
                    Some(new) => {
                        if let Some(have) = current.get_mut(key) {
                            forget(have, old, new, builtin, key);
                        }
                    }
                }
            }
        }
        (Value::Array(current), Value::Array(before), Value::Array(now)) => {
            if let Some(key) = list_key(field, builtin) {
                let gone = |item: &Value| {
                    before.iter().any(|old| old.get(key) == item.get(key))
                        && !now.iter().any(|new| new.get(key) == item.get(key))
                };
                current.retain(|item| !gone(item));
            }
        }
        _ => {}
    }
}

fn list_key(field: &str, builtin: bool) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "containers" | "initContainers" | "env" | "volumes" if builtin => Some("name"),
        _ => None,
    }
}
