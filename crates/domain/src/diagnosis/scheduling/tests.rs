use api::shared::CauseClass;
use k8s_openapi::api::core::v1::Taint;
use serde_json::json;

use super::*;
use crate::detection::evaluate;
use crate::detection::fixtures::*;
use crate::diagnosis::{NodeRoom, diagnose};
use crate::graph::Standing;

fn room(name: &str) -> NodeRoom {
    NodeRoom {
        name: name.into(),
        ready: true,
        labels: [("kubernetes.io/hostname".to_owned(), name.to_owned())].into(),
        allocatable: [("cpu".to_owned(), 4000)].into(),
        ..NodeRoom::default()
    }
}

fn waiting(container: serde_json::Value, message: &str, nodes: Vec<NodeRoom>) -> Evidence {
    let p = pod("p", "r2").spec(container.clone()).unscheduled(0, message);
    let view = crate::detection::WorkloadView { revisions: vec![revision(2, container)], ..view([p]) };
    let symptom = evaluate(&view, at(70)).symptoms.into_iter().next().expect("a symptom");
    crate::diagnosis::tests::bare(view, symptom, nodes)
}

#[test]
fn a_taint_is_named_with_the_toleration_that_would_do() {
    let taint: Taint = serde_json::from_value(json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"})).unwrap();
    let tainted = NodeRoom { taints: vec![taint], ..room("n1") };
    let e = waiting(container(), "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}.", vec![tainted]);
    let found = diagnose(&e, at(70));
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.tolerations"));
    assert_eq!(found.cause.value.as_deref(), Some("dedicated=db:NoSchedule"));
    assert!(found.recommendations[0].ends_with("It fits node n1 with a toleration for dedicated=db:NoSchedule."), "{:?}", found.recommendations);
}

#[test]
fn what_the_namespace_showed_is_taken_over() {
    let mut e = waiting(container(), "0/1 nodes are available.", vec![room("n1")]);
    let plain = diagnose(&e, at(70));
    assert!(plain.cause.statement.contains("n1: refused for another reason"), "{}", plain.cause.statement);
    let known = Finding {
        rule: Rule::Unschedulable,
        signal: Rule::Unschedulable.signal(),
        standing: Standing::Suspect,
        severity: api::shared::Severity::High,
        about: e.view.workload.clone(),
        concerns: Vec::new(),
        cause: api::shared::RootCause { statement: "The whole namespace says so".into(), class: CauseClass::StorageUnavailable, ..plain.cause.clone() },
        words: Vec::new(),
        candidates: Vec::new(),
        recommendations: vec!["Do it.".into()],
        hold: 0,
    };
    e.suspects = vec![known];
    let found = diagnose(&e, at(70));
    assert_eq!((found.cause.statement.as_str(), found.cause.class), ("The whole namespace says so", CauseClass::StorageUnavailable));
    assert!(found.cause.proof.iter().any(|p| p.rule == "this is the symptom"));
}
