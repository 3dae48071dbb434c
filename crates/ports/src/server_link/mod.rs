//! The link to one AI server: its alerts as they happen, and its analyses.
//!
//! What lives here: the connection, its deadlines and its recovery. What does not: what becomes of an alert
//! (`operator::bridge`) or of an analysis (`operator::ai_insight`), which servers there are (`operator::servers`).

mod convert;
mod dial;
mod error;
mod types;
mod watch;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::v1;
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use secrecy::{ExposeSecret, SecretString};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use dial::Dial;
pub use dial::TlsFiles;
pub use error::LinkError;
pub use types::{Alert, Analysis, LinkEvent, ProviderState, Question, ServerState, TargetState, Usage};

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://host:port` or `https://host:port`.
    pub address: String,
    /// Name that the certificate must be for, instead of the host of the address.
    pub server_name: Option<String>,
    /// Bearer token.
    pub token: Option<SecretString>,
    /// File with the bearer token, when `token` is absent; read at every call.
    pub token_file: Option<PathBuf>,
    /// PEM with the CA of the server, for https.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM file with the CA of the server, when `ca_pem` is absent; read whenever the server is dialed.
    pub ca_file: Option<PathBuf>,
    /// What counts for every server: further CAs, and the certificate of this client.
    pub files: TlsFiles,
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
            server_name: None,
            token: None,
            token_file: None,
            ca_pem: None,
            ca_file: None,
            files: TlsFiles::default(),
            call_deadline: Duration::from_secs(10),
            analysis_deadline: Duration::from_mins(1),
            heartbeat: Duration::from_secs(30),
            poll: Duration::from_secs(30),
        }
    }
}

/// The link to one server. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ServerLink {
    settings: Arc<Settings>,
    dial: Dial,
    channel: Arc<Mutex<Channel>>,
    name: String,
}

impl ServerLink {
    /// A link; the server need not be there yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address or the CA file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, LinkError> {
        let dial =
            Dial::new(&settings).map_err(|why| LinkError::Settings { address: settings.address.clone(), why })?;
        let name = dial.authority();
        let channel = Arc::new(Mutex::new(dial.channel()));
        Ok(Self { settings: Arc::new(settings), dial, channel, name })
    }

    /// `host:port`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the connection as it is, whatever became of it; the next call dials anew.
    fn hang_up(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = self.dial.channel();
    }

    fn client(&self) -> ChatCliServiceClient<Channel> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ChatCliServiceClient::new(channel).max_decoding_message_size(16 << 20)
    }

    /// A request with the token; one from a file as it stands there now, so that a new one is used without a restart.
    async fn request<T>(&self, message: T) -> Result<Request<T>, LinkError> {
        let mut request = Request::new(message);
        let token = match (&self.settings.token, &self.settings.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => Some(SecretString::from(
                tokio::fs::read_to_string(path)
                    .await
                    .map_err(|source| LinkError::Token { path: path.display().to_string(), source })?,
            )),
            (None, None) => None,
        };
        if let Some(token) = token {
            let value = format!("Bearer {}", token.expose_secret().trim())
                .parse()
                .map_err(|_| LinkError::TokenUnusable { address: self.settings.address.clone() })?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    fn refused(&self, call: &'static str, status: &Status) -> LinkError {
        let address = self.settings.address.clone();
        if let Some(why) = self.dial.trouble() {
            return LinkError::Unavailable { address, call, why };
        }
        let mut why = format!("rpc error: code = {:?} desc = {}", status.code(), status.message());
        let mut source = std::error::Error::source(status);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !why.contains(&cause_text) {
                why = format!("{why}: {cause_text}");
            }
            source = cause.source();
        }
        match status.code() {
            Code::Unimplemented => LinkError::NotThere { address, call },
            Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument => {
                LinkError::Refused { address, call, why }
            }
            _ => LinkError::Unavailable { address, call, why },
        }
    }

    fn too_late(&self, call: &'static str, deadline: Duration) -> LinkError {
        LinkError::Unavailable {
            address: self.settings.address.clone(),
            call,
            why: format!("no answer within {} s", deadline.as_secs_f64()),
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
