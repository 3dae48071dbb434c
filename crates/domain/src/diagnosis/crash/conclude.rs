//! The sentences about a container that exits, each with its proof and its remedy.

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{CauseClass, ObjectRef, Proof};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::changes::KeyChange;
use crate::detection::Rule;
use crate::diagnosis::diff::{masked, quoted};
use crate::diagnosis::link::Link;
use crate::diagnosis::log::{Entry, cut};
use crate::diagnosis::suspects::{self, Suspicion};
use crate::diagnosis::{Change, Conclusion, Evidence, cause, exit, fact, propose, ruled_out};

/// Characters of a message of the runtime that are quoted.
const MESSAGE: usize = 160;

/// What the symptom is: who does what.
pub(super) fn how(evidence: &Evidence) -> String {
    let value = evidence.symptom.value.trim_end_matches('.');
    if evidence.symptom.rule == Rule::StartError {
        return format!("{} cannot be started ({})", evidence.part(), cut(&answer(value), MESSAGE));
    }
    format!("{} {} ({value})", evidence.part(), evidence.verb())
}

/// The end of a chain of messages of the runtime, which is the one that says something.
fn answer(message: &str) -> String {
    let at = ["exec: \"", "error during container init: ", "unable to start container process: "]
        .iter()
        .find_map(|begin| message.rfind(begin));
    let text = at.and_then(|at| message.get(at..)).unwrap_or(message);
    text.trim_end_matches(": unknown").to_owned()
}

fn because(evidence: &Evidence, entry: Option<&Entry>) -> String {
    match entry {
        Some(entry) => format!("; it says {}", entry.quote()),
        // What was never started has no log.
        None if evidence.symptom.rule == Rule::StartError => String::new(),
        None => "; its log says nothing".to_owned(),
    }
}

/// Puts the log line behind what the symptom saw.
fn with_log(evidence: &Evidence, entry: Option<&Entry>, conclusion: &mut Conclusion) {
    if let Some(proof) = entry.and_then(|entry| evidence.log_proof(entry)) {
        let proofs = &mut conclusion.cause.proof;
        proofs.insert(proofs.len().min(1), proof);
    }
}

/// Something around the workload explains it.
pub(super) fn suspect(
    evidence: &Evidence,
    suspicion: Suspicion<'_>,
    entry: Option<&Entry>,
    change: Option<&Change>,
) -> Conclusion {
    let short = format!("{} {}", evidence.part(), evidence.verb());
    let mut conclusion = suspects::conclude(evidence, suspicion, entry, &short);
    if let Some(change) = change {
        conclusion.cause.proof.extend(changed(evidence, change));
        if conclusion.candidates.is_empty() {
            conclusion.candidates.extend(propose::rollback(evidence, &format!("crashes: {}", change.words())));
        }
    }
    conclusion
}

/// A field of the spec that the last words lead to.
pub(super) fn link(evidence: &Evidence, link: &Link, entry: Option<&Entry>, all: &[Change]) -> Conclusion {
    let short = if evidence.symptom.rule == Rule::StartError {
        format!("{} cannot be started", evidence.part())
    } else {
        format!("{} {}", evidence.part(), evidence.verb())
    };
    let introduced = evidence.introduced();
    let path = link.path.as_deref().unwrap_or_default();
    let same =
        |change: &&Change| path.starts_with(change.path.trim_end_matches(".value")) || change.path.starts_with(path);
    let change = all.iter().filter(|_| introduced && !path.is_empty()).find(same);
    let since = match (change, evidence.revision()) {
        (Some(change), Some(revision)) => format!("; {} brought it: {}", evidence.named(revision), change.words()),
        _ => String::new(),
    };
    // A clause that ends with a question ends the sentence; what was said comes before it then.
    let said = entry.map(|entry| format!(" ({})", entry.short())).unwrap_or_default();
    let statement = format!("{short}{said}: {}{since}", link.clause);
    let mut cause = cause(evidence, link.class, link.path.clone(), link.value.clone(), statement, link.sure);
    cause.object = link.object.clone();
    cause.proof.extend(link.proof.iter().cloned());
    if let Some(change) = change {
        cause.proof.extend(changed(evidence, change));
    }
    let mut candidates = Vec::new();
    // The revision before ran: whatever this one lacks, that one did not.
    if introduced && !all.is_empty() {
        let why = change.map_or_else(|| link.clause.clone(), Change::words);
        candidates.extend(propose::rollback(evidence, &format!("crashes: {}", cut(&why, MESSAGE))));
    }
    let mut conclusion =
        Conclusion { cause, candidates, recommendations: vec![link.advice.clone()], log_lines: Vec::new() };
    with_log(evidence, entry, &mut conclusion);
    suspects::rule_out(evidence, None, entry, &mut conclusion);
    conclusion
}

