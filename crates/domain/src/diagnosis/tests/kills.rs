//! Containers that end from outside: over a probe, over their memory, over nothing.

use super::*;

/// A container that was killed twice, with an event of its liveness probe.
fn killed(container: Value, before: Value, message: &str) -> Evidence {
    let p = pod("new", "r2")
        .spec(container.clone())
        .ended(40, 60, 137, "Error")
        .last(1, 30, 137, "Error")
        .restarts(2)
        .event("Unhealthy", message, 6, 10, 58);
    evidence(revisions(container, before, [p]), 61)
}

fn alive(path: &str, port: i64) -> Value {
    with(
        container(),
        "/livenessProbe",
        json!({"httpGet": {"path": path, "port": port}, "periodSeconds": 5, "failureThreshold": 3}),
    )
}

const L: &str = "spec.template.spec.containers[0].livenessProbe";

#[test]
fn a_liveness_probe_that_kills() {
    let e = killed(
        alive("/healthz", 8080),
        alive("/healthz", 8080),
        "Liveness probe failed: HTTP probe failed with statuscode: 404",
    );
    assert!(e.symptom.message.contains("is killed by its liveness probe again and again"), "{}", e.symptom.message);
    let found = at_second(&e, 61);
    assert_eq!(
        (found.cause.class, found.cause.path.as_deref()),
        (CauseClass::ProbeMismatch, Some(format!("{L}.httpGet.path").as_str()))
    );
    assert_eq!(
        found.cause.statement,
        "Container web of Deployment web is killed again and again by its liveness probe (HTTP /healthz on port 8080), which always fails: the container does not serve /healthz (statuscode: 404); another probe asks /ready"
    );
    let refused = "Liveness probe failed: Get \"http://10.0.0.5:9090/healthz\": dial tcp 10.0.0.5:9090: connect: connection refused";
    let e = killed(alive("/healthz", 9090), alive("/healthz", 8080), refused);
    let found = at_second(&e, 61);
    assert_eq!(found.cause.path.as_deref(), Some(format!("{L}.httpGet.port").as_str()));
    assert!(found.cause.statement.contains("the container declares port 8080"), "{}", found.cause.statement);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    let exec = with(
        container(),
        "/livenessProbe",
        json!({"exec": {"command": ["crul", "localhost"]}, "failureThreshold": 3, "periodSeconds": 5}),
    );
    let e = killed(
        exec.clone(),
        exec,
        "Liveness probe errored: rpc error: exec: \"crul\": executable file not found in $PATH",
    );
    let found = at_second(&e, 61);
    assert_eq!(found.cause.path.as_deref(), Some(format!("{L}.exec.command").as_str()));
    assert!(
        found
            .cause
            .statement
            .contains("its command names crul, which does not exist in the container; did you mean curl?"),
        "{}",
        found.cause.statement
    );
}

#[test]
fn a_start_that_is_slower_than_its_probe_allows() {
    let refused =
        "Liveness probe failed: Get \"http://10.0.0.5:8080/\": dial tcp 10.0.0.5:8080: connect: connection refused";
    let mut e = killed(alive("/", 8080), alive("/", 8080), refused);
    let found = at_second(&e, 61);
    assert_eq!(
        found.cause.path.as_deref(),
        Some(format!("{L}.initialDelaySeconds").as_str()),
        "{}",
        found.cause.statement
    );
    // Another pod shows how long it takes.
    e.view.pods.push(pod("slow", "r2").made(-900).running_since(-900).ready_since(-840).done());
    let found = at_second(&e, 61);
    assert!(
        found.cause.statement.contains("it gives a start only 15 s, and other pods needed 60 s"),
        "{}",
        found.cause.statement
    );
    assert!(found.cause.confidence > 0.9);
    // The delay was shortened by the last revision.
    let before = with(alive("/", 8080), "/livenessProbe/initialDelaySeconds", json!(60));
    let found = at_second(&killed(alive("/", 8080), before, refused), 61);
    assert!(
        found.cause.statement.ends_with("; revision 2 has initialDelaySeconds 0, revision 1 had 60"),
        "{}",
        found.cause.statement
    );
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    let startup = with(
        container(),
        "/startupProbe",
        json!({"tcpSocket": {"port": 8080}, "periodSeconds": 2, "failureThreshold": 3}),
    );
    let e =
        killed(startup.clone(), startup, "Startup probe failed: dial tcp 10.0.0.5:8080: connect: connection refused");
    let found = at_second(&e, 61);
    assert!(found.cause.statement.contains("by its startup probe (TCP on port 8080)"), "{}", found.cause.statement);
}

