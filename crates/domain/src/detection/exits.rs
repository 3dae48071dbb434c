//! Containers that exit again and again.

use api::shared::{Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use super::container::{ended, fresh, recovered};
use super::pod::{event_seen, status_seen, symptom};
use super::probe::killed_by_probe;
use super::{FRESH, Findings, PodView, Rule, WorkloadView, anchor};

/// A process that ends without an error after this long has done a share of its work.
const WORKED: SignedDuration = SignedDuration::from_secs(60);

fn ran(end: &ContainerStateTerminated) -> Option<SignedDuration> {
    Some(end.finished_at.as_ref()?.0.duration_since(end.started_at.as_ref()?.0))
}

/// A crashing container stays `terminated` through its back-off for minutes; restarts, the last state and the BackOff
/// event tell it as well as `waiting: CrashLoopBackOff`.
pub(super) fn examine(
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
    // A worker that ends well after a while, and is started again, was most likely built so.
    let worked = |t: &ContainerStateTerminated| t.exit_code == 0 && ran(t).is_some_and(|ran| ran >= WORKED);
    let recycles = done.or(last).is_some_and(worked) && last.is_none_or(worked);
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
    if recycles || !(looping || failed_for_good || twice || often || told || again) {
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
    // Whoever is killed over a probe does not crash: it is restarted.
    if killer.is_some() {
        found.signal = SignalType::PodRestart;
    }
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
    let hook = |e: &&std::sync::Arc<super::EventNote>| e.reason == "FailedPostStartHook" && e.is_about(&status.name);
    found.evidence.extend(pod.events.iter().filter(hook).max_by_key(|e| e.last).map(|e| event_seen(e)));
    out.symptoms.push(found);
}
