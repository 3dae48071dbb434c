//! What keeps a pod from every node, as one cause in words.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Proof, RuledOut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodSpec;

use super::closest::{by_nearest, closed_lately};
use super::fit::{Verdict, World, judge};
use super::obstacle::Obstacle;
use super::room::by_resource;
use crate::diagnosis::fact;
use crate::graph::nearest;

/// Nodes that a statement names.
const NAMED: usize = 3;
/// Nodes that a proof names.
const PROVEN: usize = 10;

/// Why a pod fits no node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placement {
    pub(crate) class: CauseClass,
    /// The object at fault where it is not the workload.
    pub(crate) object: Option<ObjectRef>,
    /// The node at fault if pods of the same revision ran there before: what drives pods away came later.
    pub(crate) newer: Option<ObjectRef>,
    pub(crate) path: String,
    pub(crate) value: String,
    pub(crate) statement: String,
    pub(crate) confidence: f64,
    pub(crate) advice: String,
    pub(crate) proof: Vec<Proof>,
    pub(crate) ruled_out: Vec<RuledOut>,
}

/// A pod that wants a node, and how sentences call it.
pub(crate) struct Wanted<'a> {
    pub(crate) who: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) spec: &'a PodSpec,
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// When its revision was made, where that is known.
    pub(crate) rolled: Option<Timestamp>,
    /// What happened to a node after this is news for the pod.
    pub(crate) lately: Option<Timestamp>,
}

/// Finds what keeps a pod from every node; none when nothing is known that would.
pub(crate) fn place(wanted: &Wanted<'_>, world: &World<'_>) -> Option<Placement> {
    let mut verdicts = judge(wanted.spec, wanted.labels, world);
    // The nodes that come nearest are named first, and always in the same order.
    let rank = |v: &Verdict<'_>| (v.obstacles.iter().any(Obstacle::elsewhere), v.obstacles.len());
    verdicts.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.node.name.cmp(&b.node.name)));
    let mut found = by_all(wanted, &verdicts)
        .or_else(|| closed_lately(wanted, &verdicts))
        .or_else(|| by_resource(wanted, &verdicts))
        .or_else(|| by_nearest(wanted, &verdicts))?;
    // Without what is taken of the nodes nobody knows whether one change is enough.
    let counted = world.nodes.iter().any(|node| !node.requested.is_empty());
    let changes = smallest(&verdicts);
    if counted && !changes.is_empty() {
        let changes = changes.join(", or ");
        found.advice = format!("{} It fits {changes}.", found.advice);
        if !found.statement.ends_with('?') {
            found.statement = format!("{}; it fits {changes}", found.statement);
        }
    }
    found.proof.extend(verdicts.iter().take(PROVEN).map(|verdict| {
        fact(&of_node(verdict), "status.allocatable", &verdict.words(), "this node does not take the pod")
    }));
    Some(found)
}

pub(super) fn of_node(verdict: &Verdict<'_>) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".into()),
        kind: "Node".into(),
        namespace: None,
        name: verdict.node.name.clone(),
        uid: verdict.node.uid.clone(),
    }
}

pub(super) fn per_node(verdicts: &[Verdict<'_>]) -> String {
    let shown: Vec<String> = verdicts.iter().take(NAMED).map(Verdict::words).collect();
    let more = verdicts.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", shown.join("; ")) } else { shown.join("; ") }
}

/// Nodes for which one change is enough, each with the change: the smallest shortage first, then another kind of change.
fn smallest(verdicts: &[Verdict<'_>]) -> Vec<String> {
    let single: Vec<(&Verdict<'_>, &Obstacle)> = verdicts
        .iter()
        .filter(|v| v.node.ready)
        .filter_map(|v| match v.obstacles.as_slice() {
            [only] if !only.of_role() && !only.of_trouble() => Some((v, only)),
            _ => None,
        })
        .collect();
    let lack = |obstacle: &Obstacle| match obstacle {
        Obstacle::Short { wished, free, of, .. } if *of > 0 => Some(wished - free),
        _ => None,
    };
    let shortest = single.iter().filter_map(|(v, o)| Some((lack(o)?, v, o))).min_by_key(|(lack, ..)| *lack);
    let other = single.iter().filter(|(_, o)| lack(o).is_none()).min_by_key(|(_, o)| (o.elsewhere(), !o.closed()));
    let other = other.filter(|(_, o)| shortest.is_none() || !o.elsewhere());
    let told = |v: &Verdict<'_>, o: &Obstacle| Some(format!("node {} with {}", v.node.name, o.change()?));
    let first = shortest.and_then(|(_, v, o)| told(v, o));
    first.into_iter().chain(other.and_then(|(v, o)| told(v, o))).collect()
}

/// What is the same on every node: the selector, or the affinity.
fn by_all(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>]) -> Option<Placement> {
    if verdicts.is_empty() {
        return None;
    }
    let all = |is: fn(&Obstacle) -> bool| verdicts.iter().all(|v| v.obstacles.iter().any(is));
    let Wanted { who, prefix, spec, .. } = wanted;
    let per_node = per_node(verdicts);
    if all(|o| matches!(o, Obstacle::Selector { .. })) {
        let selector: Vec<String> = spec.node_selector.iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        let near = meant(spec, verdicts);
        return Some(Placement {
            class: CauseClass::UnsatisfiableConstraints,
            object: None,
            newer: None,
            path: format!("{prefix}.nodeSelector"),
            value: selector.join(","),
            statement: format!(
                "{who} asks with its nodeSelector for {}, which matches no node ({per_node}){near}",
                selector.join(", ")
            ),
            confidence: 0.95,
            advice: "Correct the nodeSelector, or label a node that is meant for these pods.".into(),
            proof: Vec::new(),
            ruled_out: Vec::new(),
        });
    }
    if all(|o| matches!(o, Obstacle::Affinity { .. })) {
        let asks = verdicts.iter().flat_map(|v| &v.obstacles).find_map(|o| match o {
            Obstacle::Affinity { asks, .. } => Some(asks.clone()),
            _ => None,
        })?;
        return Some(Placement {
            class: CauseClass::UnsatisfiableConstraints,
            object: None,
            newer: None,
            path: format!("{prefix}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"),
            statement: format!("{who} asks with its nodeAffinity for {asks}, which matches no node ({per_node})"),
            value: asks,
            confidence: 0.95,
            advice: "Correct the node affinity, or label a node that is meant for these pods.".into(),
            proof: Vec::new(),
            ruled_out: Vec::new(),
        });
    }
    None
}

/// A label of a node that is nearly the one that the selector asks for.
fn meant(spec: &PodSpec, verdicts: &[Verdict<'_>]) -> String {
    for (key, value) in spec.node_selector.iter().flatten() {
        let values = verdicts.iter().filter_map(|v| v.node.labels.get(key)).map(String::as_str);
        if let Some(near) = nearest(value, values) {
            return format!("; did you mean {key}={near}?");
        }
        let missing = !verdicts.iter().any(|v| v.node.labels.contains_key(key));
        let keys = verdicts.iter().flat_map(|v| v.node.labels.keys()).map(String::as_str);
        if let Some(near) = nearest(key, keys).filter(|_| missing) {
            return format!("; did you mean {near}?");
        }
    }
    String::new()
}
