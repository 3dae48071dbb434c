//! Why a container exits by itself.

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{CauseClass, ObjectRef, Proof};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Change, Conclusion, ConfigHistory, Evidence, cause, fact, log, propose, ruled_out};
use crate::detection::Rule;

/// A change of one key of a ConfigMap.
struct KeyChange<'a> {
    map: &'a ConfigHistory,
    key: String,
    before: Option<String>,
    after: Option<String>,
    /// Whether it is known to have changed, or only named by the log.
    changed: bool,
    /// How strongly the log speaks of it.
    told: u32,
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let lines = log::lines(evidence);
    let decisive = log::decisive(&lines).cloned();
    let all = changes_that_count(evidence);
    let told = |change: &Change| lines.iter().map(|line| change_told(line, change)).max().unwrap_or_default();
    let change = all.iter().max_by_key(|c| (told(c), weight(c))).filter(|_| evidence.introduced());
    let keys = key_changes(evidence, &lines);
    let key = keys.into_iter().max_by_key(|k| (k.told, k.changed)).filter(|k| k.changed || k.told > 1);
    let change_score = change.map_or(0, |c| told(c) * 2 + 2);
    let key_score = key.as_ref().map_or(0, |k| k.told * 2 + u32::from(k.changed) * 3);
    let mut conclusion = match (change, key) {
        (Some(change), _) if change_score >= key_score => {
            from_revision(evidence, change, &all, told(change) > 0, decisive.as_deref())
        }
        (_, Some(key)) => from_config_map(evidence, &key, decisive.as_deref()),
        (Some(change), None) => from_revision(evidence, change, &all, told(change) > 0, decisive.as_deref()),
        (None, None) => by_itself(evidence, decisive.as_deref()),
    };
    if let (Some(line), Some(pod)) = (&decisive, &evidence.symptom.pod) {
        conclusion.cause.proof.insert(
            conclusion.cause.proof.len().min(1),
            Proof {
                object: pod.clone(),
                path: Some(format!("log of container {}", evidence.container())),
                value: Some(line.clone()),
                resource_version: None,
                time: None,
                rule: "the last run says why it ends".into(),
            },
        );
    }
    conclusion.log_lines = lines;
    conclusion
}

/// Changes of the revision that can make this container exit.
fn changes_that_count(evidence: &Evidence) -> Vec<Change> {
    let ours = evidence.container_path(evidence.container());
    let elsewhere = |c: &Change| {
        let other = c.path.contains(".containers[") || c.path.contains(".initContainers[");
        other && ours.as_ref().is_some_and(|path| !c.path.starts_with(path.as_str()))
    };
    let silent = |c: &Change| {
        c.path.contains("Probe") || c.path.ends_with("imagePullPolicy") || c.path.contains("terminationGracePeriod")
    };
    evidence.changes().into_iter().filter(|c| !elsewhere(c) && !silent(c)).collect()
}

fn weight(change: &Change) -> u32 {
    let path = &change.path;
    let any = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    if any(&[".command", ".args"]) {
        4
    } else if change.variable.is_some() || any(&[".image"]) {
        3
    } else if any(&["envFrom", ".volumes"]) {
        2
    } else {
        1
    }
}

/// How strongly a log line speaks of a change.
fn change_told(line: &str, change: &Change) -> u32 {
    let name = change.variable.as_deref().is_some_and(|v| log::mentions(line, v));
    let value = change.after.as_deref().is_some_and(|v| v.len() < 200 && log::mentions(line, v));
    u32::from(name) * 2 + u32::from(value)
}

fn key_changes<'a>(evidence: &'a Evidence, lines: &[String]) -> Vec<KeyChange<'a>> {
    let mut found = Vec::new();
    for map in &evidence.config_maps {
        let Some(data) = &map.data else { continue };
        let empty = std::collections::BTreeMap::new();
        let before = map.before.as_ref();
        let old = before.unwrap_or(&empty);
        let mut keys: Vec<&String> = data.keys().chain(old.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (was, is) = (old.get(key).cloned(), data.get(key).cloned());
            let changed = before.is_some() && was != is;
            let told = lines.iter().map(|line| key_told(line, key, is.as_deref())).max().unwrap_or_default();
            if changed || told > 0 {
                found.push(KeyChange { map, key: key.clone(), before: was, after: is, changed, told });
            }
        }
    }
    found
}

