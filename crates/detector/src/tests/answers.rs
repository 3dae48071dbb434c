//! Questions, on an API server in memory: the caches are filled by watches, logs and claims are read.

use std::time::Duration;

use api::shared::{CauseClass, ResourceRef};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service};
use kit::clock::SystemClock;
use kube::Resource;
use serde::de::DeserializeOwned;

use super::*;
use crate::{Question, Scope, Settings};

fn put<K: Resource<DynamicType = ()> + serde::Serialize + DeserializeOwned>(api: &FakeApi, object: Value) {
    api.put(serde_json::from_value::<K>(object).unwrap());
}

fn ago(seconds: i64) -> String {
    (SystemClock.now() - SignedDuration::from_secs(seconds)).to_string()
}

fn meta(name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|(kind, name)| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true}))
        .collect();
    json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "ownerReferences": owners, "creationTimestamp": ago(300)})
}

/// A Deployment `web` whose current revision is the last of these specs; its first pod has this status.
fn web(api: &FakeApi, specs: &[Value], status: &Value) {
    let current = specs.len();
    let mut deployment = meta("web", None);
    deployment["annotations"] = json!({"deployment.kubernetes.io/revision": current.to_string()});
    put::<Deployment>(api, json!({"metadata": deployment, "spec": {"replicas": 1, "selector": {}, "template": {}}}));
    for (index, spec) in specs.iter().enumerate() {
        let number = index + 1;
        let mut set = meta(&format!("web-{number}"), Some(("Deployment", "web")));
        set["annotations"] = json!({"deployment.kubernetes.io/revision": number.to_string()});
        set["labels"] = json!({"pod-template-hash": format!("h{number}")});
        let desired = i32::from(number == current);
        put::<ReplicaSet>(
            api,
            json!({"metadata": set, "spec": {"replicas": desired, "selector": {}, "template": {"spec": spec}}}),
        );
    }
    let set = format!("web-{current}");
    let mut pod = meta("web-pod", Some(("ReplicaSet", set.as_str())));
    pod["labels"] = json!({"pod-template-hash": format!("h{current}")});
    put::<Pod>(api, json!({"metadata": pod, "spec": specs[current - 1], "status": status}));
}

async fn detector(api: &FakeApi, scope: Scope) -> (Detector, Env) {
    let env = env(Arc::new(SystemClock));
    let detector = Detector::start(api.client(), Settings::new(scope), &env);
    until(|| detector.first_look_pending().is_none()).await;
    (detector, env)
}

fn question(signal: &str) -> Question {
    let resource = ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() };
    Question { resource, root: None, signal: signal.into(), failed: Vec::new() }
}

fn crashing() -> Value {
    ended(&ago(60), &ago(2), "Error", 1, 3)
}

#[tokio::test]
async fn a_crash_is_explained_by_the_log_and_the_config_map_that_changed() {
    let api = FakeApi::new();
    let mut spec = spec("shop:1.0");
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "web"}}]);
    put::<ConfigMap>(&api, json!({"metadata": meta("web", None), "data": {"LISTEN_PORT": "8080"}}));
    web(&api, &[spec], &crashing());
    api.set_log("web-pod", "starting\nfatal: LISTEN_PORT is no number: eighty\n");
    let (detector, _env) = detector(&api, Scope::All).await;
    until(|| detector.eyes.histories.of(&Place::new("shop", "web")).is_some()).await;
    api.edit::<ConfigMap>("shop", "web", |map| map["data"]["LISTEN_PORT"] = json!("eighty"));
    until(|| detector.eyes.histories.of(&Place::new("shop", "web")).is_some_and(|known| known.before.is_some())).await;

    let diagnosis = detector.analyze(&question("crashloop_backoff")).await.diagnosis;
    assert_eq!(
        (diagnosis.cause.class, diagnosis.cause.object.kind.as_str()),
        (CauseClass::BadConfiguration, "ConfigMap")
    );
    assert_eq!(diagnosis.cause.path.as_deref(), Some("data[LISTEN_PORT]"));
    assert!(diagnosis.log_analysis.unwrap().contains("fatal: LISTEN_PORT"));
    assert_eq!(diagnosis.actions[0].action, "PatchConfig");
    assert_eq!(diagnosis.actions[0].params["value"], "8080");
    let logs: Vec<_> = api.requests().into_iter().filter(|seen| seen.path.ends_with("/log")).collect();
    // The container has ended and waits: its own log is the last run's.
    assert_eq!(logs.len(), 1);
    assert!(logs[0].query.contains("tailLines=100") && !logs[0].query.contains("previous"), "{}", logs[0].query);
}

