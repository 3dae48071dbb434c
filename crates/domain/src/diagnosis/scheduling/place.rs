//! What keeps a pod from every node, as one cause in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::shared::{CauseClass, ObjectRef, Proof, RuledOut};
use k8s_openapi::api::core::v1::PodSpec;

use super::fit::{Obstacle, Verdict, World, judge};
use super::requests;
use super::room::{by_resource, of_resource, pods};
use crate::diagnosis::{fact, ruled_out};
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
}

/// Finds what keeps a pod from every node; none when nothing is known that would.
pub(crate) fn place(wanted: &Wanted<'_>, world: &World<'_>) -> Option<Placement> {
    let verdicts = judge(wanted.spec, wanted.labels, world);
    let mut found = by_all(wanted, &verdicts)
        .or_else(|| by_resource(wanted, &verdicts))
        .or_else(|| by_nearest(wanted, &verdicts))?;
    // Without what is taken of the nodes nobody knows whether one change is enough.
    let counted = world.nodes.iter().any(|node| !node.requested.is_empty());
    let change = smallest(&verdicts).filter(|_| counted);
    if let Some((node, change)) = change {
        let _ = write!(found.advice, " It fits node {node} with {change}.");
    }
    found.proof.extend(verdicts.iter().take(PROVEN).map(|verdict| {
        fact(&of_node(verdict), "status.allocatable", &verdict.words(), "this node does not take the pod")
    }));
    Some(found)
}

