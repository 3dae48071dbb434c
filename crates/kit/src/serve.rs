//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Says what is missing until the process is ready; empty when it is.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Why a port cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; remedy: choose another address with the flag, or stop what uses it")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Listens on an address.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Serves metrics and probes until the token is cancelled.
///
/// # Errors
/// When the listener breaks.
pub async fn run(
    listener: TcpListener,
    metrics: Metrics,
    ready: Readiness,
    token: CancellationToken,
) -> std::io::Result<()> {
    run_with(listener, metrics, ready, Vec::new(), token).await
}

/// The same, with more probes beside `/readyz`, each under a path of its own.
///
/// # Errors
/// When the listener breaks.
pub async fn run_with(
    listener: TcpListener,
    metrics: Metrics,
    ready: Readiness,
    more: Vec<(&'static str, Readiness)>,
    token: CancellationToken,
) -> std::io::Result<()> {
    let stop = token.clone();
    let mut probes = Router::new().route("/readyz", get(readyz)).with_state((ready, token.clone()));
    for (path, probe) in more {
        probes = probes.merge(Router::new().route(path, get(readyz)).with_state((probe, token.clone())));
    }
    let probes = probes.route("/healthz", get(|| async { "ok\n" })).route(
        "/metrics",
        get(move || async move {
            ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.render())
        }),
    );
    axum::serve(listener, probes).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State((ready, token)): State<(Readiness, CancellationToken)>) -> (StatusCode, String) {
    let missing = if token.is_cancelled() { vec!["the process is stopping".to_owned()] } else { ready() };
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
    }
}
