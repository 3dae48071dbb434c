//! The listening server: limits, TLS, health, reflection, orderly end.

use std::sync::Arc;
use std::time::Duration;

use proto::v1::chat_cli_service_server::ChatCliServiceServer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::access::Access;
use crate::alertmanager::{Audience, Webhook};
use crate::audit::Audit;
use crate::buckets::Buckets;
use crate::gate::Gate;
use crate::incoming::{Room, incoming};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::{Eyes, Tls};

/// Name of the service, as probes ask for it.
const SERVICE: &str = "chatcli.v1.ChatCLIService";
/// Failed attempts of an address that are answered at once, and those a second after that.
const FAILURES: (f64, f64) = (5.0, 1.0 / 12.0);
/// Callers and addresses that are remembered.
const REMEMBERED: usize = 10_000;
/// Most bytes of the headers of a request.
const MAX_HEADERS: u32 = 32 << 10;
/// How long the last lines of the audit log may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How often a caller may call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls a second, on average.
    pub per_second: f64,
    /// Calls at once.
    pub burst: u32,
}

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
    /// Connections.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// How often a caller may call; none: as often as it likes.
    pub rate: Option<Rate>,
    /// Most bytes of a request.
    pub max_request: usize,
    /// Most bytes of an answer.
    pub max_answer: usize,
    /// Time that a call may take.
    pub deadline: Duration,
    /// Time between two heartbeats of a stream.
    pub heartbeat: Duration,
    /// Time that open calls get when the process stops.
    pub drain: Duration,
    /// Age at which a connection is asked to make room for another, so that new replicas get their share. What runs on it
    /// goes on.
    pub connection_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 256,
            streams: 64,
            analyses: 8,
            per_connection: 100,
            connections: 2048,
            connections_per_address: 256,
            rate: None,
            // The largest legal request is a little over two MiB.
            max_request: 4 << 20,
            max_answer: 16 << 20,
            // Below the operator's patience of 60 s, so that the caller learns why.
            deadline: Duration::from_secs(50),
            heartbeat: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            connection_age: Duration::from_mins(30),
        }
    }
}

/// How a server is made.
#[derive(Debug)]
pub struct Settings {
    /// Version that it tells.
    pub version: String,
    /// Who may call.
    pub access: Access,
    /// Certificate; without it nothing is encrypted.
    pub tls: Option<Tls>,
    /// Limits.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// Log of all calls.
    pub audit: Option<Audit>,
    /// Whether clients may ask which calls there are.
    pub reflection: bool,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Certificate and key cannot be used.
    #[error("certificate and key cannot be used: {0}; remedy: give PEM files that belong together")]
    Tls(String),
    /// The description of the calls cannot be read.
    #[error("the description of the calls cannot be served: {0}")]
    Reflection(String),
    /// The listener broke.
    #[error("the gRPC listener broke: {0}")]
    Broken(String),
}

/// The server, ready to listen.
pub struct Server<E> {
    transport: tonic::transport::Server,
    acceptor: Option<TlsAcceptor>,
    gate: Gate,
    webhook: Webhook<E>,
    service: ChatCliServiceServer<Service<E>>,
    reflection: bool,
    room: Room,
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
    /// A server for `eyes`. It ends when `stop` is cancelled.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn new(eyes: Arc<E>, settings: Settings, stop: CancellationToken) -> Result<Self, ServeError> {
        let Settings { version, access, tls, limits, metrics, audit, reflection } = settings;
        let transport = tonic::transport::Server::builder()
            .max_concurrent_streams(limits.per_connection)
            .http2_max_header_list_size(MAX_HEADERS)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .max_connection_age(limits.connection_age)
            // For the webhook: Alertmanager speaks HTTP/1.1 where there is no TLS.
            .accept_http1(true);
        let acceptor = tls.map(|tls| tls.config().map(|config| TlsAcceptor::from(Arc::new(config)))).transpose()?;
        let audience = Audience::default();
        let webhook = Webhook::new(eyes.clone(), audience.clone(), metrics.reported());
        let service = Service {
            eyes,
            audience,
            version,
            heartbeat: limits.heartbeat,
            analyses: Semaphore::new(limits.analyses),
            stop: stop.clone(),
            metrics: metrics.clone(),
        };
        let rate = |rate: Rate| Arc::new(Buckets::new(rate.per_second, f64::from(rate.burst), REMEMBERED));
        Ok(Self {
            transport,
            acceptor,
            gate: Gate {
                access,
                failures: Arc::new(Buckets::new(FAILURES.1, FAILURES.0, REMEMBERED)),
                rate: limits.rate.map(rate),
                audit,
                metrics,
                calls: Arc::new(Semaphore::new(limits.calls)),
                streams: Arc::new(Semaphore::new(limits.streams)),
                probes: Arc::new(Semaphore::new(limits.streams)),
                deadline: limits.deadline,
            },
            service: ChatCliServiceServer::new(service)
                .max_decoding_message_size(limits.max_request)
                .max_encoding_message_size(limits.max_answer),
            reflection,
            webhook,
            room: Room { all: limits.connections, per_address: limits.connections_per_address },
            stop,
            drain: limits.drain,
        })
    }

    /// Serves until the token is cancelled, then lets open calls end.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run(self, listener: TcpListener) -> Result<(), ServeError> {
        let Self { transport, acceptor, gate, webhook, service, reflection, room, stop, drain } = self;
        let (health, probes) = tonic_health::server::health_reporter();
        health.set_service_status(SERVICE, ServingStatus::Serving).await;
        let wrong = |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let described = reflection.then(|| describe().build_v1()).transpose().map_err(wrong)?;
        let described_alpha = reflection.then(|| describe().build_v1alpha()).transpose().map_err(wrong)?;
        let audit = gate.audit.clone();
        let serving = transport
            .layer(gate)
            .layer(webhook)
            .add_service(service)
            .add_service(probes)
            .add_optional_service(described)
            .add_optional_service(described_alpha);
        let connections = incoming(listener, acceptor, room);
        let stopped = stop.clone();
        let serve = async {
            tokio::select! {
                ended = serving.serve_with_incoming_shutdown(connections, stop.cancelled_owned()) => {
                    ended.map_err(|error| ServeError::Broken(chain(&error)))
                }
                // A client that does not read its stream must not hold the process.
                () = async {
                    stopped.cancelled().await;
                    for name in ["", SERVICE] {
                        health.set_service_status(name, ServingStatus::NotServing).await;
                    }
                    tokio::time::sleep(drain).await;
                } => {
                    tracing::info!("some calls were still open when the server stopped");
                    Ok(())
                }
            }
        };
        let Some(audit) = audit else { return serve.await };
        let mut writing = std::pin::pin!(audit.run());
        let ended = tokio::select! {
            ended = serve => ended,
            () = &mut writing => Err(ServeError::Broken("the audit log has ended".to_owned())),
        };
        let written = async {
            while !audit.is_idle() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(LAST_LINES, async {
            tokio::select! {
                () = &mut writing => {}
                () = written => {}
            }
        })
        .await;
        ended
    }
}