/// The two revisions, as facts.
fn changed(evidence: &Evidence, change: &Change) -> Vec<Proof> {
    let (Some(previous), Some(revision)) = (evidence.previous(), evidence.revision()) else { return Vec::new() };
    let shown = |value: &Option<String>| match value {
        Some(_) if change.is_secret() => "(hidden)".to_owned(),
        Some(value) => masked(value),
        None => "(absent)".to_owned(),
    };
    let before = Proof {
        resource_version: previous.resource_version.clone(),
        ..fact(&previous.object, &change.path, &shown(&change.before), "the revision before had this and ran")
    };
    let after = Proof {
        resource_version: revision.resource_version.clone(),
        time: revision.created.map(Time),
        ..fact(
            &revision.object,
            &change.path,
            &shown(&change.after),
            "this revision has this, and its pods crash from their start",
        )
    };
    vec![before, after]
}

/// A change that came with the revision.
pub(super) fn revision(
    evidence: &Evidence,
    change: &Change,
    all: &[Change],
    told: bool,
    entry: Option<&Entry>,
) -> Conclusion {
    let statement = format!(
        "{} since {}, in which {}{}",
        how(evidence),
        evidence.revision().map(|r| evidence.named(r)).unwrap_or_default(),
        change.words(),
        because(evidence, entry)
    );
    let configured = change.variable.is_some() || change.path.rsplit('.').next() != Some("image");
    let class = if configured { CauseClass::BadConfiguration } else { CauseClass::ApplicationCrash };
    let sure = if told {
        0.95
    } else if all.len() == 1 {
        0.85
    } else {
        0.7
    };
    let value = change.after.as_deref().map(masked).filter(|_| !change.is_secret());
    let mut cause = cause(evidence, class, Some(change.path.clone()), value, statement, sure);
    cause.proof.extend(changed(evidence, change));
    for other in all.iter().filter(|c| *c != change).take(4) {
        cause.ruled_out.push(ruled_out(
            &other.words(),
            if told { "the log speaks of the other change" } else { "less likely to end a process; not excluded" },
        ));
    }
    let candidates: Vec<AIInsightSuggestedAction> =
        propose::rollback(evidence, &format!("crashes: {}", change.words())).into_iter().collect();
    let recommendations = vec![format!("Correct {} of {}.", change.name(), evidence.who())];
    let mut conclusion = Conclusion { cause, candidates, recommendations, log_lines: Vec::new() };
    with_log(evidence, entry, &mut conclusion);
    suspects::rule_out(evidence, None, entry, &mut conclusion);
    conclusion
}

/// A key of a ConfigMap.
pub(super) fn config_map(evidence: &Evidence, key: &KeyChange<'_>, entry: Option<&Entry>) -> Conclusion {
    let map = ObjectRef {
        api_version: Some("v1".into()),
        kind: "ConfigMap".into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: key.map.name.clone(),
        uid: key.map.uid.clone(),
    };
    let path = format!("data[{}]", key.key);
    let now = key.after.clone().unwrap_or_else(|| "(absent)".into());
    let what = match (key.changed, &key.before, &key.after) {
        (true, Some(before), Some(after)) => {
            let (before, after) = quoted(before, after);
            format!("after key {} of ConfigMap {} changed from {before} to {after}", key.key, map.name)
        }
        (true, Some(before), None) => {
            format!("after key {} of ConfigMap {} was removed (it was {:?})", key.key, map.name, cut(before, 60))
        }
        (true, None, _) => {
            format!("after key {} of ConfigMap {} was added as {:?}", key.key, map.name, cut(&now, 60))
        }
        (false, ..) => format!("over key {} of ConfigMap {}, which is {:?}", key.key, map.name, cut(&now, 60)),
    };
    let statement = format!("{} {what}{}", how(evidence), because(evidence, entry));
    let sure = match (key.changed, key.told) {
        (true, told) if told > 0 => 0.95,
        (true, _) => 0.75,
        (false, _) => 0.65,
    };
    let mut cause =
        cause(evidence, CauseClass::BadConfiguration, Some(path.clone()), key.after.clone(), statement, sure);
    cause.proof.push(Proof {
        resource_version: key.map.resource_version.clone(),
        time: key.map.changed.map(Time),
        ..fact(&map, &path, &now, "the container reads this key")
    });
    if evidence.revision().is_some() && !evidence.introduced() {
        cause.ruled_out.push(ruled_out(
            "A rollout brought it",
            "the pod template has not changed since these pods ran well, or there is no earlier one",
        ));
    }
    cause.object = map;
    let mut candidates = Vec::new();
    if let (true, Some(before)) = (key.changed, &key.before) {
        candidates.push(propose::patch_config(&key.map.name, &key.key, before));
    }
    let recommendations = vec![format!(
        "Correct {} in ConfigMap {}{}.",
        key.key,
        key.map.name,
        key.map.manager.as_ref().map(|m| format!(" (last changed by {m})")).unwrap_or_default()
    )];
    let mut conclusion = Conclusion { cause, candidates, recommendations, log_lines: Vec::new() };
    with_log(evidence, entry, &mut conclusion);
    suspects::rule_out(evidence, None, entry, &mut conclusion);
    conclusion
}

