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

/// Claims of a pod that one pod may use at a time, and the pod that does.
fn single(graph: &Graph, pod: &Member) -> Vec<(String, String)> {
    let only = |wanted: &String| {
        let claim = graph.claims.iter().find(|claim| name(&claim.metadata) == wanted);
        let modes = claim.and_then(|claim| claim.spec.as_ref()?.access_modes.as_deref()).unwrap_or_default();
        !modes.is_empty() && modes.iter().all(|mode| mode == "ReadWriteOncePod")
    };
    let wanted: Vec<String> = shape::claims(graph.workload(&pod.workload), pod).into_iter().filter(only).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let others = graph.pods.iter().filter(|other| other.object.name != pod.object.name && other.node.is_some());
    others
        .flat_map(|other| {
            let theirs = shape::claims(graph.workload(&other.workload), other).into_iter();
            theirs.filter(|claim| wanted.contains(claim)).map(|claim| (claim, other.object.name.clone()))
        })
        .collect()
}

/// Longer than any scheduler takes to say something about a pod.
const UNHEARD: i64 = 30;
/// Longer than a scheduler that is restarted, or has many pods to place, leaves one alone.
const NOBODY: i64 = 60;
/// A node that has just been taken out of the cluster still has pods for a moment.
const GONE: i64 = 10;
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
        // One that gives pods their nodes, or says why not, is there, whatever it waits for now.
        let scheduler = scheduler.filter(|name| !pod.judged && !graph.cluster.schedulers.contains(*name));
        let gated = pod.spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
        let alone = scheduler_of(pod) == "default-scheduler" && !gated && !pod.judged && !waits_for_volume(graph, pod);
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
            (None, None) if alone => (
                "schedulerName",
                "default-scheduler".to_owned(),
                format!(
                    "Pods of {} have no node, and the default-scheduler has not looked at them: kube-scheduler does not run, or cannot reach the API server",
                    who(&pod.workload)
                ),
                NOBODY,
                "Look at the pods and logs of kube-scheduler, and at its lease in kube-system.".to_owned(),
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
                fact(&pod.object, &format!("spec.{field}"), &value, "this decides who gives it a node, and when"),
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

fn scheduler_of(pod: &Member) -> &str {
    pod.spec.scheduler_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("default-scheduler")
}

/// Whether a pod has a claim without a volume: the scheduler may be silent until a provisioner has made one.
fn waits_for_volume(graph: &Graph, pod: &Member) -> bool {
    let wanted = shape::claims(graph.workload(&pod.workload), pod);
    let bound = |wanted: &String| {
        let claim = graph.claims.iter().find(|claim| name(&claim.metadata) == wanted);
        claim.and_then(|claim| claim.status.as_ref()?.phase.as_deref()) == Some("Bound")
    };
    !wanted.iter().all(bound)
}

/// Pods that are put on a node by name, where no such node is.
pub(super) fn lost(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let nodes: BTreeSet<&str> = graph.cluster.nodes.iter().map(|node| node.name.as_str()).collect();
    if !graph.knows("Node") || nodes.is_empty() {
        return;
    }
    for workload in shape::starting(graph) {
        // A pod that a scheduler put there ran on a node that is gone, which is another story.
        let own = |pod: &&Member| {
            workload.object.kind == "Pod" && pod.object.name == workload.object.name && !pod.started && !pod.judged
        };
        let of_pod = graph.pods.iter().find(own).and_then(|pod| pod.node.as_deref());
        let named = if workload.object.kind == "Pod" { of_pod } else { workload.spec.node_name.as_deref() };
        let Some(node) = named.filter(|node| !node.is_empty() && !nodes.contains(node)) else { continue };
        let near =
            nearest(node, nodes.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let statement = format!(
            "{} names node {node} in nodeName, which does not exist, so its pods never start{near}",
            who(&workload.object)
        );
        let path = format!("{}.nodeName", workload.spec_path);
        let missing = crate::graph::query::named("v1", "Node", "", node);
        let root = proven(
            cause(&workload.object, CauseClass::MissingReference, &path, node, statement, 0.95),
            vec![
                fact(&workload.object, &path, node, "its pods are put there without a scheduler"),
                fact(&missing, "metadata.name", "(absent)", "there is no such node"),
            ],
        );
        let standing = if workload.troubled { Standing::Suspect } else { Standing::Outage };
        out.push(Finding {
            concerns: vec![workload.object.clone()],
            recommendations: vec!["Take nodeName out and let the scheduler choose, or name a node that exists.".into()],
            hold: GONE,
            ..finding(Rule::Unschedulable, standing, Severity::High, &workload.object, root)
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
    let mut world = World { nodes: graph.cluster.nodes.iter().collect(), pods: placed.collect(), ..World::default() };
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
        world.single = single(graph, pod);
        let who = who(&pod.workload);
        let prefix = paths.get(&(pod.workload.kind.as_str(), pod.workload.name.as_str())).copied().unwrap_or("spec");
        let wanted = Wanted { who: &who, prefix, spec: &pod.spec, labels: &pod.labels, rolled: None, lately: None };
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