fn of_node(verdict: &Verdict<'_>) -> ObjectRef {
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

/// The node for which one change is enough, and the change; the smallest shortage first.
fn smallest(verdicts: &[Verdict<'_>]) -> Option<(String, String)> {
    let single = verdicts.iter().filter(|v| v.node.ready).filter_map(|v| match v.obstacles.as_slice() {
        [only] if !of_platform(only) => Some((v, only)),
        _ => None,
    });
    let (verdict, obstacle) = single.min_by_key(|(_, obstacle)| match obstacle {
        Obstacle::Short { wished, free, of, .. } if *of > 0 => (0, wished - free),
        Obstacle::Short { .. } => (2, 0),
        _ => (1, 0),
    })?;
    Some((verdict.node.name.clone(), obstacle.change()?))
}

/// Taints that the platform sets: of control planes, and of nodes that are in trouble.
fn of_platform(obstacle: &Obstacle) -> bool {
    matches!(obstacle, Obstacle::Taint { key, .. } if key.starts_with("node-role.kubernetes.io/") || key.starts_with("node.kubernetes.io/"))
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

/// What keeps the pod from the nodes that come nearest.
fn by_nearest(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>]) -> Option<Placement> {
    // A control plane, or a node in trouble, is not where the pod was meant to go.
    let own = |v: &&Verdict<'_>| v.node.ready && !v.obstacles.iter().any(of_platform);
    let mut pool: Vec<&Verdict<'_>> = verdicts.iter().filter(own).collect();
    if pool.is_empty() {
        pool = verdicts.iter().collect();
    }
    let least = pool.iter().map(|v| v.obstacles.len()).min().filter(|least| *least > 0)?;
    let mut groups: BTreeMap<&'static str, Vec<(&Verdict<'_>, &Obstacle)>> = BTreeMap::new();
    for verdict in pool.into_iter().filter(|v| v.obstacles.len() == least) {
        if let Some(first) = verdict.obstacles.first() {
            groups.entry(kind(first)).or_default().push((verdict, first));
        }
    }
    let group = groups.into_values().max_by_key(Vec::len)?;
    let (verdict, obstacle) = *group.first()?;
    let Wanted { who, prefix, .. } = wanted;
    let (pods, per_node) = (pods(who), per_node(verdicts));
    let (mut object, mut newer) = (None, None);
    let mut class = CauseClass::UnsatisfiableConstraints;
    let node = &verdict.node.name;
    let (path, value, text, advice) = match obstacle {
        Obstacle::Cordoned => {
            object = Some(of_node(verdict));
            let text = format!("{pods} fit no node: node {node}, which would take them, is cordoned (unschedulable)");
            (
                "spec.unschedulable".to_owned(),
                "true".to_owned(),
                text,
                format!("Uncordon node {node} if its maintenance is over."),
            )
        }
        Obstacle::Taint { key, value, effect } => {
            let shown = if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") };
            if of_platform(obstacle) && key.starts_with("node.kubernetes.io/") {
                object = Some(of_node(verdict));
                class = CauseClass::NodeFault;
            }
            let meant = wanted.spec.tolerations.iter().flatten().find(|t| t.key.as_deref() == Some(key.as_str()));
            // One that names the key was meant for this taint, and is wrong.
            let meant = meant.map(|t| {
                format!(
                    "; they tolerate {key}={}{}",
                    t.value.as_deref().unwrap_or_default(),
                    t.effect.as_ref().map(|effect| format!(":{effect}")).unwrap_or_default()
                )
            });
            if effect == "NoExecute" && meant.is_none() {
                newer = Some(of_node(verdict));
            }
            let text = format!("{pods} do not tolerate the taint {shown} of node {node}{}", meant.unwrap_or_default());
            (
                format!("{prefix}.tolerations"),
                shown,
                text,
                "Add the toleration if these pods may run there, or remove the taint.".to_owned(),
            )
        }
        Obstacle::Selector { key, value, .. } => {
            let text = format!("{pods} fit no node: their nodeSelector asks for {key}={value}");
            (
                format!("{prefix}.nodeSelector.{key}"),
                value.clone(),
                text,
                "Correct the nodeSelector, or label another node.".to_owned(),
            )
        }
        Obstacle::Affinity { asks, .. } => {
            let text = format!("{pods} fit no node: their nodeAffinity asks for {asks}");
            let path = format!("{prefix}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
            (path, asks.clone(), text, "Correct the node affinity, or label another node.".to_owned())
        }
        Obstacle::Short { resource, .. } => {
            return Some(of_resource(wanted, resource, &requests(wanted.spec), verdicts));
        }
        Obstacle::Port { port, by, path } => {
            let text = format!("{pods} need hostPort {port}, which pod {by} has taken on node {node}");
            (
                format!("{prefix}.{path}"),
                port.to_string(),
                text,
                "Use a Service instead of the hostPort, or fewer replicas than nodes.".to_owned(),
            )
        }
        Obstacle::Apart { by, key, asks, index } => {
            let text = format!(
                "{pods} fit no node: podAntiAffinity allows one pod with {asks} per {key}, and pod {by} is on node {node}"
            );
            let path =
                format!("{prefix}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[{index}]");
            (
                path,
                asks.clone(),
                text,
                "Add a node, lower the replicas, or make the anti-affinity a preference.".to_owned(),
            )
        }
        Obstacle::Beside { key, asks, index } => {
            let text = format!(
                "{pods} fit no node: podAffinity asks for a pod with {asks} in the same {key}, and there is none"
            );
            let path = format!("{prefix}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[{index}]");
            (
                path,
                asks.clone(),
                text,
                "Correct the labels that podAffinity asks for, or start those pods first.".to_owned(),
            )
        }
        Obstacle::Spread { key, skew, index } => {
            let known = verdicts.iter().any(|v| v.node.labels.contains_key(key));
            let path = format!("{prefix}.topologySpreadConstraints[{index}]");
            if known {
                let text = format!(
                    "{pods} fit no node: topologySpreadConstraints allow a difference of maxSkew {skew} between values of {key}"
                );
                let advice = "Add nodes to the domains that lack pods, or set whenUnsatisfiable to ScheduleAnyway.";
                (path, skew.to_string(), text, advice.to_owned())
            } else {
                let keys = verdicts.iter().flat_map(|v| v.node.labels.keys()).map(String::as_str);
                let near = nearest(key, keys).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                let text = format!(
                    "{pods} fit no node: topologySpreadConstraints spread them over topologyKey {key}, a label that no node has{near}"
                );
                let advice = format!("Let topologyKey name a label of the nodes, or give the nodes the label {key}.");
                (format!("{path}.topologyKey"), key.clone(), text, advice)
            }
        }
        Obstacle::Volume { claim, volume, asks } => {
            let text = format!(
                "{pods} fit no node: PersistentVolume {volume} of their claim {claim} can only be used where {asks} (volume node affinity)"
            );
            class = CauseClass::StorageUnavailable;
            object = Some(ObjectRef {
                api_version: Some("v1".into()),
                kind: "PersistentVolume".into(),
                namespace: None,
                name: volume.clone(),
                uid: None,
            });
            (
                "spec.nodeAffinity".to_owned(),
                asks.clone(),
                text,
                "Bring back a node there, or let the pod run where its volume is.".to_owned(),
            )
        }
    };
    let alone = least == 1;
    Some(Placement {
        class,
        object,
        newer,
        path,
        value,
        statement: format!("{text} ({per_node})"),
        confidence: if alone { 0.9 } else { 0.7 },
        advice,
        proof: Vec::new(),
        ruled_out: if alone { vec![ruled_out("Room", format!("node {node} lacks nothing else"))] } else { Vec::new() },
    })
}

fn kind(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Cordoned => "cordoned",
        Obstacle::Taint { .. } => "taint",
        Obstacle::Selector { .. } => "selector",
        Obstacle::Affinity { .. } => "affinity",
        Obstacle::Short { .. } => "short",
        Obstacle::Port { .. } => "port",
        Obstacle::Apart { .. } => "apart",
        Obstacle::Beside { .. } => "beside",
        Obstacle::Spread { .. } => "spread",
        Obstacle::Volume { .. } => "volume",
    }
}
