use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::shared::{CauseClass, Proof, RootCause, RuledOut, Severity, SignalType};
use domain::detection::{Observation, Rule, Source};
use domain::diagnosis::cleared;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ports::server_link::{LinkEvent, ServerLink, Settings};
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::*;

/// How long what was reported is kept.
pub const KEPT: SignedDuration = SignedDuration::from_hours(8);
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub fn object(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("apps/v1".into()),
        kind: kind.into(),
        namespace: Some(namespace.to_owned()).filter(|n| !n.is_empty()),
        name: name.into(),
        uid: Some(format!("uid-{name}")),
    }
}

pub fn alert(id: &str, namespace: &str, workload: &str) -> Alert {
    let workload = object("Deployment", namespace, workload);
    Alert {
        id: id.into(),
        signal: SignalType::ImagePullError,
        rule: Rule::ImagePull,
        severity: Severity::High,
        root: workload.clone(),
        pod: Some(object("Pod", namespace, "web-0")),
        container: Some("app".into()),
        message: "the image cannot be pulled".into(),
        value: "registry.example/web:2".into(),
        threshold: "an image that can be pulled".into(),
        first_seen: at(1),
        last_seen: at(2),
        count: 3,
        evidence: vec![Observation {
            source: Source::Event,
            object: workload.clone(),
            detail: "Failed to pull".into(),
            time: Some(at(1)),
        }],
        workload,
        resolved_at: None,
        kept: None,
    }
}

/// A diagnosis that has something in every field.
pub fn diagnosis() -> Diagnosis {
    let cause = RootCause {
        object: object("Deployment", "shop", "web"),
        path: Some("spec.template.spec.containers[0].image".into()),
        value: Some("registry.example/web:2".into()),
        class: CauseClass::ImageNotFound,
        statement: "The image does not exist".into(),
        confidence: 0.95,
        proof: vec![
            Proof {
                object: object("Pod", "shop", "web-0"),
                path: Some("status".into()),
                value: Some("ErrImagePull".into()),
                resource_version: Some("77".into()),
                time: Some(Time(Timestamp::new(1_700_000_001, 250_000_000).unwrap())),
                rule: "this is the symptom".into(),
            },
            Proof {
                object: ObjectRef { api_version: None, namespace: None, uid: None, ..object("Node", "", "n1") },
                path: None,
                value: None,
                resource_version: None,
                time: None,
                rule: "the node is well".into(),
            },
        ],
        ruled_out: vec![RuledOut { hypothesis: "registry away".into(), because: "others pull from it".into() }],
    };
    Diagnosis {
        cause,
        actions: vec![AIInsightSuggestedAction {
            action: "RollbackDeployment".into(),
            description: Some("back to revision 1".into()),
            name: "Roll back".into(),
            params: [("toRevision".to_owned(), "1".to_owned())].into(),
        }],
        recommendations: vec!["Push the image.".into()],
        analysis: "The image does not exist.\n\nProof: ...".into(),
        log_analysis: Some("no log".into()),
        clear: false,
    }
}

/// Eyes that see what the test says.
pub struct Fake {
    open: Mutex<Vec<Alert>>,
    changes: broadcast::Sender<Transition>,
    pub pending: Mutex<Option<String>>,
    pub asked: Mutex<Vec<Question>>,
    pub states: watch::Sender<Arc<ServerState>>,
    /// What happens to an analysis.
    pub analysis: Mutex<Behaviour>,
    /// Why nothing of Alertmanager is taken in.
    pub not_now: Mutex<Option<NotNow>>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Behaviour {
    Answers,
    SaysItIsOver,
    Hangs,
    Panics,
}

impl Fake {
    pub fn new(alerts: impl IntoIterator<Item = Alert>) -> Arc<Self> {
        Self::with_backlog(alerts, 16)
    }

    /// With a channel that takes so many changes before a receiver is behind.
    pub fn with_backlog(alerts: impl IntoIterator<Item = Alert>, backlog: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(alerts.into_iter().collect()),
            changes: broadcast::Sender::new(backlog),
            pending: Mutex::default(),
            asked: Mutex::default(),
            states: watch::Sender::default(),
            analysis: Mutex::new(Behaviour::Answers),
            not_now: Mutex::default(),
        })
    }

    pub fn fire(&self, alert: Alert) {
        let mut open = self.open.lock().unwrap();
        open.push(alert.clone());
        let _ = self.changes.send(Transition::Firing(alert));
    }

    pub fn resolve(&self, id: &str, when: Timestamp) {
        let mut open = self.open.lock().unwrap();
        let index = open.iter().position(|alert| alert.id == id).unwrap();
        let alert = Alert { resolved_at: Some(when), ..open.remove(index) };
        let _ = self.changes.send(Transition::Resolved(alert));
    }
}

