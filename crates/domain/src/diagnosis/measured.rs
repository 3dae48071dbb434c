//! Why requests fail or take long, a container is near its limit, or a node is nearly full.
//!
//! A number tells that something is wrong, seldom what. Hypotheses in the order in which they convince: something around
//! the workload of which its log speaks; a field that the log leads to; a revision or a ConfigMap that changed shortly
//! before; the only thing that is wrong around it. Where none holds, that is said, with the question that would decide.

use api::shared::CauseClass;
use jiff::SignedDuration;

use super::diff::quoted;
use super::{Change, Conclusion, ConfigHistory, Evidence, cause, crash, fact, link, log, propose, ruled_out, suspects};
use crate::detection::{PodView, Rule};

/// What changed longer ago than this before the first symptom is not taken for its cause.
const BEFORE: SignedDuration = SignedDuration::from_mins(30);
/// A field that the log leads to convinces more than a change that it does not speak of.
const CONVINCING: f64 = 0.75;

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    match evidence.symptom.rule {
        Rule::PodCapacity => crowded(evidence),
        Rule::CpuHigh | Rule::MemoryHigh => near_limit(evidence),
        _ => requests(evidence),
    }
}

fn conclusion(cause: api::shared::RootCause, advice: String) -> Conclusion {
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}

fn crowded(evidence: &Evidence) -> Conclusion {
    let statement = evidence.symptom.message.clone();
    let path = "status.allocatable.pods".to_owned();
    let value = evidence.symptom.value.split(' ').nth(2).map(str::to_owned);
    let cause = cause(evidence, CauseClass::InsufficientResources, Some(path), value, capital(&statement), 0.9);
    let advice =
        "Add a node, or let the kubelet of this one take more pods; when it is full, no pod that needs it starts.";
    conclusion(cause, advice.to_owned())
}

fn near_limit(evidence: &Evidence) -> Conclusion {
    let resource = if evidence.symptom.rule == Rule::CpuHigh { "cpu" } else { "memory" };
    let path = evidence.container_path(evidence.container()).map(|path| format!("{path}.resources.limits.{resource}"));
    let limits = evidence.container_spec().and_then(|c| c.resources.as_ref()?.limits.as_ref());
    let limit = limits.and_then(|limits| limits.get(resource)).map(|quantity| quantity.0.clone());
    let is = |change: &Change| path.as_ref().is_some_and(|path| change.path == *path);
    let lowered = evidence.changes().into_iter().filter(|_| evidence.introduced()).find(is);
    let mut statement = evidence.symptom.message.clone();
    if let (Some(change), Some(revision)) = (&lowered, evidence.revision()) {
        statement = format!("{statement}; {} brought it: {}", evidence.named(revision), change.words());
    }
    let (class, sure) =
        if lowered.is_some() { (CauseClass::BadConfiguration, 0.85) } else { (CauseClass::Unknown, 0.3) };
    let mut cause = cause(evidence, class, path.clone(), limit.clone(), capital(&statement), sure);
    if let (Some(path), Some(limit)) = (&path, &limit) {
        cause.proof.push(fact(evidence.culprit(), path, limit, "the container may use no more than this"));
    }
    let more = "Is more asked of it than before, or does it need more for the same? ";
    let advice = if resource == "cpu" {
        "The rate of its requests over the last hours decides: add replicas for the one, look at its last change for the other."
    } else {
        "Its memory after some hours without load decides: what does not fall then is a leak, and a higher limit only delays its end."
    };
    let mut found = conclusion(cause, format!("{more}{advice}"));
    if lowered.is_some() {
        found.candidates.extend(propose::rollback(evidence, &format!("lowered the {resource} limit")));
    }
    found
}

fn requests(evidence: &Evidence) -> Conclusion {
    let reading = log::read(evidence);
    let mut found = decide(evidence, &reading);
    found.log_lines = reading.lines();
    found
}

fn decide(evidence: &Evidence, reading: &log::Reading) -> Conclusion {
    let how = capital(&evidence.symptom.message);
    let entry = reading.trouble();
    if let Some(suspicion) = suspects::told(evidence, entry, &[]) {
        return suspects::conclude(evidence, suspicion, entry, &how);
    }
    let introduced = evidence.introduced();
    let change =
        evidence.changes().into_iter().filter(|_| introduced && changes_behaviour(evidence)).max_by_key(crash::weight);
    if let Some((entry, link)) = entry.and_then(|entry| Some((entry, link::of(evidence, entry)?)))
        && link.sure >= CONVINCING
    {
        let statement = format!("{how} ({}): {}", entry.short(), link.clause);
        let mut cause = cause(evidence, link.class, link.path, link.value, statement, link.sure - 0.1);
        cause.object = link.object;
        cause.proof.extend(evidence.log_proof(entry));
        cause.proof.extend(link.proof);
        let mut found = conclusion(cause, link.advice);
        if change.is_some() {
            found.candidates.extend(propose::rollback(evidence, "brought this"));
        }
        return found;
    }
    if let Some(change) = change {
        return of_revision(evidence, &change, &how);
    }
    if let Some(found) = evidence.config_maps.iter().find_map(|map| of_map(evidence, map, &how)) {
        return found;
    }
    if let Some(suspicion) = suspects::alone(evidence, entry) {
        return suspects::conclude(evidence, suspicion, entry, &how);
    }
    undecided(evidence, entry, &how)
}

