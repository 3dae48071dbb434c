//! The listening server: limits, TLS, orderly end.

use std::sync::Arc;
use std::time::Duration;

use proto::v1::chat_cli_service_server::ChatCliServiceServer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};

use crate::Eyes;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::service::Service;
use crate::token::Token;

/// Most bytes of a request: the largest legal one is a little over two MiB.
const MAX_REQUEST: usize = 4 << 20;
/// Most bytes of an answer; what the operator takes.
const MAX_ANSWER: usize = 16 << 20;

/// How much is served at once, and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls that are answered at the same time.
    pub calls: usize,
    /// Open streams.
    pub streams: usize,
    /// Analyses at the same time; others wait.
    pub analyses: usize,
    /// Streams and calls on one connection.
    pub per_connection: u32,
    /// Time that a call may take.
    pub deadline: Duration,
    /// Time between two heartbeats of a stream.
    pub heartbeat: Duration,
    /// Time that open calls get when the process stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 256,
            streams: 64,
            analyses: 8,
            per_connection: 100,
            // Below the operator's patience of 60 s, so that the caller learns why.
            deadline: Duration::from_secs(50),
            heartbeat: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// Certificate and key of the server, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Certificate, with what lies between it and its CA.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Certificate and key cannot be used.
    #[error("certificate and key cannot be used: {0}; remedy: give PEM files that belong together")]
    Tls(String),
    /// The listener broke.
    #[error("the gRPC listener broke: {0}")]
    Broken(String),
}

/// The server, ready to listen.
pub struct Server<E> {
    transport: tonic::transport::Server,
    gate: Gate,
    service: ChatCliServiceServer<Service<E>>,
    stop: CancellationToken,
    drain: Duration,
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl<E: Eyes> Server<E> {
    /// A server for `eyes`. Without a token everybody is let in who reaches the port. It ends when `stop` is cancelled.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn new(
        eyes: Arc<E>,
        version: &str,
        token: Option<Token>,
        tls: Option<Tls>,
        limits: Limits,
        metrics: &Metrics,
        stop: CancellationToken,
    ) -> Result<Self, ServeError> {
        let mut transport = tonic::transport::Server::builder()
            .max_concurrent_streams(limits.per_connection)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)));
        if let Some(tls) = tls {
            let identity = Identity::from_pem(tls.certificate, tls.key);
            transport = transport
                .tls_config(ServerTlsConfig::new().identity(identity))
                .map_err(|error| ServeError::Tls(chain(&error)))?;
        }
        let service = Service {
            eyes,
            version: version.to_owned(),
            heartbeat: limits.heartbeat,
            analyses: Semaphore::new(limits.analyses),
            stop: stop.clone(),
            metrics: metrics.clone(),
        };
        Ok(Self {
            transport,
            gate: Gate {
                token,
                metrics: metrics.clone(),
                calls: Arc::new(Semaphore::new(limits.calls)),
                streams: Arc::new(Semaphore::new(limits.streams)),
                deadline: limits.deadline,
            },
            service: ChatCliServiceServer::new(service)
                .max_decoding_message_size(MAX_REQUEST)
                .max_encoding_message_size(MAX_ANSWER),
            stop,
            drain: limits.drain,
        })
    }

    /// Serves until the token is cancelled, then lets open calls end.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run(self, listener: TcpListener) -> Result<(), ServeError> {
        let Self { transport, gate, service, stop, drain } = self;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = transport.layer(gate).add_service(service);
        let stopped = stop.clone();
        tokio::select! {
            ended = serving.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()) => {
                ended.map_err(|error| ServeError::Broken(chain(&error)))
            }
            // A client that does not read its stream must not hold the process.
            () = async { stopped.cancelled().await; tokio::time::sleep(drain).await } => {
                tracing::info!("some calls were still open when the server stopped");
                Ok(())
            }
        }
    }
}
