use api::shared::Severity;

use super::*;

const NOT_FOUND: &str = "Failed to pull image \"registry.example/web:2\": rpc error: code = NotFound desc = failed to resolve reference \"registry.example/web:2\": registry.example/web:2: not found";
const TIMEOUT: &str =
    "Failed to pull image \"registry.example/web:2\": failed to do request: dial tcp 10.0.0.1:443: i/o timeout";

#[test]
fn a_bad_image_is_seen_at_once_while_old_pods_serve() {
    let bad = pod("new", "r2").waiting("ErrImagePull", NOT_FOUND).event("Failed", NOT_FOUND, 1, 2, 2);
    let v = view([pod("old-1", "r1"), pod("old-2", "r1"), bad]);
    let symptom = only(&v, 3);
    assert_eq!((symptom.rule, symptom.severity), (Rule::ImagePull, Severity::High));
    assert_eq!(symptom.value, "registry.example/web:2");
    assert_eq!(symptom.since, at(2));
    assert_eq!(symptom.pod.unwrap().name, "new");
    assert!(!evaluate(&v, at(3)).healthy);
    // No pod serves: it is critical.
    let alone = view([pod("new", "r2").waiting("ErrImagePull", NOT_FOUND)]);
    assert_eq!(only(&alone, 3).severity, Severity::Critical);
    // The back-off hides the answer; the event has it.
    let back_off =
        pod("new", "r2").waiting("ImagePullBackOff", "Back-off pulling image").event("Failed", NOT_FOUND, 1, 2, 2);
    assert_eq!(fired(&view([back_off]), 3), [Rule::ImagePull]);
    for reason in ["InvalidImageName", "ErrImageNeverPull"] {
        assert_eq!(fired(&view([pod("new", "r2").waiting(reason, "")]), 1), [Rule::ImagePull]);
    }
}

#[test]
fn a_registry_that_does_not_answer_is_given_time() {
    let failing = |reason| view([pod("new", "r2").waiting(reason, TIMEOUT).event("Failed", TIMEOUT, 1, 2, 2)]);
    fires_at(&failing("ErrImagePull"), Rule::ImagePull, 32);
    fires_at(&failing("ImagePullBackOff"), Rule::ImagePull, 17);
    // Words in the image's name are no answer of the registry.
    let name = "registry.example/access-denied:1";
    let text = format!("Failed to pull image \"{name}\": dial tcp: i/o timeout");
    let odd =
        pod("new", "r2").spec(with(container(), "/image", serde_json::json!(name))).waiting("ErrImagePull", &text);
    fires_at(&view([odd]), Rule::ImagePull, 30);
}

#[test]
fn a_crash_loop_is_seen_at_the_second_exit() {
    let first = pod("new", "r2").ended(1, 2, 1, "Error");
    assert_eq!(fired(&view([first]), 3), []);
    let second = || pod("new", "r2").ended(3, 4, 1, "Error").last(1, 2, 1, "Error").restarts(1);
    let v = view([pod("old", "r1"), second()]);
    let symptom = only(&v, 5);
    assert_eq!((symptom.rule, symptom.since, symptom.count), (Rule::CrashLoop, at(3), 2));
    assert_eq!(symptom.container.as_deref(), Some("web"));
    // Current Kubernetes: `terminated` through the back-off. Then it waits, then it runs again for a moment.
    let waits =
        second().restarts(4).last(3, 4, 1, "Error").waiting("CrashLoopBackOff", "back-off 80s").phase("Running");
    assert_eq!(fired(&view([waits]), 60), [Rule::CrashLoop]);
    let runs = || second().restarts(2).last(3, 4, 1, "Error").running_since(20).ready_since(20);
    assert_eq!(fired(&view([runs()]), 21), [Rule::CrashLoop]);
    assert_eq!(fired(&view([runs()]), 49), [Rule::CrashLoop]);
    assert_eq!(fired(&view([runs()]), 50), []);
}

