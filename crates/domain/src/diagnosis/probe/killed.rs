//! Containers that the kubelet kills over a liveness or startup probe: the probe is at fault, not the process.

use api::shared::CauseClass;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Probe;

use super::verdict::{Verdict, judge};
use super::words::{Differing, asked, differing, words};
use crate::detection::{EventNote, budget, killed_by_probe, time_to_ready};
use crate::diagnosis::{Conclusion, Evidence, cause, fact, log, observed, propose, ruled_out, suspects};

/// The probe that the kubelet killed the container over.
struct Killer<'a> {
    event: &'a EventNote,
    probe: &'a Probe,
    kind: &'static str,
}

fn killer(evidence: &Evidence) -> Option<Killer<'_>> {
    let pod = evidence.pod()?;
    let status = pod.statuses().map(|(_, status)| status).find(|status| status.name == evidence.container())?;
    let event = killed_by_probe(pod, status)?;
    let container = evidence.container_spec()?;
    let kind = if event.message.starts_with("Startup") { "startup" } else { "liveness" };
    let probe = if kind == "startup" { &container.startup_probe } else { &container.liveness_probe };
    Some(Killer { event, probe: probe.as_ref()?, kind })
}

/// The conclusion that a probe kills the container; none when none does.
pub(in crate::diagnosis) fn killed(evidence: &Evidence) -> Option<Conclusion> {
    let Killer { event, probe, kind } = killer(evidence)?;
    let reading = log::read(evidence);
    let container = evidence.container_spec();
    let change = before(evidence, kind).and_then(|before| differing(probe, &before)).filter(|_| evidence.introduced());
    let mut verdict = judge(evidence, container, probe, &event.message, &reading);
    let slow = starts_slowly(evidence, probe, kind, event, &verdict);
    if let Some(slow) = slow.filter(|_| change.as_ref().is_none_or(|change| change.timing)) {
        verdict = slow;
    }
    // A dependency that is down makes an honest probe fail too.
    let how = format!("{} is killed by its {kind} probe", evidence.part());
    if change.is_none()
        && let Some(suspicion) = super::needed(evidence, probe, &event.message)
    {
        let mut conclusion = suspects::conclude(evidence, suspicion, None, &how);
        conclusion.log_lines = reading.lines();
        return Some(conclusion);
    }
    if !verdict.is_mismatch()
        && change.is_none()
        && let Some(suspicion) = suspects::told(evidence, reading.trouble(), &[&event.message])
    {
        let mut conclusion = suspects::conclude(evidence, suspicion, reading.trouble(), &how);
        conclusion.log_lines = reading.lines();
        return Some(conclusion);
    }
    Some(conclude(evidence, &Killer { event, probe, kind }, &verdict, change.as_ref(), &reading))
}

fn before(evidence: &Evidence, kind: &str) -> Option<Probe> {
    let spec = evidence.previous()?.template.spec.as_ref()?;
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let container = all.into_iter().find(|c| c.name == evidence.container())?;
    if kind == "startup" { container.startup_probe.clone() } else { container.liveness_probe.clone() }
}

