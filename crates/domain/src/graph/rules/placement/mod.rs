//! Pods that have no node, seen with all that is in the namespace: the other pods, their labels and ports, the volumes.
//!
//! It only explains: that a pod waits too long is told by its workload.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::NodeSelector;

use super::shape::{self, finding, proven, who};
use super::{cause, fact};
use crate::detection::Rule;
use crate::diagnosis::scheduling::{Placed, Wanted, World, place};
use crate::graph::query::name;
use crate::graph::{Finding, Graph, Member, Standing, nearest};

/// Where the volumes of a pod's claims may be used.
fn volumes<'a>(graph: &'a Graph, pod: &Member) -> Vec<(String, String, &'a NodeSelector)> {
    let claims = shape::claims(graph.workload(&pod.workload), pod);
    let found = claims.into_iter().filter_map(|wanted| {
        let claim = graph.claims.iter().find(|claim| name(&claim.metadata) == wanted)?;
        let volume = claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty())?;
        let object = graph.cluster.volumes.iter().find(|known| name(&known.metadata) == volume)?;
        let selector = object.spec.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
        Some((wanted, volume.to_owned(), selector))
    });
    found.collect()
}

/// Longer than any scheduler takes to say something about a pod.
const UNHEARD: i64 = 30;
/// A gate is there for a while on purpose.
const GATED: i64 = 60;
/// Marks pods that wait in a queue until there is room for them.
const QUEUED: &str = "kueue.x-k8s.io/queue-name";

/// Pods that no scheduler looks at: a gate that nobody removes, or a scheduler that nobody runs. Neither has an event.
pub(super) fn unheard(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for pod in &graph.pods {
        if pod.node.as_deref().is_some_and(|node| !node.is_empty()) || pod.terminating.is_some() {
            continue;
        }
        let scheduler =
            pod.spec.scheduler_name.as_deref().filter(|name| !name.is_empty() && *name != "default-scheduler");
        let gate = pod.spec.scheduling_gates.iter().flatten().next().filter(|_| !pod.labels.contains_key(QUEUED));
        let (field, value, statement, hold, advice) = match (gate, scheduler) {
            (Some(gate), _) => (
                "schedulingGates",
                gate.name.clone(),
                format!("{} has no node: its scheduling gate {} has not been removed", who(&pod.object), gate.name),
                GATED,
                format!("Start what removes the scheduling gate {}, or create the pod without it.", gate.name),
            ),
            (None, Some(name)) => (
                "schedulerName",
                name.to_owned(),
                format!(
                    "Pods of {} have no node: they ask in schedulerName for scheduler {name}, and no such scheduler has looked at them",
                    who(&pod.workload)
                ),
                UNHEARD,
                format!("Run scheduler {name}, or leave schedulerName at default-scheduler."),
            ),
            (None, None) => continue,
        };
        if !told.insert((pod.workload.kind.as_str(), pod.workload.name.as_str())) {
            continue;
        }
        let workload = graph.workload(&pod.workload);
        let path = format!("{}.{field}", workload.map_or("spec", |workload| workload.spec_path));
        let root = proven(
            cause(&pod.workload, CauseClass::UnsatisfiableConstraints, &path, &value, statement, 0.85),
            vec![
                fact(&pod.object, &format!("spec.{field}"), &value, "the default scheduler leaves such a pod alone"),
                fact(&pod.object, "spec.nodeName", "(absent)", "it has no node"),
            ],
        );
        let standing =
            if workload.is_some_and(|workload| workload.troubled) { Standing::Suspect } else { Standing::Outage };
        out.push(Finding {
            concerns: vec![pod.workload.clone()],
            recommendations: vec![advice],
            hold,
            ..finding(Rule::Unschedulable, standing, Severity::Medium, &pod.workload, root)
        });
    }
}

