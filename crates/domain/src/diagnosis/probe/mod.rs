//! Why a pod does not become ready, or is killed over a probe.
//!
//! `verdict` judges what a probe asks by what it got, `killed` tells when a probe ends containers, `words` puts probes in
//! words. Here the symptom of a container that runs and is not ready is explained.

mod killed;
mod verdict;
mod words;

use std::fmt::Write as _;

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};

use self::verdict::{Verdict, judge};
use self::words::{asked, differing, ports, words};
use super::{Conclusion, Evidence, cause, fact, link, log, propose, ruled_out, suspects};
use crate::detection::{Rule, Source};

pub(super) use killed::killed;

/// A field that the log leads to convinces more than an honest probe.
const CONVINCING: f64 = 0.75;

fn find<'a>(spec: &'a PodSpec, name: &str) -> Option<&'a Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == name)
}

/// Whether the failing revision has served: then what it changed is not why a pod of it is not ready now.
fn served_before(evidence: &Evidence) -> bool {
    let Some(revision) = evidence.revision() else { return false };
    let serves = evidence.view.live_pods().any(|p| p.revision == revision.hash && p.ready());
    let complete = evidence.previous().is_none_or(|p| p.ready == 0);
    !evidence.introduced() || (serves && complete)
}

/// The probe that is asked about.
struct Question<'a> {
    container: Option<&'a Container>,
    probe: &'a Probe,
    kind: &'static str,
    /// What the kubelet says it got; empty when nothing is known.
    message: &'a str,
}

/// How the pod stands.
fn state(evidence: &Evidence) -> &'static str {
    match evidence.symptom.rule {
        Rule::NotReady => "is not ready any more",
        Rule::LivenessFailing => "will be restarted",
        _ => "never becomes ready",
    }
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let reading = log::read(evidence);
    let container = evidence.container();
    let kind = if evidence.symptom.rule == Rule::LivenessFailing { "liveness" } else { "readiness" };
    let of = |c: &Container| if kind == "liveness" { c.liveness_probe.clone() } else { c.readiness_probe.clone() };
    if let Some(conclusion) = gate(evidence) {
        return conclusion;
    }
    let found = evidence.spec().and_then(|(spec, _)| find(spec, container));
    let Some(probe) = found.and_then(of) else {
        let mut conclusion = without_probe(evidence, &reading);
        conclusion.log_lines = reading.lines();
        return conclusion;
    };
    let heard = evidence.symptom.evidence.iter().any(|o| o.source == Source::Event);
    let message = if heard { evidence.symptom.value.as_str() } else { "" };
    let question = Question { container: found, probe: &probe, kind, message };
    let before =
        evidence.previous().and_then(|r| r.template.spec.as_ref()).and_then(|s| find(s, container)).and_then(of);
    let change = before.as_ref().and_then(|before| differing(&probe, before)).filter(|_| !served_before(evidence));
    let verdict = judge(evidence, found, &probe, message, &reading);
    // A change of the port or path is enough where it got an answer that fits; a change of times only where nothing came.
    let change = change.filter(|change| !change.timing || verdict.field == "timeoutSeconds");
    let needs = needed(evidence, &probe, message).filter(|_| change.is_none());
    let mut conclusion = if let Some(suspicion) = needs {
        let how = format!("{} {}", evidence.part(), state(evidence));
        suspects::conclude(evidence, suspicion, None, &how)
    } else if change.is_some() || (verdict.is_mismatch() && verdict.sure >= 0.8) {
        of_probe(evidence, &question, &verdict, change.as_ref())
    } else {
        of_application(evidence, &question, &verdict, &reading)
    };
    conclusion.log_lines = reading.lines();
    conclusion
}

/// What the command of a probe needs of others, where that is known to be wrong.
fn needed<'a>(evidence: &'a Evidence, probe: &Probe, message: &str) -> Option<suspects::Suspicion<'a>> {
    probe.exec.as_ref()?;
    let variables = link::Place::of(evidence)?.variables();
    suspects::asked(evidence, &words::spelled(probe, &variables), message, verdict::late(message))
}

