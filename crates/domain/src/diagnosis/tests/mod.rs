//! Each fault gives object, path, value, class, statement, proof and one remedy or none; evidence may be missing or hostile.

mod crash;
mod faults;
mod field;
mod hidden;
mod job;
mod kills;
mod loopback;
mod measured;
mod odd;
mod placing;
mod refused;
mod rights;
mod start;
mod suspect;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::CauseClass;
use serde_json::{Value, json};

use super::*;
use crate::detection::fixtures::*;
use crate::detection::{Revision, evaluate};

const MI: i128 = 1 << 20;

/// Evidence for what is wrong with a view at a second, and nothing else known.
fn evidence(view: WorkloadView, second: i64) -> Evidence {
    let symptom = evaluate(&view, at(second)).symptoms.into_iter().next().expect("a symptom");
    Evidence {
        view,
        symptom,
        logs: Vec::new(),
        config_maps: Vec::new(),
        nodes: Vec::new(),
        claims: Vec::new(),
        names: BTreeMap::new(),
        memory_used: BTreeMap::new(),
        failed: Vec::new(),
        suspects: Vec::new(),
        grants: None,
        around: Vec::new(),
    }
}

fn told(mut evidence: Evidence, lines: &[&str]) -> Evidence {
    let pod = evidence.symptom.pod.clone().map(|p| p.name).unwrap_or_default();
    evidence.logs =
        vec![LogTail { pod, container: "web".into(), lines: lines.iter().map(|l| (*l).to_owned()).collect() }];
    evidence
}

/// The Deployment with this container in revision 2 and that one in revision 1.
fn revisions(now: Value, before: Value, pods: impl IntoIterator<Item = Maker>) -> WorkloadView {
    WorkloadView { revisions: vec![revision(2, now), Revision { ready: 2, ..revision(1, before) }], ..view(pods) }
}

fn at_second(evidence: &Evidence, second: i64) -> Diagnosis {
    let found = diagnose(evidence, at(second));
    reads_well(&found);
    found
}

/// No sentence has a hole, two ends, or a text of its own where a name belongs.
fn reads_well(found: &Diagnosis) {
    let mut sentences = vec![found.cause.statement.clone()];
    sentences.extend(found.recommendations.clone());
    sentences.extend(found.cause.ruled_out.iter().map(|r| format!("{}: {}", r.hypothesis, r.because)));
    sentences.extend(found.cause.proof.iter().map(|p| p.rule.clone()));
    for text in sentences {
        for hole in ["  ", "()", "( ", " )", ": ;", ";;", "..", " .", " ;", ", ,", " \"\"", "None", "Some("] {
            assert!(!text.contains(hole), "{hole:?} in {text:?}");
        }
        assert!(!text.trim().is_empty() && text == text.trim(), "{text:?}");
        assert!(!text.ends_with([':', ';', ',', '(']), "{text:?}");
    }
    assert!(!found.cause.object.kind.is_empty() && !found.cause.object.name.is_empty());
    assert!((0.0..=1.0).contains(&found.cause.confidence));
    assert!(found.actions.len() <= 1);
    assert!(found.analysis.starts_with(found.cause.statement.trim_end_matches('.')));
}

fn params(action: &AIInsightSuggestedAction) -> Vec<(&str, &str)> {
    action.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

/// Asserts the only action, and that the registry of actions takes it.
fn proposes(found: &Diagnosis, action: &str, expected: &[(&str, &str)]) {
    assert_eq!(found.actions.len(), 1, "{found:?}");
    assert_eq!((found.actions[0].action.as_str(), params(&found.actions[0])), (action, expected.to_vec()));
    let raw = api::shared::RemediationAction {
        type_: serde_json::from_value(json!(action)).unwrap(),
        params: found.actions[0].params.clone(),
    };
    crate::remediation::actions::parse(&raw).unwrap();
}

fn crashing(name: &str) -> Maker {
    pod(name, "r2").ended(3, 4, 1, "Error").last(1, 2, 1, "Error").restarts(1)
}

fn env(pairs: &[(&str, &str)]) -> Value {
    let env: Vec<Value> = pairs.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
    with(container(), "/env", json!(env))
}

fn settings(before: Option<&[(&str, &str)]>, now: &[(&str, &str)]) -> ConfigHistory {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ConfigHistory {
        name: "settings".into(),
        uid: Some("uid-settings".into()),
        resource_version: Some("55".into()),
        data: Some(map(now)),
        before: before.map(map),
        changed: Some(at(0)),
        manager: Some("kubectl-edit".into()),
    }
}
