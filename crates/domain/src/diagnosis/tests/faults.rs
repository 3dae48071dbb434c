use super::*;

const NOT_FOUND: &str = "Failed to pull image \"registry.example/web:9\": rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example/web:9\": failed to resolve reference \"registry.example/web:9\": registry.example/web:9: not found";

fn image(tag: &str) -> Value {
    with(container(), "/image", json!(format!("registry.example/web:{tag}")))
}

fn bad_image(message: &str) -> Evidence {
    let pod_new = pod("new", "r2").spec(image("9")).waiting("ErrImagePull", "failed").event("Failed", message, 1, 2, 2);
    evidence(revisions(image("9"), image("1"), [pod("old", "r1").spec(image("1")), pod_new]), 40)
}

#[test]
fn an_image_that_does_not_exist() {
    let found = at_second(&bad_image(NOT_FOUND), 40);
    let cause = &found.cause;
    assert_eq!((cause.class, cause.object.kind.as_str()), (CauseClass::ImageNotFound, "Deployment"));
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].image"));
    assert_eq!(cause.value.as_deref(), Some("registry.example/web:9"));
    assert_eq!(
        cause.statement,
        "Container web of Deployment web cannot get image registry.example/web:9: this image was not found in its registry; revision 2 introduced it, revision 1 used registry.example/web:1"
    );
    assert!(
        cause.proof.iter().any(|p| p.object.name == "web-r1" && p.value.as_deref() == Some("registry.example/web:1"))
    );
    assert!(cause.proof.iter().any(|p| p.object.name == "web-r2"));
    assert_eq!(cause.ruled_out.len(), 1, "old pods run: the node can pull");
    assert!(cause.confidence > 0.9);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn what_the_registry_answers_makes_the_class() {
    for (message, class) in [
        ("Failed to pull image: unexpected status from HEAD request: 401 Unauthorized", CauseClass::ImageUnauthorized),
        (
            "Failed to pull image: pull access denied, repository does not exist or may require authorization",
            CauseClass::ImageNotFound,
        ),
        ("Failed to pull image: dial tcp: lookup registry.example: no such host", CauseClass::RegistryUnreachable),
        (
            "Failed to pull image: failed to do request: Head \"https://registry.example/\": EOF",
            CauseClass::RegistryUnreachable,
        ),
        (NOT_FOUND, CauseClass::ImageNotFound),
    ] {
        assert_eq!(at_second(&bad_image(message), 40).cause.class, class, "{message}");
    }
    // Words in the name of the image are not the answer.
    let name = "registry.example/geofence-denied:1";
    let container = with(container(), "/image", json!(name));
    let text = format!("Failed to pull image \"{name}\": {name}: not found");
    let new = pod("new", "r2").spec(container.clone()).waiting("ErrImagePull", "x").event("Failed", &text, 1, 2, 2);
    let found = at_second(&evidence(revisions(container, image("1"), [new]), 40), 40);
    assert_eq!(found.cause.class, CauseClass::ImageNotFound);
}

#[test]
fn no_earlier_revision_and_no_earlier_image_mean_no_rollback() {
    let mut e = bad_image(NOT_FOUND);
    e.view.revisions.truncate(1);
    let found = at_second(&e, 40);
    assert_eq!((found.actions.len(), found.cause.class), (0, CauseClass::ImageNotFound));
    assert!(!found.recommendations.is_empty());
    let mut e = bad_image(NOT_FOUND);
    e.view.revisions[1].template = template(image("9"));
    assert_eq!(at_second(&e, 40).actions, []);
    let mut e = bad_image(NOT_FOUND);
    e.view.workload.kind = "StatefulSet".into();
    assert_eq!(at_second(&e, 40).actions, []);
}