fn key_told(line: &str, key: &str, value: Option<&str>) -> u32 {
    let shout = key.to_ascii_uppercase().replace(['-', '.'], "_");
    let named = log::mentions(line, key) || log::mentions(line, &shout);
    let valued = value.is_some_and(|v| v.len() < 200 && log::mentions(line, v.trim()));
    u32::from(named) * 2 + u32::from(valued)
}

fn because(evidence: &Evidence, line: Option<&str>) -> String {
    match line {
        Some(line) => format!("; it says {line:?}"),
        // What was never started has no log.
        None if evidence.symptom.rule == Rule::StartError => String::new(),
        None => "; its log says nothing".to_owned(),
    }
}

fn how(evidence: &Evidence) -> String {
    let verb = if evidence.symptom.rule == Rule::StartError { "cannot be started" } else { "crashes" };
    format!(
        "Container {} of {} {verb} ({})",
        evidence.container(),
        evidence.who(),
        evidence.symptom.value.trim_end_matches('.')
    )
}

fn from_revision(evidence: &Evidence, change: &Change, all: &[Change], told: bool, line: Option<&str>) -> Conclusion {
    let number = evidence.revision().map_or(0, |r| r.number);
    let statement =
        format!("{} since revision {number}, in which {}{}", how(evidence), change.words(), because(evidence, line));
    let configured = change.variable.is_some() || change.path.rsplit('.').next() != Some("image");
    let class = if configured { CauseClass::BadConfiguration } else { CauseClass::ApplicationCrash };
    let sure = if told {
        0.95
    } else if all.len() == 1 {
        0.85
    } else {
        0.7
    };
    let mut cause = cause(evidence, class, Some(change.path.clone()), change.after.clone(), statement, sure);
    if let (Some(previous), Some(revision)) = (evidence.previous(), evidence.revision()) {
        cause.proof.push(Proof {
            resource_version: previous.resource_version.clone(),
            ..fact(
                &previous.object,
                &change.path,
                change.before.as_deref().unwrap_or("(absent)"),
                "the revision before had this and ran",
            )
        });
        cause.proof.push(Proof {
            resource_version: revision.resource_version.clone(),
            time: revision.created.map(Time),
            ..fact(
                &revision.object,
                &change.path,
                change.after.as_deref().unwrap_or("(absent)"),
                "this revision has this, and its pods crash from their start",
            )
        });
    }
    for other in all.iter().filter(|c| *c != change).take(4) {
        cause.ruled_out.push(ruled_out(
            &other.words(),
            if told { "the log speaks of the other change" } else { "less likely to end a process; not excluded" },
        ));
    }
    let candidates: Vec<AIInsightSuggestedAction> =
        propose::rollback(evidence, &format!("crashes: {}", change.words())).into_iter().collect();
    let recommendations = vec![format!("Correct {} of {}.", change.name(), evidence.who())];
    Conclusion { cause, candidates, recommendations, log_lines: Vec::new() }
}

fn from_config_map(evidence: &Evidence, key: &KeyChange<'_>, line: Option<&str>) -> Conclusion {
    let map = ObjectRef {
        api_version: Some("v1".into()),
        kind: "ConfigMap".into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: key.map.name.clone(),
        uid: key.map.uid.clone(),
    };
    let path = format!("data[{}]", key.key);
    let now = key.after.clone().unwrap_or_else(|| "(absent)".into());
    let what = if key.changed {
        let was = key.before.as_deref().unwrap_or("(absent)");
        format!("after {} of ConfigMap {} changed from {was:?} to {now:?}", key.key, map.name)
    } else {
        format!("over {} of ConfigMap {}, which is {now:?}", key.key, map.name)
    };
    let statement = format!("{} {what}{}", how(evidence), because(evidence, line));
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
    Conclusion { cause, candidates, recommendations, log_lines: Vec::new() }
}

fn by_itself(evidence: &Evidence, line: Option<&str>) -> Conclusion {
    let path = evidence.container_path(evidence.container()).map(|p| format!("{p}.command"));
    let start = evidence.symptom.rule == Rule::StartError;
    let statement = if start { how(evidence) } else { format!("{}{}", how(evidence), because(evidence, line)) };
    let class = if start { CauseClass::BadConfiguration } else { CauseClass::ApplicationCrash };
    let sure = if start {
        0.9
    } else if line.is_some() {
        0.6
    } else {
        0.4
    };
    let mut cause = cause(evidence, class, path, None, statement, sure);
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
    let recommendations = vec!["Read the log of the last run; no change in the cluster explains the exit.".to_owned()];
    Conclusion { cause, candidates: Vec::new(), recommendations, log_lines: Vec::new() }
}
