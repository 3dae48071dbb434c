//! Rules over one container's status: image, configuration, memory, exits.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, ContainerStatus};

use super::pod::{REFERENCE_HOLD, clip, event_seen, says_missing, status_seen, symptom};
use super::probe::killed_by_probe;
use super::{FRESH, Findings, PodView, Rule, WorkloadView, anchor};

/// A pull that fails for a reason that may pass is believed after this.
const PULL_HOLD: SignedDuration = SignedDuration::from_secs(30);
/// The same once the kubelet backs off: by then its second try, after 10 s, has failed too.
const BACK_OFF_HOLD: SignedDuration = SignedDuration::from_secs(15);
/// A container that ran this long, and three times as long as before, has recovered.
const RECOVERED: SignedDuration = SignedDuration::from_secs(30);

/// Whether a pull of an image failed for a reason that does not pass by itself. The image's own name is no reason.
pub(super) fn pull_is_definite(reason: &str, message: &str, image: &str) -> bool {
    const FINAL: [&str; 14] = [
        "not found",
        "manifest unknown",
        "manifest_unknown",
        "unauthorized",
        "authentication required",
        "denied",
        "forbidden",
        "invalid reference",
        "invalid_name",
        "no such host",
        "couldn't parse image",
        "repository does not exist",
        "no match for platform",
        "not present with pull policy of never",
    ];
    let message = if image.is_empty() { message.to_owned() } else { message.replace(image, "") };
    let message = message.to_ascii_lowercase();
    matches!(reason, "InvalidImageName" | "ErrImageNeverPull") || FINAL.iter().any(|text| message.contains(text))
}

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
    crash_loop(view, pod, init, status, now, out);
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
            image(view, pod, status, waiting, now, out);
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

fn image(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    now: Timestamp,
    out: &mut Findings,
) {
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let message = waiting.message.as_deref().unwrap_or_default();
    let failed: Vec<_> = pod
        .events
        .iter()
        .filter(|e| {
            matches!(e.reason.as_str(), "Failed" | "InspectFailed" | "ErrImageNeverPull")
                && e.is_about(&status.name)
                && e.message.contains("image")
        })
        .collect();
    let image = pod.container(&status.name).and_then(|c| c.image.clone()).unwrap_or_else(|| status.image.clone());
    // The back-off's own message may hide the registry's answer; the event keeps it.
    let definite = pull_is_definite(reason, message, &image)
        || failed.iter().any(|e| pull_is_definite(reason, &e.message, &image));
    let since = failed.iter().map(|e| e.first).min().map_or_else(|| waiting_since(pod, status, now), |t| t.min(now));
    let hold = if reason == "ImagePullBackOff" { BACK_OFF_HOLD } else { PULL_HOLD };
    if !definite && !out.held(since, hold, now) {
        return;
    }
    let text = format!(
        "container {} of pod {} cannot get image {image}: {}",
        status.name,
        pod.reference().name,
        said(reason, message)
    );
    let mut found = symptom(view, pod, Rule::ImagePull, Severity::High, text);
    found.container = Some(status.name.clone());
    found.value = image;
    found.threshold = "the image can be pulled".into();
    found.since = since;
    found.count = failed.iter().map(|e| i64::from(e.count)).sum::<i64>().max(1);
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {} waits: {}", status.name, said(reason, message)),
        Some(since),
    ));
    found.evidence.extend(failed.iter().max_by_key(|e| e.message.len()).map(|e| event_seen(e)));
    out.symptoms.push(found);
}

/// A reason with its message, if it has one.
fn said(reason: &str, message: &str) -> String {
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
fn waiting_since(pod: &PodView, status: &ContainerStatus, now: Timestamp) -> Timestamp {
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).and_then(ended);
    last.map_or_else(|| pod.started(now), |t| t.min(now))
}

fn ended(terminated: &ContainerStateTerminated) -> Option<Timestamp> {
    terminated.finished_at.as_ref().map(|t| t.0)
}

fn fresh(terminated: &ContainerStateTerminated, now: Timestamp) -> bool {
    ended(terminated).is_some_and(|at| WorkloadView::ago(at, now) < FRESH)
}

