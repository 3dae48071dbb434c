//! The link to one AI server: its alerts as they happen, and its analyses.
//!
//! What lives here: the connection, its deadlines and its recovery. What does not: what becomes of an alert
//! (`operator::bridge`) or of an analysis (`operator::ai_insight`).

mod convert;
mod watch;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use api::ai_insight::AIInsightSuggestedAction;
use api::anomaly::AnomalyEvidence;
use api::issue::FailedAttempt;
use api::shared::{ObjectRef, ResourceRef, RootCause, Severity, SignalType};
use jiff::Timestamp;
use proto::v1;
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://host:port` or `https://host:port`.
    pub address: String,
    /// File with the bearer token; read anew when the server refuses it.
    pub token_file: Option<PathBuf>,
    /// PEM file with the CA of the server, for https.
    pub ca_file: Option<PathBuf>,
    /// How long a unary call other than an analysis may take.
    pub call_deadline: Duration,
    /// How long an analysis may take.
    pub analysis_deadline: Duration,
    /// A stream that is silent for longer is dead.
    pub heartbeat: Duration,
    /// How often servers that have no stream are asked.
    pub poll: Duration,
}

impl Settings {
    /// The usual times for a server at `address`.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            token_file: None,
            ca_file: None,
            call_deadline: Duration::from_secs(10),
            analysis_deadline: Duration::from_mins(1),
            heartbeat: Duration::from_secs(30),
            poll: Duration::from_secs(30),
        }
    }
}

/// An alert, whichever kind of server sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same fault on the same object keeps it.
    pub id: String,
    /// What is wrong.
    pub signal: SignalType,
    /// With which workload or node.
    pub resource: ResourceRef,
    /// Its UID, when the server knows it.
    pub resource_uid: Option<String>,
    /// What it points to.
    pub root: Option<ObjectRef>,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Observed.
    pub value: String,
    /// Expected.
    pub threshold: String,
    /// When it began.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub count: i64,
    /// When it cleared; absent while it fires.
    pub resolved_at: Option<Timestamp>,
    /// What was seen.
    pub evidence: Vec<AnomalyEvidence>,
}

/// What a link tells.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A full account of what is firing begins.
    Begin,
    /// An alert is firing, has changed, or is resolved.
    Alert(Box<Alert>),
    /// The account is complete: whatever was not told since `Begin` is over.
    Synced,
    /// Nothing is known until the next `Begin`; what was firing still counts.
    Disconnected {
        /// Why.
        why: String,
    },
}

/// What is asked of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Issue.
    pub issue: String,
    /// Its namespace.
    pub namespace: String,
    /// Affected workload.
    pub resource: ResourceRef,
    /// Object that the signals point to.
    pub root: Option<ObjectRef>,
    /// Signal that opened it.
    pub signal: String,
    /// Severity.
    pub severity: Severity,
    /// Text.
    pub description: String,
    /// Risk score.
    pub risk: i32,
    /// Provider wished for; may be empty.
    pub provider: String,
    /// Model wished for; may be empty.
    pub model: String,
    /// One-based.
    pub attempt: i32,
    /// What did not help.
    pub failed: Vec<FailedAttempt>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Text; never empty.
    pub text: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// Advice for people.
    pub recommendations: Vec<String>,
    /// Actions of types that the platform knows.
    pub actions: Vec<AIInsightSuggestedAction>,
    /// Structured cause, from servers that give one.
    pub root_cause: Option<RootCause>,
    /// What the logs said.
    pub log_analysis: Option<String>,
    /// Provider that answered.
    pub answered_by: String,
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address or the CA cannot be used.
    #[error("server {address} cannot be used: {why}; remedy: correct --server or the CA file")]
    Settings {
        /// Address.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The token cannot be read.
    #[error("the token file {path} cannot be read; remedy: mount it, or leave the flag out")]
    Token {
        /// File.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The server is away, or did not answer in time.
    #[error("server {address} does not answer {call}: {why}")]
    Unavailable {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
        /// What happened.
        why: String,
    },
    /// The server refuses.
    #[error("server {address} refuses {call}: {why}; remedy: check the token and the version of the server")]
    Refused {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
        /// What it said.
        why: String,
    },
    /// The server does not have the call.
    #[error("server {address} has no {call}")]
    NotThere {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
    },
    /// The answer says nothing.
    #[error("server {address} answered the analysis with an empty text")]
    Empty {
        /// Address.
        address: String,
    },
}

/// The link to one server. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ServerLink {
    settings: Settings,
    channel: Channel,
    /// CA or address that cannot be used is said at the first call.
    name: String,
}

