//! A small world in memory for the tests of this crate.
#![allow(clippy::needless_pass_by_value, reason = "what a test makes up, it gives away")]

mod alerts;
mod answers;
mod hostile;
mod joined;
mod kinds;
mod measured;
mod placing;
mod prometheus;
mod quiet;
mod real;
mod reported;
mod scale;
mod scope;

use std::sync::Arc;

use domain::detection::{Alert, Transition};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, ResourceQuota};
use kit::cache::{Cache, Key as Place};
use kit::clock::Clock;
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use serde_json::{Value, json};
use testkit::fake_api::FakeApi;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use crate::caches::{Caches, Many};
use crate::eyes::Eyes;
use crate::history::Histories;
use crate::scope::{Hubs, Wanted};
use crate::seen::{Digest, Seen};
use crate::{Detector, Scope};

/// A clock that goes with the runtime's, which tests may pause.
pub(crate) struct RuntimeClock {
    began: Instant,
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        start() + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

pub(crate) fn env(clock: Arc<dyn Clock>) -> Env {
    let (supervisor, _watch) = Supervisor::new();
    Env { supervisor, metrics: Metrics::new("test"), clock }
}

/// The caches, to be filled by hand.
#[derive(Clone, Default)]
pub(crate) struct Objects {
    pub(crate) pods: Cache<Seen<Pod>>,
    pub(crate) sets: Cache<Seen<ReplicaSet>>,
    pub(crate) deployments: Cache<Seen<Deployment>>,
    pub(crate) stateful_sets: Cache<Seen<StatefulSet>>,
    pub(crate) events: Cache<Seen<Event>>,
    pub(crate) config_maps: Cache<Seen<ConfigMap>>,
    pub(crate) nodes: Cache<Node>,
    pub(crate) namespaces: Cache<Seen<Namespace>>,
    pub(crate) cron_jobs: Cache<Seen<CronJob>>,
    pub(crate) quotas: Cache<Seen<ResourceQuota>>,
}

pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) detector: Detector,
    pub(crate) clock: Arc<RuntimeClock>,
    pub(crate) news: Receiver<Transition>,
    pub(crate) api: FakeApi,
    version: u64,
    _env: Env,
}

/// A detector on objects that are there already.
pub(crate) async fn on(objects: &Objects, clock: &Arc<RuntimeClock>, api: &FakeApi) -> (Detector, Env) {
    of(Scope::All, objects, clock, api).await
}

/// The same, of some workloads only.
pub(crate) async fn of(scope: Scope, objects: &Objects, clock: &Arc<RuntimeClock>, api: &FakeApi) -> (Detector, Env) {
    let env = env(clock.clone());
    let caches = Caches {
        pods: Many::by_hand(objects.pods.clone()),
        replica_sets: Many::by_hand(objects.sets.clone()),
        deployments: Many::by_hand(objects.deployments.clone()),
        stateful_sets: Many::by_hand(objects.stateful_sets.clone()),
        daemon_sets: Many::by_hand(Cache::<Seen<DaemonSet>>::default()),
        events: Many::by_hand(objects.events.clone()),
        config_maps: Many::by_hand(objects.config_maps.clone()),
        jobs: Many::default(),
        nodes: Many::by_hand(objects.nodes.clone()),
        whole: true,
    };
    let mut around = crate::graph::Around::by_hand(objects.namespaces.clone());
    around.cron_jobs = Many::by_hand(objects.cron_jobs.clone());
    around.quotas = Many::by_hand(objects.quotas.clone());
    let eyes = Eyes::new(
        (caches, around),
        Arc::new(Histories::default()),
        clock.clone(),
        Wanted::new(&scope),
        (100, crate::Looks::default(), crate::Reports::default()),
    );
    eyes.open(2, &env, async {});
    let detector = Detector { eyes, client: api.client(), scope, hubs: Hubs::default() };
    until(|| detector.first_look_pending().is_none()).await;
    (detector, env)
}

