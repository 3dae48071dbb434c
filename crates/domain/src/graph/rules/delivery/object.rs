//! Reading plain JSON objects and the messages of tools.

use api::shared::ObjectRef;
use jiff::Timestamp;
use serde_json::Value;

/// Most characters of a message that a sentence repeats.
const SAID: usize = 150;

/// A text that is not empty.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A list; empty when there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A flag that is set.
pub(super) fn is_set(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// An instant.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}

pub(super) fn kind(object: &Value) -> &str {
    text(object, "/kind").unwrap_or_default()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// A reference to an object.
pub(super) fn reference(object: &Value) -> ObjectRef {
    let text = |pointer: &str| text(object, pointer).map(str::to_owned);
    ObjectRef {
        api_version: text("/apiVersion"),
        kind: kind(object).to_owned(),
        namespace: text("/metadata/namespace"),
        name: name(object).to_owned(),
        uid: text("/metadata/uid"),
    }
}

/// What a controller says of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition<'a> {
    pub(super) type_: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) since: Option<Timestamp>,
    /// The generation that it speaks of.
    generation: Option<i64>,
}

impl Condition<'_> {
    /// Whether it speaks of the object as it is now, as far as it says.
    fn current(&self, object: &Value) -> bool {
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
        self.generation.is_none() || self.generation >= generation
    }
}

/// The conditions in a status.
pub(super) fn conditions(object: &Value) -> impl Iterator<Item = Condition<'_>> {
    list(object, "/status/conditions").iter().map(|condition| Condition {
        type_: text(condition, "/type").unwrap_or_default(),
        status: text(condition, "/status").unwrap_or_default(),
        reason: text(condition, "/reason").unwrap_or_default(),
        message: text(condition, "/message").unwrap_or_default(),
        since: time(condition, "/lastTransitionTime"),
        generation: condition.get("observedGeneration").and_then(Value::as_i64),
    })
}

/// A condition of a type that speaks of the object as it is now.
pub(super) fn condition<'a>(object: &'a Value, type_: &str) -> Option<Condition<'a>> {
    conditions(object).find(|condition| condition.type_ == type_ && condition.current(object))
}

/// The beginning of a message, on one line.
pub(super) fn said(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.trim_end_matches(['.', ':', ';', ',', ' ']);
    if line.chars().count() <= SAID {
        return line.to_owned();
    }
    let short: String = line.chars().take(SAID - 1).collect();
    format!("{}…", short.trim_end())
}

/// ": " and what a tool says, or nothing.
pub(super) fn because(message: &str) -> String {
    let said = said(message);
    if said.is_empty() { said } else { format!(": {said}") }
}

/// Whether a value stands in a message as a word of its own.
pub(super) fn mentions(message: &str, value: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    value.len() >= 2
        && message.match_indices(value).any(|(at, _)| {
            let before = message.get(..at).and_then(|text| text.chars().next_back());
            let after = message.get(at + value.len()..).unwrap_or_default();
            let mut after = after.chars();
            // A full stop ends a sentence, or a name goes on behind it.
            let ends = match after.next() {
                Some('.') => !after.next().is_some_and(part),
                Some(next) => !part(next),
                None => true,
            };
            ends && !before.is_some_and(part)
        })
}

/// The first of these fields whose value a message mentions: path and value.
pub(super) fn blamed<'a>(object: &'a Value, message: &str, fields: &[&str]) -> Option<(String, &'a str)> {
    fields.iter().find_map(|field| {
        let value = text(object, &format!("/{}", field.replace('.', "/")))?;
        let bare = value.trim_start_matches("./").trim_matches('/');
        mentions(message, bare).then(|| ((*field).to_owned(), value))
    })
}

/// The field of an object that a message of the API server names.
pub(super) fn field(message: &str) -> Option<&str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '(' | ')');
    message.split(ends).map(|word| word.trim_end_matches([':', '.'])).find(|word| {
        let first = word.split(['.', '[']).next().unwrap_or_default();
        matches!(first, "spec" | "metadata" | "data") && word.len() > first.len() + 1
    })
}

/// The object that a message names: `Kind/namespace/name`, or `Kind.group "name"` as the API server writes it.
pub(super) fn named_in(message: &str, namespace: &str) -> Option<ObjectRef> {
    let kind = |word: &str| {
        let plain = word.split('.').next().unwrap_or_default();
        let good = plain.chars().next().is_some_and(|c| c.is_ascii_uppercase())
            && plain.chars().all(|c| c.is_ascii_alphanumeric());
        good.then(|| plain.to_owned())
    };
    let object = |kind: String, namespace: &str, name: &str| ObjectRef {
        kind,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        ..ObjectRef::default()
    };
    let words: Vec<&str> =
        message.split_whitespace().map(|word| word.trim_matches(['[', ']', ',', ':', '\''])).collect();
    let slashes = words.iter().find_map(|word| {
        let parts: Vec<&str> = word.split('/').collect();
        let [of, space, name] = parts.as_slice() else { return None };
        let kind = kind(of).filter(|_| is_name(space) && is_name(name))?;
        Some(object(kind, space, name))
    });
    slashes.or_else(|| {
        words.windows(2).find_map(|pair| {
            let [of, quoted] = pair else { return None };
            let name = quoted.strip_prefix('"')?.strip_suffix('"').filter(|name| is_name(name))?;
            Some(object(kind(of)?, namespace, name))
        })
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_fields_in_messages() {
        assert!(mentions("Unable to resolve 'mian' to a commit SHA", "mian"));
        assert!(mentions("couldn't find remote ref \"refs/heads/mian\"", "mian"));
        assert!(mentions("apps/shpo: app path does not exist", "apps/shpo"));
        assert!(!mentions("domain of remains", "main") && !mentions("a", "a") && !mentions("v1.2", "v1"));
        assert_eq!(
            field("spec.template.spec.containers[0].image: Required value"),
            Some("spec.template.spec.containers[0].image")
        );
        assert_eq!(field("the spec is wrong, spec: x"), None);
    }

    #[test]
    fn objects_in_messages() {
        let named =
            |message: &str| named_in(message, "shop").map(|o| (o.kind, o.namespace.unwrap_or_default(), o.name));
        let is = |kind: &str, space: &str, name: &str| Some((kind.to_owned(), space.to_owned(), name.to_owned()));
        assert_eq!(
            named("timeout waiting for: [Deployment/web/front status: 'InProgress']"),
            is("Deployment", "web", "front")
        );
        assert_eq!(
            named("Deployment.apps \"front\" is invalid: spec.x: Required value"),
            is("Deployment", "shop", "front")
        );
        assert_eq!(named("could not reach https://example.org/a/b"), None);
        assert_eq!(said(" a\n b.  "), "a b");
    }
}