#[test]
fn a_crash_of_its_own_is_no_kill() {
    // It exits by itself, and its probe fails meanwhile because it does not listen yet.
    let refused = "Liveness probe failed: dial tcp 10.0.0.5:8080: connect: connection refused";
    let container = alive("/", 8080);
    let p = pod("p", "r2").spec(container.clone()).ended(40, 42, 1, "Error").last(1, 3, 1, "Error").restarts(2).event(
        "Unhealthy",
        refused,
        4,
        2,
        41,
    );
    let e = told(evidence(revisions(container.clone(), container.clone(), [p]), 43), &["panic: nil map"]);
    let found = at_second(&e, 43);
    assert!(found.cause.statement.contains("panic: nil map"), "{}", found.cause.statement);
    // A kill that no probe asked for.
    let p = pod("p", "r2").spec(container.clone()).ended(40, 42, 137, "Error").last(1, 3, 137, "Error").restarts(2);
    let found = at_second(&evidence(revisions(container.clone(), container, [p]), 43), 43);
    assert!(found.cause.statement.contains("it was killed (SIGKILL)"), "{}", found.cause.statement);
}

#[test]
fn a_probe_that_speaks_the_wrong_protocol_or_has_no_time() {
    let of = |container: Value, message: &str| {
        let p = pod("new", "r2").spec(container.clone()).not_ready_since(0).running_since(1).event(
            "Unhealthy",
            message,
            3,
            6,
            16,
        );
        at_second(&evidence(revisions(container.clone(), container, [p]), 60), 60).cause
    };
    let https = with(container(), "/readinessProbe/httpGet/scheme", json!("HTTPS"));
    let cause = of(
        https,
        "Readiness probe failed: Get \"https://10.0.0.5:8080/ready\": http: server gave HTTP response to HTTPS client",
    );
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.httpGet.scheme"));
    assert!(
        cause.statement.ends_with("always fails: it asks with HTTPS, and the container answers with HTTP"),
        "{}",
        cause.statement
    );
    let slow = "Readiness probe failed: Get \"http://10.0.0.5:8080/ready\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let cause = of(container(), slow);
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.timeoutSeconds"));
    let silent =
        with(container(), "/readinessProbe", json!({"exec": {"command": ["sh", "-c", "exit 1"]}, "periodSeconds": 5}));
    let cause = of(silent, "Readiness probe failed: ");
    assert_eq!(
        cause.statement,
        "Container web of Deployment web never becomes ready: its readiness probe (command \"sh -c exit 1\") always fails: its command ends with an error"
    );
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.exec.command"));
}

#[test]
fn named_ports_other_hosts_and_grpc() {
    let of = |probe: Value, message: &str| {
        let container = with(container(), "/readinessProbe", probe);
        let p = pod("new", "r2").spec(container.clone()).not_ready_since(0).running_since(1).event(
            "Unhealthy",
            message,
            3,
            6,
            16,
        );
        at_second(&evidence(revisions(container.clone(), container, [p]), 90), 90).cause
    };
    let cause = of(
        json!({"httpGet": {"port": "htpp"}}),
        "Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing \"htpp\": invalid syntax",
    );
    assert!(
        cause
            .statement
            .ends_with("always fails: it names port htpp, which does not exist: the container declares port 8080"),
        "{}",
        cause.statement
    );
    let cause = of(
        json!({"tcpSocket": {"port": 8080, "host": "db"}}),
        "Readiness probe failed: dial tcp: lookup db: no such host",
    );
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.tcpSocket.host"), "{}", cause.statement);
    let cause = of(
        json!({"grpc": {"port": 9000}}),
        "Readiness probe failed: timeout: failed to connect service \"10.0.0.5:9000\" within 1s: context deadline exceeded",
    );
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.grpc.port"), "{}", cause.statement);
    let cause =
        of(json!({"httpGet": {"port": 8443}}), "Readiness probe failed: HTTP probe failed with statuscode: 400");
    assert!(cause.path.as_deref().unwrap().ends_with("readinessProbe.httpGet.scheme"), "{}", cause.statement);
}

#[test]
fn a_log_that_says_where_it_listens_corrects_a_probe() {
    let bare = with(container(), "/ports", json!([]));
    let refused = "Readiness probe failed: Get \"http://10.0.0.5:8080/ready\": dial tcp 10.0.0.5:8080: connect: connection refused";
    let p =
        pod("new", "r2").spec(bare.clone()).not_ready_since(0).running_since(1).event("Unhealthy", refused, 3, 6, 16);
    let e = told(evidence(revisions(bare.clone(), bare, [p]), 60), &["orders serves on port 8081"]);
    let found = at_second(&e, 60);
    assert!(
        found
            .cause
            .statement
            .ends_with("always fails: connection refused, while its log says that it listens on port 8081"),
        "{}",
        found.cause.statement
    );
    assert_eq!(found.cause.class, CauseClass::ProbeMismatch);
}

