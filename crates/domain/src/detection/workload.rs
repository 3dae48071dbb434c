//! Rules over the workload itself: what its controller says.

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};

use super::pod::{clip, event_seen, status_seen};
use super::{FRESH, Findings, Observation, Rule, Symptom, WorkloadView, anchor};

/// What a pod needs may be applied a moment after what makes the pod.
const REFUSED_HOLD: SignedDuration = SignedDuration::from_secs(3);

/// Looks at the workload.
pub(super) fn examine(view: &WorkloadView, now: Timestamp, out: &mut Findings) {
    refused(view, now, out);
    stuck(view, now, out);
}

fn symptom(
    view: &WorkloadView,
    rule: Rule,
    severity: Severity,
    message: String,
    since: Timestamp,
    evidence: Observation,
) -> Symptom {
    Symptom {
        rule,
        signal: rule.signal(),
        severity: view.severity(severity),
        root: view.root().clone(),
        group: view.current.clone().unwrap_or_default(),
        pod: None,
        container: None,
        value: message.clone(),
        message,
        threshold: String::new(),
        since,
        count: 1,
        evidence: vec![evidence],
    }
}

/// Pods that the API server refuses: quota, limit range, Pod Security, a webhook, a missing ServiceAccount.
fn refused(view: &WorkloadView, now: Timestamp, out: &mut Findings) {
    let failure = view.condition("ReplicaFailure").filter(|c| c.status == "True");
    let event = view
        .events
        .iter()
        .filter(|e| e.reason == "FailedCreate" && WorkloadView::ago(e.last, now) < FRESH)
        .max_by_key(|e| e.last);
    let live = i32::try_from(view.live_pods().count()).unwrap_or(i32::MAX);
    let (message, since, seen) = match (failure, event) {
        (Some(condition), _) => {
            let since = anchor(condition.last_transition_time.as_ref(), now);
            let text = condition.message.clone().unwrap_or_default();
            let seen = status_seen(view.workload.clone(), format!("ReplicaFailure: {}", clip(&text)), Some(since));
            (text, since, seen)
        }
        // StatefulSets and DaemonSets have no such condition.
        (None, Some(event)) if live < view.desired && view.workload.kind != "Deployment" => {
            (event.message.clone(), event.first, event_seen(event))
        }
        _ => return,
    };
    if !out.held(since.min(now), REFUSED_HOLD, now) {
        return;
    }
    let text = format!("pods of {} {} are refused: {}", view.workload.kind, view.workload.name, clip(&message));
    let mut found = symptom(view, Rule::Refused, Severity::High, text, since, seen);
    found.value = clip(&message);
    found.threshold = "pods can be created".into();
    out.symptoms.push(found);
}

fn stuck(view: &WorkloadView, now: Timestamp, out: &mut Findings) {
    let Some(condition) = view.condition("Progressing") else { return };
    if view.paused
        || condition.status != "False"
        || condition.reason.as_deref() != Some("ProgressDeadlineExceeded")
        || view.healthy()
    {
        return;
    }
    let since = anchor(condition.last_transition_time.as_ref(), now);
    let message = condition.message.clone().unwrap_or_default();
    let seen = status_seen(view.workload.clone(), format!("ProgressDeadlineExceeded: {}", clip(&message)), Some(since));
    let text =
        format!("the rollout of {} {} makes no progress: {}", view.workload.kind, view.workload.name, clip(&message));
    let mut found = symptom(view, Rule::RolloutStuck, Severity::High, text, since, seen);
    found.value = format!("{} of {} ready", view.ready(), view.desired);
    found.threshold = format!("{} ready", view.desired);
    out.symptoms.push(found);
}

/// Reference to a cluster-scoped object.
pub(super) fn cluster_object(kind: &str, name: &str, uid: Option<String>) -> ObjectRef {
    ObjectRef { api_version: Some("v1".into()), kind: kind.into(), namespace: None, name: name.into(), uid }
}
