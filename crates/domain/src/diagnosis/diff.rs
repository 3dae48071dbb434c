//! What one pod template changed against another.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

use super::log::cut;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path in the workload; members of lists with names are named, containers have their index.
    pub path: String,
    /// Environment variable, where it is one.
    pub variable: Option<String>,
    /// Value before.
    pub before: Option<String>,
    /// Value after.
    pub after: Option<String>,
}

impl Change {
    /// Name of the field for sentences: the variable, or the last part of the path.
    pub fn name(&self) -> &str {
        self.variable.as_deref().unwrap_or_else(|| self.path.split("template.spec.").last().unwrap_or(&self.path))
    }

    /// Whether its values must not be repeated.
    pub fn is_secret(&self) -> bool {
        self.variable.as_deref().is_some_and(is_secret)
    }

    /// The change in words.
    pub fn words(&self) -> String {
        let what = self.variable.as_ref().map_or_else(|| self.name().to_owned(), |v| format!("env {v}"));
        if self.is_secret() {
            return match (&self.before, &self.after) {
                (Some(_), None) => format!("{what} was removed"),
                (None, Some(_)) => format!("{what} was added"),
                _ => format!("{what} changed"),
            };
        }
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                let (before, after) = quoted(before, after);
                format!("{what} changed from {before} to {after}")
            }
            (Some(before), None) => format!("{what} was removed (it was {:?})", cut(&masked(before), SHOWN)),
            (None, Some(after)) => format!("{what} was added as {:?}", cut(&masked(after), SHOWN)),
            (None, None) => format!("{what} changed"),
        }
    }
}

/// Characters of a value that a sentence shows.
const SHOWN: usize = 70;

/// Two values for a sentence: short, and where both are long from a little before they begin to differ.
pub(super) fn quoted(before: &str, after: &str) -> (String, String) {
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let long = before.chars().count().max(after.chars().count()) > SHOWN;
    let from = if long { same.saturating_sub(SHOWN / 3) } else { 0 };
    let part = |text: &str| {
        let text = &masked(text);
        let rest: String = text.chars().skip(from).take(SHOWN * 4).collect();
        let begin = if from > 0 { "…" } else { "" };
        format!("{:?}", format!("{begin}{}", cut(&rest, SHOWN)))
    };
    (part(before), part(after))
}

/// A value without the password in its address: `postgres://app:…@db/shop`.
pub(super) fn masked(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        rest = after;
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).unwrap_or(after.len());
        let authority = after.get(..end).unwrap_or_default();
        if let Some((user, host)) = authority.rsplit_once('@')
            && let Some((name, _)) = user.split_once(':')
        {
            out.push_str(name);
            out.push_str(":…@");
            out.push_str(host);
            rest = after.get(end..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Whether a variable holds what must not be repeated, by its name.
pub(super) fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["PASS", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "API_KEY", "APIKEY", "PRIVATE_KEY"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Fields of the pod spec that differ. Metadata is left out: it changes nothing that runs.
pub fn changes(before: &PodTemplateSpec, after: &PodTemplateSpec) -> Vec<Change> {
    let json = |template: &PodTemplateSpec| serde_json::to_value(&template.spec).unwrap_or_default();
    let mut found = Vec::new();
    compare("spec.template.spec", None, Some(&json(before)), Some(&json(after)), &mut found);
    found
}

fn compare(path: &str, variable: Option<&str>, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(&format!("{path}.{key}"), variable, old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if named(old) && named(new) => {
            lists(path, variable, old, new, found);
        }
        (Some(Value::Array(old)), None) if named(old) => lists(path, variable, old, &[], found),
        (None, Some(Value::Array(new))) if named(new) => lists(path, variable, &[], new, found),
        _ => found.push(Change {
            path: path.to_owned(),
            variable: variable.map(str::to_owned),
            before: before.map(text),
            after: after.map(text),
        }),
    }
}

fn name_of(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|v| name_of(v).is_some())
}

fn lists(path: &str, variable: Option<&str>, old: &[Value], new: &[Value], found: &mut Vec<Change>) {
    let mut names: Vec<&str> = new.iter().chain(old).filter_map(name_of).collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let find = |list: &'_ [Value], name: &str| list.iter().position(|v| name_of(v) == Some(name));
    for name in names {
        let (was, is) = (find(old, name), find(new, name));
        let env = path.rsplit('.').next() == Some("env");
        let here = match is {
            Some(index) if !env => format!("{path}[{index}]"),
            _ => format!("{path}[{name}]"),
        };
        let variable = if env { Some(name) } else { variable };
        let (was, is) = (was.and_then(|i| old.get(i)), is.and_then(|i| new.get(i)));
        if env {
            // A variable is one thing, whether its value is literal or comes from elsewhere.
            if was != is {
                found.push(Change {
                    path: format!("{here}{}", if is.is_some() { ".value" } else { "" }),
                    variable: Some(name.into()),
                    before: was.map(value_of),
                    after: is.map(value_of),
                });
            }
        } else {
            compare(&here, variable, was, is, found);
        }
    }
}

fn value_of(variable: &Value) -> String {
    match (variable.get("value"), variable.get("valueFrom")) {
        (_, Some(source)) => text(source),
        (Some(value), None) => text(value),
        (None, None) => String::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
