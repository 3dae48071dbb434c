//! Budgets and strategies that leave no pod that may go.
//!
//! A budget that allows nothing for the moment, because pods are not ready, is doing its work; one that never can, however
//! healthy its pods are, stops every drain. No pod fails for that, so it is not offered as the cause of a symptom.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::Timestamp;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::shape::{self, finding, proven, share, who};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::graph::query::{name, reference};
use crate::graph::{Finding, Graph, Member, Standing, Workload, nearest, selects};

/// Kinds of which a drain evicts pods, and which make new ones elsewhere.
const EVICTED: [&str; 3] = ["Deployment", "StatefulSet", "ReplicaSet"];

fn object(budget: &PodDisruptionBudget) -> ObjectRef {
    reference("policy/v1", "PodDisruptionBudget", &budget.metadata)
}

fn written(value: &IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}

/// Workloads whose pods a budget selects.
fn covered<'a>(graph: &'a Graph, budget: &PodDisruptionBudget) -> Vec<&'a Workload> {
    let Some(selector) = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else { return Vec::new() };
    graph.workloads.iter().filter(|workload| selects(selector, &workload.pod_labels)).collect()
}

/// Budgets that can never allow a disruption, that protect nothing, or that are two on one pod.
pub(super) fn budgets(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let mut of_workload: BTreeMap<(&str, &str), Vec<&Arc<PodDisruptionBudget>>> = BTreeMap::new();
    // An autoscaler may still add pods that may go.
    let most: BTreeMap<(&str, &str), i32> = graph
        .autoscalers
        .iter()
        .filter_map(|scaler| scaler.spec.as_ref())
        .map(|spec| ((spec.scale_target_ref.kind.as_str(), spec.scale_target_ref.name.as_str()), spec.max_replicas))
        .collect();
    for budget in graph.budgets.iter().filter(|budget| budget.metadata.deletion_timestamp.is_none()) {
        let workloads = covered(graph, budget);
        for workload in &workloads {
            of_workload.entry((workload.object.kind.as_str(), workload.object.name.as_str())).or_default().push(budget);
        }
        if workloads.is_empty() {
            out.extend(idle(graph, budget));
            continue;
        }
        let evicted: Vec<&&Workload> = workloads
            .iter()
            .filter(|w| EVICTED.contains(&w.object.kind.as_str()) && w.desired > 0 && !w.paused)
            .collect();
        if evicted.is_empty() || evicted.len() < workloads.iter().filter(|w| w.desired > 0).count() {
            continue;
        }
        let pods: i32 = evicted
            .iter()
            .map(|w| {
                most.get(&(w.object.kind.as_str(), w.object.name.as_str())).copied().unwrap_or(w.desired).max(w.desired)
            })
            .sum();
        out.extend(never(graph, budget, pods, &evicted));
    }
    let mut told = BTreeSet::new();
    for ((kind, workload), budgets) in of_workload {
        let [first, second, ..] = budgets.as_slice() else { continue };
        let (a, b) = (object(first), object(second));
        if !told.insert((a.name.clone(), b.name.clone())) {
            continue;
        }
        let statement = format!(
            "Pods of {kind} {workload} cannot be evicted: PodDisruptionBudgets {} and {} both select them, and only one may",
            a.name, b.name
        );
        let cause = proven(
            cause(&b, CauseClass::DisruptionBlocked, "spec.selector", &a.name, statement, 0.95),
            vec![
                fact(&a, "spec.selector", kind_and_name(kind, workload), "this budget selects the pods"),
                fact(&b, "spec.selector", kind_and_name(kind, workload), "and so does this one"),
            ],
        );
        out.push(Finding {
            words: vec!["more than one PodDisruptionBudget".into()],
            recommendations: vec![format!(
                "Delete one of {} and {}, or let them select different pods.",
                a.name, b.name
            )],
            ..finding(Rule::DisruptionBlocked, Standing::Latent, Severity::Medium, &b, cause)
        });
    }
}