/// DaemonSets that run nowhere, because their selector asks for a label that no node has. Labels with a domain belong to
/// systems that find out what a node is; that no node is such a one is no fault, unless the value is a slip.
pub(super) fn nowhere(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let nodes = &graph.cluster.nodes;
    if !graph.knows("Node") || nodes.is_empty() {
        return;
    }
    for workload in graph.workloads.iter().filter(|w| w.object.kind == "DaemonSet" && w.desired == 0 && !w.paused) {
        let wanted = workload.spec.node_selector.iter().flatten();
        let missing = wanted.filter_map(|(key, value)| {
            let values: BTreeSet<&str> =
                nodes.iter().filter_map(|node| node.labels.get(key)).map(String::as_str).collect();
            let near = nearest(value, values.iter().copied()).map(str::to_owned);
            (!values.contains(value.as_str()) && (near.is_some() || !key.contains('/'))).then_some((key, value, near))
        });
        let Some((key, value, near)) = missing.into_iter().next() else { continue };
        let hint = near.map(|near| format!("; did you mean {key}={near}?")).unwrap_or_default();
        let statement = format!(
            "{} runs nowhere: its nodeSelector asks for {key}={value}, which matches no node{hint}",
            who(&workload.object)
        );
        let path = format!("{}.nodeSelector", workload.spec_path);
        let root = proven(
            cause(
                &workload.object,
                CauseClass::UnsatisfiableConstraints,
                &path,
                &format!("{key}={value}"),
                statement,
                0.9,
            ),
            vec![
                fact(&workload.object, &path, format!("{key}={value}"), "only nodes with this label get a pod"),
                fact(&workload.object, "status.desiredNumberScheduled", "0", "no node is to have one"),
            ],
        );
        out.push(Finding {
            recommendations: vec!["Correct the nodeSelector, or label the nodes that are meant.".into()],
            hold: 15,
            ..finding(Rule::Unschedulable, Standing::Outage, Severity::Medium, &workload.object, root)
        });
    }
}

/// Why the pods of a workload have no node; once for each workload.
pub(super) fn placement(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if !graph.knows("Node") || graph.cluster.nodes.is_empty() {
        return;
    }
    let waiting = |pod: &&Member| pod.node.as_deref().is_none_or(str::is_empty) && pod.terminating.is_none();
    if !graph.pods.iter().any(|pod| waiting(&pod)) {
        return;
    }
    let placed = graph.pods.iter().filter_map(|pod| {
        let node = pod.node.as_deref().filter(|node| !node.is_empty())?;
        Some(Placed { name: &pod.object.name, node, labels: &pod.labels, spec: Some(&pod.spec) })
    });
    let mut world = World { nodes: graph.cluster.nodes.iter().collect(), pods: placed.collect(), volumes: Vec::new() };
    let paths: BTreeMap<(&str, &str), &str> = graph
        .workloads
        .iter()
        .map(|workload| ((workload.object.kind.as_str(), workload.object.name.as_str()), workload.spec_path))
        .collect();
    let mut told = BTreeSet::new();
    let mut pods: Vec<&Member> = graph.pods.iter().filter(waiting).collect();
    pods.sort_by_key(|pod| &pod.object.name);
    for pod in pods {
        // What a gate, or another scheduler, holds back is not for the nodes to explain.
        if pod.spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty())
            || !told.insert((pod.workload.kind.as_str(), pod.workload.name.as_str()))
        {
            continue;
        }
        world.volumes = volumes(graph, pod);
        let who = who(&pod.workload);
        let prefix = paths.get(&(pod.workload.kind.as_str(), pod.workload.name.as_str())).copied().unwrap_or("spec");
        let wanted = Wanted { who: &who, prefix, spec: &pod.spec, labels: &pod.labels };
        let Some(found) = place(&wanted, &world) else { continue };
        let object = found.object.unwrap_or_else(|| pod.workload.clone());
        let mut root = proven(
            cause(&object, found.class, &found.path, &found.value, found.statement, found.confidence),
            found.proof,
        );
        root.ruled_out = found.ruled_out;
        out.push(Finding {
            concerns: vec![pod.workload.clone()],
            recommendations: vec![found.advice],
            ..finding(Rule::Unschedulable, Standing::Suspect, Severity::High, &pod.workload, root)
        });
    }
}
