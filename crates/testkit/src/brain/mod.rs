//! An AI server without eyes: it tells what the test says is firing, and a wire to it that the test can cut.
//!
//! One [`Truth`] may have several servers: replicas of an Instance, or Instances that watch the same.

mod feed;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use proto::v1::chat_cli_service_server::{ChatCliService, ChatCliServiceServer};
use proto::v1::{
    AgenticStepRequest, AgenticStepResponse, AlertEvent, AnalyzeIssueRequest, AnalyzeIssueResponse, GetAlertsRequest,
    GetAlertsResponse, GetServerInfoRequest, GetServerInfoResponse, GetWatcherStatusRequest, GetWatcherStatusResponse,
    HealthRequest, HealthResponse, ObjectRef, ServerState, WatchAlertsRequest, WatcherAlert,
};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

pub use wire::{Mode, Wire};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is firing.
#[derive(Debug)]
pub struct Truth {
    firing: Mutex<BTreeMap<String, WatcherAlert>>,
    changes: broadcast::Sender<WatcherAlert>,
}

impl Default for Truth {
    fn default() -> Self {
        Self { firing: Mutex::default(), changes: broadcast::Sender::new(10_000) }
    }
}

impl Truth {
    /// Nothing is firing.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Begins or changes.
    pub fn fire(&self, alert: WatcherAlert) {
        let mut firing = lock(&self.firing);
        firing.insert(alert.id.clone(), alert.clone());
        let _ = self.changes.send(alert);
    }

    /// Ends.
    pub fn resolve(&self, id: &str) {
        let mut firing = lock(&self.firing);
        if let Some(alert) = firing.remove(id) {
            let _ = self.changes.send(WatcherAlert { resolved: true, ..alert });
        }
    }

    /// The identities of what fires.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.firing).keys().cloned().collect()
    }

    /// What fires, and what changes after that.
    fn watch(&self) -> (Vec<WatcherAlert>, broadcast::Receiver<WatcherAlert>) {
        let firing = lock(&self.firing);
        (firing.values().cloned().collect(), self.changes.subscribe())
    }
}

/// An alert on a Deployment; the same words give the same alert.
pub fn alert(id: &str, namespace: &str, workload: &str) -> WatcherAlert {
    WatcherAlert {
        id: id.to_owned(),
        signal_type: "image_pull_error".to_owned(),
        message: "the image cannot be pulled".to_owned(),
        level: "high".to_owned(),
        resource: Some(ObjectRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: namespace.to_owned(),
            name: workload.to_owned(),
            uid: format!("uid-{workload}"),
        }),
        count: 1,
        ..WatcherAlert::default()
    }
}

/// How a server is served.
#[derive(Clone, Default)]
pub struct Serving {
    /// Certificate and key, PEM; without them it is plaintext.
    pub tls: Option<(String, String)>,
    /// CA that clients must have a certificate of.
    pub client_ca: Option<String>,
    /// Port; any by default.
    pub port: u16,
}

/// One server. What is public may be changed at any time.
pub struct Brain {
    truth: Arc<Truth>,
    /// Bearer token that it wants.
    pub token: Mutex<Option<String>>,
    /// What it says of itself; `standby` decides whether it tells alerts.
    pub state: watch::Sender<ServerState>,
    /// What it was asked.
    pub asked: Mutex<Vec<AnalyzeIssueRequest>>,
    /// What it answers.
    pub answer: Mutex<Result<AnalyzeIssueResponse, Status>>,
    /// How often a silent stream says that it lives.
    pub heartbeat: Duration,
}

impl Brain {
    /// A server of that truth, which raises the alerts.
    pub fn new(truth: &Arc<Truth>) -> Arc<Self> {
        let answer = AnalyzeIssueResponse {
            analysis: "it is the image".to_owned(),
            confidence: 0.9,
            provider: "TEST".to_owned(),
            ..AnalyzeIssueResponse::default()
        };
        Arc::new(Self {
            truth: truth.clone(),
            token: Mutex::default(),
            state: watch::Sender::new(ServerState::default()),
            asked: Mutex::default(),
            answer: Mutex::new(Ok(answer)),
            heartbeat: Duration::from_millis(100),
        })
    }

    /// Takes the raising of alerts over, or gives it up.
    pub fn stand_by(&self, standby: bool) {
        self.state.send_modify(|state| state.standby = standby);
    }

    /// Serves until the answer is dropped; connections that are open then stay, cut them by a [`Wire`].
    ///
    /// # Panics
    /// When the port is taken, or the certificate is none.
    pub async fn serve(self: &Arc<Self>, serving: Serving) -> Running {
        let listener = TcpListener::bind(("127.0.0.1", serving.port)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut server = Server::builder();
        if let Some((certificate, key)) = serving.tls {
            let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            if let Some(ca) = serving.client_ca {
                tls = tls.client_ca_root(Certificate::from_pem(ca));
            }
            server = server.tls_config(tls).expect("a certificate");
        }
        let router = server.add_service(ChatCliServiceServer::new(Service(self.clone())));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { router.serve_with_incoming(TcpIncoming::from(listener)).await });
        Running { address, _tasks: tasks }
    }
}

/// A server that listens.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    _tasks: JoinSet<Result<(), tonic::transport::Error>>,
}

struct Service(Arc<Brain>);

impl Service {
    fn allow<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let wanted = lock(&self.0.token).clone();
        let Some(wanted) = wanted else { return Ok(()) };
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if given == Some(&format!("Bearer {wanted}")) {
            Ok(())
        } else {
            Err(Status::unauthenticated("authentication failed"))
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn none<T>() -> Answer<T> {
    Err(Status::unimplemented("unknown method"))
}

#[tonic::async_trait]
impl ChatCliService for Service {
    type WatchAlertsStream = Pin<Box<dyn Stream<Item = Result<AlertEvent, Status>> + Send>>;

    async fn watch_alerts(&self, request: Request<WatchAlertsRequest>) -> Answer<Self::WatchAlertsStream> {
        self.allow(&request)?;
        Ok(Response::new(Box::pin(feed::stream(&self.0))))
    }

    async fn analyze_issue(&self, request: Request<AnalyzeIssueRequest>) -> Answer<AnalyzeIssueResponse> {
        self.allow(&request)?;
        lock(&self.0.asked).push(request.into_inner());
        lock(&self.0.answer).clone().map(Response::new)
    }

    async fn get_alerts(&self, request: Request<GetAlertsRequest>) -> Answer<GetAlertsResponse> {
        self.allow(&request)?;
        Ok(Response::new(GetAlertsResponse { alerts: self.0.truth.watch().0 }))
    }

    async fn get_server_info(&self, _: Request<GetServerInfoRequest>) -> Answer<GetServerInfoResponse> {
        none()
    }

    async fn get_watcher_status(&self, _: Request<GetWatcherStatusRequest>) -> Answer<GetWatcherStatusResponse> {
        none()
    }

    async fn health(&self, _: Request<HealthRequest>) -> Answer<HealthResponse> {
        none()
    }

    async fn agentic_step(&self, _: Request<AgenticStepRequest>) -> Answer<AgenticStepResponse> {
        none()
    }
}
