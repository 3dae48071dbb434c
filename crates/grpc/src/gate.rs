//! The gate that every call passes: who calls, how often, limits, deadline, counters, the audit log. A handler that panics
//! is an answer, no crash.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::access::{Access, Caller, Role};
use crate::alertmanager::{self, ALERTMANAGER};
use crate::audit::{Audit, Entry};
use crate::buckets::Buckets;
use crate::incoming::Peer;
use crate::metrics::{Call, Metrics, name};

const HEALTH: &str = "/chatcli.v1.ChatCLIService/Health";
const ANALYZE: &str = "/chatcli.v1.ChatCLIService/AnalyzeIssue";
const STEP: &str = "/chatcli.v1.ChatCLIService/AgenticStep";
pub(crate) const WATCH_ALERTS: &str = "/chatcli.v1.ChatCLIService/WatchAlerts";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH_HEALTH: &str = "/grpc.health.v1.Health/Watch";
/// Header with the id of a call, in both directions.
const REQUEST_ID: &str = "x-request-id";

/// Names for the counters; any other path is one name, so that a caller cannot fill the memory with them.
const METHODS: [&str; 12] = [
    ALERTMANAGER,
    "/chatcli.v1.ChatCLIService/GetServerInfo",
    "/chatcli.v1.ChatCLIService/GetWatcherStatus",
    HEALTH,
    "/chatcli.v1.ChatCLIService/GetAlerts",
    ANALYZE,
    STEP,
    WATCH_ALERTS,
    CHECK,
    WATCH_HEALTH,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

fn method(path: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == path).unwrap_or("other")
}

/// Health says nothing that a probe may not know, and probes have no token.
fn is_probe(method: &str) -> bool {
    matches!(method, HEALTH | CHECK | WATCH_HEALTH)
}

fn is_stream(method: &str) -> bool {
    method == WATCH_ALERTS || method == WATCH_HEALTH || method.starts_with("/grpc.reflection.")
}

/// What the gate knows; clones share it.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) access: Access,
    /// Failed attempts, by address.
    pub(crate) failures: Arc<Buckets<IpAddr>>,
    /// Calls, by caller.
    pub(crate) rate: Option<Arc<Buckets<String>>>,
    pub(crate) audit: Option<Audit>,
    pub(crate) metrics: Metrics,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) probes: Arc<Semaphore>,
    pub(crate) deadline: Duration,
}

/// The address that failures are counted by: who has one address of IPv6 has as many as he wants of the same network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whole seconds to wait, never less than the time itself.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

fn later(what: &str, wait: Duration) -> Status {
    let mut status = Status::resource_exhausted(format!("{what}, retry after {} seconds", seconds(wait)));
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    for (header, value) in [("retry-after", seconds(wait)), ("grpc-retry-pushback-ms", millis)] {
        status.metadata_mut().insert(header, value.into());
    }
    status
}

impl Gate {
    /// Who calls.
    fn caller(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Status> {
        let from = peer.map(network);
        if let Some(Err(wait)) = from.map(|from| self.failures.check(&from, Instant::now())) {
            return Err(later("authentication failed too often from this address", wait));
        }
        let header = headers.get(http::header::AUTHORIZATION).map(HeaderValue::as_bytes);
        self.access.caller(header).map_err(|why| {
            if let Some(from) = from {
                let _ = self.failures.take(&from, Instant::now());
            }
            Status::unauthenticated(why)
        })
    }

    fn may(&self, method: &'static str, caller: &Caller) -> Result<(), Status> {
        if caller.role == Role::Readonly && matches!(method, ANALYZE | STEP | ALERTMANAGER) {
            return Err(Status::permission_denied(format!(
                "{} has the role readonly, which may not ask for {}; remedy: use a token with the role user or admin",
                caller.subject,
                method.rsplit('/').next().unwrap_or(method)
            )));
        }
        let Some(rate) = &self.rate else { return Ok(()) };
        // Alertmanager has the operator's token as a rule, and must not slow it down.
        let name = if method == ALERTMANAGER { format!("{} {method}", caller.subject) } else { caller.subject.clone() };
        rate.take(&name, Instant::now()).map_err(|wait| later("rate limit exceeded", wait))
    }

    fn permit(&self, method: &'static str) -> Result<OwnedSemaphorePermit, Status> {
        let (permits, what) = if is_probe(method) {
            (&self.probes, "probes")
        } else if is_stream(method) {
            (&self.streams, "streams")
        } else {
            (&self.calls, "calls")
        };
        permits.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("the server has as many open {what} as it takes; try again in a moment"))
        })
    }

    fn admit(
        &self,
        method: &'static str,
        headers: &HeaderMap,
        trail: &mut Trail,
        peer: Option<IpAddr>,
    ) -> Result<OwnedSemaphorePermit, Status> {
        if !is_probe(method) {
            let caller = self.caller(headers, peer)?;
            trail.seen(&caller);
            self.may(method, &caller)?;
        }
        self.permit(method)
    }

    fn trail(&self, method: &'static str, headers: &HeaderMap, peer: Option<Peer>) -> Trail {
        let audit = self.audit.as_ref().filter(|_| !is_probe(method)).map(|audit| {
            let entry = Entry {
                time: String::new(),
                event: "call",
                request_id: request_id(headers),
                method,
                subject: String::new(),
                role: "",
                peer: peer.map(|peer| peer.0.to_string()).unwrap_or_default(),
                code: None,
                duration_ms: None,
            };
            (audit.clone(), entry)
        });
        Trail { call: self.metrics.begin(method), audit, began: Instant::now() }
    }
}