/// The probe asks rightly as far as can be seen: the application or something that it needs is not there.
fn of_application(
    evidence: &Evidence,
    question: &Question<'_>,
    verdict: &Verdict,
    reading: &log::Reading,
) -> Conclusion {
    let entry = reading.trouble();
    let how = format!("{} {}", evidence.part(), state(evidence));
    if let Some(suspicion) = suspects::told(evidence, entry, &[question.message]) {
        return suspects::conclude(evidence, suspicion, entry, &how);
    }
    let changed = !served_before(evidence) && !evidence.changes().is_empty();
    if let Some(entry) = entry
        && let Some(link) = link::of(evidence, entry).filter(|link| link.sure >= CONVINCING)
    {
        return of_link(evidence, &format!("{how} ({})", entry.quote()), link, entry, changed);
    }
    if !changed && let Some(suspicion) = suspects::alone(evidence, entry) {
        return suspects::conclude(evidence, suspicion, entry, &how);
    }
    let mut conclusion = of_probe(evidence, question, verdict, None);
    if let Some(entry) = entry {
        let _ = write!(conclusion.cause.statement, "; its log says {}", entry.quote());
        conclusion.cause.proof.extend(evidence.log_proof(entry));
    }
    conclusion
}

/// A readiness gate that nobody opens.
fn gate(evidence: &Evidence) -> Option<Conclusion> {
    let name = evidence.symptom.value.strip_prefix("readiness gate ")?.strip_suffix(" is not true")?;
    let (spec, prefix) = evidence.spec()?;
    let index = spec.readiness_gates.as_ref()?.iter().position(|gate| gate.condition_type == name)?;
    let said = evidence.pod().and_then(|pod| pod.condition(name));
    let why = match said {
        None => "nobody has set this condition".to_owned(),
        Some(condition) => {
            let message = condition.message.as_deref().or(condition.reason.as_deref()).unwrap_or_default();
            format!("this condition is {} {}", condition.status, log::cut(message, 80)).trim_end().to_owned()
        }
    };
    let statement = format!(
        "Pods of {} never become ready although their containers are: readiness gate {name} waits, and {why}",
        evidence.who()
    );
    let path = format!("{prefix}.readinessGates[{index}].conditionType");
    let sure = if said.is_none() { 0.93 } else { 0.85 };
    let mut cause =
        cause(evidence, CauseClass::BadConfiguration, Some(path.clone()), Some(name.to_owned()), statement, sure);
    cause.proof.push(fact(evidence.culprit(), &path, name, "a pod is ready only when this condition is true"));
    cause.ruled_out.push(ruled_out("A container is not ready", "ContainersReady is true"));
    let recommendations = vec![format!("Install what sets {name}, or take the gate out.")];
    let mut conclusion = Conclusion { cause, candidates: Vec::new(), recommendations, log_lines: Vec::new() };
    revision(evidence, true, &mut conclusion);
    Some(conclusion)
}

/// The log leads to a field.
fn of_link(evidence: &Evidence, how: &str, link: link::Link, entry: &log::Entry, changed: bool) -> Conclusion {
    let statement = format!("{how}: {}", link.clause);
    let mut cause = cause(evidence, link.class, link.path, link.value, statement, link.sure);
    cause.object = link.object;
    cause.proof.extend(evidence.log_proof(entry));
    cause.proof.extend(link.proof);
    cause
        .ruled_out
        .push(ruled_out("The probe asks wrongly", "what it got is an answer of the application, or none yet"));
    let candidates = propose::rollback(evidence, "never becomes ready").filter(|_| changed).into_iter().collect();
    let mut conclusion = Conclusion { cause, candidates, recommendations: vec![link.advice], log_lines: Vec::new() };
    suspects::rule_out(evidence, None, Some(entry), &mut conclusion);
    conclusion
}

/// Not ready without a readiness probe: an init container that does not end, readiness gates, or news that is late.
fn without_probe(evidence: &Evidence, reading: &log::Reading) -> Conclusion {
    // A process that waits says what it waits for, in words that need not sound like trouble.
    let path = evidence.container_path(evidence.container());
    let waits = path.as_ref().is_some_and(|path| path.contains(".initContainers["));
    let entry = if waits { reading.decisive() } else { reading.trouble() };
    let how =
        if waits { format!("{} does not end", evidence.part()) } else { format!("{} is not ready", evidence.part()) };
    if waits
        && suspects::told(evidence, entry, &[]).is_none()
        && let Some((entry, link)) = entry.and_then(|entry| Some((entry, link::of(evidence, entry)?)))
    {
        let changed = !served_before(evidence) && !evidence.changes().is_empty();
        let question = format!("{how} ({})", entry.quote());
        return of_link(evidence, &question, link, entry, changed);
    }
    if let Some(suspicion) = suspects::told(evidence, entry, &[]).or_else(|| suspects::alone(evidence, entry)) {
        return suspects::conclude(evidence, suspicion, entry, &how);
    }
    let said = evidence.symptom.value.trim_end_matches('.');
    let statement = match entry.filter(|_| waits) {
        Some(entry) => format!("{how}, so that its pod does not start; it says {}", entry.quote()),
        None if waits => format!("{how}, so that its pod does not start"),
        None => format!("{how}: {}", log::cut(said, 160)),
    };
    let path = path.map(|path| format!("{path}.{}", if waits { "command" } else { "readinessProbe" }));
    let mut conclusion = Conclusion {
        cause: cause(evidence, CauseClass::Unknown, path, None, statement, 0.3),
        candidates: Vec::new(),
        recommendations: Vec::new(),
        log_lines: Vec::new(),
    };
    suspects::rule_out(evidence, None, entry, &mut conclusion);
    conclusion
}

