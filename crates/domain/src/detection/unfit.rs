//! Pods that the kubelet of their node refused: it checks again what the scheduler found, or what nobody did where the pod
//! was put on the node by name.

use api::shared::Severity;
use jiff::Timestamp;

use super::pod::{clip, status_seen, symptom};
use super::{FRESH, Findings, PodView, Rule, WorkloadView, anchor};

/// A node that restarts refuses a pod now and then; one whose successor is refused too is at odds with its pods.
const AGAIN: usize = 2;

/// The reason for which a kubelet refused a pod.
pub(crate) fn reason(pod: &PodView) -> Option<&str> {
    let reason = pod.pod.status.as_ref().and_then(|status| status.reason.as_deref())?;
    let known = ["NodeAffinity", "NodeName", "NodePorts", "UnexpectedAdmissionError", "TopologyAffinityError"];
    (pod.phase() == "Failed" && (reason.starts_with("OutOf") || known.contains(&reason))).then_some(reason)
}

/// Looks at the pods of a workload that were refused while it lacks some.
pub(super) fn examine(view: &WorkloadView, now: Timestamp, out: &mut Findings) {
    if view.job.is_some() {
        return;
    }
    let made = |pod: &PodView| anchor(pod.pod.metadata.creation_timestamp.as_ref(), now);
    let fresh =
        |pod: &&PodView| reason(pod).is_some() && !pod.terminating() && WorkloadView::ago(made(pod), now) < FRESH;
    let mut refused: Vec<&PodView> = view.pods.iter().filter(fresh).collect();
    let alone = view.workload.kind == "Pod";
    if refused.is_empty() || (!alone && (refused.len() < AGAIN || view.ready() >= view.desired)) {
        return;
    }
    refused.sort_by_key(|pod| (made(pod), pod.reference().name));
    let (Some(first), Some(last)) = (refused.first(), refused.last()) else { return };
    let (since, until) = (made(first), made(last).saturating_add(FRESH).unwrap_or(now));
    out.look_at(until);
    let why = reason(last).unwrap_or_default();
    let status = last.pod.status.as_ref();
    let message = clip(status.and_then(|status| status.message.as_deref()).unwrap_or_default());
    let node = last.spec().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let text = format!("node {node} refuses pod {} ({why}): {message}", last.reference().name);
    let mut found = symptom(view, last, Rule::Unschedulable, Severity::High, text);
    found.value = format!("{why}: {message}");
    found.threshold = "the node takes the pod".into();
    found.since = since;
    found.count = i64::try_from(refused.len()).unwrap_or(i64::MAX);
    found.evidence.push(status_seen(last.reference(), format!("Failed {why}: {message}"), Some(made(last))));
    out.symptoms.push(found);
}
