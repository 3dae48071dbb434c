//! Numbers over real sockets: pods that tell their requests, pods that do not, metrics-server, and full nodes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::instance::WatchedKind;
use api::shared::{CauseClass, SignalType};
use domain::detection::measure::Thresholds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kit::clock::ManualClock;
use kube::Resource;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::{Measuring, Metrics, Question, Settings, Target};

/// What metrics-server tells of a pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PodMetrics {
    metadata: ObjectMeta,
    containers: Value,
}

impl Resource for PodMetrics {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "PodMetrics".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "metrics.k8s.io".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1beta1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// An application that tells its numbers on a port of its own.
#[derive(Clone)]
pub(super) struct Application {
    pub(super) port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
}

impl Application {
    pub(super) async fn start(env: &Env) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let application = Self { port, answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (application.answer.clone(), application.asked.clone());
        env.supervisor.spawn("application", async move {
            loop {
                let (mut socket, _) = listener.accept().await?;
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let body = answer.lock().unwrap().clone();
                let _ = socket.write_all(&body).await;
                asked.fetch_add(1, Ordering::SeqCst);
            }
            #[expect(unreachable_code, reason = "gives the type of the error")]
            Ok::<(), std::io::Error>(())
        });
        application
    }

    fn answers(&self, head: &str, body: &[u8]) {
        let mut answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let mut bytes = std::mem::take(&mut answer).into_bytes();
        bytes.extend_from_slice(body);
        *self.answer.lock().unwrap() = bytes;
    }

    fn tells(&self, all: u32, failed: u32) {
        self.tells_too(all, failed, "");
    }

    pub(super) fn tells_too(&self, all: u32, failed: u32, more: &str) {
        let text = format!(
            "# TYPE http_requests_total counter\nhttp_requests_total{{code=\"200\",path=\"/\"}} {}\nhttp_requests_total{{code=\"503\",path=\"/pay\"}} {failed}\n{more}",
            all - failed
        );
        self.answers("200 OK", text.as_bytes());
    }

    /// How often it was asked.
    pub(super) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until what it tells now was read, and judged.
    async fn read(&self) {
        let asked = self.asked.load(Ordering::SeqCst);
        until(|| self.asked.load(Ordering::SeqCst) >= asked + 2).await;
    }
}

fn put<K: Resource<DynamicType = ()> + Serialize + serde::de::DeserializeOwned>(api: &FakeApi, object: Value) {
    api.put(serde_json::from_value::<K>(object).unwrap());
}

const MADE: &str = "2026-03-01T00:00:00Z";

fn meta(name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|(kind, name)| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true}))
        .collect();
    json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "ownerReferences": owners, "creationTimestamp": MADE})
}

