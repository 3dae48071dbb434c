//! What keeps a pod from the nodes that come nearest to taking it.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef};

use super::fit::Verdict;
use super::obstacle::{Obstacle, taint};
use super::place::{Placement, Wanted, of_node, per_node};
use super::requests;
use super::room::{of_resource, pods};
use crate::diagnosis::ruled_out;
use crate::graph::nearest;

/// What keeps the pod from the nodes that come nearest.
pub(super) fn by_nearest(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>]) -> Option<Placement> {
    // Nodes that the pod asked for tell more than others, and those of its own kind more than a node in trouble.
    let rank = |v: &Verdict<'_>| {
        let role = v.obstacles.iter().any(Obstacle::of_role);
        let trouble = !v.node.ready || v.obstacles.iter().any(Obstacle::of_trouble);
        (role || v.obstacles.iter().any(Obstacle::elsewhere), role, trouble)
    };
    let best = verdicts.iter().map(rank).min()?;
    let pool: Vec<&Verdict<'_>> = verdicts.iter().filter(|v| rank(v) == best).collect();
    of_pool(wanted, verdicts, &pool)
}

/// A node that would take the pod, had nobody closed it a short while ago.
pub(super) fn closed_lately(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>]) -> Option<Placement> {
    let late = |v: &Verdict<'_>| wanted.lately.zip(v.node.changed).is_some_and(|(news, changed)| changed > news);
    let only = |v: &Verdict<'_>| matches!(v.obstacles.as_slice(), [only] if only.closed());
    let pool: Vec<&Verdict<'_>> = verdicts.iter().filter(|v| only(v) && late(v)).collect();
    if pool.is_empty() { None } else { of_pool(wanted, verdicts, &pool) }
}

fn of_pool(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>], pool: &[&Verdict<'_>]) -> Option<Placement> {
    let least = pool.iter().map(|v| v.obstacles.len()).min().filter(|least| *least > 0)?;
    let mut groups: BTreeMap<&'static str, Vec<(&Verdict<'_>, &Obstacle)>> = BTreeMap::new();
    for verdict in pool.iter().filter(|v| v.obstacles.len() == least) {
        if let Some(first) = verdict.obstacles.first() {
            groups.entry(first.kind()).or_default().push((verdict, first));
        }
    }
    // Where as many nodes say one thing as another, one that somebody closed would be open otherwise.
    let group = groups.into_values().max_by_key(|group| {
        let closed = group.first().is_some_and(|(_, obstacle)| obstacle.closed());
        (group.len(), closed)
    })?;
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
            let shown = taint(key, value, effect);
            if obstacle.of_trouble() {
                return Some(in_trouble(wanted, verdict, key, &shown, &per_node));
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
            let came_later = wanted.rolled.zip(verdict.node.changed).is_some_and(|(rolled, changed)| changed > rolled);
            if meant.is_none() && came_later {
                object = Some(of_node(verdict));
            } else if effect == "NoExecute" && meant.is_none() {
                newer = Some(of_node(verdict));
            }
            let text = format!("{pods} do not tolerate the taint {shown} of node {node}{}", meant.unwrap_or_default());
            (
                if object.is_some() { "spec.taints".to_owned() } else { format!("{prefix}.tolerations") },
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
        Obstacle::Unwanted { by, key, asks } => {
            let text = format!(
                "{pods} fit no node: pod {by} on node {node} forbids with its podAntiAffinity pods with {asks} in the same {key}"
            );
            (
                format!("{prefix}.affinity.podAntiAffinity"),
                asks.clone(),
                text,
                format!("Let pod {by} only prefer to be apart, change the labels, or add a node."),
            )
        }
        Obstacle::Single { claim, by } => {
            class = CauseClass::StorageUnavailable;
            let text = format!(
                "{pods} fit no node: their claim {claim} is ReadWriteOncePod, which one pod may use at a time, and pod {by} uses it"
            );
            (
                format!("{prefix}.volumes"),
                claim.clone(),
                text,
                "Run one replica with strategy Recreate, or use a claim with another access mode.".to_owned(),
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

/// A node that would take the pod and is not well.
fn in_trouble(wanted: &Wanted<'_>, verdict: &Verdict<'_>, key: &str, shown: &str, per_node: &str) -> Placement {
    let node = &verdict.node.name;
    let away = ["not-ready", "unreachable"].iter().any(|end| key.ends_with(end));
    let what = if away { "is not ready".to_owned() } else { format!("has the taint {shown}") };
    let said = verdict.node.trouble.join(", ");
    let said = if said.is_empty() { said } else { format!(" ({said})") };
    Placement {
        class: CauseClass::NodeFault,
        object: Some(of_node(verdict)),
        newer: None,
        path: if away { "status.conditions".into() } else { "spec.taints".into() },
        value: shown.to_owned(),
        statement: format!(
            "{} fit no node: node {node}, which would take them, {what}{said} ({per_node})",
            pods(wanted.who)
        ),
        confidence: 0.9,
        advice: format!("Repair node {node}, or let these pods run on other nodes."),
        proof: Vec::new(),
        ruled_out: Vec::new(),
    }
}
