//! Rules over one container's status: what it waits for, starts that fail, memory. Images are in `pull`, crash loops in
//! `exits`.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, ContainerStatus};

use super::pod::{REFERENCE_HOLD, clip, says_missing, status_seen, symptom};
use super::{FRESH, Findings, PodView, Rule, WorkloadView, anchor, exits, pull};

/// A container that ran this long, and three times as long as before, has recovered.
const RECOVERED: SignedDuration = SignedDuration::from_secs(30);

/// Looks at one container.
pub(super) fn examine(
    view: &WorkloadView,
    pod: &PodView,
    init: bool,
    status: &ContainerStatus,
    now: Timestamp,
    out: &mut Findings,
) {
    let state = status.state.as_ref();
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let done = state.and_then(|s| s.terminated.as_ref());
    if let Some(waiting) = state.and_then(|s| s.waiting.as_ref())
        && waits(view, pod, status, waiting, now, out)
    {
        return;
    }
    // A container that reached its end and is not started again has nothing to say, whatever happened before: an init
    // container, or one of a Job.
    let stays_ended = init || pod.spec().and_then(|s| s.restart_policy.as_deref()).is_some_and(|p| p != "Always");
    if stays_ended && done.is_some_and(|t| t.exit_code == 0) {
        return;
    }
    if start_error(view, pod, status, done.or(last), now, out) {
        return;
    }
    // A Job tries again by itself; its own rule counts how often.
    if view.job.is_some() {
        return;
    }
    if out_of_memory(view, pod, status, now, out) {
        return;
    }
    exits::examine(view, pod, init, status, now, out);
}

fn waits(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    now: Timestamp,
    out: &mut Findings,
) -> bool {
    let reason = waiting.reason.as_deref().unwrap_or_default();
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            pull::examine(view, pod, status, waiting, now, out);
            true
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PostStartHookError" => {
            cannot_start(view, pod, status, waiting, now, out);
            true
        }
        _ => false,
    }
}

/// A reason with its message, if it has one.
pub(super) fn said(reason: &str, message: &str) -> String {
    if message.trim().is_empty() { reason.to_owned() } else { format!("{reason}: {}", clip(message)) }
}

fn cannot_start(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    now: Timestamp,
    out: &mut Findings,
) {
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let message = waiting.message.as_deref().unwrap_or_default();
    let missing = says_missing(message);
    let since = waiting_since(pod, status, now);
    if !out.held(since, REFERENCE_HOLD, now) {
        return;
    }
    let rule = if missing { Rule::MissingReference } else { Rule::StartError };
    let text = format!(
        "container {} of pod {} cannot be started: {}",
        status.name,
        pod.reference().name,
        said(reason, message)
    );
    let mut found = symptom(view, pod, rule, Severity::High, text);
    if reason == "CreateContainerConfigError" {
        found.signal = Rule::MissingReference.signal();
    }
    found.container = Some(status.name.clone());
    found.value = if message.is_empty() { reason.to_owned() } else { clip(message) };
    found.threshold = "the container can be started".into();
    found.since = since;
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {} waits: {}", status.name, said(reason, message)),
        Some(since),
    ));
    out.symptoms.push(found);
}

/// Since when a container waits: the end of its last run, or the start of its pod. A pod may have run for weeks before.
pub(super) fn waiting_since(pod: &PodView, status: &ContainerStatus, now: Timestamp) -> Timestamp {
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).and_then(ended);
    last.map_or_else(|| pod.started(now), |t| t.min(now))
}

pub(super) fn ended(terminated: &ContainerStateTerminated) -> Option<Timestamp> {
    terminated.finished_at.as_ref().map(|t| t.0)
}

pub(super) fn fresh(terminated: &ContainerStateTerminated, now: Timestamp) -> bool {
    ended(terminated).is_some_and(|at| WorkloadView::ago(at, now) < FRESH)
}