fn of_probe(
    evidence: &Evidence,
    question: &Question<'_>,
    verdict: &Verdict,
    change: Option<&words::Differing>,
) -> Conclusion {
    let Question { container, probe, kind, message } = question;
    let base = evidence.container_path(evidence.container()).map(|p| format!("{p}.{kind}Probe"));
    let (field, value) = match change {
        Some(change) => (change.field, change.now.clone()),
        None => (verdict.field, verdict.value.clone()),
    };
    let path = base.map(|b| if field.is_empty() { b } else { format!("{b}.{field}") });
    let clause = if verdict.clause.is_empty() { verdict::answer(message) } else { verdict.clause.clone() };
    let result = match (message.is_empty(), clause.is_empty()) {
        (true, _) => "has not succeeded".to_owned(),
        (false, true) => "always fails".to_owned(),
        (false, false) => format!("always fails: {clause}"),
    };
    let mut statement =
        format!("{} {}: its {kind} probe ({}) {result}", evidence.part(), state(evidence), words(probe));
    if let (Some(change), Some(previous), Some(revision)) = (change, evidence.previous(), evidence.revision()) {
        let name = if change.timing { format!("{} ", change.field) } else { String::new() };
        let _ = write!(
            statement,
            "; revision {} asks {name}{}, revision {} asked {}",
            revision.number, change.now, previous.number, change.before
        );
    }
    let class = if change.is_some() { CauseClass::ProbeMismatch } else { verdict.class };
    let sure = if change.is_some() { 0.95 } else { verdict.sure };
    let mut cause = cause(evidence, class, path.clone(), Some(value.clone()), statement, sure);
    let shown = path.as_deref().unwrap_or(kind);
    let object = evidence.revision().map_or_else(|| evidence.culprit().clone(), |r| r.object.clone());
    cause.proof.push(fact(&object, shown, &value, "the kubelet asks this"));
    if let (Some(change), Some(previous)) = (change, evidence.previous()) {
        cause.proof.push(fact(
            &previous.object,
            shown,
            &change.before,
            "the revision before asked this and became ready",
        ));
    }
    if let Some(c) = container.filter(|_| asked(probe).is_some()) {
        cause.proof.push(fact(evidence.culprit(), "ports", &ports(c), "the container declares these"));
    }
    cause.ruled_out.push(ruled_out("The container crashes", "it is running"));
    let mut conclusion =
        Conclusion { cause, candidates: Vec::new(), recommendations: Vec::new(), log_lines: Vec::new() };
    revision(evidence, change.is_some(), &mut conclusion);
    conclusion.recommendations.push(if class == CauseClass::ProbeMismatch {
        format!("Let the {kind} probe ask what the container serves, or let the container serve what it asks.")
    } else {
        format!("Find out why the application does not answer its {kind} probe.")
    });
    suspects::rule_out(evidence, None, None, &mut conclusion);
    conclusion
}

/// What the revision changed, where its pods never became ready.
fn revision(evidence: &Evidence, told: bool, conclusion: &mut Conclusion) {
    let changes = evidence.changes();
    if evidence.symptom.rule != Rule::ReadinessFailing || changes.is_empty() || served_before(evidence) {
        return;
    }
    conclusion.candidates.extend(propose::rollback(evidence, "never becomes ready"));
    if let Some(first) = changes.first().filter(|_| !told) {
        let cause = &mut conclusion.cause;
        let _ = write!(cause.statement, "; the revision before became ready, and since then {}", first.words());
        let after = if first.is_secret() { "(hidden)" } else { first.after.as_deref().unwrap_or("(absent)") };
        cause.proof.push(fact(&evidence.view.workload, &first.path, after, "the revision changed this"));
    }
}
