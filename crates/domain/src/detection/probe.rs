//! Rules over probes: when a pod that is not ready has had its time.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerPort, ContainerStatus, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{clip, event_seen, status_seen, symptom};
use super::{EventNote, FRESH, Findings, PodView, Rule, WorkloadView, anchor, gate};

/// A pod that served may be away this long.
const LOST_HOLD: SignedDuration = SignedDuration::from_secs(30);
/// A pod of a new revision has at least this long to become ready, however impatient its probe is.
const FIRST_HOLD: SignedDuration = SignedDuration::from_secs(30);
/// Failed liveness probes without a restart are believed after this many.
const LIVENESS_FAILURES: i32 = 5;
/// A liveness probe that has not failed for this long has recovered: events come at most every minute or so.
const LIVENESS_FRESH: SignedDuration = SignedDuration::from_mins(2);

fn seconds(value: Option<i32>, default: i64) -> SignedDuration {
    SignedDuration::from_secs(value.map_or(default, i64::from))
}

/// Whether a port reference means this declared port.
pub fn same_port(port: &IntOrString, declared: &ContainerPort) -> bool {
    match port {
        IntOrString::Int(number) => declared.container_port == *number,
        IntOrString::String(name) => declared.name.as_deref() == Some(name),
    }
}

/// How long a probe takes to give up: its delay, and its threshold of periods.
pub fn budget(probe: &Probe) -> SignedDuration {
    let periods = seconds(probe.period_seconds, 10).saturating_mul(probe.failure_threshold.unwrap_or(3).max(1));
    seconds(probe.initial_delay_seconds, 0).saturating_add(periods)
}

/// Twice the threshold, for a start that is slow by nature.
fn patience(probe: &Probe) -> SignedDuration {
    let delay = seconds(probe.initial_delay_seconds, 0);
    budget(probe).saturating_sub(delay).saturating_mul(2).saturating_add(delay)
}

/// How long the container of a pod took from its start to ready; none while it is not ready.
pub fn time_to_ready(pod: &PodView) -> Option<SignedDuration> {
    let ready = pod.condition("Ready").filter(|c| c.status == "True")?.last_transition_time.as_ref()?.0;
    let started = pod
        .statuses()
        .filter_map(|(_, s)| s.state.as_ref()?.running.as_ref()?.started_at.as_ref().map(|t| t.0))
        .max()?;
    Some(ready.duration_since(started)).filter(jiff::SignedDuration::is_positive)
}

/// The event of the liveness or startup probe over which the kubelet ended the last run of a container; none when the run
/// ended otherwise. A process that heeds the signal may end with any code: then it must have run long enough for the probe.
pub fn killed_by_probe<'a>(pod: &'a PodView, status: &ContainerStatus) -> Option<&'a EventNote> {
    let states = [status.state.as_ref(), status.last_state.as_ref()];
    let end = states.into_iter().flatten().find_map(|state| state.terminated.as_ref())?;
    if matches!(end.reason.as_deref(), Some("OOMKilled" | "StartError" | "ContainerCannotRun")) {
        return None;
    }
    let (from, to) = (end.started_at.as_ref()?.0, end.finished_at.as_ref()?.0);
    let event = ["Liveness", "Startup"]
        .into_iter()
        .filter_map(|probe| unhealthy(pod, &status.name, probe))
        .max_by_key(|e| e.last)?;
    let container = pod.container(&status.name)?;
    let startup = event.message.starts_with("Startup");
    let probe = if startup { container.startup_probe.as_ref() } else { container.liveness_probe.as_ref() }?;
    let threshold = probe.failure_threshold.unwrap_or(3).max(1);
    let signalled = matches!(end.exit_code, 137 | 143);
    // The kubelet gives up at the last of these failures, then waits for the process to end. Its events are rate-limited:
    // after many rounds the last one may be minutes old.
    let near = if signalled { event.last >= from.saturating_sub(FRESH).unwrap_or(from) } else { event.last >= from };
    let delay = seconds(probe.initial_delay_seconds, 0);
    let periods = seconds(probe.period_seconds, 10).saturating_mul(threshold - 1);
    let long_enough = to.duration_since(from) >= delay.saturating_add(periods);
    let often = failures(pod, &status.name, if startup { "Startup" } else { "Liveness" }, Timestamp::MIN) >= threshold;
    (often && near && (signalled || long_enough)).then_some(event)
}