#[test]
fn an_old_pod_that_begins_to_crash_is_seen_by_the_back_off_event() {
    let old = |pod: Maker| pod.made(-90_000).restarts(7);
    let runs = old(pod("p", "r2")).last(100, 101, 2, "Error").running_since(110).ready_since(110);
    assert_eq!(fired(&view([runs]), 111), []);
    let told = old(pod("p", "r2")).last(100, 101, 2, "Error").running_since(110).ready_since(110).event(
        "BackOff",
        "Back-off restarting failed container web in pod p",
        3,
        90,
        102,
    );
    assert_eq!(fired(&view([told]), 111), [Rule::CrashLoop]);
}

#[test]
fn a_container_over_its_memory_is_seen_at_the_first_kill() {
    let killed = pod("p", "r2").ended(1, 30, 137, "OOMKilled").restarts(1);
    let symptom = only(&view([killed]), 31);
    assert_eq!((symptom.rule, symptom.threshold.as_str()), (Rule::OutOfMemory, "64Mi"));
    assert_eq!(symptom.since, at(30));
    assert!(symptom.message.contains("limit 64Mi"), "{}", symptom.message);
    // It also crashes: memory is the more specific word, and it is one symptom.
    let loops = pod("p", "r2").ended(40, 50, 137, "OOMKilled").last(1, 30, 137, "OOMKilled").restarts(2);
    assert_eq!(fired(&view([loops]), 51), [Rule::OutOfMemory]);
    // Back for three times as long as it ran before, at least 30 s.
    let back = |since| {
        view([pod("p", "r2").last(1, 21, 137, "OOMKilled").restarts(1).running_since(since).ready_since(since)])
    };
    assert_eq!(fired(&back(22), 81), [Rule::OutOfMemory]);
    assert_eq!(fired(&back(22), 82), []);
}

#[test]
fn readiness_that_never_comes() {
    let unready = || pod("new", "r2").not_ready_since(0).running_since(1);
    // Twice the probe's budget of 15 s from the container's start.
    fires_at(&view([pod("old", "r1"), unready()]), Rule::ReadinessFailing, 31);
    let symptom = only(&view([pod("old", "r1"), unready()]), 31);
    assert_eq!((symptom.severity, symptom.since), (Severity::Medium, at(1)));
    // Other revisions took longer: three times that.
    let slow = pod("old", "r1").running_since(-100).ready_since(-80);
    fires_at(&view([slow, unready()]), Rule::ReadinessFailing, 61);
    // The probe asks where nothing listens and asked elsewhere before: its own budget is enough.
    let refused = "Readiness probe failed: Get \"http://10.0.0.5:9090/ready\": dial tcp 10.0.0.5:9090: connect: connection refused";
    let moved = with(container(), "/readinessProbe/httpGet/port", serde_json::json!(9090));
    let wrong = unready().spec(moved).event("Unhealthy", refused, 3, 6, 16);
    fires_at(&view([pod("old", "r1"), wrong]), Rule::ReadinessFailing, 17);
    let path = with(container(), "/readinessProbe/httpGet/path", serde_json::json!("/nope"));
    let wrong = unready().spec(path).event(
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 404",
        3,
        6,
        16,
    );
    fires_at(&view([pod("old", "r1"), wrong]), Rule::ReadinessFailing, 17);
    // A startup probe adds its own budget.
    let startup = with(
        container(),
        "/startupProbe",
        serde_json::json!({"tcpSocket": {"port": 8080}, "periodSeconds": 10, "failureThreshold": 30}),
    );
    fires_at(&view([pod("old", "r1"), unready().spec(startup)]), Rule::ReadinessFailing, 331);
}

#[test]
fn readiness_that_is_lost() {
    let lost =
        pod("p", "r2").not_ready_since(500).event("Unhealthy", "Readiness probe failed: statuscode: 503", 2, 490, 500);
    let v = view([pod("q", "r2"), lost]);
    fires_at(&v, Rule::NotReady, 530);
    assert_eq!(only(&v, 530).since, at(500));
}

#[test]
fn a_liveness_probe_that_fails_without_a_restart() {
    let failing = |count| view([pod("p", "r2").event("Unhealthy", "Liveness probe failed: timeout", count, 50, 95)]);
    assert_eq!(fired(&failing(4), 100), []);
    assert_eq!(fired(&failing(5), 100), [Rule::LivenessFailing]);
    assert_eq!(fired(&failing(5), 216), [], "it does not fail any more");
}

