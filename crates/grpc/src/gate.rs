//! The gate that every call passes: token, limits, deadline, counters. A handler that panics is an answer, no crash.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::metrics::{Call, Metrics};
use crate::token::Token;

const HEALTH: &str = "/chatcli.v1.ChatCLIService/Health";
pub(crate) const WATCH_ALERTS: &str = "/chatcli.v1.ChatCLIService/WatchAlerts";

/// Names for the counters; any other path is one name, so that a caller cannot fill the memory with them.
const METHODS: [&str; 7] = [
    "/chatcli.v1.ChatCLIService/GetServerInfo",
    "/chatcli.v1.ChatCLIService/GetWatcherStatus",
    HEALTH,
    "/chatcli.v1.ChatCLIService/GetAlerts",
    "/chatcli.v1.ChatCLIService/AnalyzeIssue",
    "/chatcli.v1.ChatCLIService/AgenticStep",
    WATCH_ALERTS,
];

fn method(path: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == path).unwrap_or("other")
}

/// What the gate knows; clones share it.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) token: Option<Token>,
    pub(crate) metrics: Metrics,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) deadline: Duration,
}

impl Gate {
    fn admit(&self, method: &'static str, headers: &http::HeaderMap) -> Result<Option<OwnedSemaphorePermit>, Status> {
        // Health says nothing that a probe may not know, and probes have no token.
        if method == HEALTH {
            return Ok(None);
        }
        if let Some(token) = &self.token {
            let header = headers.get(http::header::AUTHORIZATION);
            if !header.is_some_and(|value| token.permits(value.as_bytes())) {
                return Err(Status::unauthenticated(if header.is_none() {
                    "no bearer token was given; remedy: send `authorization: Bearer TOKEN` with the content of the server's --token-file"
                } else {
                    "the bearer token is not the server's; remedy: use the content of the server's --token-file"
                }));
            }
        }
        let (permits, what) = if method == WATCH_ALERTS { (&self.streams, "streams") } else { (&self.calls, "calls") };
        permits.clone().try_acquire_owned().map(Some).map_err(|_| {
            Status::resource_exhausted(format!("the server has as many open {what} as it takes; try again in a moment"))
        })
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
        let mut call = self.gate.metrics.begin(method);
        let permit = match self.gate.admit(method, request.headers()) {
            Ok(permit) => permit,
            Err(status) => {
                call.answered();
                call.ended(status.code());
                return Box::pin(async move { Ok(status.into_http()) });
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
                    Status::internal("the server made a mistake with this call; its log has the details").into_http()
                }
                Err(_) => Status::deadline_exceeded(format!(
                    "the server did not answer within {} s; try again",
                    deadline.as_secs()
                ))
                .into_http(),
            };
            call.answered();
            if let Some(code) = code(response.headers()) {
                call.ended(code);
            }
            Ok(response.map(|body| Body::new(Counted { body, call, _permit: permit })))
        })
    }
}

fn code(headers: &http::HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// The body of an answer: it holds the permit and learns the status, which comes last.
struct Counted {
    body: Body,
    call: Call,
    _permit: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(code) = frame.trailers_ref().and_then(code)
        {
            self.call.ended(code);
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