/// Whether the pods that fail are of the last revision, as far as is known.
fn changes_behaviour(evidence: &Evidence) -> bool {
    let Some(pod) = evidence.pod() else { return true };
    evidence.view.current.as_deref().is_none_or(|current| pod.revision == current)
}

fn of_revision(evidence: &Evidence, change: &Change, how: &str) -> Conclusion {
    let revision = evidence.revision().map(|revision| evidence.named(revision)).unwrap_or_default();
    let statement = format!("{how} since {revision}: {}", change.words());
    let settings = change.variable.is_some()
        || [".command", ".args", "envFrom", ".volumes"].iter().any(|part| change.path.contains(part));
    let class = if settings { CauseClass::BadConfiguration } else { CauseClass::Unknown };
    let value = change.after.clone().filter(|_| !change.is_secret());
    let mut cause = cause(evidence, class, Some(change.path.clone()), value, statement, 0.65);
    let now = change.after.as_deref().filter(|_| !change.is_secret()).unwrap_or("(changed)");
    cause.proof.push(fact(
        evidence.culprit(),
        &change.path,
        now,
        "the last revision changed this, and the symptom came with its pods",
    ));
    let mut found = conclusion(cause, "Compare the failing requests with what the last revision changed.".to_owned());
    found.candidates.extend(propose::rollback(evidence, &format!("brought this: {}", change.words())));
    found
}

/// A ConfigMap that was changed shortly before, and that the pods have read since.
fn of_map(evidence: &Evidence, map: &ConfigHistory, how: &str) -> Option<Conclusion> {
    let (changed, data, before) = (map.changed?, map.data.as_ref()?, map.before.as_ref()?);
    let passed = evidence.symptom.since.duration_since(changed);
    if passed.is_negative() || passed > BEFORE {
        return None;
    }
    let (spec, _) = evidence.spec()?;
    let mounted = spec
        .volumes
        .iter()
        .flatten()
        .any(|volume| volume.config_map.as_ref().is_some_and(|source| source.name == map.name));
    let started = evidence.view.live_pods().flat_map(PodView::statuses).any(|(_, status)| {
        let running = status.state.as_ref().and_then(|state| state.running.as_ref()?.started_at.as_ref());
        running.is_some_and(|since| since.0 >= changed)
    });
    if !mounted && !started {
        return None;
    }
    let key = data.keys().chain(before.keys()).find(|key| data.get(*key) != before.get(*key))?;
    let (was, is) = (before.get(key), data.get(key));
    let words = match (was, is) {
        (Some(was), Some(is)) => {
            let (was, is) = quoted(was, is);
            format!("changed from {was} to {is}")
        }
        (Some(_), None) => "was removed".to_owned(),
        _ => "was added".to_owned(),
    };
    let path = format!("data[{key}]");
    let statement = format!("{how} since key {key} of ConfigMap {} {words}", map.name);
    let mut cause = cause(evidence, CauseClass::BadConfiguration, Some(path.clone()), is.cloned(), statement, 0.6);
    cause.object = api::shared::ObjectRef {
        api_version: Some("v1".into()),
        kind: "ConfigMap".into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: map.name.clone(),
        uid: map.uid.clone(),
    };
    let object = cause.object.clone();
    cause.proof.push(fact(
        &object,
        &path,
        is.map_or("(absent)", String::as_str),
        "this changed before the first symptom",
    ));
    let mut found = conclusion(cause, format!("Compare what fails with what {key} is for."));
    found.candidates.extend(was.map(|was| propose::patch_config(&map.name, key, was)));
    Some(found)
}

fn undecided(evidence: &Evidence, entry: Option<&log::Entry>, how: &str) -> Conclusion {
    let said = entry.map(|entry| format!("; its log says {}", entry.quote())).unwrap_or_default();
    let statement = format!("{how}; nothing that could cause it is known to have changed{said}");
    let mut cause = cause(evidence, CauseClass::Unknown, None, None, statement, 0.2);
    cause.proof.extend(entry.and_then(|entry| evidence.log_proof(entry)));
    cause.ruled_out.push(ruled_out(
        "A rollout brought it",
        if evidence.previous().is_none() {
            "there is no earlier revision to compare with"
        } else {
            "its pods ran before without it"
        },
    ));
    let who = evidence.who();
    let advice = if evidence.symptom.rule == Rule::Latency {
        format!(
            "Do requests take long within {who}, or in what it asks? One slow request that is followed through both decides."
        )
    } else {
        format!(
            "Do requests fail within {who}, or in what it asks? One failed request that is followed through both decides."
        )
    };
    let mut found = conclusion(cause, advice);
    suspects::rule_out(evidence, None, entry, &mut found);
    found
}

/// A sentence with a capital at its beginning.
fn capital(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