/// A process that has not begun to listen when the probe gives up: it needs more time, not another port.
fn starts_slowly(
    evidence: &Evidence,
    probe: &Probe,
    kind: &str,
    event: &EventNote,
    verdict: &Verdict,
) -> Option<Verdict> {
    let silent = ["connection refused", "deadline exceeded", "timeout"].iter().any(|text| event.message.contains(text));
    if verdict.sure >= 0.8 || !(silent || probe.exec.is_some()) {
        return None;
    }
    let given = budget(probe);
    let field = if kind == "startup" { "failureThreshold" } else { "initialDelaySeconds" };
    let value = match field {
        "failureThreshold" => probe.failure_threshold.unwrap_or(3),
        _ => probe.initial_delay_seconds.unwrap_or(0),
    };
    // Other pods of the workload show how long a start takes.
    let needs = evidence.view.pods.iter().filter_map(time_to_ready).max().filter(|needs| *needs > given);
    let (clause, sure) = match needs {
        Some(needs) => {
            (format!("it gives a start only {} s, and other pods needed {} s", given.as_secs(), needs.as_secs()), 0.93)
        }
        // A probe without any patience, over a port that the container declares, is too early rather than wrong.
        None if kind == "liveness" && probe.exec.is_none() && given < SignedDuration::from_secs(60) => {
            let port = asked(probe).map(super::words::port).unwrap_or_default();
            let at = if port.is_empty() { String::new() } else { format!(" on port {port}") };
            (format!("nothing answers{at} within the {} s that it gives a start", given.as_secs()), 0.7)
        }
        None => return None,
    };
    Some(Verdict { field, value: value.to_string(), clause, class: CauseClass::ProbeMismatch, sure })
}

/// What the revision changed that can make a process slower or answer otherwise, where its probe is the same as before.
fn since_then(evidence: &Evidence) -> String {
    let changes = evidence.changes();
    let cpu = changes.iter().find(|change| change.path.ends_with("resources.limits.cpu"));
    match (cpu.or(changes.first()).filter(|_| evidence.introduced()), evidence.revision()) {
        (Some(change), Some(revision)) => format!("; {} brought it: {}", evidence.named(revision), change.words()),
        _ => String::new(),
    }
}

fn conclude(
    evidence: &Evidence,
    killer: &Killer<'_>,
    verdict: &Verdict,
    change: Option<&Differing>,
    reading: &log::Reading,
) -> Conclusion {
    let Killer { event, probe, kind } = killer;
    let base = evidence.container_path(evidence.container()).map(|path| format!("{path}.{kind}Probe"));
    let (field, value) = match change {
        Some(change) if !change.timing || !verdict.is_mismatch() => (change.field, change.now.clone()),
        _ => (verdict.field, verdict.value.clone()),
    };
    let path = base.map(|base| if field.is_empty() { base } else { format!("{base}.{field}") });
    let since = match (change, evidence.revision(), evidence.previous()) {
        (Some(change), Some(revision), Some(previous)) => {
            let name = if change.timing { format!("{} ", change.field) } else { String::new() };
            format!(
                "; revision {} has {name}{}, revision {} had {}",
                revision.number, change.now, previous.number, change.before
            )
        }
        _ => since_then(evidence),
    };
    let statement = format!(
        "{} is killed again and again by its {kind} probe ({}), which always fails: {}{since}",
        evidence.part(),
        words(probe),
        verdict.clause
    );
    let sure = if change.is_some() { 0.95 } else { verdict.sure };
    let mut cause = cause(evidence, CauseClass::ProbeMismatch, path.clone(), Some(value.clone()), statement, sure);
    cause.proof.push(observed(
        &crate::detection::Observation {
            source: crate::detection::Source::Event,
            object: event.object.clone(),
            detail: format!("{}: {} (×{})", event.reason, log::cut(&event.message, 300), event.count),
            time: Some(event.last),
        },
        "the kubelet kills a container whose probe fails so often",
    ));
    let shown = path.as_deref().unwrap_or(kind);
    cause.proof.push(fact(evidence.culprit(), shown, &value, "the kubelet asks this"));
    cause.ruled_out.push(ruled_out("The process crashes by itself", "it was ended by a signal while its probe failed"));
    let mut candidates = Vec::new();
    if evidence.introduced() && !evidence.changes().is_empty() {
        candidates.extend(propose::rollback(evidence, &format!("is killed by its {kind} probe")));
    }
    let recommendations = vec![format!(
        "Let the {kind} probe ask what the container serves, and give its start enough time (a startupProbe does)."
    )];
    let mut conclusion = Conclusion { cause, candidates, recommendations, log_lines: reading.lines() };
    suspects::rule_out(evidence, None, reading.trouble(), &mut conclusion);
    conclusion
}