/// The id that the caller gave, if it is harmless; else one of our own.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given.filter(harmless).map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

/// What is left of a call: its counters, and its line in the audit log when it ends.
struct Trail {
    call: Call,
    audit: Option<(Audit, Entry)>,
    began: Instant,
}

impl Trail {
    fn seen(&mut self, caller: &Caller) {
        if let Some((_, entry)) = &mut self.audit {
            caller.subject.clone_into(&mut entry.subject);
            entry.role = caller.role.name();
        }
    }

    /// A stream may last for days: its beginning has a line of its own.
    fn opened(&self) {
        if let Some((audit, entry)) = &self.audit {
            audit.write(&Entry { time: audit.now(), event: "open", ..entry.clone() });
        }
    }

    fn id(&self) -> Option<HeaderValue> {
        self.audit.as_ref().and_then(|(_, entry)| HeaderValue::from_str(&entry.request_id).ok())
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let code = self.call.code();
        if let Some((audit, entry)) = &mut self.audit {
            entry.time = audit.now();
            entry.code = Some(name(code));
            entry.duration_ms = Some(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
            audit.write(entry);
        }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<http::Request<Body>> for Gated<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = method(request.uri().path());
        let peer = request.extensions().get::<Peer>().copied();
        let mut trail = self.gate.trail(method, request.headers(), peer);
        let id = trail.id();
        let admitted = self.gate.admit(method, request.headers(), &mut trail, peer.map(|peer| peer.0.ip()));
        let permit = match admitted {
            Ok(permit) => permit,
            Err(status) => {
                trail.call.answered();
                trail.call.ended(status.code());
                return Box::pin(async move { Ok(with_id(refused(method, status), id)) });
            }
        };
        let deadline = self.gate.deadline;
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let response = match tokio::time::timeout(deadline, answer).await {
                Ok(Ok(Ok(response))) => response,
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(_)) => {
                    tracing::error!(method, "a call panicked; the caller was told, the server goes on");
                    refused(
                        method,
                        Status::internal("the server made a mistake with this call; its log has the details"),
                    )
                }
                Err(_) => {
                    let why = format!("the server did not answer within {} s; try again", deadline.as_secs());
                    refused(method, Status::deadline_exceeded(why))
                }
            };
            trail.call.answered();
            match code(response.headers()) {
                Some(code) => trail.call.ended(code),
                None if method == ALERTMANAGER => trail.call.ended(alertmanager::code(response.status())),
                None if is_stream(method) => trail.opened(),
                None => {}
            }
            let response = response.map(|body| Body::new(Counted { body, trail, _permit: permit }));
            Ok(with_id(response, id))
        })
    }
}

/// A refusal in the words of the protocol that the caller speaks.
fn refused(method: &'static str, status: Status) -> http::Response<Body> {
    if method == ALERTMANAGER { alertmanager::refusal(&status) } else { status.into_http() }
}

fn with_id(mut response: http::Response<Body>, id: Option<HeaderValue>) -> http::Response<Body> {
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// The body of an answer: it holds the permit and learns the status, which comes last.
struct Counted {
    body: Body,
    trail: Trail,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(code) = frame.trailers_ref().and_then(code)
        {
            self.trail.call.ended(code);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