/// Looks at the probes of a pod whose containers show no other symptom.
pub(super) fn examine(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    if pod.phase() != "Running" {
        return;
    }
    liveness(view, pod, now, out);
    // Nobody waits for a pod of a Job to be ready.
    if pod.ready() || view.job.is_some() {
        return;
    }
    let Some(condition) = pod.condition("Ready") else { return };
    for (init, status) in pod.statuses() {
        let Some(running) = status.state.as_ref().and_then(|s| s.running.as_ref()) else { continue };
        let sidecar = || pod.container(&status.name).is_some_and(|c| c.restart_policy.as_deref() == Some("Always"));
        if status.ready || (init && !sidecar()) {
            continue;
        }
        let started = anchor(running.started_at.as_ref(), now);
        let changed = anchor(condition.last_transition_time.as_ref(), now);
        // Ready went False after this run of the container began: it served, and lost it.
        let served = changed > started.saturating_add(SignedDuration::from_secs(1)).unwrap_or(started);
        if served {
            lost(view, pod, status, changed, now, out);
        } else {
            never(view, pod, status, started, now, out);
        }
        return;
    }
    gate::examine(view, pod, now, out);
}

fn unhealthy<'a>(pod: &'a PodView, container: &str, probe: &str) -> Option<&'a EventNote> {
    pod.events
        .iter()
        .filter(|e| e.reason == "Unhealthy" && e.is_about(container) && e.message.starts_with(probe))
        .max_by_key(|e| e.last)
        .map(|e| &**e)
}

/// How often a probe failed in events that began at `from` or later. A message that names a port or an id of its own is
/// another event every time.
fn failures(pod: &PodView, container: &str, probe: &str, from: Timestamp) -> i32 {
    let ours = |e: &&std::sync::Arc<EventNote>| {
        e.reason == "Unhealthy" && e.is_about(container) && e.message.starts_with(probe) && e.first >= from
    };
    pod.events.iter().filter(ours).fold(0, |sum, e| sum.saturating_add(e.count))
}

/// Whether what the probe got can only mean that it asks at the wrong place.
fn asks_wrongly(view: &WorkloadView, pod: &PodView, container: &Container, probe: &Probe, message: &str) -> bool {
    let before = view.revisions.iter().filter(|r| r.hash != pod.revision).find_map(|r| {
        let spec = r.template.spec.as_ref()?;
        spec.containers.iter().find(|c| c.name == container.name)?.readiness_probe.as_ref()
    });
    let differs = before.is_some_and(|b| {
        b.http_get != probe.http_get || b.tcp_socket != probe.tcp_socket || b.exec != probe.exec || b.grpc != probe.grpc
    });
    let refused = message.contains("connection refused");
    let client_error = message.contains("statuscode: 4");
    let declared = container.ports.as_deref().unwrap_or_default();
    let port = probe.http_get.as_ref().map(|h| &h.port).or(probe.tcp_socket.as_ref().map(|t| &t.port));
    let unknown = port.is_some_and(|p| !declared.iter().any(|d| same_port(p, d)));
    let undeclared = !declared.is_empty() && unknown;
    // A name that no port has can never be asked; a number may be served without being declared.
    let nameless =
        unknown && port.is_some_and(|p| matches!(p, IntOrString::String(name) if name.parse::<u16>().is_err()));
    nameless
        || message.contains("server gave HTTP response to HTTPS client")
        || (refused && (undeclared || differs))
        || (client_error && differs)
}

