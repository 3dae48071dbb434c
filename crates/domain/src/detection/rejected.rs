//! Pods that the kubelet of their node refuses to run for what they ask of it, such as a sysctl that is not allowed there:
//! they end before a container was made.

use api::shared::Severity;
use jiff::Timestamp;

use super::pod::{clip, status_seen, symptom};
use super::{FRESH, Findings, PodView, Rule, WorkloadView, anchor};

/// Reasons that speak of the pod's own wishes; what the node lacks is another matter (`unfit`).
const OWN: [&str; 4] = ["SysctlForbidden", "AppArmor", "PodOSNotSupported", "PodOSSelectorNodeLabelDoesNotMatch"];

/// Looks at a pod that has ended.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    let Some(status) = pod.pod.status.as_ref() else { return };
    let reason = status.reason.as_deref().unwrap_or_default();
    if !OWN.contains(&reason) {
        return;
    }
    let since = anchor(pod.pod.metadata.creation_timestamp.as_ref(), now);
    let until = since.saturating_add(FRESH).unwrap_or(now);
    if until <= now {
        return;
    }
    out.look_at(until);
    let message = clip(status.message.as_deref().unwrap_or_default());
    let text = format!("pod {} is refused by its node ({reason}): {message}", pod.reference().name);
    let mut found = symptom(view, pod, Rule::StartError, Severity::High, text);
    found.container = pod.spec().and_then(|spec| spec.containers.first()).map(|container| container.name.clone());
    message.trim_end_matches('.').clone_into(&mut found.value);
    found.threshold = "the node runs the pod".into();
    found.since = since;
    found.evidence.push(status_seen(pod.reference(), format!("Failed {reason}: {message}"), Some(since)));
    out.symptoms.push(found);
}