/// A Job that was stopped because it took too long.
pub(super) fn deadline(evidence: &Evidence) -> Option<Conclusion> {
    let failed = evidence.view.condition("Failed").filter(|condition| condition.status == "True")?;
    if failed.reason.as_deref() != Some("DeadlineExceeded") || evidence.symptom.pod.is_some() {
        return None;
    }
    let prefix = evidence.prefix().trim_end_matches(".template.spec");
    let path = format!("{prefix}.activeDeadlineSeconds");
    let statement =
        format!("{} was stopped while it ran: it took longer than its activeDeadlineSeconds allow", evidence.who());
    let cause = cause(evidence, CauseClass::JobMisconfigured, Some(path), None, statement, 0.85);
    let recommendations = vec!["Give the Job more time, or find out what it waits for.".to_owned()];
    let mut conclusion = Conclusion { cause, candidates: Vec::new(), recommendations, log_lines: Vec::new() };
    suspects::rule_out(evidence, None, None, &mut conclusion);
    Some(conclusion)
}

/// A pod that took more local storage than its own limit.
pub(super) fn evicted(evidence: &Evidence) -> Option<Conclusion> {
    evidence.symptom.evidence.iter().find(|seen| seen.detail.starts_with("Evicted: "))?;
    let value = &evidence.symptom.value;
    let (spec, prefix) = evidence.spec()?;
    let quoted = |after: &str| value.split(after).nth(1)?.split('"').nth(1);
    let volume = quoted("EmptyDir volume");
    let position = volume.and_then(|name| spec.volumes.iter().flatten().position(|volume| volume.name == name));
    let limit = value.split("limit").last().map(|rest| rest.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let limit =
        limit.and_then(|rest| rest.rsplit(' ').next()).filter(|limit| limit.starts_with(|c: char| c.is_ascii_digit()));
    let path = match (position, evidence.container_path(evidence.container())) {
        (Some(position), _) => format!("{prefix}.volumes[{position}].emptyDir.sizeLimit"),
        (None, Some(path)) => format!("{path}.resources.limits.ephemeral-storage"),
        (None, None) => format!("{prefix}.containers[0].resources.limits.ephemeral-storage"),
    };
    let what = volume.map_or_else(|| "local storage".to_owned(), |name| format!("emptyDir volume {name}"));
    let shown = limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let statement = format!("A pod of {} was evicted: its {what} exceeded its limit{shown}", evidence.who());
    let cause = cause(evidence, CauseClass::StorageUnavailable, Some(path), limit.map(str::to_owned), statement, 0.92);
    let recommendations = vec!["Raise the limit, or let it write less to its local storage.".to_owned()];
    Some(Conclusion { cause, candidates: Vec::new(), recommendations, log_lines: Vec::new() })
}

/// Nothing around it explains the exit: its code and its last words are all that is known.
pub(super) fn by_itself(evidence: &Evidence, entry: Option<&Entry>) -> Conclusion {
    let start = evidence.symptom.rule == Rule::StartError;
    let base = evidence.container_path(evidence.container());
    let container = evidence.container_spec();
    // Without a command in the spec it is the one of the image.
    let field = match container {
        Some(container) if container.command.is_none() && container.args.is_some() => "args",
        Some(container) if container.command.is_none() => "image",
        _ => "command",
    };
    let path = base.map(|path| format!("{path}.{field}"));
    let code = exit::code(&evidence.symptom.value);
    let means =
        code.and_then(exit::meaning).filter(|_| !start).map(|means| format!(": it {means}")).unwrap_or_default();
    let said = if start { String::new() } else { because(evidence, entry) };
    let statement = format!("{}{means}{said}", how(evidence));
    let class = if start || matches!(code, Some(0 | 126 | 127)) {
        CauseClass::BadConfiguration
    } else {
        CauseClass::ApplicationCrash
    };
    let sure = if start {
        0.9
    } else if matches!(code, Some(126 | 127)) {
        0.8
    } else if entry.is_some() {
        0.6
    } else {
        0.4
    };
    let value = container.and_then(|c| match field {
        "image" => c.image.clone(),
        "args" => c.args.as_ref().map(|words| cut(&words.join(" "), MESSAGE)),
        _ => c.command.as_ref().map(|words| cut(&words.join(" "), MESSAGE)),
    });
    let mut cause = cause(evidence, class, path, value, statement, sure);
    let why = if evidence.previous().is_none() {
        "there is no earlier revision to compare with"
    } else if evidence.introduced() {
        "the last revision changed nothing that this container runs with"
    } else {
        "its pods ran well before"
    };
    cause.ruled_out.push(ruled_out("A rollout brought it", why));
    cause.ruled_out.push(ruled_out(
        "A ConfigMap brought it",
        "no ConfigMap that it reads is known to have changed, or is named in its log",
    ));
    let advice = match code {
        Some(0) => "Let the command run on, or make it a Job if it is meant to end.",
        _ => "Read the log of the last run; no change in the cluster explains the exit.",
    };
    let mut conclusion =
        Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice.to_owned()], log_lines: Vec::new() };
    with_log(evidence, entry, &mut conclusion);
    suspects::rule_out(evidence, None, entry, &mut conclusion);
    conclusion
}