fn never(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    started: Timestamp,
    now: Timestamp,
    out: &mut Findings,
) {
    let Some(container) = pod.container(&status.name) else { return };
    let Some(probe) = container.readiness_probe.as_ref() else { return };
    let event = unhealthy(pod, &status.name, "Readiness");
    let message = event.map(|e| e.message.clone()).unwrap_or_default();
    let earlier = view
        .pods
        .iter()
        .filter(|p| p.revision != pod.revision || p.ready())
        .filter_map(time_to_ready)
        .max()
        .unwrap_or_default();
    let startup = container.startup_probe.as_ref().map_or(SignedDuration::ZERO, budget);
    let hold = if event.is_some() && asks_wrongly(view, pod, container, probe, &message) {
        budget(probe).saturating_add(SignedDuration::from_secs(1))
    } else {
        patience(probe).max(FIRST_HOLD).max(earlier.saturating_mul(3))
    };
    if !out.held(started, hold.saturating_add(startup), now) {
        return;
    }
    let text = format!(
        "container {} of pod {} has never become ready: {}",
        status.name,
        pod.reference().name,
        shown(&message)
    );
    push(view, pod, status, Rule::ReadinessFailing, (text, started), event, out);
}

fn lost(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    changed: Timestamp,
    now: Timestamp,
    out: &mut Findings,
) {
    let hold = pod
        .container(&status.name)
        .and_then(|c| c.readiness_probe.as_ref())
        .map_or(LOST_HOLD, |p| patience(p).max(LOST_HOLD));
    if !out.held(changed, hold, now) {
        return;
    }
    let event = unhealthy(pod, &status.name, "Readiness");
    let text = format!(
        "container {} of pod {} is not ready any more: {}",
        status.name,
        pod.reference().name,
        shown(event.map_or("", |e| &e.message))
    );
    push(view, pod, status, Rule::NotReady, (text, changed), event, out);
}

fn liveness(view: &WorkloadView, pod: &PodView, now: Timestamp, out: &mut Findings) {
    for (init, status) in pod.statuses() {
        let Some(running) = status.state.as_ref().and_then(|s| s.running.as_ref()) else { continue };
        let Some(event) = unhealthy(pod, &status.name, "Liveness").filter(|_| !init) else { continue };
        let started = anchor(running.started_at.as_ref(), now);
        let lasting = failures(pod, &status.name, "Liveness", started) >= LIVENESS_FAILURES;
        if !lasting || WorkloadView::ago(event.last, now) > LIVENESS_FRESH || !out.held(started, FIRST_HOLD, now) {
            continue;
        }
        let text = format!(
            "the liveness probe of container {} of pod {} fails: {}",
            status.name,
            pod.reference().name,
            shown(&event.message)
        );
        push(view, pod, status, Rule::LivenessFailing, (text, event.first), Some(event), out);
        out.look_at(event.last.saturating_add(LIVENESS_FRESH).unwrap_or(now).max(now));
    }
}

fn shown(message: &str) -> String {
    if message.is_empty() { "no probe has answered".to_owned() } else { clip(message) }
}

fn push(
    view: &WorkloadView,
    pod: &PodView,
    status: &ContainerStatus,
    rule: Rule,
    (text, since): (String, Timestamp),
    event: Option<&EventNote>,
    out: &mut Findings,
) {
    let mut found = symptom(view, pod, rule, Severity::Medium, text);
    found.container = Some(status.name.clone());
    found.value = shown(event.map_or("", |e| &e.message));
    found.threshold = "ready".into();
    found.since = since;
    found.count = event.map_or(1, |e| i64::from(e.count));
    found.evidence.push(status_seen(
        pod.reference(),
        format!("container {} runs, ready: {}", status.name, status.ready),
        Some(since),
    ));
    found.evidence.extend(event.map(event_seen));
    out.symptoms.push(found);
}