impl Eyes for Fake {
    fn alerts(&self) -> Vec<Alert> {
        self.open.lock().unwrap().clone()
    }

    fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
        let open = self.open.lock().unwrap();
        (open.clone(), self.changes.subscribe())
    }

    async fn analyze(&self, question: Question) -> Analysis {
        self.asked.lock().unwrap().push(question);
        let behaviour = *self.analysis.lock().unwrap();
        match behaviour {
            Behaviour::Answers => diagnosis().into(),
            Behaviour::SaysItIsOver => cleared(object("Deployment", "shop", "web"), at(9)).into(),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Panics => panic!("this is a test"),
        }
    }

    fn states(&self) -> watch::Receiver<Arc<ServerState>> {
        self.states.subscribe()
    }

    fn pending(&self) -> Option<String> {
        self.pending.lock().unwrap().clone()
    }

    fn status(&self) -> WatcherStatus {
        let alerts = self.open.lock().unwrap().len();
        WatcherStatus { active: true, scope: "all namespaces".into(), workloads: 2, pods: 5, alerts }
    }

    fn report(&self, notices: &[Notice]) -> Result<Report, NotNow> {
        if let Some(why) = self.not_now.lock().unwrap().clone() {
            return Err(why);
        }
        let mut report = Report::default();
        for notice in notices {
            if notice.labels.contains_key("outside") {
                report.outside += 1;
                report.because("it is not watched here");
                continue;
            }
            let id = notice.id();
            let known = self.open.lock().unwrap().iter().any(|alert| alert.id == id);
            match (notice.firing, known) {
                (true, false) => {
                    self.fire(Alert { rule: Rule::Reported, kept: Some(KEPT), ..alert(&id, "shop", "web") });
                    report.new += 1;
                }
                (false, true) => {
                    self.resolve(&id, at(9));
                    report.over += 1;
                }
                _ => {
                    report.late += 1;
                    continue;
                }
            }
            report.told.push(id);
        }
        Ok(report)
    }
}

/// A server on a port of its own.
pub struct Running {
    pub address: SocketAddr,
    pub metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

#[derive(Default)]
pub struct Options {
    pub token: Option<Token>,
    pub jwt: Option<Jwt>,
    pub audit: Option<Audit>,
    pub reflection: bool,
    pub tls: Option<Tls>,
    pub limits: Limits,
    /// Port; any by default.
    pub port: u16,
}

impl Options {
    fn settings(self, metrics: Metrics) -> crate::Settings {
        crate::Settings {
            version: "1.2.3".into(),
            access: Access { token: self.token, jwt: self.jwt },
            tls: self.tls,
            limits: self.limits,
            metrics,
            audit: self.audit,
            reflection: self.reflection,
        }
    }
}

impl Running {
    pub async fn start(eyes: &Arc<Fake>, options: Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, metrics) = (CancellationToken::new(), Metrics::default());
        let settings = options.settings(metrics.clone());
        let server = Server::new(eyes.clone(), settings, stop.clone()).unwrap();
        Self { address, metrics, stop, task: tokio::spawn(server.run(listener)) }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    pub fn client(&self) -> ChatCliServiceClient<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        ChatCliServiceClient::new(endpoint.connect_lazy())
    }

    pub fn settings(&self) -> Settings {
        Settings::new(&format!("http://{}", self.address))
    }
}

/// The operator's end, running.
pub struct Link {
    events: mpsc::Receiver<LinkEvent>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Link {
    pub fn start(settings: Settings) -> Self {
        let link = ServerLink::new(settings).unwrap();
        let (sender, events) = mpsc::channel(4);
        let task = tokio::spawn(async move { link.run(sender, || at(99)).await });
        Self { events, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    /// What comes next, but for what the server says of itself.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("nothing came");
            match event.expect("the link has ended") {
                LinkEvent::State(_) => {}
                other => return other,
            }
        }
    }

    pub async fn next_alert(&mut self) -> ports::server_link::Alert {
        match self.next().await {
            LinkEvent::Alert(alert) => *alert,
            other => panic!("an alert was expected, not {other:?}"),
        }
    }

    /// The reason of the next disconnection; what comes before it is skipped.
    pub async fn disconnected(&mut self) -> String {
        loop {
            if let LinkEvent::Disconnected { why } = self.next().await {
                return why;
            }
        }
    }

    /// The ids of the next full account.
    pub async fn account(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            match self.next().await {
                LinkEvent::Begin => ids.clear(),
                LinkEvent::Alert(alert) => ids.push(alert.id),
                LinkEvent::Synced => return ids,
                LinkEvent::State(_) | LinkEvent::Disconnected { .. } => {}
            }
        }
    }
}

/// A file that is removed in the end.
pub struct File(pub PathBuf);

impl File {
    pub fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("grpc-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
