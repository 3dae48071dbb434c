//! The webhook of Alertmanager, by HTTP on the port of gRPC: the same certificate, the same token, the same gate.
//!
//! What lives here: the path, the limits, what is answered. What does not: how a message is read and what follows from it
//! (`domain::detection::alertmanager`), and who may call (`gate`).
//!
//! 200 is answered when every alert that concerns this server was handed to an operator, or needs not be. 503 makes
//! Alertmanager send the same again, to another replica if there is one: the connection is closed. 4xx is for what would
//! be refused again.

mod audience;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::detection::alertmanager::{Notice, Payload, Report};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::json;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::Eyes;
pub(crate) use audience::{Audience, Listener};

/// Where Alertmanager posts.
pub const ALERTMANAGER: &str = "/api/v1/webhooks/alertmanager";
/// Most bytes of a message: some ten thousand alerts.
const LARGEST: usize = 8 << 20;
/// Messages that are read at the same time; others wait.
const AT_ONCE: usize = 2;
/// Alerts that are told before it is waited for them to be handed on: less than a stream may be behind.
const PART: usize = 256;
/// How long that may take.
const HANDED_ON: Duration = Duration::from_secs(10);
/// When to send again, in seconds. Alertmanager has its own idea of that; others keep to it.
const AGAIN: &str = "1";

/// Why nothing can be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It may be sent again, here or to another replica.
    Later(String),
    /// It would be in vain.
    Never(String),
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Became {
    result: &'static str,
}

/// What became of the alerts. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Family<Became, Counter>);

impl Counts {
    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        let help = "Alerts that Alertmanager has sent, by what became of them";
        registry.register("alertmanager_alerts", help, self.0.clone());
    }

    fn count(&self, report: &Report) {
        for (result, count) in report.counts() {
            if count > 0 {
                self.0.get_or_create(&Became { result }).inc_by(count);
            }
        }
    }
}

/// An answer in plain words.
pub(crate) fn answer(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(format!("{text}\n").into()).map_err(never)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(AGAIN));
    }
    response
}

fn never(error: Infallible) -> Status {
    match error {}
}

/// What the gate says by gRPC, as HTTP. What may pass is a 503: Alertmanager sends it again.
pub(crate) fn refusal(status: &Status) -> Response<Body> {
    let code = match status.code() {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(code, status.message())
}

/// The code by which a call is counted.
pub(crate) fn code(status: StatusCode) -> Code {
    match status {
        status if status.is_success() => Code::Ok,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

/// The webhook in front of the gRPC methods.
pub(crate) struct Webhook<E> {
    pub(crate) eyes: Arc<E>,
    pub(crate) audience: Audience,
    pub(crate) counts: Counts,
    room: Arc<Semaphore>,
}

impl<E> Clone for Webhook<E> {
    fn clone(&self) -> Self {
        let Self { eyes, audience, counts, room } = self;
        Self { eyes: eyes.clone(), audience: audience.clone(), counts: counts.clone(), room: room.clone() }
    }
}

impl<E: Eyes> Webhook<E> {
    pub(crate) fn new(eyes: Arc<E>, audience: Audience, counts: Counts) -> Self {
        Self { eyes, audience, counts, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn take(&self, request: Request<Body>) -> Response<Body> {
        let old = request.version() < http::Version::HTTP_2;
        let mut response = self.judge(request).await;
        if old && response.status() == StatusCode::SERVICE_UNAVAILABLE {
            // The next attempt takes another connection, and with it perhaps the replica that watches.
            response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }

    async fn judge(&self, request: Request<Body>) -> Response<Body> {
        if request.method() != Method::POST {
            let mut response = answer(
                StatusCode::METHOD_NOT_ALLOWED,
                "this is the webhook of Alertmanager; remedy: let Alertmanager POST to it (webhook_configs)",
            );
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            return response;
        }
        // A whole message is read before anything is decided: a client that is still writing would not hear the answer.
        let Ok(_room) = self.room.acquire().await else {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
        };
        let body = match Limited::new(request.into_body(), LARGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return answer(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &format!(
                        "the message has more than {LARGEST} bytes; remedy: set max_alerts in webhook_configs, or group by more labels"
                    ),
                );
            }
            Err(error) => return answer(StatusCode::BAD_REQUEST, &format!("the message cannot be received: {error}")),
        };
        let payload = match Payload::parse(&body) {
            Ok(payload) => payload,
            Err(error) => return answer(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        drop(body);
        if !self.audience.is_there() {
            return answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "no operator listens to this server now, so the alerts would be lost; send them again",
            );
        }
        self.deliver(payload).await
    }

    async fn deliver(&self, payload: Payload) -> Response<Body> {
        let Payload { notices, refused, truncated } = payload;
        let mut report = Report { refused: refused.len(), truncated, ..Report::default() };
        for why in refused {
            report.because(why);
        }
        if truncated > 0 {
            report.because(format!(
                "Alertmanager has left {truncated} alerts out; remedy: raise max_alerts in webhook_configs"
            ));
        }
        let mut later = None;
        for part in notices.chunks(PART) {
            let awaited = self.audience.expect(part.iter().map(Notice::id));
            match self.eyes.report(part) {
                Ok(more) => {
                    let handed_on = awaited.all(&more.told, HANDED_ON).await;
                    report.add(more);
                    if !handed_on {
                        later = Some("the operator has not taken the alerts in time; send them again".to_owned());
                        break;
                    }
                }
                Err(NotNow::Never(why)) => return answer(StatusCode::CONFLICT, &why),
                Err(NotNow::Later(why)) => {
                    later = Some(why);
                    break;
                }
            }
        }
        self.counts.count(&report);
        if report.full > 0 {
            let why = format!("{} alerts are more than can be kept now; send them again later", report.full);
            later.get_or_insert(why);
        }
        let nothing = report.outside + report.refused + report.full > 0 || truncated > 0;
        if nothing {
            tracing::warn!(
                outside = report.outside,
                refused = report.refused,
                full = report.full,
                truncated,
                "alerts of Alertmanager from which nothing follows: {}",
                report.reasons.join("; ")
            );
        }
        match later {
            Some(why) => answer(StatusCode::SERVICE_UNAVAILABLE, &why),
            None => accepted(&report),
        }
    }
}

/// What became of the alerts, for whoever posts by hand; Alertmanager does not read it.
fn accepted(report: &Report) -> Response<Body> {
    let mut body: serde_json::Map<String, serde_json::Value> =
        report.counts().into_iter().map(|(result, count)| (result.to_owned(), json!(count))).collect();
    body.insert("reasons".to_owned(), json!(report.reasons));
    let mut response = answer(StatusCode::OK, &serde_json::Value::Object(body).to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

impl<E, S> Layer<S> for Webhook<E> {
    type Service = WithWebhook<E, S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithWebhook { webhook: self.clone(), inner }
    }
}

/// The methods, with the webhook in front of them.
pub(crate) struct WithWebhook<E, S> {
    webhook: Webhook<E>,
    inner: S,
}

impl<E, S: Clone> Clone for WithWebhook<E, S> {
    fn clone(&self) -> Self {
        Self { webhook: self.webhook.clone(), inner: self.inner.clone() }
    }
}

impl<E, S> Service<Request<Body>> for WithWebhook<E, S>
where
    E: Eyes,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() == ALERTMANAGER {
            let webhook = self.webhook.clone();
            return Box::pin(async move { Ok(webhook.take(request).await) });
        }
        Box::pin(self.inner.call(request))
    }
}