/// Whether the container runs again long enough to be believed; if not yet, looks again when it would.
fn recovered(status: &ContainerStatus, now: Timestamp, out: &mut Findings) -> bool {
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
    let Some(end) = end.filter(|t| fresh(t, now)) else { return false };
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
        .find(|t| t.reason.as_deref() == Some("OOMKilled") && fresh(t, now))
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

/// A crashing container stays `terminated` through its back-off for minutes; restarts, the last state and the BackOff
/// event tell it as well as `waiting: CrashLoopBackOff`.
fn crash_loop(
    view: &WorkloadView,
    pod: &PodView,
    init: bool,
    status: &ContainerStatus,
    now: Timestamp,
    out: &mut Findings,
) {
    let state = status.state.as_ref();
    let waiting = state.and_then(|s| s.waiting.as_ref());
    let done = state.and_then(|s| s.terminated.as_ref());
    let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let restarts_never = pod.spec().and_then(|s| s.restart_policy.as_deref()).is_some_and(|p| p == "Never");
    let bare = view.workload.kind == "Pod";
    let back_off = pod.events.iter().find(|e| {
        e.reason == "BackOff"
            && e.is_about(&status.name)
            && e.message.contains("restarting")
            && WorkloadView::ago(e.last, now) < FRESH
    });
    let recent = |t: Option<&ContainerStateTerminated>| t.is_some_and(|t| fresh(t, now));
    let looping = waiting.is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff"));
    let failed_for_good = bare && restarts_never && done.is_some_and(|t| t.exit_code != 0 && fresh(t, now));
    let twice = done.is_some() && recent(done) && recent(last);
    // Two restarts of a young pod are two exits; of an old pod only the last one is known to be new.
    let young = WorkloadView::ago(pod.started(now), now) < FRESH;
    let often = young && status.restart_count >= 2 && recent(last);
    let told = back_off.is_some() && recent(done.or(last));
    // Killed over a probe, which fails in the next run too: there is no need to wait for the next kill.
    let again = state.and_then(|s| s.running.as_ref()).is_some_and(|running| {
        let since = anchor(running.started_at.as_ref(), now);
        recent(last) && killed_by_probe(pod, status).is_some_and(|event| event.last > since)
    });
    if !(looping || failed_for_good || twice || often || told || again) {
        return;
    }
    let Some(end) = done.or(last).filter(|t| looping || fresh(t, now)) else {
        if !looping {
            return;
        }
        return push_crash(view, pod, init, status, None, back_off.map(|e| &**e), now, out);
    };
    if let Some(at) = ended(end) {
        out.look_at(at.saturating_add(FRESH).unwrap_or(now));
    }
    if recovered(status, now, out) {
        return;
    }
    push_crash(view, pod, init, status, Some(end), back_off.map(|e| &**e), now, out);
}

#[expect(clippy::too_many_arguments, reason = "one private call site; a struct would only rename the arguments")]
fn push_crash(
    view: &WorkloadView,
    pod: &PodView,
    init: bool,
    status: &ContainerStatus,
    end: Option<&ContainerStateTerminated>,
    back_off: Option<&super::EventNote>,
    now: Timestamp,
    out: &mut Findings,
) {
    let what = if init { "init container" } else { "container" };
    let restarts = match status.restart_count {
        1 => "1 restart".to_owned(),
        more => format!("{more} restarts"),
    };
    let exit = end.map_or_else(|| "an unknown code".to_owned(), |t| format!("code {}", t.exit_code));
    let killer = killed_by_probe(pod, status)
        .map(|event| if event.message.starts_with("Startup") { "startup" } else { "liveness" });
    let does = match killer {
        Some(probe) => format!("is killed by its {probe} probe"),
        None => format!("exits with {exit}"),
    };
    let text = format!("{what} {} of pod {} {does} again and again ({restarts})", status.name, pod.reference().name);
    let mut found = symptom(view, pod, Rule::CrashLoop, Severity::High, text);
    found.container = Some(status.name.clone());
    found.value = format!("exit {exit}, {restarts}");
    found.threshold = "keeps running".into();
    found.since = end.and_then(|t| t.started_at.as_ref()).map_or(now, |t| t.0.min(now));
    found.count = i64::from(status.restart_count) + 1;
    let reason = end.and_then(|t| t.reason.clone()).unwrap_or_else(|| "CrashLoopBackOff".into());
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {} terminated: {reason}, exit {exit}, restarts {}", status.name, status.restart_count),
        end.and_then(ended),
    ));
    found.evidence.extend(back_off.map(event_seen));
    found.evidence.extend(killed_by_probe(pod, status).map(event_seen));
    out.symptoms.push(found);
}
