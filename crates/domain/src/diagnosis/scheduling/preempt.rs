//! A pod that had a node and lost it to one that comes before it.
//!
//! The scheduler deletes a pod to make room for another one with a higher priority; its controller makes it anew, and the new
//! one waits. What is seen of it afterwards: the pod that waits was made after the other one, and before that had its node.

use api::shared::{CauseClass, RootCause};
use jiff::{SignedDuration, Timestamp};

use super::fit::{Verdict, World, judge};
use super::obstacle::Obstacle;
use crate::detection::PodView;
use crate::diagnosis::{Evidence, NodeRoom, Tenant, amount, cause, fact};

/// Pods that are made this soon after their revision are its first ones, which had no node before.
const FIRST: SignedDuration = SignedDuration::from_secs(3);
/// Times of the API are whole seconds.
const ROUNDED: SignedDuration = SignedDuration::from_secs(1);

/// The preemption that left the pod of this evidence without a node.
pub(super) fn preempted(
    evidence: &Evidence,
    world: &World<'_>,
    wanted: &super::Wanted<'_>,
) -> Option<(RootCause, String)> {
    let pod = evidence.pod()?;
    let made = pod.pod.metadata.creation_timestamp.as_ref()?.0;
    let own = pod.spec().and_then(|spec| spec.priority).unwrap_or_default();
    let verdicts = judge(wanted.spec, wanted.labels, world);
    let told = told(evidence);
    let again = wanted.rolled.is_some_and(|rolled| made.duration_since(rolled) > FIRST);
    let took = |tenant: &&Tenant| {
        tenant.priority > own
            && tenant.workload.name != evidence.view.workload.name
            && (told || (again && between(made, tenant)))
    };
    let candidates = verdicts.iter().filter_map(|verdict| {
        let tenant = verdict.node.above.iter().filter(took).find(|tenant| frees(verdict, tenant))?;
        Some((verdict, tenant))
    });
    let (verdict, tenant) = candidates.into_iter().max_by_key(|(_, tenant)| tenant.made)?;
    Some(conclude(evidence, verdict, tenant, own))
}

/// Whether a pod of the workload says that it was preempted.
fn told(evidence: &Evidence) -> bool {
    let says = |pod: &PodView| {
        let target = pod.condition("DisruptionTarget");
        target.is_some_and(|c| c.status == "True" && c.reason.as_deref() == Some("PreemptionByScheduler"))
    };
    evidence.view.pods.iter().any(says)
}

/// Whether a pod was made while the other one waited for its node.
fn between(made: Timestamp, tenant: &Tenant) -> bool {
    let (Some(theirs), Some(placed)) = (tenant.made, tenant.placed) else { return false };
    made.duration_since(theirs) >= -ROUNDED && placed.duration_since(made) >= -ROUNDED
}

/// Whether the pod would fit the node without the other one.
fn frees(verdict: &Verdict<'_>, tenant: &Tenant) -> bool {
    let enough = |obstacle: &Obstacle| match obstacle {
        Obstacle::Short { resource, wished, free, .. } if resource != "pods" => {
            free + tenant.requests.get(resource).copied().unwrap_or_default() >= *wished
        }
        Obstacle::Short { .. } => true,
        _ => false,
    };
    !verdict.obstacles.is_empty() && verdict.obstacles.iter().all(enough)
}

fn conclude(evidence: &Evidence, verdict: &Verdict<'_>, tenant: &Tenant, own: i32) -> (RootCause, String) {
    let NodeRoom { name: node, .. } = verdict.node;
    let (kind, name) = (&tenant.workload.kind, &tenant.workload.name);
    let class = tenant.class.clone().unwrap_or_default();
    let higher = if class.is_empty() {
        format!("priority {}", tenant.priority)
    } else {
        format!("PriorityClass {class} ({})", tenant.priority)
    };
    let lacks: Vec<String> = verdict.obstacles.iter().map(Obstacle::words).collect();
    let statement = format!(
        "{} was preempted on node {node} by {kind} {name}, whose {higher} is higher than its own {own}, and no node has room for both ({node}: {})",
        evidence.who(),
        lacks.join(", ")
    );
    let prefix = match kind.as_str() {
        "Pod" => "spec",
        _ => "spec.template.spec",
    };
    let path = format!("{prefix}.{}", if class.is_empty() { "priority" } else { "priorityClassName" });
    let value = if class.is_empty() { tenant.priority.to_string() } else { class };
    let mut root =
        cause(evidence, CauseClass::InsufficientResources, Some(path.clone()), Some(value.clone()), statement, 0.9);
    root.object = tenant.workload.clone();
    root.proof.push(fact(&tenant.workload, &path, &value, "its pods come first"));
    let times = tenant.made.zip(tenant.placed).map(|(made, placed)| format!("made {made}, placed {placed}"));
    root.proof.push(fact(
        &tenant.workload,
        "spec.nodeName",
        &times.unwrap_or_else(|| node.clone()),
        "the pod that waits was made between these",
    ));
    for (resource, amount) in &tenant.requests {
        let amount = amount::show(resource, *amount);
        root.proof.push(fact(&tenant.workload, &format!("requests.{resource}"), &amount, "this is what it took"));
    }
    let advice = format!(
        "Add room for both, lower the request of one of them, or give {kind} {name} and {} the priorities that are meant.",
        evidence.who()
    );
    (root, advice)
}