/// Whether an end tells about now: it is not long ago, or the container is down since and will be started again. The
/// latter needs no clock, and that of a node may be wrong.
fn current(pod: &PodView, status: &ContainerStatus, end: &ContainerStateTerminated, now: Timestamp) -> bool {
    let state = status.state.as_ref();
    let ended = state.and_then(|s| s.terminated.as_ref()).is_some_and(|done| done == end);
    let waits = state.and_then(|s| s.waiting.as_ref()).and_then(|w| w.reason.as_deref()) == Some("CrashLoopBackOff");
    let again = pod.spec().and_then(|spec| spec.restart_policy.as_deref()).is_none_or(|policy| policy != "Never");
    fresh(end, now) || again && (ended || waits)
}

/// Whether the container runs again long enough to be believed; if not yet, looks again when it would.
pub(super) fn recovered(status: &ContainerStatus, now: Timestamp, out: &mut Findings) -> bool {
    let Some(running) = status.state.as_ref().and_then(|s| s.running.as_ref()) else { return false };
    let since = anchor(running.started_at.as_ref(), now);
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let ran = last.and_then(|t| Some(ended(t)?.duration_since(t.started_at.as_ref()?.0)));
    let wait = ran.map_or(RECOVERED, |d| d.saturating_mul(3)).max(RECOVERED).min(FRESH);
    out.held(since, wait, now)
}

/// A container whose process cannot even begin: the first time is enough.
fn start_error(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    end: Option<&ContainerStateTerminated>,
    now: Timestamp,
    out: &mut Findings,
) -> bool {
    let Some(end) = end.filter(|t| current(pod, status, t, now)) else { return false };
    if !matches!(end.reason.as_deref(), Some("StartError" | "ContainerCannotRun")) || recovered(status, now, out) {
        return false;
    }
    let message = end.message.as_deref().unwrap_or_default();
    let reason = end.reason.as_deref().unwrap_or_default();
    let text = format!(
        "container {} of pod {} cannot be started: {}",
        status.name,
        pod.reference().name,
        said(reason, message)
    );
    let mut found = symptom(view, pod, Rule::StartError, Severity::High, text);
    found.container = Some(status.name.clone());
    found.value = if message.is_empty() { reason.to_owned() } else { clip(message) };
    found.threshold = "the command can be executed".into();
    found.since = ended(end).unwrap_or(now).min(now);
    found.count = i64::from(status.restart_count) + 1;
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {}: {}", status.name, said(reason, message)),
        ended(end),
    ));
    out.symptoms.push(found);
    true
}

fn out_of_memory(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    now: Timestamp,
    out: &mut Findings,
) -> bool {
    let states = [status.state.as_ref(), status.last_state.as_ref()];
    let Some(end) = states
        .into_iter()
        .flatten()
        .filter_map(|s| s.terminated.as_ref())
        .find(|t| t.reason.as_deref() == Some("OOMKilled") && current(pod, status, t, now))
    else {
        return false;
    };
    if let Some(at) = ended(end) {
        out.look_at(at.saturating_add(FRESH).unwrap_or(now));
    }
    if recovered(status, now, out) {
        return false;
    }
    let limit = memory_limit(pod, status);
    let text = format!(
        "container {} of pod {} was killed for its memory (limit {})",
        status.name,
        pod.reference().name,
        limit.as_deref().unwrap_or("of the node")
    );
    let mut found = symptom(view, pod, Rule::OutOfMemory, Severity::High, text);
    found.container = Some(status.name.clone());
    found.value = format!("OOMKilled, exit {}", end.exit_code);
    found.threshold = limit.unwrap_or_else(|| "memory of the node".into());
    found.since = ended(end).unwrap_or(now).min(now);
    found.count = i64::from(status.restart_count).max(1);
    found.evidence.push(status_seen(
        pod.reference(),
        format!(
            "container {} terminated: OOMKilled, exit {}, restarts {}",
            status.name, end.exit_code, status.restart_count
        ),
        ended(end),
    ));
    out.symptoms.push(found);
    true
}

/// The memory limit of a container.
fn memory_limit(pod: &PodView, status: &ContainerStatus) -> Option<String> {
    let spec = pod.container(&status.name).and_then(|c| c.resources.as_ref());
    let resources = spec.or(status.resources.as_ref())?;
    resources.limits.as_ref()?.get("memory").map(|q| q.0.clone())
}