/// A healthy Deployment with one pod, whose address is this machine.
pub(super) fn deployment(api: &FakeApi, name: &str) {
    let mut object = meta(name, None);
    object["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    put::<Deployment>(api, json!({"metadata": object, "spec": {"replicas": 1, "selector": {}, "template": {}}}));
    let set_name = format!("{name}-1");
    let mut set = meta(&set_name, Some(("Deployment", name)));
    set["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    set["labels"] = json!({"pod-template-hash": "h1"});
    let mut spec = spec("shop:1.0");
    spec["containers"][0]["resources"]["limits"]["cpu"] = json!("1");
    put::<ReplicaSet>(
        api,
        json!({"metadata": set, "spec": {"replicas": 1, "selector": {}, "template": {"spec": spec}}, "status": {"replicas": 1, "readyReplicas": 1}}),
    );
    let mut pod = meta(&format!("{name}-pod"), Some(("ReplicaSet", set_name.as_str())));
    pod["labels"] = json!({"pod-template-hash": "h1"});
    let mut status = running(MADE, true);
    status["podIP"] = json!("127.0.0.1");
    spec["nodeName"] = json!("n1");
    put::<Pod>(api, json!({"metadata": pod, "spec": spec, "status": status}));
}

fn metrics(name: &str, port: u16) -> Metrics {
    Metrics {
        target: Target { namespace: "shop".into(), workload: Some((WatchedKind::Deployment, name.into())) },
        port: Some(port),
        path: "/metrics".into(),
        filter: Vec::new(),
        thresholds: Thresholds::default(),
    }
}

pub(super) struct Room {
    pub(super) api: FakeApi,
    pub(super) clock: Arc<ManualClock>,
    pub(super) env: Env,
}

impl Room {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        Self { api: FakeApi::new(), env: env(clock.clone()), clock }
    }

    pub(super) async fn detector(&self, targets: Vec<Metrics>) -> Detector {
        let measuring = Measuring { targets, interval: Duration::from_millis(20), ..Measuring::default() };
        let settings = Settings { measuring, ..Settings::new(Scope::All) };
        let detector = Detector::start(self.api.client(), settings, &self.env);
        until(|| {
            self.clock.advance(SignedDuration::from_secs(1));
            detector.first_look_pending().is_none()
        })
        .await;
        detector
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_requests_that_a_pod_tells_become_an_alert_that_is_explained_and_resolved() {
    let room = Room::new();
    let application = Application::start(&room.env).await;
    deployment(&room.api, "web");
    let mut sum = (10_000, 4_000);
    application.tells(sum.0, sum.1);
    let detector = room.detector(vec![metrics("web", application.port)]).await;
    let mut next = async |all: u32, failed: u32| {
        sum = (sum.0 + all, sum.1 + failed);
        room.clock.advance(SignedDuration::from_secs(30));
        application.tells(sum.0, sum.1);
        application.read().await;
        detector.alerts()
    };
    for _ in 0..5 {
        assert_eq!(next(300, 0).await, [], "what failed long ago");
    }
    assert_eq!(next(300, 120).await, [], "a burst may be over soon");
    next(300, 120).await;
    next(300, 120).await;
    until(|| !detector.alerts().is_empty()).await;
    let [alert] = detector.alerts().try_into().unwrap();
    assert_eq!((alert.signal, alert.workload.name.as_str()), (SignalType::ErrorRate, "web"));
    assert_eq!((alert.value.as_str(), alert.threshold.as_str()), ("40 %", "less than 5 %"));
    assert_eq!(alert.pod.as_ref().unwrap().name, "web-pod");
    assert!(alert.evidence[0].detail.starts_with("http_requests_total: 120 of 300"), "{:?}", alert.evidence);

    room.api.set_log("web-pod", "level=error msg=\"payment failed: dial tcp 10.0.0.9:5432: connection refused\"\n");
    let resource = api::shared::ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() };
    let question = Question { resource, root: None, signal: "error_rate".into(), failed: Vec::new() };
    let cause = detector.analyze(&question).await.diagnosis.cause;
    assert!(cause.statement.starts_with("40 % of the requests to Deployment web fail"), "{}", cause.statement);
    assert!(cause.confidence < 0.5 && cause.class == CauseClass::Unknown, "{cause:?}");
    assert!(cause.proof.iter().any(|proof| proof.value.as_ref().is_some_and(|value| value.contains("5432"))));

    for _ in 0..5 {
        next(300, 0).await;
    }
    // The book waits a moment of its own.
    until(|| {
        room.clock.advance(SignedDuration::from_secs(1));
        detector.alerts().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_does_not_answer_well_holds_up_no_other() {
    let room = Room::new();
    let good = Application::start(&room.env).await;
    good.tells(10_000, 0);
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let [garbage, huge, elsewhere, missing] = [
        Application::start(&room.env).await,
        Application::start(&room.env).await,
        Application::start(&room.env).await,
        Application::start(&room.env).await,
    ];
    garbage.answers("200 OK", &vec![0xff; 70_000]);
    huge.answers("200 OK", &vec![b'a'; 5 << 20]);
    elsewhere.answers(&format!("302 Found\r\nlocation: http://127.0.0.1:{}/metrics", good.port), b"");
    missing.answers("404 Not Found", b"");
    let ports = [
        ("web", good.port),
        ("silent", silent_port),
        ("garbage", garbage.port),
        ("huge", huge.port),
        ("elsewhere", elsewhere.port),
        ("missing", missing.port),
        // Nobody listens.
        ("closed", 1),
    ];
    for (name, _) in ports {
        deployment(&room.api, name);
    }
    let reader = crate::measure::Reader::new(room.api.client());
    let began = Instant::now();
    let mut said = Vec::new();
    let answers = futures::future::join_all(ports.iter().map(|(name, port)| reader.probe("shop", name, *port))).await;
    for ((name, _), answer) in ports.iter().zip(answers) {
        match answer {
            Ok(body) => assert!(matches!(*name, "web" | "garbage") && body.len() < 100_000, "{name}"),
            Err(why) => said.push((*name, why)),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    for (name, words) in [
        ("silent", "does not answer in time"),
        ("huge", "more than 4 MiB"),
        ("elsewhere", "answers 302"),
        ("missing", "answers 404"),
        ("closed", "cannot be reached"),
    ] {
        let why = said.iter().find(|(of, _)| *of == name).map(|(_, why)| why.as_str());
        assert!(why.is_some_and(|why| why.contains(words) && why.contains(&format!("shop/{name}"))), "{name}: {why:?}");
    }
    // Where the address is not reached, the API server is asked; here it knows no such pod.
    let seen = room.api.requests();
    assert!(seen.iter().any(|seen| seen.path == "/api/v1/namespaces/shop/pods/closed:1/proxy/metrics"));
    // One that may not be asked says which right it lacks.
    room.api.fail("get", "/proxy", 403, 1);
    let refused = reader.probe("shop", "other", 1).await.unwrap_err();
    assert!(refused.contains("grant it get on pods/proxy"), "{refused}");
    // From outside the cluster nobody's address is tried, also where something answers there.
    let outside = crate::measure::Reader::new(room.api.client()).outside(true);
    let why = outside.probe("shop", "web", good.port).await.unwrap_err();
    assert!(why.contains("from outside the cluster"), "{why}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_metrics_server_tells_becomes_alerts_and_one_list_is_enough() {
    let room = Room::new();
    for name in ["web", "calm"] {
        deployment(&room.api, name);
    }
    for (name, cpu, memory) in [("web", "970m", "63Mi"), ("calm", "100m", "20Mi")] {
        put::<PodMetrics>(
            &room.api,
            json!({"metadata": {"name": format!("{name}-pod"), "namespace": "shop"}, "containers": [{"name": "app", "usage": {"cpu": cpu, "memory": memory}}]}),
        );
    }
    let detector = room.detector(Vec::new()).await;
    until(|| detector.alerts().len() == 2).await;
    let mut told: Vec<(SignalType, String, String)> =
        detector.alerts().into_iter().map(|alert| (alert.signal, alert.workload.name, alert.value)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            (SignalType::CpuHigh, "web".to_owned(), "97 %".to_owned()),
            (SignalType::MemoryHigh, "web".to_owned(), "98.4 %".to_owned())
        ]
    );
    let lists = room.api.requests().into_iter().filter(|seen| seen.path.contains("metrics.k8s.io")).count();
    assert_eq!(lists, 1);
    let resource = api::shared::ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() };
    let question = Question { resource, root: None, signal: "memory_high".into(), failed: Vec::new() };
    let cause = detector.analyze(&question).await.diagnosis.cause;
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].resources.limits.memory"));
    assert_eq!(cause.value.as_deref(), Some("64Mi"));
    // With the workload goes what was told of it.
    room.api.remove::<Deployment>("shop", "web");
    until(|| {
        room.clock.advance(SignedDuration::from_secs(1));
        detector.alerts().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_nearly_all_its_pods_is_told() {
    let room = Room::new();
    deployment(&room.api, "web");
    for (name, pods) in [("n1", "1"), ("n2", "10")] {
        put::<Node>(
            &room.api,
            json!({"metadata": {"name": name, "uid": name, "creationTimestamp": MADE}, "status": {"allocatable": {"pods": pods}, "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": MADE}]}}),
        );
    }
    let detector = room.detector(Vec::new()).await;
    until(|| !detector.alerts().is_empty()).await;
    let [alert] = detector.alerts().try_into().unwrap();
    assert_eq!((alert.signal, alert.workload.name.as_str()), (SignalType::PodCapacityHigh, "n1"));
    assert_eq!(alert.message, "node n1 has 1 of the 1 pods that it may have");
    let resource = api::shared::ResourceRef { kind: "Node".into(), name: "n1".into(), namespace: String::new() };
    let question = Question { resource, root: None, signal: "pod_capacity_high".into(), failed: Vec::new() };
    let cause = detector.analyze(&question).await.diagnosis.cause;
    assert_eq!(
        (cause.path.as_deref(), cause.class),
        (Some("status.allocatable.pods"), CauseClass::InsufficientResources)
    );
}