#[test]
fn a_liveness_probe_whose_every_failure_is_an_event_of_its_own() {
    // The runtime names the process that it could not start, so no two messages are alike.
    let text = |n: i64| {
        format!(
            "Liveness probe errored: failed to start exec \"e{n}\": exec: \"check\": executable file not found in $PATH"
        )
    };
    let failing = |events: i64| {
        view([(0..events).fold(pod("p", "r2"), |pod, n| pod.event("Unhealthy", &text(n), 1, 10 + n, 90 + n))])
    };
    assert_eq!(fired(&failing(4), 100), []);
    assert_eq!(fired(&failing(5), 100), [Rule::LivenessFailing]);
}

#[test]
fn what_is_killed_over_its_probe_is_restarted_and_does_not_crash() {
    let probe =
        serde_json::json!({"httpGet": {"path": "/alive", "port": 8080}, "periodSeconds": 5, "failureThreshold": 2});
    let killed = |events: &str| {
        pod("p", "r2")
            .spec(with(container(), "/livenessProbe", probe.clone()))
            .last(1, 20, 137, "Error")
            .ended(21, 40, 137, "Error")
            .restarts(2)
            .event("Unhealthy", events, 4, 10, 38)
    };
    let symptom = only(&view([killed("Liveness probe failed: HTTP probe failed with statuscode: 500")]), 41);
    assert_eq!((symptom.rule, symptom.signal), (Rule::CrashLoop, SignalType::PodRestart));
    let by_itself = only(&view([killed("Readiness probe failed: connection refused")]), 41);
    assert_eq!((by_itself.rule, by_itself.signal), (Rule::CrashLoop, SignalType::CrashloopBackoff));
}

#[test]
fn a_pod_that_fits_no_node() {
    let message = "0/3 nodes are available: 3 Insufficient cpu.";
    fires_at(&view([pod("p", "r2").unscheduled(5, message)]), Rule::Unschedulable, 15);
    let symptom = only(&view([pod("p", "r2").unscheduled(5, message)]), 15);
    assert_eq!((symptom.value.as_str(), symptom.since), (message, at(5)));
    let nominated =
        pod("p", "r2").unscheduled(5, message).set("/status/nominatedNodeName", serde_json::json!("node-1"));
    fires_at(&view([nominated]), Rule::Unschedulable, 65);
    let claim = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    fires_at(&view([pod("p", "r2").unscheduled(5, claim)]), Rule::Unschedulable, 20);
    assert_eq!(only(&view([pod("p", "r2").unscheduled(5, claim)]), 20).signal, SignalType::PvcPending);
}

#[test]
fn what_is_missing_and_what_cannot_be_set_up() {
    let missing = pod("p", "r2").waiting("CreateContainerConfigError", "configmap \"settings\" not found");
    fires_at(&view([missing]), Rule::MissingReference, 4);
    let odd = pod("p", "r2").waiting("CreateContainerError", "context deadline exceeded");
    fires_at(&view([odd]), Rule::StartError, 4);
    // A pod that ran for weeks began to wait when its last run ended.
    let later = pod("p", "r2")
        .made(-900_000)
        .last(-900_000, 50, 1, "Error")
        .waiting("CreateContainerConfigError", "configmap \"settings\" not found")
        .phase("Running");
    fires_at(&view([later]), Rule::MissingReference, 54);
    let mount =
        |text, last| view([pod("p", "r2").waiting("ContainerCreating", "").event("FailedMount", text, 3, 5, last)]);
    fires_at(&mount("MountVolume.SetUp failed: configmap \"settings\" not found", 5), Rule::MissingReference, 9);
    fires_at(&mount("MountVolume.SetUp failed: timed out", 60), Rule::SetupFailing, 65);
    let command = pod("p", "r2").ended(1, 1, 128, "StartError");
    assert_eq!(fired(&view([command]), 2), [Rule::StartError]);
}