fn kind_and_name(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// A budget that leaves none of so many pods.
fn never(graph: &Graph, budget: &PodDisruptionBudget, pods: i32, workloads: &[&&Workload]) -> Option<Finding> {
    let spec = budget.spec.as_ref()?;
    let (field, value, allowed) = match (&spec.min_available, &spec.max_unavailable) {
        (Some(least), _) => ("minAvailable", least, pods - share(least, pods, true)?),
        (None, Some(most)) => ("maxUnavailable", most, share(most, pods, true)?),
        (None, None) => return None,
    };
    if allowed > 0 {
        return None;
    }
    let object = object(budget);
    let first = workloads.first()?;
    let value = written(value);
    let of = who(&first.object);
    let more = if workloads.len() > 1 { format!(" and {} more", workloads.len() - 1) } else { String::new() };
    let selector = spec.selector.as_ref()?;
    let drained = graph.cluster.nodes.iter().find(|node| {
        node.cordoned
            && graph
                .pods
                .iter()
                .any(|pod| pod.node.as_deref() == Some(node.name.as_str()) && selects(selector, &pod.labels))
    });
    let then = drained.map_or_else(
        || "so no node that it runs on can be drained".to_owned(),
        |node| format!("so the cordoned node {} cannot be drained", node.name),
    );
    let statement = format!(
        "PodDisruptionBudget {} never allows a disruption of {of}{more}: {field} is {value} and there are at most {pods} pods, {then}",
        object.name
    );
    let path = format!("spec.{field}");
    let mut cause = proven(
        cause(&object, CauseClass::DisruptionBlocked, &path, &value, statement, 0.95),
        vec![
            fact(&object, &path, &value, "this many must stay, or may go"),
            fact(&first.object, "spec.replicas", first.desired.to_string(), "there are no more pods than that"),
        ],
    );
    if let Some(allowed) = budget.status.as_ref().map(|status| status.disruptions_allowed) {
        cause.proof.push(fact(&object, "status.disruptionsAllowed", allowed.to_string(), "this is what it allows now"));
    }
    Some(Finding {
        words: vec!["disruption budget".into()],
        recommendations: vec![format!("Let {} run more replicas than must stay, or set maxUnavailable 1.", of)],
        ..finding(
            Rule::DisruptionBlocked,
            Standing::Latent,
            if drained.is_some() { Severity::High } else { Severity::Low },
            &object,
            cause,
        )
    })
}

/// A budget that selects nothing; told only where it shows what was meant.
fn idle(graph: &Graph, budget: &PodDisruptionBudget) -> Option<Finding> {
    let selector = budget.spec.as_ref()?.selector.as_ref()?;
    if graph.pods.iter().any(|pod| selects(selector, &pod.labels)) {
        return None;
    }
    let (key, value) = selector.match_labels.as_ref()?.iter().next()?;
    let labels = || graph.workloads.iter().flat_map(|w| &w.pod_labels);
    let by_value = nearest(value, labels().filter(|(k, _)| *k == key).map(|(_, v)| v.as_str()));
    let keyed = labels().any(|(k, _)| k == key);
    let by_key = nearest(key, labels().filter(|(_, v)| *v == value).map(|(k, _)| k.as_str())).filter(|_| !keyed);
    let near = by_value.map(|near| format!("{key}={near}")).or_else(|| by_key.map(|near| format!("{near}={value}")))?;
    let object = object(budget);
    let path = format!("spec.selector.matchLabels.{key}");
    let statement = format!(
        "PodDisruptionBudget {} selects no pods: no workload has the label {key}={value}{}",
        object.name,
        meant(Some(&near))
    );
    let cause = proven(
        cause(&object, CauseClass::DisruptionBlocked, &path, value, statement, 0.85),
        vec![fact(&object, &path, value, "no pod has this label")],
    );
    Some(Finding {
        recommendations: vec![format!("Let the selector ask for {near}.")],
        hold: 30,
        ..finding(Rule::DisruptionBlocked, Standing::Latent, Severity::Low, &object, cause)
    })
}

/// Rollouts that cannot get on because a volume can be on one node, or in one pod, only.
pub(super) fn volumes(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let claims: BTreeMap<&str, _> = graph.claims.iter().map(|claim| (name(&claim.metadata), claim)).collect();
    let pods = shape::pods(graph);
    for workload in shape::starting(graph).filter(|w| w.object.kind == "Deployment") {
        let rolling = workload.rolling.0.is_some() || workload.rolling.1.is_some();
        let own = shape::of(&pods, &workload.object);
        let nodes: BTreeSet<&str> = own.iter().filter_map(|pod| pod.node.as_deref()).collect();
        for (index, volume) in workload.spec.volumes.iter().flatten().enumerate() {
            let Some(source) = &volume.persistent_volume_claim else { continue };
            let Some(claim) = claims.get(source.claim_name.as_str()) else { continue };
            let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
            let one_node = modes.iter().all(|mode| mode == "ReadWriteOnce") && nodes.len() > 1;
            let one_pod = modes.iter().all(|mode| mode == "ReadWriteOncePod") && own.len() > 1;
            if modes.is_empty() || !(one_node || one_pod) {
                continue;
            }
            let (mode, place) = if one_pod { ("ReadWriteOncePod", "pod") } else { ("ReadWriteOnce", "node") };
            let by = if workload.desired > 1 {
                format!("{} replicas", workload.desired)
            } else if rolling {
                "a rolling update that starts the new pod before the old one ends".to_owned()
            } else {
                continue;
            };
            let path = format!("{}.volumes[{index}].persistentVolumeClaim.claimName", workload.spec_path);
            let statement = format!(
                "{} mounts claim {}, which is {mode} and can be in use on one {place} only, with {by}",
                who(&workload.object),
                source.claim_name
            );
            let claim = reference("v1", "PersistentVolumeClaim", &claim.metadata);
            let cause = proven(
                cause(&workload.object, CauseClass::DisruptionBlocked, &path, &source.claim_name, statement, 0.75),
                vec![
                    fact(&claim, "spec.accessModes", modes.join(", "), "this is how it may be used"),
                    fact(&workload.object, &path, &source.claim_name, "every pod mounts it"),
                ],
            );
            out.push(Finding {
                concerns: vec![workload.object.clone()],
                words: vec!["Multi-Attach".into(), "already exclusively attached".into(), "ReadWriteOncePod".into()],
                recommendations: vec![
                    "Set strategy Recreate with one replica, or use a claim that is ReadWriteMany.".into(),
                ],
                ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &workload.object, cause)
            });
        }
    }
}

