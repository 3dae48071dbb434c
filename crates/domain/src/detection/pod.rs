//! Rules over one pod: scheduling, set-up, containers, probes.

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};

use super::{
    EventNote, FRESH, Findings, Observation, PodView, Rule, Source, Symptom, WorkloadView, anchor, container, evicted,
    init, probe, rejected,
};

/// The scheduler tries again at once when something changes; a pod that is still not placed after this waits for more.
const UNSCHEDULABLE_HOLD: SignedDuration = SignedDuration::from_secs(10);
/// A volume is bound by another controller, which needs some seconds for it.
const VOLUME_HOLD: SignedDuration = SignedDuration::from_secs(15);
/// An object that is missing may be made a moment later, by the same `kubectl apply`.
pub(super) const REFERENCE_HOLD: SignedDuration = SignedDuration::from_secs(4);
/// Attaching a volume or setting up a network fails now and then and is tried again; so is making room on a node.
const SETUP_HOLD: SignedDuration = SignedDuration::from_secs(60);

/// Looks at one pod.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    let owned = view.workload.kind != "Pod";
    if pod.phase() == "Failed" && !pod.terminating() {
        evicted::examine(view, pod, now, out);
        rejected::examine(view, pod, now, out);
    }
    // A failed pod of a Job is one of its tries: the Job's own rule counts them.
    if pod.terminating() || pod.phase() == "Succeeded" || (pod.phase() == "Failed" && owned) {
        return;
    }
    // What happens on a node that does not answer is the node's fault, and is told there.
    if !pod.node_ready {
        return;
    }
    let before = out.symptoms.len();
    scheduling(view, pod, now, out);
    set_up(view, pod, now, out);
    for (init, status) in pod.statuses() {
        container::examine(view, pod, init, status, now, out);
    }
    if out.symptoms.len() == before {
        init::examine(view, pod, now, out);
        probe::examine(view, pod, now, out);
    }
}

/// A symptom of this pod, pointing to the workload.
pub(super) fn symptom(view: &WorkloadView, pod: &PodView, rule: Rule, severity: Severity, message: String) -> Symptom {
    Symptom {
        rule,
        signal: rule.signal(),
        severity: view.severity(severity),
        root: view.root().clone(),
        group: pod.revision.clone(),
        pod: Some(pod.reference()),
        container: None,
        message,
        value: String::new(),
        threshold: String::new(),
        since: Timestamp::UNIX_EPOCH,
        count: 1,
        evidence: Vec::new(),
    }
}

/// An observation on an event.
pub(super) fn event_seen(event: &EventNote) -> Observation {
    Observation {
        source: Source::Event,
        object: event.object.clone(),
        detail: format!("{}: {}", event.reason, clip(&event.message)),
        time: Some(event.last),
    }
}

/// An observation on a status.
pub(super) fn status_seen(object: ObjectRef, detail: String, time: Option<Timestamp>) -> Observation {
    Observation { source: Source::Status, object, detail, time }
}

/// At most 400 characters of a text from the cluster.
pub(super) fn clip(text: &str) -> String {
    const MAX: usize = 400;
    let text = text.trim();
    if text.chars().count() <= MAX {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(MAX).collect::<String>())
    }
}

fn scheduling(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    let Some(condition) = pod.condition("PodScheduled") else { return };
    if condition.status != "False" || condition.reason.as_deref() != Some("Unschedulable") {
        return;
    }
    let message = condition.message.clone().unwrap_or_default();
    let since = anchor(condition.last_transition_time.as_ref(), now);
    let volume = message.contains("persistentvolumeclaim") || message.contains("PersistentVolumeClaim");
    // A pod that pushed others out is about to get its place, and one of a workload that is giving a pod up may get that.
    let nominated =
        pod.pod.status.as_ref().is_some_and(|s| s.nominated_node_name.as_deref().is_some_and(|n| !n.is_empty()));
    let making_room = view.pods.iter().any(PodView::terminating);
    let hold = if nominated || (making_room && !volume) {
        SETUP_HOLD
    } else if volume {
        VOLUME_HOLD
    } else {
        UNSCHEDULABLE_HOLD
    };
    if !out.held(since, hold, now) {
        return;
    }
    let text = format!("pod {} fits no node: {}", pod.reference().name, clip(&message));
    let mut found = symptom(view, pod, Rule::Unschedulable, Severity::High, text);
    if volume {
        found.signal = SignalType::PvcPending;
    }
    found.value = clip(&message);
    found.threshold = "a node with room".into();
    found.since = since;
    found.evidence.push(status_seen(
        pod.reference(),
        format!("PodScheduled=False Unschedulable: {}", clip(&message)),
        Some(since),
    ));
    out.symptoms.push(found);
}

/// Whether a message says that an object or a key is not there.
pub(super) fn says_missing(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let about = [
        "configmap",
        "secret",
        "key ",
        "references non-existent",
        "persistentvolumeclaim",
        "serviceaccount",
        "container ",
    ];
    let missing = ["not found", "couldn't find key", "non-existent", "does not exist", "doesn't exist"];
    about.iter().any(|w| message.contains(w)) && missing.iter().any(|w| message.contains(w))
}

fn set_up(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    // Only a pod of which no container runs yet is being set up.
    let waits = pod.condition("PodScheduled").is_some_and(|c| c.status == "True")
        && pod.statuses().all(|(_, s)| s.state.as_ref().is_none_or(|state| state.running.is_none()))
        && pod.phase() == "Pending";
    if !waits {
        return;
    }
    let trouble = ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume", "NetworkNotReady"];
    let Some(event) = pod
        .events
        .iter()
        .filter(|e| trouble.contains(&e.reason.as_str()) && WorkloadView::ago(e.last, now) < FRESH)
        .max_by_key(|e| e.last)
    else {
        return;
    };
    let missing = says_missing(&event.message);
    // A folder of the node that is not there does not appear by itself.
    let definite = ["hostPath type check failed", "is not a directory", "does not exist"];
    let definite = definite.iter().any(|text| event.message.contains(text));
    let hold = if missing || definite { REFERENCE_HOLD } else { SETUP_HOLD };
    if !out.held(event.first.min(now), hold, now) {
        return;
    }
    let rule = if missing { Rule::MissingReference } else { Rule::SetupFailing };
    let text = format!("pod {} cannot be set up: {}", pod.reference().name, clip(&event.message));
    let mut found = symptom(view, pod, rule, Severity::High, text);
    found.value = clip(&event.message);
    found.threshold = "volumes and network are there".into();
    found.since = event.first;
    found.count = i64::from(event.count);
    found.evidence.push(event_seen(event));
    out.symptoms.push(found);
}
