use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

fn step(path: Option<&str>, value: &str) -> Proof {
    Proof {
        object: ObjectRef {
            api_version: Some("apps/v1".into()),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
            uid: Some("u1".into()),
        },
        path: path.map(str::to_owned),
        value: Some(value.to_owned()),
        resource_version: None,
        time: None,
        rule: "test".into(),
    }
}

fn web() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7",
            "managedFields": [{"manager": "helm", "operation": "Update", "time": "2026-03-01T10:00:00Z"}]},
        "spec": {
            "replicas": 2,
            "selector": {"app": "web", "tier": "front"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 81}],
            "hosts": ["a.example", "b.example"],
            "template": {"spec": {"containers": [{"name": "app", "image": "shop:1.2",
                "resources": {"limits": {"memory": "24Mi"}}}]}}
        },
        "data": {"app.yaml": "port: 80", "LEVEL": "info"},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    })
}

fn verdict(path: &str, value: &str) -> Verdict {
    check(&step(Some(path), value), &Reading::Whole(web())).verdict
}

#[test]
fn a_field_that_says_the_same_holds_in_every_form_that_a_proof_has() {
    for (path, value) in [
        ("spec.template.spec.containers[0].image", "shop:1.2"),
        ("spec.template.spec.containers[app].resources.limits.memory", "24Mi"),
        ("spec.replicas", "2"),
        ("spec.selector", "app=web"),
        ("spec.selector", "tier=front, app=web"),
        ("spec.hosts", "a.example, b.example"),
        ("spec.ports", "80 (http), 81 (admin)"),
        ("spec.ports[*].port", "80, 81"),
        ("data.app.yaml", "port: 80"),
        ("data[app.yaml]", "port: 80"),
        ("data[app.yaml]", "port…"),
        ("data", "LEVEL, app.yaml"),
        ("metadata.managedFields", "helm"),
        ("status.conditions[Failed]", "DeadlineExceeded"),
        ("spec.nodeName", "(absent)"),
        ("data.MISSING", "(absent)"),
    ] {
        assert_eq!(verdict(path, value), Verdict::Holds, "{path} = {value}");
    }
}

#[test]
fn a_field_that_says_something_else_has_changed_and_what_it_says_is_told() {
    for (path, value, now) in [
        ("spec.template.spec.containers[0].image", "shop:1.3", "now shop:1.2"),
        ("spec.replicas", "0", "now 2"),
        ("spec.selector", "app=wbe", "now app=web, tier=front"),
        ("spec.hosts", "c.example", "now a.example, b.example"),
        ("data", "MODE", "now LEVEL, app.yaml"),
        ("data.MISSING", "x", "now (absent)"),
        ("data.LEVEL", "(absent)", "now info"),
        ("metadata.name", "(absent)", "it exists now"),
    ] {
        let checked = check(&step(Some(path), value), &Reading::Whole(web()));
        assert_eq!((checked.verdict, checked.words.as_str()), (Verdict::Changed, now), "{path} = {value}");
    }
}

#[test]
fn what_was_seen_or_measured_is_never_said_to_hold() {
    let mut event = step(None, "OOMKilled, exit 137");
    event.time = Some(Time("2026-03-01T10:00:00Z".parse().unwrap()));
    for step in [
        event,
        step(Some("log of container app"), "panic"),
        step(Some("memory in use"), "25Mi"),
        step(Some("endpoints"), "node-a"),
    ] {
        for reading in [Reading::Whole(web()), Reading::Absent] {
            assert_eq!(check(&step, &reading).verdict, Verdict::Seen, "{step:?}");
        }
    }
}

#[test]
fn an_object_that_is_gone_or_another_one_refutes_and_a_missing_one_that_is_still_missing_does_not() {
    let image = step(Some("spec.template.spec.containers[0].image"), "shop:1.2");
    assert_eq!(check(&image, &Reading::Absent).verdict, Verdict::Gone);
    let mut other = web();
    other["metadata"]["uid"] = json!("u2");
    assert_eq!(check(&image, &Reading::Whole(other)).verdict, Verdict::Gone);
    let mut missing = step(Some("metadata.name"), ABSENT);
    missing.object.uid = None;
    assert_eq!(check(&missing, &Reading::Absent).verdict, Verdict::Holds);
    missing.value = Some("these exist: a, b".into());
    assert_eq!(check(&missing, &Reading::Absent).verdict, Verdict::Holds);
}

#[test]
fn hidden_values_and_words_are_not_compared_unless_the_object_is_unchanged() {
    assert_eq!(verdict("data.LEVEL", "(hidden)"), Verdict::Unclear);
    assert_eq!(verdict("spec.template.spec", "no cpu limit is set"), Verdict::Unclear);
    let mut same = step(Some("spec.template.spec"), "no cpu limit is set");
    same.resource_version = Some("7".into());
    assert_eq!(check(&same, &Reading::Whole(web())).verdict, Verdict::Holds);
}

#[test]
fn of_a_secret_only_that_it_is_there_is_checked() {
    let metadata = || Reading::Metadata(json!({"metadata": {"name": "web", "uid": "u1"}}));
    assert_eq!(check(&step(Some("data"), "password"), &metadata()).verdict, Verdict::Unread);
    assert_eq!(check(&step(Some("metadata.name"), ABSENT), &metadata()).verdict, Verdict::Changed);
    assert_eq!(check(&step(Some("metadata.name"), "web"), &metadata()).verdict, Verdict::Holds);
    let refused = Reading::Unread("forbidden".into());
    assert_eq!(check(&step(Some("data"), "password"), &refused).verdict, Verdict::Unread);
}

#[test]
fn odd_paths_lead_nowhere_and_to_no_panic() {
    for path in ["", ".", "[", "spec[", "spec..replicas", "spec.ports[99].port", "spec.ports[-1]", "data[]", "a[b]c[d"]
    {
        let _ = resolve(&web(), path);
        let _ = check(&step(Some(path), "x"), &Reading::Whole(web()));
    }
    let deep = "a.".repeat(10_000);
    assert!(resolve(&web(), &deep).is_empty());
}
