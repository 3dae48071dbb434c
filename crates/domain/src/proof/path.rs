//! A path of a proof inside an object: `spec.template.spec.containers[0].image`, `status.containerStatuses[app].state`,
//! `data[app.yaml]`, `spec.listeners[*].port`.

use serde_json::Value;

/// How deep a path may lead.
const DEEPEST: usize = 64;

/// What stands at a path: nothing, one value, or with a `*` several. A key may hold dots; the longest that fits is taken.
/// A name in brackets chooses the element of a list that has it as `name`, `type` or `key`.
pub fn resolve<'a>(root: &'a Value, path: &str) -> Vec<&'a Value> {
    walk(root, path, 0)
}

fn walk<'a>(value: &'a Value, path: &str, depth: usize) -> Vec<&'a Value> {
    let rest = path.strip_prefix('.').unwrap_or(path);
    if rest.is_empty() {
        return if value.is_null() { Vec::new() } else { vec![value] };
    }
    if depth > DEEPEST {
        return Vec::new();
    }
    if let Some((inside, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let inside = inside.trim_matches(['"', '\'']);
        return match value {
            Value::Array(items) if inside == "*" => items.iter().flat_map(|item| walk(item, rest, depth + 1)).collect(),
            Value::Array(items) => {
                let by_place = inside.parse::<usize>().ok().and_then(|place| items.get(place));
                let item = by_place.or_else(|| items.iter().find(|item| is_called(item, inside)));
                item.map(|item| walk(item, rest, depth + 1)).unwrap_or_default()
            }
            Value::Object(map) => map.get(inside).map(|found| walk(found, rest, depth + 1)).unwrap_or_default(),
            _ => Vec::new(),
        };
    }
    match value {
        Value::Object(map) => {
            let fits = |key: &&String| {
                rest.strip_prefix(key.as_str()).is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
            };
            let key = map.keys().filter(|key| !key.is_empty()).filter(fits).max_by_key(|key| key.len());
            let found = key.and_then(|key| Some((map.get(key)?, rest.get(key.len()..)?)));
            found.map(|(found, rest)| walk(found, rest, depth + 1)).unwrap_or_default()
        }
        // `spec.rules.host` of a list means that of any of its elements.
        Value::Array(items) => items.iter().flat_map(|item| walk(item, rest, depth + 1)).collect(),
        _ => Vec::new(),
    }
}

fn is_called(item: &Value, name: &str) -> bool {
    ["name", "type", "key"].iter().any(|field| item.get(field).and_then(Value::as_str) == Some(name))
}
