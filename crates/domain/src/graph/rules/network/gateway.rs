//! Gateways and routes of the Gateway API.
//!
//! What lives here: classes, certificates, and what their controllers say of them. What does not: parents of routes
//! (`attach`), Services behind routes (`dependency`, `offer`). A cluster may have these kinds or not, so they are plain JSON.

use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact, meant};
use super::attach;
use super::backend::{self, list};
use super::grants;
use super::index::Index;
use super::needs::edited;
use super::{called, clip, finding, tls};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{named, nearest, same};

const GROUP: &str = "gateway.networking.k8s.io/";

/// Whether an object is a route that leads to Services.
pub(super) fn is_route(object: &Value) -> bool {
    of_group(object) && matches!(kind(object), "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "UDPRoute")
}

/// A reference to an object that is plain JSON.
pub(super) fn object(value: &Value) -> ObjectRef {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    ObjectRef {
        api_version: text("/apiVersion"),
        kind: kind(value).to_owned(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
        uid: text("/metadata/uid"),
    }
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// A text in an object that is not empty.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn of_group(object: &Value) -> bool {
    text(object, "/apiVersion").is_some_and(|version| version.starts_with(GROUP))
}

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let all = || index.graph.others.iter().filter(|object| of_group(object));
    let classes: Vec<&Arc<Value>> = all().filter(|object| kind(object) == "GatewayClass").collect();
    let gateways: Vec<&Arc<Value>> = all().filter(|object| kind(object) == "Gateway").collect();
    for gateway in &gateways {
        let known = out.len();
        if index.graph.knows("GatewayClass") {
            out.extend(class(index, gateway, &classes));
        }
        certificates(index, gateway, out);
        grants::examine(index, gateway, out);
        if out.len() == known {
            let about = object(gateway);
            let said = conditions(gateway, "/status/conditions").or_else(|| {
                list(gateway, "/status/listeners").iter().find_map(|listener| conditions(listener, "/conditions"))
            });
            out.extend(said.filter(|said| said.current(gateway)).map(|said| refused(index, &about, &said, gateway)));
        }
    }
    for route in all().filter(|object| is_route(object)) {
        let known = out.len();
        if index.graph.knows("Gateway") {
            attach::parents(index, route, &gateways, out);
        }
        grants::examine(index, route, out);
        // What is wrong with its Services is found with them; the controller says the same.
        let about = object(route);
        let broken = out.iter().any(|found| {
            let object = &found.cause.object;
            same(object, &about) || found.concerns.contains(&about)
        });
        if out.len() == known && !broken {
            let parents = list(route, "/status/parents").iter();
            let said = parents.filter_map(|parent| conditions(parent, "/conditions")).find(|said| said.current(route));
            out.extend(said.map(|said| refused(index, &about, &said, route)));
        }
    }
}

/// Whether the controller has taken an object as it is now.
fn accepted(value: &Value, pointer: &str, name: &str) -> bool {
    let generation = value.pointer("/metadata/generation").and_then(Value::as_i64);
    list(value, pointer).iter().any(|condition| {
        let seen = condition.get("observedGeneration").and_then(Value::as_i64);
        text(condition, "/type") == Some(name)
            && text(condition, "/status") == Some("True")
            && (generation.is_none() || seen >= generation)
    })
}

fn class(index: &Index, gateway: &Value, classes: &[&Arc<Value>]) -> Option<Finding> {
    let wanted = text(gateway, "/spec/gatewayClassName")?;
    let names = || classes.iter().filter_map(|class| text(class, "/metadata/name"));
    if names().any(|known| known == wanted) || accepted(gateway, "/status/conditions", "Accepted") {
        return None;
    }
    let about = object(gateway);
    let near = nearest(wanted, names());
    let statement = format!(
        "{} refers to GatewayClass {wanted}, which does not exist, so no controller serves it{}",
        called(&about),
        meant(near)
    );
    let mut cause = cause(&about, CauseClass::RouteMisconfigured, "spec.gatewayClassName", wanted, statement, 0.93);
    let missing = named("gateway.networking.k8s.io/v1", "GatewayClass", "", wanted);
    cause.proof = vec![
        fact(&about, "spec.gatewayClassName", wanted, "only a controller of this class serves it"),
        fact(&missing, "metadata.name", "(absent)", "no GatewayClass of this name exists"),
    ];
    Some(Finding {
        concerns: routes_of(index, &about.name),
        words: vec![about.name.clone(), wanted.to_owned()],
        recommendations: vec![match near {
            Some(near) => format!("Set spec.gatewayClassName to {near}."),
            None => format!("Create GatewayClass {wanted}, or name one that exists."),
        }],
        ..finding(Rule::RouteBroken, Standing::Outage, &about, cause)
    })
}

/// Routes that have a Gateway of this namespace as a parent.
fn routes_of(index: &Index, gateway: &str) -> Vec<ObjectRef> {
    let has = |route: &&Arc<Value>| {
        is_route(route) && list(route, "/spec/parentRefs").iter().any(|parent| text(parent, "/name") == Some(gateway))
    };
    index.graph.others.iter().filter(has).map(|route| object(route)).take(32).collect()
}

fn certificates(index: &Index, gateway: &Value, out: &mut Vec<Finding>) {
    if !index.graph.knows("Secret") {
        return;
    }
    let about = object(gateway);
    let metadata: ObjectMeta =
        gateway.get("metadata").and_then(|found| serde_json::from_value(found.clone()).ok()).unwrap_or_default();
    let touched = Touch::of(&metadata);
    for (at, listener) in list(gateway, "/spec/listeners").iter().enumerate() {
        for (number, reference) in list(listener, "/tls/certificateRefs").iter().enumerate() {
            let elsewhere = text(reference, "/namespace").is_some_and(|namespace| namespace != index.graph.namespace);
            let secret =
                text(reference, "/kind").unwrap_or("Secret") == "Secret" && text(reference, "/group").is_none();
            let Some(name) = text(reference, "/name").filter(|_| secret && !elsewhere) else { continue };
            let notes = metadata.annotations.iter().flatten();
            let place = tls::Place {
                by: &about,
                path: format!("spec.listeners[{at}].tls.certificateRefs[{number}].name"),
                secret: name,
                // A wildcard listener may have a certificate for some of its hosts.
                hosts: text(listener, "/hostname").into_iter().filter(|host| !host.starts_with('*')).collect(),
                made: notes.clone().any(|(key, _)| key.starts_with("cert-manager.io/")) || tls::issued(index, name),
                touched: touched.clone(),
                edited: edited(&metadata, touched.as_ref()),
                concerns: routes_of(index, &about.name),
            };
            out.extend(tls::check(index, &place));
        }
    }
}

/// A condition that is bad.
struct Said<'a> {
    type_: &'a str,
    reason: &'a str,
    message: &'a str,
    generation: Option<i64>,
}