#[test]
fn the_revision_to_go_back_to_is_one_that_serves() {
    let mut e = bad_image(NOT_FOUND);
    let third = Revision { template: template(image("10")), ..revision(3, image("10")) };
    e.view.revisions.insert(0, third);
    e.view.current = Some("r3".into());
    e.view.pods[1].revision = "r3".into();
    e.symptom.value = "registry.example/web:10".into();
    let found = at_second(&e, 40);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_remedy_that_failed_is_not_proposed_again_under_another_number() {
    let mut e = bad_image(NOT_FOUND);
    let first = at_second(&e, 40);
    e.failed = first.actions.clone();
    // Rolled back and undone: the same templates have new numbers.
    e.view.revisions = vec![
        Revision { number: 4, ..e.view.revisions[0].clone() },
        Revision { number: 3, ..e.view.revisions[1].clone() },
    ];
    let second = at_second(&e, 90);
    assert_eq!(second.actions, []);
    assert!(second.recommendations[0].contains("a person must decide"), "{:?}", second.recommendations);
}

fn limits(memory: &str) -> Value {
    with(container(), "/resources", json!({"limits": {"memory": memory}, "requests": {"memory": "32Mi"}}))
}

fn killed(now: Value, before: Value) -> Evidence {
    let p = pod("p", "r2").spec(now.clone()).ended(1, 30, 137, "OOMKilled").restarts(1);
    evidence(revisions(now, before, [p]), 31)
}

#[test]
fn a_container_over_its_memory_limit() {
    let mut e = killed(limits("64Mi"), limits("64Mi"));
    e.memory_used = BTreeMap::from([("web".to_owned(), 61 * MI)]);
    let found = at_second(&e, 31);
    let cause = &found.cause;
    assert_eq!(cause.class, CauseClass::OutOfMemory);
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].resources.limits.memory"));
    assert_eq!(cause.value.as_deref(), Some("64Mi"));
    assert_eq!(
        cause.statement,
        "Container web of Deployment web was OOMKilled 29 s after its start: it exceeded its memory limit of 64Mi"
    );
    assert!(cause.proof.iter().any(|p| p.value.as_deref() == Some("64Mi")));
    let measured = "at least 64Mi when it was killed, 61Mi when it was last measured";
    assert!(cause.proof.iter().any(|p| p.value.as_deref() == Some(measured)));
    proposes(&found, "AdjustResources", &[("container", "web"), ("memory_limit", "128Mi")]);
    // It did not help: once more, then a person.
    e.failed = found.actions;
    let second = at_second(&e, 31);
    proposes(&second, "AdjustResources", &[("container", "web"), ("memory_limit", "256Mi")]);
    e.failed.extend(second.actions);
    assert_eq!(at_second(&e, 31).actions, []);
    // Nothing was measured.
    e.failed.clear();
    e.memory_used.clear();
    let found = at_second(&e, 31);
    assert!(!found.cause.proof.iter().any(|p| p.rule == "this was measured"));
    proposes(&found, "AdjustResources", &[("container", "web"), ("memory_limit", "128Mi")]);
}

#[test]
fn memory_follows_what_was_used_and_the_quality_of_service() {
    let mut e = killed(limits("64Mi"), limits("64Mi"));
    e.memory_used = BTreeMap::from([("web".to_owned(), 200 * MI)]);
    proposes(&at_second(&e, 31), "AdjustResources", &[("container", "web"), ("memory_limit", "512Mi")]);
    let guaranteed =
        with(container(), "/resources", json!({"limits": {"memory": "64Mi"}, "requests": {"memory": "65536Ki"}}));
    let e = killed(guaranteed.clone(), guaranteed);
    let expected = [("container", "web"), ("memory_limit", "128Mi"), ("memory_request", "128Mi")];
    proposes(&at_second(&e, 31), "AdjustResources", &expected);
}

#[test]
fn a_limit_that_the_last_revision_lowered_is_rolled_back_first() {
    let mut e = killed(limits("16Mi"), limits("64Mi"));
    let found = at_second(&e, 31);
    assert!(found.cause.statement.ends_with("; revision 2 lowered it from 64Mi"), "{}", found.cause.statement);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    e.failed = found.actions;
    proposes(&at_second(&e, 31), "AdjustResources", &[("container", "web"), ("memory_limit", "32Mi")]);
}

