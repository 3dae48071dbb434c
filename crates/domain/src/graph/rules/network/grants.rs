//! References of the Gateway API into other namespaces, which must permit them by a ReferenceGrant.

use api::shared::{CauseClass, ObjectRef};
use serde_json::Value;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::backend::{self, list};
use super::gateway::{object, text};
use super::index::Index;
use super::{called, finding};
use crate::detection::Rule;

const GROUP: &str = "gateway.networking.k8s.io";

/// A reference into another namespace.
struct Reference {
    /// Path of the field with the namespace.
    path: String,
    namespace: String,
    kind: &'static str,
    name: String,
}

/// References of a route or a Gateway that nobody permits; not those that its controller has followed as they are now.
pub(super) fn examine(index: &Index, by: &Value, out: &mut Vec<Finding>) {
    if !index.graph.knows("ReferenceGrant") || followed(by) {
        return;
    }
    let about = object(by);
    let elsewhere = |reference: &Reference| reference.namespace != index.graph.namespace;
    for reference in references(by).iter().filter(|reference| elsewhere(reference)) {
        out.extend(unpermitted(index, &about, reference));
    }
}

fn references(by: &Value) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    for backend in backend::of_route(by) {
        let Some(namespace) = backend.namespace else { continue };
        let path = backend.name_path.strip_suffix("name").map(|path| format!("{path}namespace"));
        found.extend(path.map(|path| Reference { path, namespace, kind: "Service", name: backend.service }));
    }
    for (at, listener) in list(by, "/spec/listeners").iter().enumerate() {
        for (number, secret) in list(listener, "/tls/certificateRefs").iter().enumerate() {
            let core = text(secret, "/group").is_none() && text(secret, "/kind").is_none_or(|kind| kind == "Secret");
            if let (Some(namespace), Some(name), true) = (text(secret, "/namespace"), text(secret, "/name"), core) {
                found.push(Reference {
                    path: format!("spec.listeners[{at}].tls.certificateRefs[{number}].namespace"),
                    namespace: namespace.to_owned(),
                    kind: "Secret",
                    name: name.to_owned(),
                });
            }
        }
    }
    found
}

/// Whether a controller has resolved the references of an object as it is now.
fn followed(by: &Value) -> bool {
    let generation = by.pointer("/metadata/generation").and_then(Value::as_i64);
    let parents = list(by, "/status/parents").iter().chain(list(by, "/status/listeners"));
    parents.flat_map(|parent| list(parent, "/conditions")).any(|condition| {
        text(condition, "/type") == Some("ResolvedRefs")
            && text(condition, "/status") == Some("True")
            && condition.get("observedGeneration").and_then(Value::as_i64) >= generation
    })
}

fn unpermitted(index: &Index, about: &ObjectRef, reference: &Reference) -> Option<Finding> {
    let Reference { path, namespace, kind, name } = reference;
    let here = index.graph.namespace.as_str();
    let from = |entry: &Value| {
        text(entry, "/group") == Some(GROUP)
            && text(entry, "/kind") == Some(about.kind.as_str())
            && text(entry, "/namespace") == Some(here)
    };
    let to = |entry: &Value| {
        text(entry, "/group").is_none()
            && text(entry, "/kind") == Some(*kind)
            && text(entry, "/name").is_none_or(|named| named == name)
    };
    let grants = || {
        index.graph.others.iter().filter(|grant| {
            text(grant, "/kind") == Some("ReferenceGrant")
                && text(grant, "/metadata/namespace") == Some(namespace)
                && text(grant, "/apiVersion").is_some_and(|version| version.starts_with(GROUP))
        })
    };
    if grants().any(|grant| list(grant, "/spec/from").iter().any(from) && list(grant, "/spec/to").iter().any(to)) {
        return None;
    }
    let what = format!("{kind} {name} of namespace {namespace}");
    let base = format!("{} refers to {what}", called(about));
    // A grant that permits half of it is what was meant to permit all of it.
    let half = grants().find_map(|grant| {
        let lists = |path: &str, good: &dyn Fn(&Value) -> bool| list(grant, path).iter().any(good);
        match (lists("/spec/from", &from), lists("/spec/to", &to)) {
            (false, true) => {
                Some((object(grant), "spec.from", format!("is not for a {} of namespace {here}", about.kind)))
            }
            (true, false) => Some((object(grant), "spec.to", format!("does not name {kind} {name}"))),
            _ => None,
        }
    });
    let (root, field, statement) = match half {
        Some((grant, field, why)) => {
            let statement = format!("{base}, but {} of that namespace {why} in its {field}", called(&grant));
            (grant, field.to_owned(), statement)
        }
        None => (about.clone(), path.clone(), format!("{base}, and no ReferenceGrant in that namespace permits it")),
    };
    let mut cause = cause(&root, CauseClass::RouteMisconfigured, &field, namespace, statement, 0.9);
    cause.proof = vec![
        fact(about, path, namespace, "it refers into another namespace, which that one must permit"),
        fact(&root, &field, "no entry fits", "a ReferenceGrant names who may refer to what"),
    ];
    Some(Finding {
        words: vec![about.name.clone(), "RefNotPermitted".to_owned()],
        recommendations: vec![format!(
            "Let a ReferenceGrant in namespace {namespace} permit {} of namespace {here} to refer to {kind} {name}.",
            about.kind
        )],
        ..finding(Rule::RouteBroken, Standing::Outage, about, cause)
    })
}
