//! A request to an API server, taken apart: for servers in memory.

use std::collections::HashMap;
use std::hash::BuildHasher;

use serde_json::Value;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// API group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Namespace, if the path names one.
    pub namespace: Option<String>,
    /// Plural of the kind.
    pub plural: String,
    /// Name of the object, if the path names one.
    pub name: Option<String>,
    /// Subresource, if the path names one.
    pub subresource: Option<String>,
}

impl Target {
    /// None for a path that names no resource.
    pub fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status" | "finalize"]) => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let mut rest = rest.iter().map(|part| (*part).to_owned());
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace,
            plural: rest.next()?,
            name: rest.next(),
            subresource: rest.next(),
        })
    }
}

/// The pairs of a query string.
pub fn query(text: &str) -> HashMap<String, String> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default();
                u8::try_from(digit() * 16 + digit()).unwrap_or_default()
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the selectors of a query choose an object: labels with `=`, `!=`, `key` and `!key`, fields by their path.
pub fn selects<S: BuildHasher>(query: &HashMap<String, String, S>, object: &Value) -> bool {
    let text = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let label = |key: &str| object.pointer("/metadata/labels")?.get(key)?.as_str().map(str::to_owned);
    let field = |path: &str| {
        let value = object.pointer(&format!("/{}", path.replace('.', "/")))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    terms(text("labelSelector")).all(|term| holds(term, label)) && terms(text("fieldSelector")).all(|t| holds(t, field))
}

fn terms(selector: &str) -> impl Iterator<Item = &str> {
    selector.split(',').map(str::trim).filter(|term| !term.is_empty())
}

fn holds(term: &str, value: impl Fn(&str) -> Option<String>) -> bool {
    if let Some((key, wanted)) = term.split_once("!=") {
        return value(key.trim()).as_deref() != Some(wanted.trim());
    }
    if let Some((key, wanted)) = term.split_once('=') {
        return value(key.trim()).unwrap_or_default() == wanted.trim_start_matches('=').trim();
    }
    match term.strip_prefix('!') {
        Some(key) => value(key).is_none(),
        None => value(term).is_some(),
    }
}