#[test]
fn a_heap_that_is_larger_than_the_limit() {
    let java = with(env(&[("JAVA_TOOL_OPTIONS", "-Xmx512m")]), "/resources", json!({"limits": {"memory": "256Mi"}}));
    let p = pod("p", "r2").spec(java.clone()).ended(1, 30, 137, "OOMKilled").restarts(1);
    let found = at_second(&evidence(revisions(java.clone(), java, [p]), 31), 31);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].env[JAVA_TOOL_OPTIONS].value"));
    assert_eq!(
        found.cause.statement,
        "Container web of Deployment web was OOMKilled 29 s after its start: env JAVA_TOOL_OPTIONS sets -Xmx512m, and its memory limit is only 256Mi"
    );
}

#[test]
fn a_container_that_is_done_at_once() {
    let p = pod("p", "r2").made(-90_000).ended(3, 4, 0, "Completed").last(1, 2, 0, "Completed").restarts(1);
    let found = at_second(&evidence(revisions(container(), container(), [p]), 5), 5);
    assert!(
        found.cause.statement.contains("exit code 0, 1 restart): it ends without an error instead of running on"),
        "{}",
        found.cause.statement
    );
}

#[test]
fn a_pod_that_took_more_local_storage_than_its_limit() {
    let evicted = |message: &str| {
        pod("gone", "r2")
            .ended(1, 30, 137, "Error")
            .phase("Failed")
            .set("/status/reason", json!("Evicted"))
            .set("/status/message", json!(message))
    };
    let small = with(container(), "/resources", json!({"limits": {"ephemeral-storage": "50Mi"}}));
    let of = |message: &str, second: i64| {
        evidence(revisions(small.clone(), small.clone(), [pod("p", "r2"), evicted(message)]), second)
    };
    let found = at_second(&of("Container web exceeded its local ephemeral storage limit \"50Mi\". ", 31), 31);
    assert_eq!(
        found.cause.statement,
        "A pod of Deployment web was evicted: its local storage exceeded its limit of 50Mi"
    );
    assert_eq!(
        found.cause.path.as_deref(),
        Some("spec.template.spec.containers[0].resources.limits.ephemeral-storage")
    );
    let found = at_second(&of("Usage of EmptyDir volume \"cache\" exceeds the limit \"10Mi\". ", 31), 31);
    assert!(
        found.cause.statement.ends_with("its emptyDir volume cache exceeded its limit of 10Mi"),
        "{}",
        found.cause.statement
    );
    let low = evicted("The node was low on resource: memory. Threshold quantity: 100Mi, available: 5Mi. ");
    assert_eq!(evaluate(&view([pod("p", "r2"), pod("q", "r2"), low]), at(31)).symptoms, []);
    let old = evicted("Container web exceeded its local ephemeral storage limit \"50Mi\". ");
    assert_eq!(evaluate(&view([pod("p", "r2"), pod("q", "r2"), old]), at(631)).symptoms, []);
}

#[test]
fn what_the_revision_changed_is_told_beside_the_probe_and_the_limit() {
    let slow = |cpu: &str| with(alive("/healthz", 8080), "/resources", json!({"limits": {"cpu": cpu}}));
    let timeout = "Liveness probe failed: Get \"http://10.0.0.5:8080/healthz\": context deadline exceeded";
    let found = at_second(&killed(slow("10m"), slow("500m"), timeout), 61);
    assert!(
        found
            .cause
            .statement
            .ends_with("; revision 2 brought it: containers[0].resources.limits.cpu changed from \"500m\" to \"10m\""),
        "{}",
        found.cause.statement
    );
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    // The limit is the same, the command is not.
    let now = with(container(), "/command", json!(["load-everything"]));
    let p = pod("p", "r2").spec(now.clone()).ended(1, 3, 137, "OOMKilled").restarts(1);
    let found = at_second(&evidence(revisions(now, container(), [pod("old", "r1"), p]), 4), 4);
    assert!(
        found
            .cause
            .statement
            .contains("its memory limit of 64Mi; revision 2 brought it: containers[0].command was added"),
        "{}",
        found.cause.statement
    );
    assert!(found.cause.path.as_deref().unwrap().ends_with("limits.memory"));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_gate_that_nobody_opens() {
    let gates = json!([{"conditionType": "lb.example.com/registered"}]);
    let shut = json!([
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(0).to_string()},
        {"type": "Ready", "status": "False", "lastTransitionTime": at(0).to_string()},
        {"type": "ContainersReady", "status": "True", "lastTransitionTime": at(5).to_string()},
    ]);
    let p = || pod("new", "r2").set("/spec/readinessGates", gates.clone()).set("/status/conditions", shut.clone());
    let mut v = revisions(container(), container(), [pod("old", "r1"), p()]);
    let spec = json!({"spec": {"readinessGates": gates, "containers": [container()]}});
    v.revisions[0].template = std::sync::Arc::new(serde_json::from_value(spec).unwrap());
    assert_eq!(evaluate(&v, at(64)).symptoms, []);
    let found = at_second(&evidence(v, 65), 65);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.readinessGates[0].conditionType"));
    assert_eq!(
        found.cause.statement,
        "Pods of Deployment web never become ready although their containers are: readiness gate lb.example.com/registered waits, and nobody has set this condition"
    );
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}