impl Said<'_> {
    /// Whether it speaks of the object as it is now.
    fn current(&self, object: &Value) -> bool {
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
        self.generation.is_none() || self.generation >= generation
    }
}

fn conditions<'a>(object: &'a Value, pointer: &str) -> Option<Said<'a>> {
    list(object, pointer).iter().find_map(|condition| {
        let type_ = text(condition, "/type")?;
        let reason = text(condition, "/reason").unwrap_or_default();
        // Until a controller has looked, both are so.
        let waits = matches!(reason, "Pending" | "Waiting" | "AddressNotAssigned" | "");
        let bad =
            matches!(type_, "Accepted" | "ResolvedRefs" | "Programmed") && text(condition, "/status") == Some("False");
        (bad && !waits).then(|| Said {
            type_,
            reason,
            message: text(condition, "/message").unwrap_or_default(),
            generation: condition.get("observedGeneration").and_then(Value::as_i64),
        })
    })
}

/// Its controller refuses an object and says why.
fn refused(index: &Index, about: &ObjectRef, said: &Said, object: &Value) -> Finding {
    let path = match said.reason {
        "NoMatchingListenerHostname" => "spec.hostnames",
        "NoMatchingParent" | "NotAllowedByListeners" => "spec.parentRefs",
        "BackendNotFound" | "RefNotPermitted" | "InvalidKind" | "UnsupportedProtocol" if is_route(object) => {
            "spec.rules"
        }
        "InvalidCertificateRef" | "RefNotPermitted" => "spec.listeners[*].tls.certificateRefs",
        "AddressNotUsable" => "spec.addresses",
        "InvalidParameters" => "spec.infrastructure.parametersRef",
        _ if kind(object) == "Gateway" => "spec.listeners",
        _ => "spec",
    };
    let statement = format!(
        "{} is {}=False ({}): {}",
        called(about),
        said.type_,
        said.reason,
        clip(said.message.trim_end_matches('.'), 140)
    );
    let mut cause = cause(about, CauseClass::RouteMisconfigured, path, said.reason, statement, 0.8);
    cause.proof = vec![fact(
        about,
        "status.conditions",
        format!("{}=False {}", said.type_, said.reason),
        "its controller says so",
    )];
    let mut concerns = routes_of(index, &about.name);
    for backend in backend::of_route(object) {
        concerns
            .extend(index.front(&backend.service).iter().flat_map(|front| &front.workloads).map(|w| w.object.clone()));
    }
    concerns.retain(|other| other != about);
    concerns.dedup();
    Finding {
        concerns,
        words: vec![about.name.clone(), said.reason.to_owned()],
        // What carries the traffic has to start first; the rest is written in a few steps.
        hold: if said.type_ == "Programmed" { 120 } else { 15 },
        ..finding(Rule::RouteBroken, Standing::Outage, about, cause)
    }
}
