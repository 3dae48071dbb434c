//! A pod without a node, from the evidence of its workload alone and from what its namespace showed.

use api::shared::Severity;
use k8s_openapi::api::core::v1::Taint;

use super::*;
use crate::detection::Rule;
use crate::graph::{Finding, Standing};

fn room(name: &str) -> NodeRoom {
    NodeRoom {
        name: name.into(),
        ready: true,
        labels: [("kubernetes.io/hostname".to_owned(), name.to_owned())].into(),
        requested: [("cpu".to_owned(), 100)].into(),
        allocatable: [("cpu".to_owned(), 4000), ("memory".to_owned(), 8192 * MI * 1000)].into(),
        ..NodeRoom::default()
    }
}

fn waiting(container: Value, message: &str, nodes: Vec<NodeRoom>) -> Evidence {
    let p = pod("p", "r2").spec(container.clone()).unscheduled(0, message);
    Evidence { nodes, ..evidence(revisions(container.clone(), container, [p]), 70) }
}

#[test]
fn a_taint_is_named_with_the_toleration_that_would_do() {
    let taint: Taint =
        serde_json::from_value(json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"})).unwrap();
    let tainted = NodeRoom { taints: vec![taint], ..room("n1") };
    let message = "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}.";
    let found = at_second(&waiting(container(), message, vec![tainted]), 70);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.tolerations"));
    assert_eq!(found.cause.value.as_deref(), Some("dedicated=db:NoSchedule"));
    let advice = &found.recommendations[0];
    assert!(advice.ends_with("It fits node n1 with a toleration for dedicated=db:NoSchedule."), "{advice}");
}

#[test]
fn what_the_namespace_showed_is_taken_over() {
    let mut e = waiting(container(), "0/1 nodes are available.", vec![room("n1")]);
    let plain = at_second(&e, 70);
    assert!(plain.cause.statement.contains("n1: refused for another reason"), "{}", plain.cause.statement);
    let known = |rule: Rule, about: ObjectRef| Finding {
        rule,
        signal: rule.signal(),
        standing: Standing::Suspect,
        severity: Severity::High,
        about,
        concerns: Vec::new(),
        cause: RootCause {
            statement: "The whole namespace says so".into(),
            class: CauseClass::StorageUnavailable,
            proof: Vec::new(),
            ..plain.cause.clone()
        },
        words: Vec::new(),
        candidates: Vec::new(),
        recommendations: vec!["Do it.".into()],
        hold: 0,
    };
    e.suspects = vec![known(Rule::Unschedulable, e.view.workload.clone())];
    let found = at_second(&e, 70);
    assert_eq!(found.cause.statement, "The whole namespace says so");
    assert!(found.cause.proof.iter().any(|p| p.rule == "this is the symptom"));
    // A claim that is not bound comes first where the scheduler speaks of one.
    let message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let mut e = waiting(container(), message, vec![room("n1")]);
    e.claims = vec![ClaimFact {
        name: "data".into(),
        uid: Some("u".into()),
        phase: Some("Pending".into()),
        class: Some("fast".into()),
        class_exists: true,
    }];
    assert!(at_second(&e, 70).cause.statement.contains("PersistentVolumeClaim data of Deployment web is not bound"));
    let claim = ObjectRef { kind: "PersistentVolumeClaim".into(), name: "data".into(), ..e.view.workload.clone() };
    e.suspects = vec![known(Rule::ClaimPending, claim)];
    assert_eq!(at_second(&e, 70).cause.statement, "The whole namespace says so");
}

#[test]
fn a_taint_that_drives_pods_away_is_the_nodes() {
    let taint: Taint =
        serde_json::from_value(json!({"key": "maintenance", "value": "disk", "effect": "NoExecute"})).unwrap();
    let message = "0/1 nodes are available: 1 node(s) had untolerated taint {maintenance: disk}.";
    let e = waiting(container(), message, vec![NodeRoom { taints: vec![taint], ..room("n1") }]);
    let made = |e: &Evidence, second: i64| {
        let mut e = e.clone();
        let pod = std::sync::Arc::make_mut(&mut e.view.pods[0].pod);
        pod.metadata.creation_timestamp = Some(Time(at(second)));
        pod.spec.as_mut().unwrap().node_name = None;
        e.view.revisions[0].created = Some(at(0));
        at_second(&e, 70).cause
    };
    // The pod replaces one that ran there.
    let cause = made(&e, 60);
    assert_eq!((cause.object.kind.as_str(), cause.object.name.as_str()), ("Node", "n1"));
    assert_eq!(
        (cause.path.as_deref(), cause.value.as_deref()),
        (Some("spec.taints"), Some("maintenance=disk:NoExecute"))
    );
    // The first pods of a revision: it lacks the toleration.
    assert_eq!(made(&e, 1).object.kind, "Deployment");
}
