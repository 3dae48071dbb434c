//! Numbers that are wrong: a change before them is the cause, and where nothing changed that is said with the question.

use super::*;
use crate::detection::Source;

const SAYS: &str = "40 % of the requests to Deployment web fail (mostly POST /pay 503)";

/// Evidence for a measurement of container `web` of a pod of revision 2, that began at a second.
fn measured(rule: Rule, message: &str, (now, before): (Value, Value), since: i64) -> Evidence {
    let mut found = evidence(revisions(container(), container(), [crashing("web-1")]), 5);
    found.view = revisions(now.clone(), before, [pod("web-1", "r2").spec(now)]);
    let pod = found.view.pods[0].reference();
    let detail = "http_requests_total: 120 of 300 requests failed in 30 s".to_owned();
    found.symptom = Symptom {
        rule,
        signal: rule.signal(),
        group: "measured".into(),
        container: Some("web".into()),
        message: message.into(),
        value: "40 %".into(),
        threshold: "less than 5 %".into(),
        since: at(since),
        count: 1,
        evidence: vec![Observation { source: Source::Metric, object: pod.clone(), detail, time: Some(at(since)) }],
        pod: Some(pod),
        ..found.symptom
    };
    found
}

fn failing(now: Value, before: Value, since: i64) -> Evidence {
    measured(Rule::ErrorRate, SAYS, (now, before), since)
}

#[test]
fn a_revision_that_came_with_the_errors_is_blamed_with_what_it_changed() {
    let e = failing(env(&[("PAY_URL", "http://pay2")]), env(&[("PAY_URL", "http://pay")]), 100);
    let found = at_second(&e, 160);
    assert_eq!(
        found.cause.statement,
        format!("{SAYS} since revision 2: env PAY_URL changed from \"http://pay\" to \"http://pay2\"")
    );
    assert_eq!(found.cause.class, CauseClass::BadConfiguration);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].env[PAY_URL].value"));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    // An image is a change too; what in it is wrong is not known.
    let e = failing(container(), with(container(), "/image", json!("registry.example/web:1")), 100);
    let found = at_second(&e, 160);
    assert_eq!(found.cause.class, CauseClass::Unknown);
    assert!(found.cause.statement.ends_with("from \"registry.example/web:1\" to \"registry.example/web:2\""));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_change_of_long_ago_is_not_blamed_and_the_question_is_asked() {
    for rule in [Rule::ErrorRate, Rule::Latency] {
        let changed = (env(&[("PAY_URL", "http://pay2")]), env(&[("PAY_URL", "http://pay")]));
        let found = at_second(&measured(rule, SAYS, changed, 20_000), 20_060);
        assert_eq!(found.cause.statement, format!("{SAYS}; nothing that could cause it is known to have changed"));
        assert!(found.cause.class == CauseClass::Unknown && found.cause.confidence <= 0.2 && found.actions.is_empty());
        assert!(found.recommendations[0].contains('?') && found.recommendations[0].contains("decides"));
        assert_eq!(
            found.cause.proof[0].value.as_deref(),
            Some("http_requests_total: 120 of 300 requests failed in 30 s")
        );
    }
}

#[test]
fn a_config_map_that_the_pods_have_read_since_its_change_is_blamed() {
    let mut e = failing(container(), container(), 100);
    e.config_maps = vec![settings(Some(&[("timeout", "5s")]), &[("timeout", "5ms")])];
    let found = at_second(&e, 160);
    assert_eq!(
        found.cause.statement,
        format!("{SAYS} since key timeout of ConfigMap settings changed from \"5s\" to \"5ms\"")
    );
    assert_eq!((found.cause.object.kind.as_str(), found.cause.path.as_deref()), ("ConfigMap", Some("data[timeout]")));
    proposes(&found, "PatchConfig", &[("configmap", "settings"), ("key", "timeout"), ("value", "5s")]);
    // Nobody has read it since.
    e.config_maps[0].changed = Some(at(50));
    assert_eq!(at_second(&e, 160).cause.class, CauseClass::Unknown);
    // It changed afterwards, or long before.
    e.config_maps[0].changed = Some(at(120));
    assert_eq!(at_second(&e, 160).cause.class, CauseClass::Unknown);
    let mut late = failing(container(), container(), 20_000);
    late.config_maps = vec![settings(Some(&[("timeout", "5s")]), &[("timeout", "5ms")])];
    assert_eq!(at_second(&late, 20_060).cause.class, CauseClass::Unknown);
}

#[test]
fn what_the_log_says_of_the_errors_is_told() {
    let e = told(
        failing(container(), container(), 20_000),
        &["level=error msg=\"connect to db:5432: connection refused\""],
    );
    let found = at_second(&e, 20_060);
    assert!(found.cause.statement.starts_with(SAYS) && found.cause.statement.contains("db:5432"), "{found:?}");
}

#[test]
fn a_limit_that_was_lowered_is_blamed_for_load_near_it() {
    let limit = |cpu: &str| with(container(), "/resources/limits/cpu", json!(cpu));
    let says = "container web of pod web-1 uses 97 % of its CPU limit of 100m";
    let e = measured(Rule::CpuHigh, says, (limit("100m"), limit("1")), 400);
    let found = at_second(&e, 700);
    assert_eq!(
        found.cause.statement,
        "Container web of pod web-1 uses 97 % of its CPU limit of 100m; revision 2 brought it: containers[0].resources.limits.cpu changed from \"1\" to \"100m\""
    );
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].resources.limits.cpu"));
    assert_eq!(found.cause.value.as_deref(), Some("100m"));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    // As it always was: whether the limit is too low is a question.
    let found = at_second(&measured(Rule::CpuHigh, says, (limit("100m"), limit("100m")), 400), 700);
    assert!(found.cause.class == CauseClass::Unknown && found.cause.confidence <= 0.3 && found.actions.is_empty());
    assert!(found.recommendations[0].starts_with("Is more asked of it than before"));
}

#[test]
fn a_full_node_is_its_own_cause() {
    let mut e = failing(container(), container(), 100);
    e.symptom.rule = Rule::PodCapacity;
    e.symptom.message = "node n1 has 105 of the 110 pods that it may have".into();
    e.symptom.value = "105 of 110 pods".into();
    let found = at_second(&e, 160);
    assert_eq!(found.cause.statement, "Node n1 has 105 of the 110 pods that it may have");
    assert_eq!(
        (found.cause.class, found.cause.path.as_deref(), found.cause.value.as_deref()),
        (CauseClass::InsufficientResources, Some("status.allocatable.pods"), Some("110"))
    );
}
