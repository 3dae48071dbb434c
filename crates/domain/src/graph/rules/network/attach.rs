//! Routes of the Gateway API that no listener takes.

use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef, Proof};
use serde_json::Value;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact, meant};
use super::backend::list;
use super::gateway::{object, text};
use super::index::Index;
use super::{called, clip, finding};
use crate::detection::Rule;
use crate::graph::query::{named, nearest};
use crate::graph::selects;

pub(super) fn parents(index: &Index, route: &Value, gateways: &[&Arc<Value>], out: &mut Vec<Finding>) {
    let about = object(route);
    for (at, parent) in list(route, "/spec/parentRefs").iter().enumerate() {
        let elsewhere = text(parent, "/namespace").is_some_and(|namespace| namespace != index.graph.namespace);
        let gateway = text(parent, "/kind").unwrap_or("Gateway") == "Gateway";
        let Some(wanted) = text(parent, "/name").filter(|_| gateway && !elsewhere) else { continue };
        let path = format!("spec.parentRefs[{at}]");
        let taken = list(route, "/status/parents").iter().any(|status| {
            let generation = route.pointer("/metadata/generation").and_then(Value::as_i64);
            text(status, "/parentRef/name") == Some(wanted)
                && list(status, "/conditions").iter().any(|condition| {
                    text(condition, "/type") == Some("Accepted")
                        && text(condition, "/status") == Some("True")
                        && condition.get("observedGeneration").and_then(Value::as_i64) >= generation
                })
        });
        if taken {
            continue;
        }
        let Some(found) = gateways.iter().find(|gateway| text(gateway, "/metadata/name") == Some(wanted)) else {
            let near = nearest(wanted, gateways.iter().filter_map(|gateway| text(gateway, "/metadata/name")));
            let statement = format!(
                "{} refers to Gateway {wanted} as its parent, which does not exist in this namespace{}",
                called(&about),
                meant(near)
            );
            let missing = named("gateway.networking.k8s.io/v1", "Gateway", &index.graph.namespace, wanted);
            let absent = fact(&missing, "metadata.name", "(absent)", "no Gateway of this name exists in the namespace");
            out.push(unattached(&about, &format!("{path}.name"), wanted, statement, absent, near));
            continue;
        };
        out.extend(listener(index, route, &about, parent, &path, found));
    }
}

/// A parent that exists, and has no listener for the route.
fn listener(
    index: &Index,
    route: &Value,
    about: &ObjectRef,
    parent: &Value,
    path: &str,
    gateway: &Value,
) -> Option<Finding> {
    let listeners = list(gateway, "/spec/listeners");
    let by = object(gateway);
    let has = |names: Vec<&str>| clip(&names.join(", "), 80);
    let sections: Vec<&str> = listeners.iter().filter_map(|listener| text(listener, "/name")).collect();
    if let Some(section) = text(parent, "/sectionName")
        && !sections.contains(&section)
    {
        let only = match sections.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let near = nearest(section, sections.iter().copied()).or(only);
        let statement = format!(
            "{} refers to listener {section} of {}, which does not exist{}",
            called(about),
            called(&by),
            meant(near)
        );
        let fact = fact(&by, "spec.listeners[*].name", has(sections), "it has these listeners");
        return Some(unattached(about, &format!("{path}.sectionName"), section, statement, fact, near));
    }
    let chosen: Vec<&Value> = listeners
        .iter()
        .filter(|listener| text(parent, "/sectionName").is_none_or(|section| text(listener, "/name") == Some(section)))
        .collect();
    let number = |value: &Value| value.get("port").and_then(Value::as_i64);
    if let Some(port) = number(parent)
        && !chosen.is_empty()
        && !chosen.iter().any(|listener| number(listener) == Some(port))
    {
        let ports: Vec<String> =
            chosen.iter().filter_map(|listener| number(listener)).map(|port| port.to_string()).collect();
        let statement =
            format!("{} refers to port {port} of {}, which has {} only", called(about), called(&by), ports.join(", "));
        let fact = fact(&by, "spec.listeners[*].port", ports.join(", "), "it listens on these ports");
        return Some(unattached(about, &format!("{path}.port"), &port.to_string(), statement, fact, None));
    }
    let admits: Vec<&&Value> = chosen.iter().filter(|listener| admits(index, listener)).collect();
    if !chosen.is_empty() && admits.is_empty() {
        let statement = format!(
            "{} is not admitted by {}: the listener's allowedRoutes selects namespaces, and {} is none of them",
            called(about),
            called(&by),
            index.graph.namespace
        );
        let fact =
            fact(&by, "spec.listeners[*].allowedRoutes.namespaces", "Selector", "it admits these namespaces only");
        return Some(unattached(about, path, &by.name, statement, fact, None));
    }
    let hosts: Vec<&str> = list(route, "/spec/hostnames").iter().filter_map(Value::as_str).collect();
    let meets = |listener: &Value| {
        hosts.is_empty() || text(listener, "/hostname").is_none_or(|own| hosts.iter().any(|host| overlap(own, host)))
    };
    if !admits.is_empty() && !admits.iter().any(|listener| meets(listener)) {
        let own: Vec<&str> = admits.iter().filter_map(|listener| text(listener, "/hostname")).collect();
        let host = hosts.first().copied().unwrap_or_default();
        let near = nearest(host, own.iter().copied());
        let statement = format!(
            "{} is for host {host}, and the listeners of {} are for {} only{}",
            called(about),
            called(&by),
            has(own.clone()),
            meant(near)
        );
        let fact = fact(&by, "spec.listeners[*].hostname", has(own), "it listens for these hosts");
        return Some(unattached(about, "spec.hostnames", host, statement, fact, near));
    }
    None
}

/// Whether a listener admits routes of this namespace, which is that of the Gateway too.
fn admits(index: &Index, listener: &Value) -> bool {
    if text(listener, "/allowedRoutes/namespaces/from") != Some("Selector") {
        return true;
    }
    let selector = listener.pointer("/allowedRoutes/namespaces/selector");
    let Some(selector) = selector.and_then(|selector| serde_json::from_value(selector.clone()).ok()) else {
        return true;
    };
    // Without the labels of the namespace nobody can tell.
    index.graph.cluster.namespaces.get(&index.graph.namespace).is_none_or(|labels| {
        let mut labels = labels.clone();
        labels.insert("kubernetes.io/metadata.name".into(), index.graph.namespace.clone());
        selects(&selector, &labels)
    })
}

/// Whether two host patterns have a host in common.
fn overlap(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (None, None) => a.eq_ignore_ascii_case(b),
        (Some(suffix), None) => b.ends_with(suffix),
        (None, Some(suffix)) => a.ends_with(suffix),
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
    }
}

fn unattached(
    about: &ObjectRef,
    path: &str,
    value: &str,
    statement: String,
    why: Proof,
    near: Option<&str>,
) -> Finding {
    let mut cause = cause(about, CauseClass::RouteMisconfigured, path, value, statement, 0.92);
    cause.proof = vec![fact(about, path, value, "the route is attached there"), why];
    Finding {
        words: vec![about.name.clone(), value.to_owned()],
        recommendations: near.map(|near| format!("Set {path} to {near}.")).into_iter().collect(),
        ..finding(Rule::RouteBroken, Standing::Outage, about, cause)
    }
}
