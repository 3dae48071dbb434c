//! A container that asks its own pod for a port that no container there has.

use std::sync::Arc;

use super::*;

const REFUSED: &str = "relay: dial tcp 127.0.0.1:8081: connect: connection refused";

fn relay(target: &str) -> Value {
    let ready = json!({"exec": {"command": ["test", "-f", "/tmp/ok"]}, "periodSeconds": 2, "failureThreshold": 2});
    json!({"name": "web", "image": "relay:1", "env": [{"name": "TARGET", "value": target}], "readinessProbe": ready})
}

fn desk() -> Value {
    json!({"name": "desk", "image": "desk:1", "ports": [{"name": "http", "containerPort": 8080}]})
}

/// A pod of these beside the relay, which is not ready; the log of the relay says so.
fn asks(now: &Value, before: Option<&Value>, others: &[Value], line: &str) -> api::shared::RootCause {
    let all = |relay: &Value| -> Vec<Value> { others.iter().cloned().chain([relay.clone()]).collect() };
    let message = "Readiness probe failed: ";
    let p = pod("new", "r2")
        .spec(now.clone())
        .not_ready_since(0)
        .running_since(1)
        .set("/spec/containers", json!(all(now)))
        .event("Unhealthy", message, 3, 6, 16);
    let mut v = match before {
        Some(before) => revisions(now.clone(), before.clone(), [p]),
        None => WorkloadView { revisions: vec![], ..view([p]) },
    };
    for (revision, relay) in v.revisions.iter_mut().zip([Some(now), before]) {
        let spec = Arc::make_mut(&mut revision.template).spec.as_mut().unwrap();
        spec.containers = serde_json::from_value(json!(all(relay.unwrap()))).unwrap();
    }
    at_second(&told(evidence(v, 60), &[line, line, line]), 60).cause
}

#[test]
fn the_port_of_no_container() {
    let (now, before) = (relay("127.0.0.1:8081"), relay("127.0.0.1:8080"));
    for line in [REFUSED, "nc: can't connect to remote host (127.0.0.1): Connection refused"] {
        let cause = asks(&now, Some(&before), &[desk()], line);
        assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[1].env[TARGET].value"));
        assert_eq!(cause.value.as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(cause.class, CauseClass::BadConfiguration);
        let said = ": env TARGET names port 8081 of localhost, but no container of its pod listens on 8081; did you mean 8080 of container desk?";
        assert!(cause.statement.ends_with(said), "{}", cause.statement);
        assert!(cause.proof.iter().any(|proof| proof.value.as_deref() == Some("127.0.0.1:8080")), "{:?}", cause.proof);
    }
    // Without a revision before, from what the other declares.
    let cause = asks(&now, None, &[desk()], REFUSED);
    assert!(cause.statement.ends_with("did you mean 8080 of container desk?"), "{}", cause.statement);
    // From where the other is probed.
    let probed = json!({"name": "desk", "image": "desk:1", "readinessProbe": {"tcpSocket": {"port": 8080}}});
    let cause = asks(&now, None, &[probed], REFUSED);
    assert!(cause.statement.ends_with("did you mean 8080 of container desk?"), "{}", cause.statement);
    // The port has a variable of its own.
    let mut apart = relay("localhost");
    apart["env"] = json!([{"name": "DESK_HOST", "value": "localhost"}, {"name": "DESK_PORT", "value": "8081"}]);
    let cause = asks(&apart, None, &[desk()], REFUSED);
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[1].env[DESK_PORT].value"));
    assert!(cause.statement.contains("env DESK_PORT names port 8081 of localhost"), "{}", cause.statement);
}

#[test]
fn ports_that_may_be_right() {
    let plain = |cause: api::shared::RootCause| {
        assert!(!cause.statement.contains("no container of its pod"), "{}", cause.statement);
    };
    let now = relay("127.0.0.1:8081");
    // The other has the port and is not there yet.
    let mut other = desk();
    other["ports"] = json!([{"containerPort": 8081}]);
    plain(asks(&now, None, &[other], REFUSED));
    // It does not declare the port, but its command says it.
    let mut other = desk();
    other["command"] = json!(["desk", "--admin=:8081"]);
    plain(asks(&now, None, &[other], REFUSED));
    // One that shows no port may have any; this is its usual one.
    let line = "dial tcp 127.0.0.1:6379: connect: connection refused";
    let cache = json!({"name": "cache", "image": "redis:7"});
    plain(asks(&relay("127.0.0.1:6379"), None, std::slice::from_ref(&cache), line));
    plain(asks(&relay("127.0.0.1:6379"), None, &[desk(), cache], line));
    // Alone in its pod, there is nobody to be meant.
    plain(asks(&now, None, &[], REFUSED));
    // Another host is another matter.
    plain(asks(&relay("desk:8081"), None, &[desk()], "dial tcp desk:8081: connect: connection refused"));
}