#[test]
fn pods_that_are_refused_and_rollouts_that_stand_still() {
    let mut v = view([pod("p", "r2")]);
    v.conditions = vec![condition(
        "ReplicaFailure",
        "True",
        "FailedCreate",
        "pods \"web-\" is forbidden: exceeded quota: small",
        10,
    )];
    fires_at(&v, Rule::Refused, 13);
    let mut v = view([pod("p", "r2")]);
    v.workload.kind = "StatefulSet".into();
    v.events = vec![note("StatefulSet", "web", "FailedCreate", "create Pod web-1 failed: forbidden", 4, 10, 20)];
    fires_at(&v, Rule::Refused, 13);
    v.desired = 1;
    assert_eq!(fired(&v, 100), [], "all wished for are there");
    let mut v = view([pod("old", "r1"), pod("old2", "r1")]);
    v.conditions = vec![condition(
        "Progressing",
        "False",
        "ProgressDeadlineExceeded",
        "ReplicaSet has timed out progressing",
        600,
    )];
    assert_eq!(fired(&v, 600), [Rule::RolloutStuck]);
    v.paused = true;
    assert_eq!(fired(&v, 600), []);
}

#[test]
fn nodes() {
    let rules = |node: &k8s_openapi::api::core::v1::Node, second| -> Vec<Rule> {
        evaluate_node(node, None, at(second)).symptoms.iter().map(|s| s.rule).collect()
    };
    for status in ["False", "Unknown"] {
        let down = node(&[("Ready", status, 100)]);
        assert_eq!((rules(&down, 119), evaluate_node(&down, None, at(119)).next_look), (vec![], Some(at(120))));
        assert_eq!(rules(&down, 120), [Rule::NodeNotReady]);
    }
    let mut cordoned = node(&[("Ready", "False", 100)]);
    cordoned.spec.get_or_insert_default().unschedulable = Some(true);
    assert_eq!((rules(&cordoned, 399), rules(&cordoned, 400)), (vec![], vec![Rule::NodeNotReady]));
    let full = node(&[("Ready", "True", 0), ("DiskPressure", "True", 100)]);
    assert_eq!((rules(&full, 119), rules(&full, 120)), (vec![], vec![Rule::NodePressure]));
    assert_eq!(evaluate_node(&full, None, at(120)).symptoms[0].signal, SignalType::DiskPressure);
    assert!(evaluate_node(&node(&[("Ready", "True", 0)]), None, at(500)).healthy);
    // A new node takes its time, unless it was seen ready: the time in a condition may be old.
    let mut young = node(&[("Ready", "False", 101)]);
    young.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(100)));
    let of = |fell: Option<i64>, second| !evaluate_node(&young, fell.map(at), at(second)).symptoms.is_empty();
    assert!(!of(None, 219) && of(None, 221));
    assert!(!of(Some(130), 149) && of(Some(130), 150));
    let broken = node(&[("Ready", "True", 0), ("ReadonlyFilesystem", "True", 100), ("EtcdIsVoter", "True", 0)]);
    assert_eq!((rules(&broken, 119), rules(&broken, 120)), (vec![], vec![Rule::NodePressure]));
    // Its pods have no voice of their own while it is away.
    assert_eq!(fired(&view([pod("p", "r2").not_ready_since(10).on_lost_node()]), 500), []);
}

#[test]
fn one_fault_is_one_symptom() {
    let bad = |name: &str| pod(name, "r2").waiting("ErrImagePull", NOT_FOUND).event("Failed", NOT_FOUND, 2, 2, 4);
    let mut v = view([pod("old", "r1"), bad("a"), bad("b"), bad("c")]);
    v.conditions = vec![condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out", 3)];
    let symptom = only(&v, 5);
    assert_eq!((symptom.rule, symptom.count, symptom.pod.unwrap().name), (Rule::ImagePull, 6, "a".to_owned()));
    assert!(symptom.evidence.len() <= 8);
    // The same image error in a second revision is still the image.
    let next = pod("d", "r3").waiting("ErrImagePull", NOT_FOUND);
    assert_eq!(fired(&view([bad("a"), next]), 5), [Rule::ImagePull]);
    // Two faults of two revisions are two.
    let crash = pod("e", "r1").ended(3, 4, 1, "Error").last(1, 2, 1, "Error").restarts(1);
    assert_eq!(fired(&view([bad("a"), crash]), 5), [Rule::ImagePull, Rule::CrashLoop]);
}