/// Workloads that share a claim which can be used on one node only, and are on several.
pub(super) fn shared(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let known = shape::workloads(graph);
    let mut users: BTreeMap<String, Vec<&Member>> = BTreeMap::new();
    for pod in graph.pods.iter().filter(|pod| pod.node.is_some() && pod.terminating.is_none()) {
        let workload = known.get(&(pod.workload.kind.as_str(), pod.workload.name.as_str())).copied();
        for claim in shape::claims(workload, pod) {
            users.entry(claim).or_default().push(pod);
        }
    }
    for claim in &graph.claims {
        let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
        if modes.is_empty() || modes.iter().any(|mode| mode != "ReadWriteOnce") {
            continue;
        }
        let pods = users.get(name(&claim.metadata)).map(Vec::as_slice).unwrap_or_default();
        // The pod that waits is the one that came second.
        let Some(waits) = pods.iter().filter(|pod| !pod.ready).max_by_key(|pod| (pod.made, &pod.object.name)) else {
            continue;
        };
        let other = |pod: &&&Member| pod.workload != waits.workload && pod.node != waits.node;
        let Some(holder) = pods.iter().filter(other).min_by_key(|pod| (!pod.ready, &pod.object.name)) else { continue };
        let (node, there) = (waits.node.as_deref().unwrap_or_default(), holder.node.as_deref().unwrap_or_default());
        let claim_name = name(&claim.metadata);
        let statement = format!(
            "{} on node {node} cannot mount claim {claim_name}: it is ReadWriteOnce, and {} uses it on node {there}",
            who(&waits.workload),
            who(&holder.workload)
        );
        let object = reference("v1", "PersistentVolumeClaim", &claim.metadata);
        let cause = proven(
            cause(&object, CauseClass::StorageUnavailable, "spec.accessModes", "ReadWriteOnce", statement, 0.9),
            vec![
                fact(&object, "spec.accessModes", modes.join(", "), "it can be in use on one node at a time"),
                fact(&holder.object, "spec.nodeName", there, "this pod uses it here"),
                fact(&waits.object, "spec.nodeName", node, "this one wants it there"),
            ],
        );
        out.push(Finding {
            concerns: vec![waits.workload.clone()],
            words: vec!["Multi-Attach".into(), "already exclusively attached".into(), claim_name.to_owned()],
            recommendations: vec![format!(
                "Let both run on one node with podAffinity, use a claim that is ReadWriteMany, or give {} its own.",
                who(&waits.workload)
            )],
            ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &waits.workload, cause)
        });
    }
}
