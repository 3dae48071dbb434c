//! What is wrong in a graph, whatever its pods say.
//!
//! Every rule is a function from a graph to findings, in a file by subject. A rule says nothing where a kind that it needs
//! could not be read, and nothing that the platform's own state machine would call normal: an absent optional object, a
//! workload that is at rest, a Service without a selector.

mod admission;
mod autoscaler;
mod deletion;
mod delivery;
mod disruption;
mod network;
mod placement;
mod reference;
mod rights;
mod schedule;
mod secret;
mod setting;
mod shape;
mod storage;
#[cfg(test)]
mod trial;

use api::shared::{CauseClass, ObjectRef, Proof, RootCause};
use jiff::Timestamp;

use super::{Finding, Graph, same};

pub(crate) use admission::breach;

/// A rule: it adds what it finds.
type GraphRule = fn(&Graph, Timestamp, &mut Vec<Finding>);

/// The rules, one line each.
const RULES: &[GraphRule] = &[
    admission::demands,
    admission::given,
    admission::limits,
    admission::security,
    admission::surge,
    admission::webhooks,
    autoscaler::autoscalers,
    deletion::objects,
    deletion::pods,
    disruption::budgets,
    disruption::shared,
    disruption::volumes,
    network::findings,
    placement::lost,
    placement::nowhere,
    placement::placement,
    placement::unheard,
    reference::missing,
    reference::pull_secrets,
    reference::sub_paths,
    rights::bindings,
    schedule::jobs,
    schedule::lingering,
    schedule::schedules,
    secret::certificates,
    setting::environment,
    setting::names,
    setting::probes,
    storage::storage,
    // Last: they know who is behind what others have found.
    delivery::applications,
    delivery::rollouts,
    delivery::synced,
    delivery::releases,
    delivery::scaled,
    delivery::issued,
];

/// Everything that is wrong, the outages first. No two findings have the same object, rule and path.
pub fn findings(graph: &Graph, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    // What is in a namespace that goes away goes with it.
    if graph.cluster.leaving.contains_key(&graph.namespace) {
        deletion::namespace(graph, now, &mut found);
        return found;
    }
    for rule in RULES {
        rule(graph, now, &mut found);
    }
    found.sort_by_key(|finding| (std::cmp::Reverse(finding.standing), finding.severity));
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|finding| {
        let object = &finding.cause.object;
        seen.insert((object.kind.clone(), object.name.clone(), finding.rule, finding.cause.path.clone()))
    });
    found
}

/// When to look again although no object changes: some things are only wrong after a while.
pub fn next_look(graph: &Graph, now: Timestamp) -> Option<Timestamp> {
    let mut next: Option<Timestamp> = None;
    let mut at = |when: Timestamp| {
        // A second more, for what must be over.
        let when = when.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(when);
        if when > now {
            next = Some(next.map_or(when, |known| known.min(when)));
        }
    };
    for turns in [autoscaler::turns, deletion::turns, delivery::turns, schedule::turns, secret::turns, storage::turns] {
        turns(graph, &mut at);
    }
    next
}

/// What can explain a symptom of a workload.
pub fn suspects<'a>(findings: &'a [Finding], workload: &ObjectRef) -> Vec<&'a Finding> {
    let is = |object: &ObjectRef| same(object, workload);
    findings.iter().filter(|finding| is(&finding.about) || finding.concerns.iter().any(is)).collect()
}

/// A cause without proof yet.
pub(super) fn cause(
    object: &ObjectRef,
    class: CauseClass,
    path: &str,
    value: &str,
    statement: String,
    confidence: f64,
) -> RootCause {
    RootCause {
        object: object.clone(),
        path: Some(path.to_owned()),
        value: Some(value.to_owned()),
        class,
        statement,
        confidence,
        proof: Vec::new(),
        ruled_out: Vec::new(),
    }
}

/// A fact of a proof.
pub(super) fn fact(object: &ObjectRef, path: &str, value: impl Into<String>, rule: &str) -> Proof {
    Proof {
        object: object.clone(),
        path: Some(path.to_owned()),
        value: Some(value.into()),
        resource_version: None,
        time: None,
        rule: rule.to_owned(),
    }
}

/// " (did you mean X?)", or nothing.
pub(super) fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
