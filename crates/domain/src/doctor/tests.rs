use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn instance(status: &Value) -> InstanceFacts {
    let mut instance: api::Instance = serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": "chatcli-prod", "namespace": "chatcli-system", "generation": 3},
        "spec": {"provider": "BUILTIN", "replicas": 2}, "status": status,
    }))
    .unwrap();
    instance.metadata.creation_timestamp = Some(Time(now() - SignedDuration::from_mins(5)));
    InstanceFacts { instance, references: Vec::new(), behind: Behind::Pods { ready: 2, not_ready: 0 } }
}

fn healthy() -> Value {
    json!({"ready": true, "replicas": 2, "readyReplicas": 2, "observedGeneration": 3, "conditions": [
        {"type": "Available", "status": "True", "reason": "AllConditionsHold", "message": "", "lastTransitionTime": "2026-01-01T11:00:00Z"}]})
}

fn refused(type_: &str, message: &str) -> Value {
    json!({"ready": false, "replicas": 2, "readyReplicas": 0, "observedGeneration": 3, "conditions": [
        {"type": type_, "status": "False", "reason": "Why", "message": message, "lastTransitionTime": "2026-01-01T11:00:00Z"},
        {"type": "Available", "status": "False", "reason": "Why", "message": format!("{type_}: {message}"), "lastTransitionTime": "2026-01-01T11:00:00Z"}]})
}

fn good() -> Facts {
    Facts {
        namespace: "chatcli-system".into(),
        definitions: vec![("issues.platform.chatcli.io".into(), None)],
        operator: OperatorFacts {
            deployment: Some("chatcli-operator".into()),
            wanted: 2,
            ready: 2,
            leader: Some("chatcli-operator-a".into()),
            renewed: Some(now() - SignedDuration::from_secs(2)),
        },
        api_keys: Some(2),
        instances: vec![instance(&healthy())],
        approval_policies: 1,
        notification_policies: 1,
        unreadable: Vec::new(),
    }
}

fn bad(facts: &Facts) -> Vec<(Level, String, String)> {
    examine(facts, now())
        .into_iter()
        .filter(|f| f.level > Level::Ok)
        .map(|f| (f.level, f.text, f.remedy.unwrap_or_default()))
        .collect()
}

#[test]
fn a_good_installation_has_only_good_findings() {
    assert_eq!(bad(&good()), []);
    assert_eq!(examine(&good(), now()).len(), 7);
}

#[test]
fn each_lack_is_one_finding_with_its_remedy() {
    type Break = fn(&mut Facts);
    let cases: [(Break, Level, &str, &str); 12] = [
        (|f| f.definitions[0].1 = Some("it is not installed".into()), Level::Failure, "not installed", "chatcli crds"),
        (|f| f.operator.deployment = None, Level::Failure, "no Deployment of the operator", "--namespace"),
        (|f| f.operator.ready = 1, Level::Failure, "1 of 2", "kubectl -n chatcli-system describe"),
        (|f| (f.operator.wanted, f.operator.ready) = (1, 1), Level::Warning, "single replica", "replicaCount=2"),
        (|f| f.operator.leader = None, Level::Failure, "nobody holds it", "logs"),
        (|f| f.operator.renewed = Some(now() - SignedDuration::from_mins(2)), Level::Failure, "for 120 s", "logs"),
        (|f| f.api_keys = None, Level::Warning, "port-forward only", "section 10"),
        (|f| f.api_keys = Some(0), Level::Failure, "no usable key", "section 10"),
        (|f| f.approval_policies = 0, Level::Warning, "waits for a person", "section 7"),
        (|f| f.notification_policies = 0, Level::Warning, "nobody is told", "section 3"),
        (|f| f.instances.clear(), Level::Failure, "no ready Instance found", "section 2"),
        (|f| f.unreadable.push(("Instances".into(), "forbidden".into())), Level::Warning, "forbidden", "administrator"),
    ];
    for (number, (break_it, level, text, remedy)) in cases.into_iter().enumerate() {
        let mut facts = good();
        break_it(&mut facts);
        let found = bad(&facts);
        assert_eq!(found.len(), 1, "case {number}: {found:?}");
        assert!(
            found[0].0 == level && found[0].1.contains(text) && found[0].2.contains(remedy),
            "case {number}: {found:?}"
        );
    }
}

#[test]
fn the_four_rows_of_the_cookbook_are_found_each_with_its_fix() {
    let rows = [
        (
            "transport: authentication handshake failed: x509: certificate is not valid for any names, but wanted to match chatcli-prod.chatcli-system.svc.cluster.local; remedy: make it anew with subjectAltName",
            "not valid for any names",
            "subjectAltName",
        ),
        (
            "transport: authentication handshake failed: x509: certificate signed by unknown authority; remedy: add ca.crt to Secret chatcli-tls",
            "signed by unknown authority",
            "ca.crt",
        ),
        (
            "dial tcp 10.0.0.1:50051: connect: connection refused; remedy: kubectl get endpoints chatcli-prod -n chatcli-system",
            "connection refused",
            "kubectl get endpoints",
        ),
    ];
    for (message, text, remedy) in rows {
        let mut facts = good();
        facts.instances = vec![instance(&refused("Connected", message))];
        let found = bad(&facts);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].1.contains(text) && found[0].2.contains(remedy), "{found:?}");
        assert!(found[1].1.contains("no ready Instance found"), "{found:?}");
    }
    let mut facts = good();
    facts.instances[0].behind = Behind::Pods { ready: 0, not_ready: 1 };
    assert!(bad(&facts)[0].1.contains("connection refused: Service chatcli-prod has no ready endpoint (1 not ready)"));
}

#[test]
fn an_operator_that_does_not_follow_is_found_from_outside() {
    let mut facts = good();
    facts.instances =
        vec![instance(&json!({"observedGeneration": 2, "ready": true, "conditions": healthy()["conditions"]}))];
    assert!(bad(&facts)[0].1.contains("generation 2, the Instance is at 3"));
    facts.instances = vec![instance(&Value::Null)];
    assert!(bad(&facts)[0].1.contains("has not said anything"));
}

#[test]
fn what_is_found_at_the_object_is_not_said_again_by_its_condition() {
    let mut facts = good();
    let problem = "Secret chatcli-auth does not exist";
    facts.instances = vec![instance(&refused("SecretsReady", &format!("{problem}; remedy: kubectl create secret")))];
    facts.instances[0].references.push(Reference {
        field: "spec.server.token".into(),
        problem: problem.into(),
        remedy: "kubectl -n chatcli-system create secret generic chatcli-auth --from-literal=token=VALUE".into(),
    });
    let found = bad(&facts);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.contains("spec.server.token") && found[0].2.contains("create secret"));
}
