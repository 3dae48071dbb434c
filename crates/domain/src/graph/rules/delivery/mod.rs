//! What brings workloads and certificates into a cluster: Helm, Argo CD, Flux, KEDA, cert-manager.
//!
//! What lives here: what these tools say of their own objects, and names in these objects that lead nowhere. What does not:
//! what they make, which is judged where it lies. All of them retry, and a normal sync looks like a difference: nothing is
//! said before it has lasted.

mod argo;
mod certificate;
mod flux;
mod helm;
mod keda;
mod links;
mod object;
mod rollout;

use api::shared::{CauseClass, ObjectRef, RootCause, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) use argo::applications;
pub(super) use certificate::issued;
pub(super) use flux::synced;
pub(super) use helm::releases;
pub(super) use keda::scaled;
pub(super) use rollout::rollouts;

use super::super::{Finding, Graph, Standing};
use super::shape;
use crate::detection::Rule;

/// A tool that has tried again by then does not get on by itself.
const TRIED: SignedDuration = SignedDuration::from_mins(1);
/// Sources and controllers are away for some minutes now and then.
const AWAY: SignedDuration = SignedDuration::from_mins(5);

/// A finding about an object of a tool.
fn finding(
    signal: SignalType,
    (standing, severity): (Standing, Severity),
    about: &ObjectRef,
    cause: RootCause,
) -> Finding {
    Finding { signal, hold: 15, ..shape::finding(Rule::Delivery, standing, severity, about, cause) }
}

/// A cause without proof.
fn cause((object, path): (&ObjectRef, &str), value: &str, statement: String, confidence: f64) -> RootCause {
    super::cause(object, CauseClass::DeliveryFailed, path, value, statement, confidence)
}

/// When something has lasted long enough, or must be over.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    for object in &graph.others {
        let mut after = |since: Option<Timestamp>, waits: &[SignedDuration]| {
            for wait in waits {
                since.and_then(|since| since.checked_add(*wait).ok()).into_iter().for_each(&mut *at);
            }
        };
        for condition in object::conditions(object) {
            after(condition.since, &[TRIED, AWAY]);
        }
        after(object::time(object, "/metadata/deletionTimestamp"), &[TRIED, super::deletion::PATIENT]);
        argo::turns(object, &mut after);
        certificate::turns(object, &mut after);
        helm::turns(object, &mut after);
    }
}

/// Objects of a group, or of a family of groups, that nobody deletes.
fn of<'a>(graph: &'a Graph, group: &'a str, kinds: &'a [&'a str]) -> impl Iterator<Item = &'a Value> {
    graph.others.iter().map(|object| &**object).filter(move |object| {
        let version = object::text(object, "/apiVersion").unwrap_or_default();
        let (of, _) = version.split_once('/').unwrap_or_default();
        (of == group || of.strip_suffix(group).is_some_and(|rest| rest.ends_with('.')))
            && kinds.contains(&object::kind(object))
            && object::text(object, "/metadata/deletionTimestamp").is_none()
    })
}

/// The object of a kind and name that is in the graph.
fn find<'a>(graph: &'a Graph, group: &'a str, kind: &'a str, name: &str) -> Option<&'a Value> {
    graph.others.iter().map(|object| &**object).find(|object| {
        object::kind(object) == kind
            && object::name(object) == name
            && object::text(object, "/apiVersion").is_some_and(|version| version.contains(group))
    })
}

/// Workloads of this namespace among references.
fn here(graph: &Graph, objects: impl IntoIterator<Item = ObjectRef>) -> Vec<ObjectRef> {
    let local = |object: &ObjectRef| object.namespace.as_ref().is_none_or(|space| *space == graph.namespace);
    let known = objects.into_iter().filter(local);
    known.filter_map(|object| graph.workload(&object).map(|workload| workload.object.clone())).take(32).collect()
}

#[cfg(test)]
mod tests;
