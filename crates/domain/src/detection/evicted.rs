//! Pods that the kubelet evicted because they took more local storage than their own limit. What a node lacks is told at
//! the node.

use api::shared::{Severity, SignalType};

use super::pod::{clip, status_seen, symptom};
use super::{FRESH, Findings, PodView, Rule, WorkloadView};

/// Looks at a pod that has ended.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: jiff::Timestamp, out: &mut Findings) {
    let Some(status) = pod.pod.status.as_ref().filter(|status| status.reason.as_deref() == Some("Evicted")) else {
        return;
    };
    let message = status.message.as_deref().unwrap_or_default();
    let own = ["ephemeral local storage usage exceeds", "local ephemeral storage limit", "usage of emptydir volume"];
    let lower = message.to_ascii_lowercase();
    if !own.iter().any(|text| lower.contains(text)) {
        return;
    }
    let ends = pod.statuses().filter_map(|(_, status)| status.state.as_ref()?.terminated.as_ref()?.finished_at.clone());
    let told = pod.events.iter().filter(|event| event.reason == "Evicted").map(|event| event.last).max();
    let Some(since) = told.or_else(|| ends.map(|time| time.0).max()) else { return };
    let since = since.min(now);
    let until = since.saturating_add(FRESH).unwrap_or(now);
    if until <= now {
        return;
    }
    out.look_at(until);
    let text = format!("pod {} was evicted: {}", pod.reference().name, clip(message));
    let mut found = symptom(view, pod, Rule::CrashLoop, Severity::High, text);
    found.signal = SignalType::DiskPressure;
    let quoted = message.split("Container ").nth(1).and_then(|rest| rest.split(' ').next());
    found.container = quoted.filter(|name| pod.container(name).is_some()).map(str::to_owned);
    clip(message).trim_end_matches('.').clone_into(&mut found.value);
    found.threshold = "stays within its limits".into();
    found.since = since;
    found.evidence.push(status_seen(pod.reference(), format!("Evicted: {}", clip(message)), Some(since)));
    out.symptoms.push(found);
}
