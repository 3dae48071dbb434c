//! The words of a proof beside what stands in a field. A proof shows a value for people: a map as `a=b`, a list with
//! commas, a port as `8080 (http)`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ABSENT;

/// Characters of a value that are shown.
const SHOWN: usize = 160;
/// Words between values that mean nothing by themselves.
const BETWEEN: [&str; 9] = ["at", "and", "or", "of", "to", "in", "with", "is", "the"];

/// Whether a value is still what the proof shows.
pub(super) enum Match {
    Same,
    /// Something else; this.
    Other(String),
    /// It cannot be said; this is there.
    Unclear(String),
}

pub(super) fn compare(then: &str, found: &[&Value]) -> Match {
    let now = show(found);
    let nothing = found.iter().all(|value| is_empty(value));
    if then == ABSENT || then.is_empty() {
        return if nothing { Match::Same } else { Match::Other(now) };
    }
    if found.is_empty() {
        return Match::Other(ABSENT.to_owned());
    }
    let mut words = BTreeSet::new();
    for value in found {
        gather(value, &mut words);
    }
    if let [value] = found
        && let Some(text) = scalar(value)
    {
        return of_scalar(then, &text, now);
    }
    let tokens = tokens(then);
    if tokens.iter().all(|token| words.contains(token)) {
        return Match::Same;
    }
    // Where both are lists of the same form, what is missing is really missing.
    let pairs = then.split([',', ' ']).filter(|part| !part.is_empty()).all(|part| part.contains('='));
    let plain = |value: &&Value| match value {
        Value::Object(map) => pairs && map.values().all(|value| scalar(value).is_some()),
        Value::Array(items) => items.iter().all(|value| scalar(value).is_some()),
        _ => true,
    };
    if found.iter().all(plain) { Match::Other(now) } else { Match::Unclear(now) }
}

fn of_scalar(then: &str, text: &str, now: String) -> Match {
    let cut = then.strip_suffix('…').is_some_and(|start| text.starts_with(start));
    if text == then || cut || text.trim() == then.trim() {
        return Match::Same;
    }
    let words = then.contains(' ') && !text.contains(' ');
    if !words {
        return Match::Other(now);
    }
    // A sentence around the value.
    if tokens(then).iter().any(|token| token == text) { Match::Same } else { Match::Unclear(now) }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The parts of a shown value: `app=web, tier=front` has four.
fn tokens(text: &str) -> Vec<String> {
    let edges = |c: char| matches!(c, '(' | ')' | '"' | '\'' | ':' | '…' | '[' | ']' | '{' | '}');
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '='))
        .map(|part| part.trim_matches(edges))
        .filter(|part| !part.is_empty() && !BETWEEN.contains(part))
        .map(str::to_owned)
        .collect()
}

/// Every key and every part of every text in a value.
fn gather(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                words.insert(key.clone());
                gather(value, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        other => {
            let text = scalar(other).unwrap_or_default();
            words.extend(tokens(&text));
            words.insert(text);
        }
    }
}

/// What stands there, for people.
fn show(found: &[&Value]) -> String {
    let one = |value: &&Value| match value {
        Value::Object(map) if map.values().all(|value| scalar(value).is_some_and(|text| text.len() < 64)) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", scalar(value).unwrap_or_default()));
            // In which order a map keeps its keys depends on how it was built.
            let mut pairs: Vec<String> = pairs.collect();
            pairs.sort();
            pairs.join(", ")
        }
        Value::Array(items) if items.iter().all(|item| scalar(item).is_some()) => {
            items.iter().filter_map(scalar).collect::<Vec<_>>().join(", ")
        }
        other => scalar(other).unwrap_or_else(|| other.to_string()),
    };
    let text = found.iter().map(one).collect::<Vec<_>>().join(", ");
    let text = if found.iter().all(|value| is_empty(value)) { ABSENT.to_owned() } else { text };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
