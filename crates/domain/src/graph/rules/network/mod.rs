//! Who is to reach whom, and what stands between: Services, routes, hosts and ports in configuration, policies.
//!
//! What lives here: rules over connections. What does not: what pods refer to by name as objects (`reference`), storage,
//! admission, schedules (their own files).

mod attach;
mod backend;
mod balancer;
mod blame;
mod block;
mod by_hand;
mod dependency;
mod dns;
mod down;
mod external;
mod gap;
mod gateway;
mod grants;
mod headless;
mod index;
mod ingress;
mod local;
mod moved;
mod names;
mod needs;
mod offer;
mod outside;
mod place;
mod policy;
mod ports;
mod reach;
mod rest;
mod scheme;
mod scripts;
mod selection;
mod settings;
mod solver;
mod stateful;
mod tls;
mod uses;
mod wanted;
mod wide;

use api::shared::{ObjectRef, Proof, RootCause, RuledOut, Severity, SignalType};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::{Finding, Graph, Standing};
use super::{fact, shape};
use crate::detection::Rule;
use crate::graph::query::same;
use index::Index;
use needs::Need;

/// Facts of one kind in a proof.
const FACTS: usize = 8;

/// Everything that is wrong between workloads, Services, routes and policies.
pub(super) fn findings(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let index = Index::of(graph);
    if graph.knows("Service") {
        selection::examine(&index, out);
        ports::examine(&index, out);
        local::examine(&index, out);
        balancer::examine(&index, out);
        stateful::examine(&index, out);
        external::examine(&index, out);
        by_hand::examine(&index, out);
        dependency::examine(&index, out);
        down::examine(&index, out);
        moved::examine(&index, now, out);
        offer::examine(&index, out);
        headless::examine(&index, out);
        scheme::examine(&index, out);
        reach::examine(&index, out);
        dns::examine(&index, out);
        outside::examine(&index, out);
    }
    ingress::examine(&index, out);
    tls::examine(&index, out);
    gateway::examine(&index, out);
}

/// A finding that says no more than its cause.
fn finding(rule: Rule, standing: Standing, about: &ObjectRef, cause: RootCause) -> Finding {
    let severity = match standing {
        Standing::Outage => Severity::High,
        Standing::Latent | Standing::Suspect => Severity::Medium,
    };
    shape::finding(rule, standing, severity, about, cause)
}

/// A finding about who asks for what is not there; `route` says that an Ingress or the like does, `sure` that it must be
/// meant.
fn asked((need, needs): (&Need, &[&Need]), (route, sure): (bool, bool), cause: RootCause) -> Finding {
    let rule = if route { Rule::RouteBroken } else { Rule::Configuration };
    let standing = if sure { Standing::Outage } else { Standing::Suspect };
    let mut found = finding(rule, standing, &need.by, cause);
    if !route {
        found.signal = SignalType::ServiceError;
    }
    found.concerns = concerned(needs.iter().copied());
    found
}

/// Facts that say who needs something.
fn needed<'a>(needs: impl IntoIterator<Item = &'a Need<'a>>) -> Vec<Proof> {
    let facts = needs.into_iter().map(|need| {
        let rule = if need.client.is_some() { "it looks for the Service there" } else { "it sends requests there" };
        fact(&need.name_at.object, &need.name_at.path, need.words.clone(), rule)
    });
    facts.take(FACTS).collect()
}

/// Those who need something, each once.
fn concerned<'a>(needs: impl IntoIterator<Item = &'a Need<'a>>) -> Vec<ObjectRef> {
    let mut found: Vec<ObjectRef> = Vec::new();
    for need in needs {
        if !found.iter().any(|known| same(known, &need.by)) {
            found.push(need.by.clone());
        }
    }
    found
}

/// The first of those who need something, and how many more there are.
fn somebody(needs: &[&Need]) -> String {
    let who = concerned(needs.iter().copied());
    let first = needs.iter().find(|need| need.client.is_none()).or(needs.first()).map(|need| need.who());
    match who.len() {
        0 | 1 => first.unwrap_or_default(),
        2 => format!("{} and 1 more", first.unwrap_or_default()),
        more => format!("{} and {} more", first.unwrap_or_default(), more - 1),
    }
}

fn ruled_out(hypothesis: impl Into<String>, because: impl Into<String>) -> RuledOut {
    RuledOut { hypothesis: hypothesis.into(), because: because.into() }
}

/// Kind and name, for sentences.
fn called(object: &ObjectRef) -> String {
    format!("{} {}", object.kind, object.name)
}

/// A port reference in words.
fn port_text(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

/// The beginning of a text, with a sign that there is more.
fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