#[test]
fn limits_of_a_limit_range_and_no_limit_at_all() {
    let bare = with(container(), "/resources", json!({}));
    let p = pod("p", "r2").spec(limits("64Mi")).ended(1, 30, 137, "OOMKilled").restarts(1);
    let e = evidence(revisions(bare.clone(), bare.clone(), [p]), 31);
    proposes(&at_second(&e, 31), "AdjustResources", &[("container", "web"), ("memory_limit", "128Mi")]);
    let found = at_second(&killed(bare.clone(), bare), 31);
    assert_eq!(found.actions, []);
    assert_eq!(
        found.cause.statement,
        "Container web of Deployment web was OOMKilled: it has no memory limit, and its node had no memory left"
    );
}

fn unready(now: Value, message: &str) -> Evidence {
    let p = pod("new", "r2").spec(now.clone()).not_ready_since(0).running_since(1);
    let p = if message.is_empty() { p } else { p.event("Unhealthy", message, 3, 6, 16) };
    evidence(revisions(now, container(), [pod("old", "r1"), p]), 60)
}

#[test]
fn a_probe_that_asks_at_the_wrong_port_or_path() {
    let refused = "Readiness probe failed: Get \"http://10.0.0.5:9090/ready\": dial tcp 10.0.0.5:9090: connect: connection refused";
    let found = at_second(&unready(with(container(), "/readinessProbe/httpGet/port", json!(9090)), refused), 60);
    let cause = &found.cause;
    assert_eq!(cause.class, CauseClass::ProbeMismatch);
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].readinessProbe.httpGet.port"));
    assert_eq!(cause.value.as_deref(), Some("9090"));
    assert!(
        cause.statement.starts_with("Container web of Deployment web never becomes ready: its readiness probe (HTTP /ready on port 9090) always fails: connection refused, while the container declares port 8080"),
        "{}",
        cause.statement
    );
    assert!(cause.statement.ends_with("; revision 2 asks 9090, revision 1 asked 8080"));
    assert!(cause.proof.iter().any(|p| p.object.name == "web-r1" && p.value.as_deref() == Some("8080")));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);

    let wrong = with(container(), "/readinessProbe/httpGet/path", json!("/nope"));
    let found = at_second(&unready(wrong, "Readiness probe failed: HTTP probe failed with statuscode: 404"), 60);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].readinessProbe.httpGet.path"));
    assert_eq!((found.cause.class, found.cause.value.as_deref()), (CauseClass::ProbeMismatch, Some("/nope")));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_probe_that_asks_rightly_and_an_application_that_says_no() {
    let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    let found = at_second(&unready(env(&[("MODE", "new")]), message), 60);
    assert_eq!(found.cause.class, CauseClass::ApplicationNotReady);
    assert!(
        found.cause.statement.contains("and since then env MODE was added as \"new\""),
        "{}",
        found.cause.statement
    );
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    // Nothing changed, or the revision has served: no rollback.
    assert_eq!(at_second(&unready(container(), message), 60).actions, []);
    let old = pod("late", "r2").made(-9000).not_ready_since(0).running_since(1).event("Unhealthy", message, 3, 6, 16);
    let e = evidence(revisions(env(&[("MODE", "new")]), container(), [old]), 60);
    assert_eq!(at_second(&e, 60).actions, []);
    let mut e = unready(env(&[("MODE", "new")]), message);
    e.view.pods[0].revision = "r2".into();
    e.view.revisions[1].ready = 0;
    assert_eq!(at_second(&e, 60).actions, []);
    // No probe result is known.
    let found = at_second(&unready(container(), ""), 60);
    assert!(
        found.cause.statement.ends_with("(HTTP /ready on port 8080) has not succeeded"),
        "{}",
        found.cause.statement
    );
    // A command that is there and fails is the application; one that is missing is the probe.
    let exec = with(container(), "/readinessProbe", json!({"exec": {"command": ["/bin/check"]}, "periodSeconds": 5}));
    let of = |text: &str| {
        let mut e = unready(exec.clone(), text);
        e.view.revisions[1].template = template(exec.clone());
        at_second(&e, 60).cause.class
    };
    assert_eq!(of("Readiness probe failed: not yet"), CauseClass::ApplicationNotReady);
    assert_eq!(
        of("Readiness probe errored: exec: \"/bin/check\": stat /bin/check: no such file or directory"),
        CauseClass::ProbeMismatch
    );
}