#[tokio::test]
async fn a_new_run_is_too_young_to_tell_and_the_one_before_may_be_gone() {
    let api = FakeApi::new();
    let mut status = crashing();
    status["containerStatuses"][0]["state"] = json!({"running": {"startedAt": ago(3)}});
    web(&api, &[spec("shop:1.0")], &status);
    api.set_log("web-pod", "panic: no database\n");
    api.fail("get", "/log", 400, 1);
    let (detector, _env) = detector(&api, Scope::All).await;
    let diagnosis = detector.analyze(&question("crashloop_backoff")).await.diagnosis;
    assert!(diagnosis.log_analysis.unwrap().contains("no database"));
    let logs: Vec<_> = api.requests().into_iter().filter(|seen| seen.path.ends_with("/log")).collect();
    assert_eq!(logs.iter().map(|seen| seen.query.contains("previous=true")).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_bad_image_names_the_revision_and_goes_back_and_not_twice() {
    let api = FakeApi::new();
    web(&api, &[spec("shop:1.0"), spec("shop:9.9")], &waiting(&ago(20), "ErrImagePull", "shop:9.9: not found"));
    let (detector, _env) = detector(&api, Scope::All).await;
    let mut question = question("image_pull_error");
    let diagnosis = detector.analyze(&question).await.diagnosis;
    assert_eq!(diagnosis.cause.class, CauseClass::ImageNotFound);
    assert!(
        diagnosis.cause.statement.contains("revision 2 introduced it, revision 1 used shop:1.0"),
        "{}",
        diagnosis.cause.statement
    );
    assert_eq!(diagnosis.actions[0].action, "RollbackDeployment");
    question.failed = diagnosis.actions;
    assert!(detector.analyze(&question).await.diagnosis.actions.is_empty());
    // The pod itself is as good a name for it.
    question.resource = ResourceRef { kind: "Pod".into(), name: "web-pod".into(), namespace: "shop".into() };
    assert_eq!(detector.analyze(&question).await.diagnosis.cause.class, CauseClass::ImageNotFound);
}

#[tokio::test]
async fn a_missing_secret_is_compared_with_the_names_that_exist_and_nothing_else_of_secrets_is_read() {
    let api = FakeApi::new();
    let mut spec = spec("shop:1.0");
    spec["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "web-credential"}}]);
    put::<Secret>(&api, json!({"metadata": meta("web-credentials", None), "stringData": {"password": "hunter2"}}));
    web(&api, &[spec], &waiting(&ago(60), "CreateContainerConfigError", "secret \"web-credential\" not found"));
    let (detector, _env) = detector(&api, Scope::All).await;
    let diagnosis = detector.analyze(&question("deploy_failing")).await.diagnosis;
    assert_eq!(diagnosis.cause.class, CauseClass::MissingReference);
    assert!(diagnosis.cause.statement.contains("web-credentials"), "{}", diagnosis.cause.statement);
    let of_secrets: Vec<_> = api.requests().into_iter().filter(|seen| seen.path.contains("/secrets")).collect();
    // One watch, which keeps names and keys, and one list of names; none is opened.
    assert!(of_secrets.iter().all(|seen| ["list", "watch"].contains(&seen.verb)), "{of_secrets:?}");
    assert!(!format!("{diagnosis:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_pod_without_a_node_is_answered_with_the_room_of_each() {
    let api = FakeApi::new();
    let mut large = spec("shop:1.0");
    large["containers"][0]["resources"] = json!({"requests": {"memory": "6Gi"}});
    large["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    put::<PersistentVolumeClaim>(&api, json!({"metadata": meta("data", None), "status": {"phase": "Bound"}}));
    put::<Node>(
        &api,
        json!({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}}),
    );
    let mut other = large.clone();
    other["nodeName"] = json!("n1");
    put::<Pod>(&api, json!({"metadata": meta("other", None), "spec": other, "status": running(&ago(100), true)}));
    web(&api, &[large], &unschedulable(&ago(60), "0/1 nodes are available: 1 Insufficient memory."));
    let (detector, _env) = detector(&api, Scope::All).await;
    let diagnosis = detector.analyze(&question("pod_not_ready")).await.diagnosis;
    assert_eq!(diagnosis.cause.class, CauseClass::InsufficientResources);
    assert!(
        diagnosis.cause.statement.contains("n1: memory 6Gi requested, 2Gi free of 8Gi"),
        "{}",
        diagnosis.cause.statement
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_said_and_the_rest_is_answered() {
    let api = FakeApi::new();
    web(&api, &[spec("shop:1.0")], &crashing());
    api.fail("get", "/log", 403, usize::MAX);
    let (detector, _env) = detector(&api, Scope::All).await;
    let diagnosis = detector.analyze(&question("crashloop_backoff")).await.diagnosis;
    assert_eq!(diagnosis.cause.class, CauseClass::ApplicationCrash);
    assert!(
        diagnosis.recommendations.iter().any(|text| text.contains("grant get on pods/log")),
        "{:?}",
        diagnosis.recommendations
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_delays_an_answer_by_three_seconds_and_no_more() {
    let mut world = World::new().await;
    let now = world.now();
    world.deployment("web", 1, 1);
    let mut spec = spec("shop:1.0");
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "web"}}]);
    world.set("web", 1, 1, 0, spec.clone());
    world.pod("web", 1, 0, spec, ended(&now, &now, "Error", 1, 3));
    world.firing().await;
    world.api.stall("*", "", usize::MAX);
    let began = Instant::now();
    let diagnosis = world.detector.analyze(&question("crashloop_backoff")).await.diagnosis;
    assert!(began.elapsed() <= Duration::from_millis(3100), "{:?}", began.elapsed());
    assert!(
        diagnosis.recommendations.iter().any(|text| text.contains("within 3 s")),
        "{:?}",
        diagnosis.recommendations
    );
}

#[tokio::test]
async fn what_is_healthy_elsewhere_or_unknown_is_said_to_be_so() {
    let api = FakeApi::new();
    web(&api, &[spec("shop:1.0")], &running(&ago(100), true));
    let (detector, _env) = detector(&api, Scope::Targets(vec![crate::Target::namespace("shop")])).await;
    let mut asked = question("crashloop_backoff");
    let healthy = detector.analyze(&asked).await.diagnosis;
    assert!(healthy.cause.statement.contains("No symptom is visible on Deployment web") && healthy.actions.is_empty());
    assert!(healthy.clear);
    asked.resource.namespace = "elsewhere".into();
    let elsewhere = detector.analyze(&asked).await.diagnosis;
    assert!(elsewhere.cause.statement.contains("not among those that this server watches") && !elsewhere.clear);
    asked.resource.kind = "Service".into();
    let unknown = detector.analyze(&asked).await.diagnosis;
    assert!(unknown.cause.statement.contains("no kind that is watched") && !unknown.clear);
    asked = Question { resource: ResourceRef { name: "gone".into(), ..question("").resource }, ..asked };
    let gone = detector.analyze(&asked).await.diagnosis;
    assert!(gone.cause.statement.contains("does not exist") && !gone.clear, "{}", gone.cause.statement);
}

#[tokio::test]
async fn what_the_graph_shows_of_a_healthy_workload_is_answered_from_the_graph() {
    let api = FakeApi::new();
    let mut spec = spec("shop:1.0");
    spec["containers"][0]["env"] = json!([{"name": "DB_URL", "value": "http://db:5433"}]);
    web(&api, &[spec.clone()], &running(&ago(100), true));
    api.edit::<Deployment>("shop", "web", |web| web["spec"]["template"] = json!({"spec": spec}));
    put::<Service>(&api, json!({"metadata": meta("db", None), "spec": {"ports": [{"port": 5432}]}}));
    let (detector, _env) = detector(&api, Scope::All).await;
    until(|| !detector.alerts().is_empty()).await;
    let diagnosis = detector.analyze(&question("service_error")).await.diagnosis;
    let path = "spec.template.spec.containers[0].env[0].value";
    assert_eq!(diagnosis.cause.path.as_deref(), Some(path), "{}", diagnosis.cause.statement);
    assert!(diagnosis.cause.statement.ends_with("did you mean 5432?"), "{}", diagnosis.cause.statement);
}

#[tokio::test]
async fn a_kind_that_is_refused_does_not_hold_up_the_others() {
    let api = FakeApi::new();
    web(&api, &[spec("shop:1.0"), spec("shop:9.9")], &waiting(&ago(20), "ErrImagePull", "shop:9.9: not found"));
    for path in ["/nodes", "/configmaps", "/statefulsets"] {
        api.fail("list", path, 403, usize::MAX);
    }
    let (detector, _env) = detector(&api, Scope::All).await;
    assert_eq!(detector.alerts().len(), 1);
    assert_eq!(detector.counts().workloads, 1);
}

#[tokio::test]
async fn what_the_last_revision_of_a_stateful_set_changed_is_read_when_it_is_asked_for() {
    let api = FakeApi::new();
    let owner = Some(("StatefulSet", "db"));
    let revision = |number: i64, mode: &str| {
        let mut spec = spec("db:1.0");
        spec["containers"][0]["env"] = json!([{"name": "STORE_MODE", "value": mode}]);
        put::<ControllerRevision>(
            &api,
            json!({"metadata": meta(&format!("db-{number}"), owner), "revision": number, "data": {"spec": {"template": {"$patch": "replace", "spec": spec}}}}),
        );
        spec
    };
    revision(1, "fast");
    let current = revision(2, "fsat");
    put::<StatefulSet>(
        &api,
        json!({"metadata": meta("db", None), "spec": {"replicas": 1, "selector": {}, "serviceName": "db", "template": {}}, "status": {"replicas": 1, "updateRevision": "db-2"}}),
    );
    let mut pod = meta("db-0", owner);
    pod["labels"] = json!({"controller-revision-hash": "db-2"});
    put::<Pod>(&api, json!({"metadata": pod, "spec": current, "status": crashing()}));
    api.set_log("db-0", "fatal: STORE_MODE fsat is not known\n");
    let (detector, _env) = detector(&api, Scope::All).await;
    let mut asked = question("crashloop_backoff");
    asked.resource = ResourceRef { kind: "StatefulSet".into(), name: "db".into(), namespace: "shop".into() };
    let diagnosis = detector.analyze(&asked).await.diagnosis;
    assert_eq!(diagnosis.cause.class, CauseClass::BadConfiguration, "{}", diagnosis.cause.statement);
    assert!(diagnosis.cause.statement.contains("STORE_MODE"), "{}", diagnosis.cause.statement);
    // Only a Deployment has an action that goes back.
    assert!(diagnosis.actions.is_empty());
}