/// Waits for something that other tasks do.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn read<K: Digest>(object: Value) -> Seen<K> {
    serde_json::from_value(object).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Scope::All).await
    }

    pub(crate) async fn of(scope: Scope) -> Self {
        let (objects, api) = (Objects::default(), FakeApi::new());
        let clock = Arc::new(RuntimeClock { began: Instant::now() });
        let (detector, env) = of(scope, &objects, &clock, &api).await;
        let (_, news) = detector.watch();
        Self { objects, detector, clock, news, api, version: 0, _env: env }
    }

    /// Now, as the API writes it.
    pub(crate) fn now(&self) -> String {
        self.clock.now().to_string()
    }

    fn meta(&mut self, name: &str, owner: Option<(&str, &str)>, labels: &Value) -> Value {
        self.version += 1;
        let owners: Vec<Value> = owner
            .iter()
            .map(|(kind, name)| json!({"apiVersion": if *kind == "Job" { "batch/v1" } else { "apps/v1" }, "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true}))
            .collect();
        json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": self.version.to_string(),
            "creationTimestamp": self.now(), "ownerReferences": owners, "labels": labels})
    }

    /// A Deployment whose current revision has this number.
    pub(crate) fn deployment(&mut self, name: &str, replicas: i32, number: i64) {
        let mut meta = self.meta(name, None, &json!({}));
        meta["annotations"] = json!({"deployment.kubernetes.io/revision": number.to_string()});
        self.objects.deployments.apply(read(json!({
            "metadata": meta, "spec": {"replicas": replicas, "selector": {}, "template": {}}
        })));
    }

    /// The ReplicaSet of a revision; its name and hash are `deployment-number` and `h<number>`.
    pub(crate) fn set(&mut self, deployment: &str, number: i64, desired: i32, ready: i32, spec: Value) {
        let name = format!("{deployment}-{number}");
        let hash = format!("h{number}");
        let mut meta = self.meta(&name, Some(("Deployment", deployment)), &json!({"pod-template-hash": hash}));
        meta["annotations"] = json!({"deployment.kubernetes.io/revision": number.to_string()});
        self.objects.sets.apply(read(json!({
            "metadata": meta, "spec": {"replicas": desired, "selector": {}, "template": {"spec": spec}}, "status": {"replicas": desired, "readyReplicas": ready},
        })));
    }

    /// A pod of that ReplicaSet.
    pub(crate) fn pod(&mut self, deployment: &str, number: i64, index: usize, spec: Value, status: Value) {
        let set = format!("{deployment}-{number}");
        let labels = json!({"pod-template-hash": format!("h{number}")});
        self.pod_of(&format!("{set}-{index}"), Some(("ReplicaSet", set.as_str())), &labels, spec, status);
    }

    pub(crate) fn pod_of(
        &mut self,
        name: &str,
        owner: Option<(&str, &str)>,
        labels: &Value,
        spec: Value,
        status: Value,
    ) {
        let mut meta = self.meta(name, owner, labels);
        if let Some(known) = self.objects.pods.find("shop", name) {
            meta["creationTimestamp"] = json!(known.metadata.creation_timestamp);
        }
        self.objects.pods.apply(read(json!({"metadata": meta, "spec": spec, "status": status})));
    }

    pub(crate) fn delete_pod(&self, name: &str) {
        self.objects.pods.delete(&Place::new("shop", name));
    }

    /// A Warning event about a pod.
    pub(crate) fn event(&mut self, about: &str, field: &str, reason: &str, message: &str, count: i32) {
        let meta = self.meta(&format!("{about}.{reason}"), None, &json!({}));
        let now = self.now();
        self.objects.events.apply(read(json!({
            "metadata": meta, "type": "Warning", "reason": reason, "message": message, "count": count, "firstTimestamp": now, "lastTimestamp": now,
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": about, "uid": format!("uid-{about}"), "fieldPath": field},
        })));
    }

    pub(crate) fn node(&mut self, name: &str, ready: &str, since: &str) {
        self.version += 1;
        self.objects.nodes.apply(
            serde_json::from_value(json!({
                "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": self.version.to_string(), "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}, "conditions": [{"type": "Ready", "status": ready, "reason": "Kubelet", "lastTransitionTime": since}]},
            }))
            .unwrap(),
        );
    }

    /// A healthy Deployment `web` of two pods in its first revision.
    pub(crate) fn healthy_web(&mut self) {
        self.deployment("web", 2, 1);
        self.set("web", 1, 2, 2, spec("shop:1.0"));
        for index in 0..2 {
            let status = running(&self.now(), true);
            self.pod("web", 1, index, spec("shop:1.0"), status);
        }
    }

    /// The next change.
    pub(crate) async fn next(&mut self) -> Transition {
        tokio::time::timeout(std::time::Duration::from_mins(20), self.news.recv()).await.expect("no change").unwrap()
    }

    pub(crate) async fn firing(&mut self) -> Alert {
        match self.next().await {
            Transition::Firing(alert) => alert,
            other => panic!("not a new alert: {other:?}"),
        }
    }

    /// Lets time pass; whatever is told meanwhile fails the test.
    pub(crate) async fn quiet(&mut self, seconds: u64) {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        if let Ok(told) = self.news.try_recv() {
            panic!("{told:?}");
        }
    }
}

pub(crate) fn spec(image: &str) -> Value {
    json!({"containers": [{"name": "app", "image": image, "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}}]})
}

fn conditions(now: &str, ready: bool) -> Value {
    json!([
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
        {"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": now},
    ])
}

pub(crate) fn running(now: &str, ready: bool) -> Value {
    json!({"phase": "Running", "startTime": now, "conditions": conditions(now, ready), "containerStatuses": [
        {"name": "app", "image": "", "imageID": "", "ready": ready, "restartCount": 0, "state": {"running": {"startedAt": now}}},
    ]})
}

pub(crate) fn waiting(now: &str, reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "startTime": now, "conditions": conditions(now, false), "containerStatuses": [
        {"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}},
    ]})
}

/// A container that has ended, and has ended before.
pub(crate) fn ended(started: &str, now: &str, reason: &str, code: i32, restarts: i32) -> Value {
    let end = json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}});
    let last = if restarts > 0 { end.clone() } else { json!({}) };
    json!({"phase": "Running", "startTime": started, "conditions": conditions(started, false), "containerStatuses": [
        {"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": restarts, "state": end, "lastState": last},
    ]})
}

pub(crate) fn unschedulable(now: &str, message: &str) -> Value {
    json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": now},
    ]})
}
