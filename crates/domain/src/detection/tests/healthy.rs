use k8s_openapi::api::core::v1::Node;
use serde_json::json;

use super::*;

/// Asserts that a view says nothing over ten minutes, looked at every second.
fn silent(what: &str, view: &WorkloadView) {
    for second in 0..600 {
        let found = evaluate(view, at(second)).symptoms;
        assert!(found.is_empty(), "{what} at {second}: {found:?}");
    }
}

/// Asserts that a view says nothing from one second to another, which is how long it lasts.
fn silent_between(what: &str, view: &WorkloadView, from: i64, to: i64) {
    for second in from..=to {
        let found = evaluate(view, at(second)).symptoms;
        assert!(found.is_empty(), "{what} at {second}: {found:?}");
    }
}

#[test]
fn twenty_healthy_changes_raise_nothing() {
    let creating = |name: &str| pod(name, "r2").waiting("ContainerCreating", "");
    let unready = |name: &str| pod(name, "r2").not_ready_since(0).running_since(1);
    let slow = "Readiness probe failed: Get \"http://10.0.0.5:8080/ready\": dial tcp 10.0.0.5:8080: connect: connection refused";

    silent_between(
        "1 a rollout whose pods start slowly, within the probe's budget",
        &view([pod("old", "r1"), unready("new").event("Unhealthy", slow, 3, 6, 16)]),
        0,
        30,
    );
    silent_between(
        "2 a scale-up",
        &WorkloadView { desired: 9, ..view([pod("a", "r2"), unready("b"), creating("c")]) },
        0,
        30,
    );
    silent(
        "3 a scale-down",
        &WorkloadView {
            desired: 1,
            ..view([pod("a", "r2"), pod("b", "r2").terminating(), pod("c", "r2").terminating().not_ready_since(10)])
        },
    );
    let evicted = pod("a", "r2").phase("Failed").set("/status/reason", json!("Evicted")).not_ready_since(5);
    silent("4 a drain: evicted pods, and new ones on another node", &view([evicted, pod("b", "r2"), pod("c", "r2")]));
    silent(
        "5 a pod is deleted and replaced",
        &view([pod("a", "r2").terminating().ended(1, 30, 137, "Error"), creating("b"), pod("c", "r2")]),
    );
    let brief: Node = node(&[("Ready", "Unknown", 0)]);
    assert!((0..20).all(|s| evaluate_node(&brief, None, at(s)).symptoms.is_empty()), "6 a node is away for 19 s");
    let back = pod("a", "r2").set(
        "/status/conditions/1",
        json!({"type": "Ready", "status": "False", "lastTransitionTime": at(0).to_string()}),
    );
    silent(
        "6 it is back, and its pods are still marked not ready while their containers are",
        &view([back, pod("b", "r2")]),
    );
    let mut job = WorkloadView {
        desired: 1,
        revisions: vec![],
        current: None,
        ..view([
            pod("a", "").phase("Succeeded").ended(1, 20, 0, "Completed"),
            pod("b", "").phase("Failed").ended(1, 20, 1, "Error"),
        ])
    };
    job.workload.kind = "Job".into();
    silent("7 a Job with a completed and a failed pod", &job);
    let finished = pod("a", "")
        .set("/spec/restartPolicy", json!("OnFailure"))
        .ended(30, 40, 0, "Completed")
        .last(1, 20, 1, "Error")
        .restarts(1);
    job.pods = vec![finished.done()];
    silent("7 a Job's container that failed once and then ended well, beside one that still runs", &job);
    silent(
        "8 restarts and an OOM kill of last week",
        &view([
            pod("a", "r2")
                .made(-900_000)
                .last(-700_000, -600_000, 137, "OOMKilled")
                .restarts(9)
                .running_since(-600_000),
            pod("b", "r2"),
        ]),
    );
    let done = json!([{"name": "setup", "image": "i", "imageID": "", "ready": true, "restartCount": 3, "state": {"terminated": {"exitCode": 0, "finishedAt": at(20).to_string()}}, "lastState": {"terminated": {"exitCode": 1, "finishedAt": at(10).to_string()}}}]);
    silent(
        "9 init containers that needed several tries and are done",
        &view([pod("a", "r2").set("/status/initContainerStatuses", done), pod("b", "r2")]),
    );
    silent("10 an image that takes long to pull", &view([pod("old", "r1"), pod("old2", "r1"), creating("new")]));
    silent(
        "11 a paused rollout",
        &WorkloadView {
            paused: true,
            conditions: vec![condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", 0)],
            ..view([pod("a", "r1"), pod("b", "r1")])
        },
    );
    assert!(
        WorkloadView { paused: true, ..view([pod("a", "r1"), pod("b", "r1")]) }.healthy(),
        "11 a paused rollout is healthy with its old pods"
    );
    let zero = WorkloadView { desired: 0, ..view([]) };
    silent("12 zero replicas", &zero);
    assert!(zero.healthy());
    silent(
        "13 Recreate: all old pods go, then the new ones come",
        &view([pod("a", "r1").terminating(), pod("b", "r1").terminating(), creating("c"), creating("d")]),
    );
    silent_between(
        "14 an autoscaler adds pods, one of them waits for a node for 2 s",
        &WorkloadView {
            desired: 4,
            ..view([pod("a", "r2"), pod("b", "r2"), pod("c", "r2").unscheduled(0, "no nodes available")])
        },
        0,
        2,
    );
    let mut relabelled = view([pod("a", "r2"), pod("b", "r2")]);
    relabelled.resource_version = Some("8".into());
    silent("15 labels, annotations or a ConfigMap change and the pods stay", &relabelled);
    silent(
        "16 the new revision serves while the old pods still terminate",
        &view([
            pod("a", "r2"),
            pod("b", "r2"),
            pod("old", "r1").terminating().not_ready_since(1).ended(1, 2, 143, "Error"),
        ]),
    );
    silent_between(
        "17 the new pod waits for the room of one that is terminating",
        &view([
            pod("old", "r1").terminating(),
            pod("b", "r1"),
            pod("a", "r2").unscheduled(0, "0/1 nodes are available: 1 Insufficient cpu."),
        ]),
        0,
        59,
    );
    let sidecar = json!({"name": "proxy", "image": "p", "imageID": "", "ready": true, "restartCount": 1, "state": {"running": {"startedAt": at(40).to_string()}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": at(1).to_string(), "finishedAt": at(39).to_string()}}});
    silent(
        "18 a sidecar restarts once",
        &view([pod("a", "r2").set("/status/containerStatuses", json!([sidecar])), pod("b", "r2")]),
    );
    silent(
        "19 a container restarts once and is healthy",
        &view([pod("a", "r2").last(1, 39, 1, "Error").restarts(1).running_since(40).ready_since(45), pod("b", "r2")]),
    );
    silent_between(
        "20 a pod that served is away for less than half a minute",
        &view([pod("a", "r2").not_ready_since(100).event("Unhealthy", slow, 1, 99, 99), pod("b", "r2")]),
        100,
        129,
    );
    let blip = "Failed to pull image \"registry.example/web:2\": dial tcp 10.0.0.1:443: i/o timeout";
    silent_between(
        "21 a registry that does not answer for some seconds",
        &view([pod("old", "r1"), pod("n", "r2").waiting("ImagePullBackOff", blip).event("Failed", blip, 1, 0, 0)]),
        0,
        14,
    );
}

#[test]
fn a_worker_that_recycles_itself_and_an_init_container_that_takes_its_time() {
    let worked = pod("a", "r2").ended(100, 170, 0, "Completed").last(1, 90, 0, "Completed").restarts(2);
    silent("a worker ends well after its share of work", &view([worked, pod("b", "r2")]));
    let init = |since: i64| json!([{"name": "setup", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": at(since).to_string()}}}]);
    let p = || {
        pod("a", "r2")
            .phase("Pending")
            .not_ready_since(0)
            .set("/status/initContainerStatuses", init(1))
            .waiting("PodInitializing", "")
    };
    silent_between("an init container works", &view([pod("old", "r1"), p()]), 0, 60);
    assert_eq!(fired(&view([pod("old", "r1"), p()]), 61), [Rule::ReadinessFailing]);
    let done = json!([{"name": "setup", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "startedAt": at(1).to_string(), "finishedAt": at(101).to_string()}}}]);
    let long = pod("old", "r1").set("/status/initContainerStatuses", done);
    silent_between("others needed long for it too", &view([long, p()]), 0, 300);
}

#[test]
fn a_clock_that_is_ahead_postpones_nothing_and_missing_fields_break_nothing() {
    let ahead = pod("p", "r2").unscheduled(1000, "0/1 nodes are available");
    let found = evaluate(&view([ahead]), at(0));
    assert_eq!(found.next_look, Some(at(10)));
    for pointer in ["/status/conditions", "/status/containerStatuses"] {
        silent("without a part of the status", &view([pod("p", "r2").set(pointer, json!([]))]));
    }
    let bare = pod("p", "r2").set("/status", json!({})).set("/spec", json!({"containers": []}));
    silent("without a status", &view([bare]));
}
