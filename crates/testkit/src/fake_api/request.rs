//! A request, taken apart.

use std::collections::HashMap;

use http::Method;
use serde_json::Value;

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// get, list, watch, create, update, patch, delete.
    pub verb: &'static str,
    /// Path, without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The body; null without one.
    pub body: Value,
    /// The answer's HTTP status; 0 when there was none.
    pub code: u16,
    /// Whether it changed something, or would have if it had not been so already. Dry runs do not.
    pub written: bool,
}

/// Where a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub group: String,
    pub version: String,
    pub namespace: Option<String>,
    pub plural: String,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Target {
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut target = Self { group: group.to_owned(), version: version.to_owned(), ..Self::default() };
        let rest: Vec<&str> = parts.collect();
        let rest = match rest.as_slice() {
            ["namespaces", namespace, inner @ ..] if !matches!(inner, [] | ["status" | "finalize"]) => {
                target.namespace = Some((*namespace).to_owned());
                inner
            }
            other => other,
        };
        let mut rest = rest.iter().map(|part| (*part).to_owned());
        target.plural = rest.next()?;
        target.name = rest.next();
        target.subresource = rest.next();
        Some(target)
    }

    pub(super) fn verb(&self, method: &Method, query: &HashMap<String, String>) -> Option<&'static str> {
        Some(match (method, &self.name) {
            (&Method::GET, _) if query.get("watch").is_some_and(|watch| watch == "true") => "watch",
            (&Method::GET, Some(_)) => "get",
            (&Method::GET, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, Some(_)) => "update",
            (&Method::PATCH, Some(_)) => "patch",
            (&Method::DELETE, _) => "delete",
            _ => return None,
        })
    }
}

/// The pairs of a query string.
pub(super) fn query(text: &str) -> HashMap<String, String> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit =
                    |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default() as u8;
                digit(rest.next()) * 16 + digit(rest.next())
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which objects a list or watch is about: label selectors with `=`, `!=`, `key` and `!key`, field selectors on
/// metadata.name, metadata.namespace and any other path of scalars.
pub(super) fn selects(query: &HashMap<String, String>, object: &Value) -> bool {
    let labels = query.get("labelSelector").map(String::as_str).unwrap_or_default();
    let fields = query.get("fieldSelector").map(String::as_str).unwrap_or_default();
    let label = |key: &str| {
        object.pointer("/metadata/labels").and_then(|labels| labels.get(key)).and_then(Value::as_str).map(str::to_owned)
    };
    let field = |path: &str| {
        let value = object.pointer(&format!("/{}", path.replace('.', "/")));
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    terms(labels).all(|term| holds(term, label)) && terms(fields).all(|term| holds(term, field))
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
