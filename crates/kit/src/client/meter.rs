//! A layer that counts requests and puts a deadline on the headers of an answer. Watches pass: their bodies are endless,
//! but their headers come at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::watches::patient;
use crate::metrics::{self, Metrics};

#[derive(Clone)]
pub struct MeterLayer {
    metrics: Metrics,
    timeout: Duration,
}

impl MeterLayer {
    pub fn new(metrics: &Metrics, timeout: Duration) -> Self {
        Self { metrics: metrics.clone(), timeout }
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = Meter<S>;

    fn layer(&self, inner: S) -> Meter<S> {
        Meter { inner, metrics: self.metrics.clone(), timeout: self.timeout }
    }
}

pub struct Meter<S> {
    inner: S,
    metrics: Metrics,
    timeout: Duration,
}

impl<S, B> Service<Request<Body>> for Meter<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, resource) = describe(request.method(), request.uri());
        let (metrics, timeout) = (self.metrics.clone(), self.timeout);
        let began = Instant::now();
        let answer = self.inner.call(patient(request));
        Box::pin(async move {
            let answer = tokio::time::timeout(timeout, answer).await;
            let code = match &answer {
                Ok(Ok(response)) => response.status().as_str().to_owned(),
                Ok(Err(_)) => "error".to_owned(),
                Err(_) => "timeout".to_owned(),
            };
            metrics
                .api_seconds
                .get_or_create(&metrics::Kind { kind: resource.clone() })
                .observe(began.elapsed().as_secs_f64());
            metrics.api_requests.get_or_create(&metrics::Request { verb, resource, code }).inc();
            match answer {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(format!("the API server did not answer within {} s", timeout.as_secs()).into()),
            }
        })
    }
}

/// Verb and resource of a request, for example `watch` and `pods`.
fn describe(method: &Method, uri: &http::Uri) -> (&'static str, String) {
    let mut parts = uri.path().split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("api") => drop(parts.next()),
        Some("apis") => drop((parts.next(), parts.next())),
        _ => return ("other", uri.path().chars().take(40).collect()),
    }
    let mut resource = parts.next().unwrap_or("discovery");
    let mut named = parts.next();
    if resource == "namespaces" && named.is_some() {
        // Either the object /namespaces/NAME or something inside it.
        if let Some(inner) = parts.next().filter(|part| *part != "status" && *part != "finalize") {
            resource = inner;
            named = parts.next();
        }
    }
    let watching = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    let verb = match (method, named) {
        (&Method::GET, _) if watching => "watch",
        (&Method::GET, Some(_)) => "get",
        (&Method::GET, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PATCH, _) => "patch",
        (&Method::PUT, _) => "update",
        (&Method::DELETE, _) => "delete",
        _ => "other",
    };
    (verb, resource.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verb_and_resource_come_from_the_request() {
        for (method, uri, verb, resource) in [
            (Method::GET, "/api/v1/pods?watch=true&x=1", "watch", "pods"),
            (Method::GET, "/api/v1/pods?limit=500", "list", "pods"),
            (Method::GET, "/api/v1/namespaces/shop/pods/web-0/log", "get", "pods"),
            (Method::GET, "/api/v1/namespaces/shop", "get", "namespaces"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/web", "patch", "deployments"),
            (Method::POST, "/apis/a.b/v1/namespaces/shop/issues", "create", "issues"),
            (Method::GET, "/version", "other", "/version"),
        ] {
            assert_eq!(describe(&method, &uri.parse().unwrap()), (verb, resource.to_owned()), "{uri}");
        }
    }
}
