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

fn labelled(room: NodeRoom, key: &str, value: &str) -> NodeRoom {
    let mut room = room;
    room.labels.insert(key.into(), value.into());
    room
}

#[test]
fn nodes_that_were_asked_for_tell_more_than_others() {
    let selecting = |nodes: Vec<NodeRoom>| {
        let mut e = waiting(container(), "0/2 nodes are available.", nodes);
        let spec = json!({"spec": {"nodeSelector": {"pool": "a"}, "containers": [container()]}});
        e.view.revisions[0].template = std::sync::Arc::new(serde_json::from_value(spec).unwrap());
        at_second(&e, 70).cause
    };
    // The only node of the pool is cordoned; the others were never meant.
    let closed = NodeRoom { cordoned: true, ..labelled(room("n1"), "pool", "a") };
    let cause = selecting(vec![room("n2"), closed.clone(), room("n3")]);
    assert_eq!((cause.object.kind.as_str(), cause.object.name.as_str()), ("Node", "n1"));
    assert_eq!(cause.path.as_deref(), Some("spec.unschedulable"));
    assert!(cause.statement.contains("node n1, which would take them, is cordoned"), "{}", cause.statement);
    // The only node of the pool is not ready.
    let taint =
        |key: &str, effect: &str| -> Taint { serde_json::from_value(json!({"key": key, "effect": effect})).unwrap() };
    let gone = NodeRoom {
        ready: false,
        trouble: vec!["Ready=Unknown NodeStatusUnknown".into()],
        taints: vec![
            taint("node.kubernetes.io/unreachable", "NoSchedule"),
            taint("node.kubernetes.io/unreachable", "NoExecute"),
        ],
        ..labelled(room("n1"), "pool", "a")
    };
    let cause = selecting(vec![gone, room("n2")]);
    assert_eq!((cause.object.name.as_str(), cause.class), ("n1", CauseClass::NodeFault));
    assert_eq!(cause.path.as_deref(), Some("status.conditions"));
    assert!(cause.statement.contains("is not ready (Ready=Unknown NodeStatusUnknown)"), "{}", cause.statement);
    // No node of the pool is there: then it is what the pods ask for.
    assert_eq!(selecting(vec![room("n2")]).path.as_deref(), Some("spec.template.spec.nodeSelector"));
}

#[test]
fn what_came_last_is_at_fault() {
    let taint: Taint =
        serde_json::from_value(json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"})).unwrap();
    let with = |changed: Option<i64>, rolled: i64| {
        let node = NodeRoom { taints: vec![taint.clone()], changed: changed.map(at), ..room("n1") };
        let mut e = waiting(container(), "0/1 nodes are available.", vec![node]);
        e.view.revisions[0].created = Some(at(rolled));
        at_second(&e, 70).cause
    };
    let cause = with(Some(50), 0);
    assert_eq!((cause.object.kind.as_str(), cause.path.as_deref()), ("Node", Some("spec.taints")));
    assert_eq!(with(Some(0), 50).object.kind, "Deployment");
    assert_eq!(with(None, 0).object.kind, "Deployment");
    // The others are full, and this one was closed a moment ago.
    let full = NodeRoom { requested: [("memory".to_owned(), 8192 * MI * 1000)].into(), ..room("n2") };
    let closed = |changed: i64| NodeRoom { cordoned: true, changed: Some(at(changed)), ..room("n1") };
    let of = |changed: i64| {
        let mut e = waiting(container(), "0/2 nodes are available.", vec![full.clone(), closed(changed)]);
        e.view.revisions[0].created = Some(at(-20_000));
        std::sync::Arc::make_mut(&mut e.view.pods[0].pod).metadata.creation_timestamp = Some(Time(at(60)));
        at_second(&e, 70).cause
    };
    assert_eq!((of(55).object.kind.as_str(), of(55).path.as_deref()), ("Node", Some("spec.unschedulable")));
    let old = of(-10_000);
    assert_eq!((old.object.kind.as_str(), old.class), ("Deployment", CauseClass::InsufficientResources));
    assert!(old.statement.ends_with("or node n1 with the node uncordoned"), "{}", old.statement);
}

#[test]
fn a_pod_that_lost_its_place_to_one_that_comes_first() {
    let other = |kind: &str, name: &str| ObjectRef { kind: kind.into(), name: name.into(), ..ObjectRef::default() };
    let tenant = Tenant {
        workload: other("Deployment", "billing"),
        priority: 1_000_000,
        class: Some("urgent".into()),
        made: Some(at(59)),
        placed: Some(at(61)),
        requests: [("cpu".to_owned(), 3000)].into(),
    };
    let with = |tenant: &Tenant, rolled: i64| {
        let node = NodeRoom { requested: [("cpu".to_owned(), 3100)].into(), above: vec![tenant.clone()], ..room("n1") };
        let wanted = with(container(), "/resources", json!({"requests": {"cpu": "3"}}));
        let mut e = waiting(wanted, "0/1 nodes are available: 1 Insufficient cpu.", vec![node]);
        e.view.revisions[0].created = Some(at(rolled));
        std::sync::Arc::make_mut(&mut e.view.pods[0].pod).metadata.creation_timestamp = Some(Time(at(60)));
        at_second(&e, 75).cause
    };
    let cause = with(&tenant, 0);
    assert_eq!((cause.object.name.as_str(), cause.value.as_deref()), ("billing", Some("urgent")));
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.priorityClassName"));
    assert!(
        cause.statement.starts_with(
            "Deployment web was preempted on node n1 by Deployment billing, whose PriorityClass urgent (1000000) is higher than its own 0"
        ),
        "{}",
        cause.statement
    );
    // The first pod of its revision had no place to lose.
    assert_eq!(with(&tenant, 60).object.name, "web");
    // The other one was there long before, or came later, or does not take what is missing.
    let before = Tenant { made: Some(at(10)), placed: Some(at(11)), ..tenant.clone() };
    assert_eq!(with(&before, 0).object.name, "web");
    let later = Tenant { made: Some(at(70)), placed: Some(at(71)), ..tenant.clone() };
    assert_eq!(with(&later, 0).object.name, "web");
    let small = Tenant { requests: [("cpu".to_owned(), 100)].into(), ..tenant.clone() };
    assert_eq!(with(&small, 0).object.name, "web");
    // It says itself that it was.
    assert_eq!(with(&Tenant { priority: 0, ..tenant }, 0).object.name, "web", "nobody comes first");
}

#[test]
fn only_the_scheduler_knows() {
    let of = |message: &str| at_second(&waiting(container(), message, vec![]), 70).cause;
    for (message, path) in [
        ("0/3 nodes are available: 3 node(s) exceed max volume count. preemption: x", "spec.template.spec.volumes"),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
            "spec.template.spec.topologySpreadConstraints",
        ),
        (
            "0/3 nodes are available: 3 Insufficient example.com/fpga. preemption: 0/3 nodes",
            "spec.template.spec.containers[0].resources.requests.example.com/fpga",
        ),
    ] {
        let cause = of(message);
        assert_eq!(cause.path.as_deref(), Some(path), "{}", cause.statement);
        assert!(!cause.statement.contains("preemption"), "{}", cause.statement);
    }
}

