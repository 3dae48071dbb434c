//! Pods whose containers are ready and which are not: a readiness gate waits for a condition that somebody else sets.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};

use super::pod::{status_seen, symptom};
use super::{Findings, PodView, Rule, WorkloadView, anchor};

/// A load balancer needs some time to take a pod in.
const GATE_HOLD: SignedDuration = SignedDuration::from_secs(60);

/// Looks at a pod that is not ready.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    let gates = pod.spec().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    let open = |type_: &str| pod.condition(type_).is_some_and(|condition| condition.status == "True");
    let Some(gate) = gates.iter().map(|gate| gate.condition_type.as_str()).find(|gate| !open(gate)) else { return };
    let Some(ready) = pod.condition("ContainersReady").filter(|condition| condition.status == "True") else { return };
    let since = anchor(ready.last_transition_time.as_ref(), now);
    if !out.held(since, GATE_HOLD, now) {
        return;
    }
    let name = pod.reference().name;
    let text = format!("pod {name} is not ready although its containers are: readiness gate {gate} is not true");
    let mut found = symptom(view, pod, Rule::ReadinessFailing, Severity::Medium, text);
    found.value = format!("readiness gate {gate} is not true");
    found.threshold = "ready".into();
    found.since = since;
    let said = pod.condition(gate).map_or("no such condition", |condition| condition.status.as_str());
    found.evidence.push(status_seen(pod.reference(), format!("ContainersReady=True, {gate}: {said}"), Some(since)));
    out.symptoms.push(found);
}
