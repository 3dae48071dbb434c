//! Rules over a Job: when its failures count.
//!
//! A pod of a Job that fails once and is tried again is nothing. What keeps a pod from starting is found by the rules over
//! pods, as for every other workload.

use api::shared::Severity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use super::pod::{clip, event_seen, status_seen};
use super::{FRESH, Findings, JobState, PodView, Rule, Symptom, WorkloadView, anchor};

/// Failures of a Job that still tries that are believed; one may be chance.
const FAILURES: i64 = 2;
/// A Job that failed longer ago than this is history: whoever waited for it knows by now.
const FAILED_FRESH: SignedDuration = SignedDuration::from_hours(24);
/// Ends of a process that could not even begin.
const START_ERRORS: [&str; 2] = ["StartError", "ContainerCannotRun"];

/// The last run of a container of the Job that failed.
struct Failure<'a> {
    pod: &'a PodView,
    status: &'a ContainerStatus,
    init: bool,
    end: &'a ContainerStateTerminated,
    at: Timestamp,
}

/// Looks at a Job.
pub(super) fn examine(view: &WorkloadView, now: Timestamp, out: &mut Findings) {
    let Some(job) = &view.job else { return };
    if job.suspended || job.overtaken || view.holds("Complete") || view.holds("SuccessCriteriaMet") {
        return;
    }
    let last = last_failure(view, now);
    if view.holds("Failed") {
        failed(view, job, last.as_ref(), now, out);
        return;
    }
    let Some(last) = last else { return };
    let until = last.at.saturating_add(FRESH).unwrap_or(now);
    if until <= now {
        return;
    }
    let never_starts = last.end.reason.as_deref().is_some_and(|reason| START_ERRORS.contains(&reason));
    // One that cannot even begin is found by the rule over its container while its pod lives.
    let told = out.symptoms.iter().any(|symptom| symptom.rule == Rule::StartError);
    let count = failures(view, job);
    if told || (count < FAILURES && !never_starts) {
        return;
    }
    out.look_at(until);
    let text =
        format!("Job {} fails again and again ({} of {} tries)", view.workload.name, count, job.backoff_limit + 1);
    let mut found = symptom(view, Some(&last), text, last.at, count, now);
    found.evidence.push(status_seen(
        view.workload.clone(),
        format!("{count} failures, backoffLimit {}", job.backoff_limit),
        Some(last.at),
    ));
    out.symptoms.push(found);
}

/// A Job that has given up.
fn failed(view: &WorkloadView, job: &JobState, last: Option<&Failure<'_>>, now: Timestamp, out: &mut Findings) {
    let Some(condition) = view.condition("Failed") else { return };
    let since = anchor(condition.last_transition_time.as_ref(), now);
    let until = since.saturating_add(FAILED_FRESH).unwrap_or(now);
    if until <= now {
        return;
    }
    out.look_at(until);
    let reason = condition.reason.as_deref().unwrap_or("Failed");
    let said = clip(condition.message.as_deref().unwrap_or_default());
    let text = format!("Job {} has failed ({reason}): {said}", view.workload.name);
    let count = failures(view, job).max(1);
    // A pod that was stopped because the Job's time was over did not fail by itself; one that failed before may have cost
    // the time.
    let last =
        last.filter(|last| reason != "DeadlineExceeded" || (count > 1 && !matches!(last.end.exit_code, 137 | 143)));
    let mut found = symptom(view, last, text.trim_end_matches(": ").to_owned(), since, count, now);
    if last.is_none() {
        reason.clone_into(&mut found.value);
    }
    found.evidence.insert(
        0,
        status_seen(
            view.workload.clone(),
            format!("Failed=True {reason}: {said}").trim_end_matches(": ").to_owned(),
            Some(since),
        ),
    );
    let event = view.events.iter().filter(|event| event.reason == reason).max_by_key(|event| event.last);
    found.evidence.extend(event.map(|event| event_seen(event)));
    out.symptoms.push(found);
}

/// Failed pods, and failed runs of pods whose containers are started again in place.
fn failures(view: &WorkloadView, job: &JobState) -> i64 {
    let of = |status: &ContainerStatus| {
        let now =
            status.state.as_ref().and_then(|state| state.terminated.as_ref()).is_some_and(|end| end.exit_code != 0);
        i64::from(status.restart_count) + i64::from(now)
    };
    let runs: i64 = view.live_pods().flat_map(PodView::statuses).map(|(_, status)| of(status)).sum();
    // The Job's own count may lag behind its pods.
    let pods = view.pods.iter().filter(|pod| pod.phase() == "Failed").count();
    let pods = i64::from(job.failed).max(i64::try_from(pods).unwrap_or(i64::MAX));
    pods.saturating_add(runs)
}

/// How a container ended badly: now, or before its present run.
fn ended(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let states = [status.state.as_ref(), status.last_state.as_ref()];
    let ends = states.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
    ends.into_iter().find(|end| end.exit_code != 0)
}

fn last_failure(view: &WorkloadView, now: Timestamp) -> Option<Failure<'_>> {
    let all = view.pods.iter().flat_map(|pod| pod.statuses().map(move |(init, status)| (pod, init, status)));
    let failed = all.filter_map(|(pod, init, status)| {
        let end = ended(status)?;
        Some(Failure { pod, status, init, end, at: end.finished_at.as_ref().map_or(now, |time| time.0.min(now)) })
    });
    // Beside the one that failed others of the pod may have been stopped: what came first counts within a pod.
    failed.max_by_key(|failure| {
        let by_signal =
            matches!(failure.end.exit_code, 137 | 143) && failure.end.reason.as_deref() != Some("OOMKilled");
        (failure.at.as_second() / 60, !by_signal, failure.at)
    })
}

fn symptom(
    view: &WorkloadView,
    last: Option<&Failure<'_>>,
    message: String,
    since: Timestamp,
    count: i64,
    now: Timestamp,
) -> Symptom {
    let reason = last.and_then(|last| last.end.reason.as_deref()).unwrap_or_default();
    let rule = match reason {
        "OOMKilled" => Rule::OutOfMemory,
        reason if START_ERRORS.contains(&reason) => Rule::StartError,
        _ => Rule::JobFailed,
    };
    let failures = if count == 1 { "1 failure".to_owned() } else { format!("{count} failures") };
    let mut found = Symptom {
        rule,
        signal: Rule::JobFailed.signal(),
        severity: view.severity(Severity::High),
        root: view.root().clone(),
        group: view.current.clone().unwrap_or_default(),
        pod: None,
        container: None,
        message,
        value: failures.clone(),
        threshold: "the Job completes".into(),
        since: since.min(now),
        count,
        evidence: Vec::new(),
    };
    let Some(last) = last else { return found };
    let name = &last.status.name;
    let what = if last.init { "init container" } else { "container" };
    found.group.clone_from(&last.pod.revision);
    found.pod = Some(last.pod.reference());
    found.container = Some(name.clone());
    let code = last.end.exit_code;
    found.value = match (rule, last.end.message.as_deref()) {
        (Rule::StartError, Some(message)) => clip(message),
        (Rule::OutOfMemory, _) => format!("OOMKilled, exit {code}"),
        _ => format!("exit code {code}, {failures}"),
    };
    let shown = if reason.is_empty() { String::new() } else { format!("{reason}, ") };
    found.evidence.push(status_seen(
        last.pod.reference(),
        format!("{what} {name} terminated: {shown}exit code {code}"),
        Some(last.at),
    ));
    found
}
