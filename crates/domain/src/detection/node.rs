//! Rules over a node.

use api::shared::{Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, NodeCondition};

use super::pod::{clip, status_seen};
use super::workload::cluster_object;
use super::{Evaluation, Findings, Rule, Symptom, anchor};

/// A kubelet that is restarted is back within this.
const NOT_READY_HOLD: SignedDuration = SignedDuration::from_secs(20);
/// Pressure that the kubelet relieves at once, by evicting one pod, is no incident.
const PRESSURE_HOLD: SignedDuration = SignedDuration::from_secs(20);
/// A new node becomes ready when its network is set up.
const NEW_NODE_HOLD: SignedDuration = SignedDuration::from_secs(120);
/// A change to not ready this soon after a node was made is part of its joining.
const JOINING: SignedDuration = SignedDuration::from_secs(10);
/// A cordoned node that goes away is most likely being restarted on purpose.
const CORDONED_HOLD: SignedDuration = SignedDuration::from_mins(5);

/// Troubles that node-problem-detector finds; each is one while its condition is true.
const DETECTED: [&str; 8] = [
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "XfsShutdown",
    "CperHardwareErrorFatal",
    "FrequentKubeletRestart",
    "FrequentContainerdRestart",
    "FrequentDockerRestart",
    "FrequentUnregisterNetDevice",
];

/// What is wrong with a node now. `fell` is when it was seen to cease to be ready: the time in a condition is its writer's.
pub fn evaluate_node(node: &Node, fell: Option<Timestamp>, now: Timestamp) -> Evaluation {
    let mut out = Findings::default();
    if node.metadata.deletion_timestamp.is_some() {
        return Evaluation { healthy: true, ..Evaluation::default() };
    }
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    for condition in conditions {
        match condition.type_.as_str() {
            "Ready" if condition.status != "True" => not_ready(node, condition, fell, now, &mut out),
            "MemoryPressure" if condition.status == "True" => {
                pressure(node, condition, SignalType::MemoryHigh, now, &mut out);
            }
            "DiskPressure" if condition.status == "True" => {
                pressure(node, condition, SignalType::DiskPressure, now, &mut out);
            }
            "PIDPressure" if condition.status == "True" => {
                pressure(node, condition, SignalType::PidPressure, now, &mut out);
            }
            "NetworkUnavailable" if condition.status == "True" => {
                pressure(node, condition, SignalType::NetworkUnavailable, now, &mut out);
            }
            known if DETECTED.contains(&known) && condition.status == "True" => {
                pressure(node, condition, SignalType::NodeNotReady, now, &mut out);
            }
            _ => {}
        }
    }
    let healthy = out.symptoms.is_empty();
    Evaluation { symptoms: super::collapse::collapse(out.symptoms), next_look: out.next_look, healthy }
}

/// Whether a node says that it is ready.
pub fn ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|c| c.type_ == "Ready").is_none_or(|c| c.status == "True")
}

fn not_ready(node: &Node, condition: &NodeCondition, fell: Option<Timestamp>, now: Timestamp, out: &mut Findings) {
    let told = anchor(condition.last_transition_time.as_ref(), now);
    let since = fell.map_or(told, |fell| fell.min(now));
    let created = anchor(node.metadata.creation_timestamp.as_ref(), now);
    let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or_default();
    let hold = if cordoned { CORDONED_HOLD } else { NOT_READY_HOLD };
    // A node begins as not ready: one that changed to it later was ready before, however new it is.
    let settled = fell.is_some() || since.duration_since(created) > JOINING;
    if !out.held(since, hold, now) || (!settled && !out.held(created, NEW_NODE_HOLD, now)) {
        return;
    }
    let text = format!("node {} is not ready: {}", name(node), clip(condition.message.as_deref().unwrap_or_default()));
    push(node, condition, Rule::NodeNotReady, SignalType::NodeNotReady, (text, since), out);
}

fn pressure(node: &Node, condition: &NodeCondition, signal: SignalType, now: Timestamp, out: &mut Findings) {
    let since = anchor(condition.last_transition_time.as_ref(), now);
    if !out.held(since, PRESSURE_HOLD, now) {
        return;
    }
    let text = format!(
        "node {} has {}: {}",
        name(node),
        condition.type_,
        clip(condition.message.as_deref().unwrap_or_default())
    );
    push(node, condition, Rule::NodePressure, signal, (text, since), out);
}

fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

fn push(
    node: &Node,
    condition: &NodeCondition,
    rule: Rule,
    signal: SignalType,
    (message, since): (String, Timestamp),
    out: &mut Findings,
) {
    let root = cluster_object("Node", name(node), node.metadata.uid.clone());
    let detail =
        format!("{}={} {}", condition.type_, condition.status, condition.reason.as_deref().unwrap_or_default());
    out.symptoms.push(Symptom {
        rule,
        signal,
        severity: if rule == Rule::NodeNotReady { Severity::Critical } else { Severity::High },
        root: root.clone(),
        group: "node".into(),
        pod: None,
        container: None,
        message,
        value: detail.clone(),
        threshold: "Ready".into(),
        since,
        count: 1,
        evidence: vec![status_seen(root, detail, Some(since))],
    });
}