impl ServerLink {
    /// A link; the server need not be there yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address or the CA file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, LinkError> {
        let wrong = |why: String| LinkError::Settings { address: settings.address.clone(), why };
        let mut endpoint = Endpoint::from_shared(settings.address.clone())
            .map_err(|e| wrong(e.to_string()))?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        if settings.address.starts_with("https://") {
            let mut tls = ClientTlsConfig::new();
            if let Some(file) = &settings.ca_file {
                let pem = std::fs::read(file).map_err(|e| wrong(format!("CA file {}: {e}", file.display())))?;
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(|e| wrong(e.to_string()))?;
        } else if !settings.address.starts_with("http://") {
            return Err(wrong("it begins neither with http:// nor with https://".to_owned()));
        }
        let name = settings
            .address
            .split_once("://")
            .map_or(settings.address.as_str(), |(_, host)| host)
            .trim_end_matches('/')
            .to_owned();
        Ok(Self { channel: endpoint.connect_lazy(), settings, name })
    }

    /// `host:port`.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn client(&self) -> ChatCliServiceClient<Channel> {
        ChatCliServiceClient::new(self.channel.clone()).max_decoding_message_size(16 << 20)
    }

    /// A request with the token as it stands in the file now, so that a new one is used without a restart.
    async fn request<T>(&self, message: T) -> Result<Request<T>, LinkError> {
        let mut request = Request::new(message);
        if let Some(path) = &self.settings.token_file {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|source| LinkError::Token { path: path.display().to_string(), source })?;
            if let Ok(value) = format!("Bearer {}", text.trim()).parse() {
                request.metadata_mut().insert("authorization", value);
            }
        }
        Ok(request)
    }

    fn refused(&self, call: &'static str, status: &Status) -> LinkError {
        let address = self.settings.address.clone();
        match status.code() {
            Code::Unimplemented => LinkError::NotThere { address, call },
            Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument => {
                LinkError::Refused { address, call, why: status.message().to_owned() }
            }
            code => LinkError::Unavailable { address, call, why: format!("{code}: {}", status.message()) },
        }
    }

    fn too_late(&self, call: &'static str, deadline: Duration) -> LinkError {
        LinkError::Unavailable {
            address: self.settings.address.clone(),
            call,
            why: format!("no answer within {} s", deadline.as_secs()),
        }
    }

    /// The alerts that are firing now.
    async fn alerts(&self) -> Result<Vec<v1::WatcherAlert>, LinkError> {
        let request = self.request(v1::GetAlertsRequest::default()).await?;
        let deadline = self.settings.call_deadline;
        match tokio::time::timeout(deadline, self.client().get_alerts(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().alerts),
            Ok(Err(status)) => Err(self.refused("GetAlerts", &status)),
            Err(_) => Err(self.too_late("GetAlerts", deadline)),
        }
    }

    /// Asks for the root cause of an Issue.
    ///
    /// # Errors
    /// When there is no answer in time, or it says nothing.
    pub async fn analyze(&self, question: &Question) -> Result<Analysis, LinkError> {
        let request = self.request(convert::question(question)).await?;
        let deadline = self.settings.analysis_deadline;
        match tokio::time::timeout(deadline, self.client().analyze_issue(request)).await {
            Ok(Ok(answer)) => convert::analysis(answer.into_inner())
                .ok_or_else(|| LinkError::Empty { address: self.settings.address.clone() }),
            Ok(Err(status)) => Err(self.refused("AnalyzeIssue", &status)),
            Err(_) => Err(self.too_late("AnalyzeIssue", deadline)),
        }
    }
}