fn room(name: &str, cpu: i128, used: i128) -> NodeRoom {
    NodeRoom {
        name: name.into(),
        uid: Some(format!("uid-{name}")),
        ready: true,
        allocatable: BTreeMap::from([("cpu".to_owned(), cpu), ("memory".to_owned(), 8192 * MI * 1000)]),
        requested: BTreeMap::from([("cpu".to_owned(), used)]),
        ..NodeRoom::default()
    }
}

fn wishes(cpu: &str) -> Value {
    with(container(), "/resources", json!({"requests": {"cpu": cpu}}))
}

fn unplaced(container: Value, nodes: Vec<NodeRoom>) -> Evidence {
    let p = pod("p", "r2").spec(container.clone()).unscheduled(0, "0/3 nodes are available: 3 Insufficient cpu.");
    Evidence { nodes, ..evidence(revisions(container.clone(), container, [p]), 20) }
}

#[test]
fn a_pod_that_fits_no_node_is_told_with_the_numbers_of_each() {
    let e = unplaced(wishes("3"), vec![room("a", 2000, 500), room("b", 4000, 1500), room("c", 2000, 0)]);
    let found = at_second(&e, 20);
    let cause = &found.cause;
    assert_eq!(cause.class, CauseClass::InsufficientResources);
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].resources.requests.cpu"));
    assert_eq!(cause.value.as_deref(), Some("3"));
    assert_eq!(
        cause.statement,
        "Pods of Deployment web request 3 cpu, and no node has that much free: insufficient cpu (a: cpu 3 requested, 1500m free of 2; b: cpu 3 requested, 2500m free of 4; c: cpu 3 requested, 2 free of 2); it fits node b with 500m less cpu"
    );
    let nodes: Vec<&str> =
        cause.proof.iter().filter(|p| p.object.kind == "Node").map(|p| p.object.name.as_str()).collect();
    assert_eq!(nodes, ["a", "b", "c"]);
    assert_eq!(found.actions, [], "no automatic remedy");
    assert!(found.recommendations[0].contains("lower the request"), "{:?}", found.recommendations);
    let found = at_second(&unplaced(wishes("64"), vec![room("a", 2000, 0)]), 20);
    assert!(found.recommendations[0].contains("Request at most 2 cpu"), "{:?}", found.recommendations);
    let gpu = with(
        container(),
        "/resources",
        json!({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}),
    );
    let found = at_second(&unplaced(gpu, vec![room("a", 2000, 0)]), 20);
    assert!(found.cause.statement.contains("no node offers any nvidia.com/gpu"), "{}", found.cause.statement);
}

#[test]
fn constraints_and_many_nodes() {
    let mut e = unplaced(wishes("100m"), vec![room("a", 2000, 0), room("b", 2000, 0)]);
    let spec = json!({"spec": {"nodeSelector": {"disk": "ssd"}, "containers": [wishes("100m")]}});
    e.view.revisions[0].template = std::sync::Arc::new(serde_json::from_value(spec).unwrap());
    let found = at_second(&e, 20);
    assert_eq!(found.cause.class, CauseClass::UnsatisfiableConstraints);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.nodeSelector"));
    assert_eq!(found.cause.value.as_deref(), Some("disk=ssd"));
    assert!(found.cause.statement.contains("a: no label disk=ssd"), "{}", found.cause.statement);
    // One node is tainted, the others lack cpu: cpu it is.
    let taint: Taint = serde_json::from_value(json!({"key": "gpu", "effect": "NoSchedule"})).unwrap();
    let tainted = NodeRoom { taints: vec![taint], ..room("t", 64_000, 0) };
    let mut nodes: Vec<NodeRoom> = (0..50).map(|n| room(&format!("n{n}"), 2000, 1900)).collect();
    nodes.push(tainted);
    let found = at_second(&unplaced(wishes("1"), nodes), 20);
    assert_eq!(found.cause.class, CauseClass::InsufficientResources);
    assert!(found.cause.statement.contains(" and 48 more"), "{}", found.cause.statement);
    assert!(found.cause.statement.len() < 400 && found.cause.proof.len() <= 12);
    // Nothing is known of the nodes: the scheduler's own words.
    let found = at_second(&unplaced(wishes("1"), vec![]), 20);
    assert!(found.cause.statement.contains("3 Insufficient cpu"), "{}", found.cause.statement);
}