#[test]
fn pods_that_their_node_refuses() {
    let refused = |name: &str, reason: &str, message: &str| {
        pod(name, "r2").phase("Failed").set("/status/reason", json!(reason)).set("/status/message", json!(message))
    };
    let message = "Pod was rejected: Node didn't have enough resource: cpu, requested: 5000, used: 200, capacity: 2000";
    let v = |pods: Vec<crate::detection::fixtures::Maker>| revisions(container(), container(), pods);
    let e = evidence(v(vec![refused("a", "OutOfcpu", message), refused("b", "OutOfcpu", message)]), 20);
    assert_eq!(e.symptom.rule, Rule::Unschedulable);
    let cause = at_second(&e, 20).cause;
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].resources.requests.cpu"));
    assert!(
        cause.statement.starts_with("Node node-1 refuses the pods of Deployment web: OutOfcpu"),
        "{}",
        cause.statement
    );
    // One may be refused while a node restarts; and who has all pods lacks none.
    let healthy = |pods: Vec<crate::detection::fixtures::Maker>| crate::detection::evaluate(&v(pods), at(20)).symptoms;
    assert!(healthy(vec![refused("a", "NodeAffinity", "x")]).iter().all(|s| s.rule != Rule::Unschedulable));
    let all =
        vec![refused("a", "OutOfcpu", message), refused("b", "OutOfcpu", message), pod("c", "r2"), pod("d", "r2")];
    let mut view = v(all);
    view.desired = 2;
    assert!(crate::detection::evaluate(&view, at(20)).symptoms.is_empty());
}

#[test]
fn volumes_and_networks_that_cannot_be_set_up() {
    let of = |volumes: Value, message: &str| {
        let p = pod("p", "r2")
            .phase("Pending")
            .not_ready_since(0)
            .set("/status/containerStatuses/0/state", json!({"waiting": {"reason": "ContainerCreating"}}))
            .event("FailedMount", message, 3, 0, 60);
        let mut e = evidence(revisions(container(), container(), [p]), 70);
        assert_eq!(e.symptom.rule, Rule::SetupFailing, "{message}");
        let spec = json!({"spec": {"containers": [container()], "volumes": volumes}});
        e.view.revisions = vec![revision(2, container())];
        e.view.revisions[0].template = std::sync::Arc::new(serde_json::from_value(spec).unwrap());
        at_second(&e, 70).cause
    };
    let host = json!([{"name": "logs", "hostPath": {"path": "/srv/logs", "type": "Directory"}}]);
    let cause = of(
        host,
        "MountVolume.SetUp failed for volume \"logs\" : hostPath type check failed: /srv/logs is not a directory",
    );
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.volumes[0].hostPath.path"));
    let claimed = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "orders"}}]);
    let cause = of(claimed.clone(), "AttachVolume.Attach failed for volume \"pvc-7\" : rpc error: code = Internal");
    assert_eq!((cause.object.kind.as_str(), cause.object.name.as_str()), ("PersistentVolumeClaim", "orders"));
    let cause = of(
        claimed,
        "MountVolume.MountDevice failed for volume \"pvc-7\" : kubernetes.io/csi: driver name disk.example.com not found in the list of registered CSI drivers",
    );
    assert_eq!((cause.object.kind.as_str(), cause.object.name.as_str()), ("Node", "node-1"));
    assert!(cause.statement.contains("CSI driver disk.example.com"), "{}", cause.statement);
    let cause = of(
        json!([]),
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"4f\": plugin type=\"calico\" failed (add): dial tcp: connection refused",
    );
    assert_eq!((cause.object.kind.as_str(), cause.class), ("Node", CauseClass::NodeFault));
    assert!(
        cause.statement.starts_with("Node node-1 cannot set up the network of pods of Deployment web: plugin"),
        "{}",
        cause.statement
    );
}
