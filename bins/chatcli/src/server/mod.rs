//! `chatcli server`: flags, wiring, the life of the process. What is seen stands in `crates/detector`, how it is told in
//! `crates/grpc`.

mod access;
mod metrics;
mod watcher;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::Args as Flags;
use detector::{Detector, Scope};
use kit::cache::Hub;
use kit::clock::SystemClock;
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::serve;
use kit::supervisor::{Supervisor, Watch};

use crate::process;
use watcher::Watcher;

/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(20);
/// Workloads that are looked at at once, at most.
const WORKERS: usize = 4;
/// How often it is looked whether the process is ready, until it is.
const CHECK: Duration = Duration::from_millis(100);

/// Watches the cluster, raises alerts, finds causes, and tells them by gRPC.
#[derive(Flags, Debug)]
pub struct Args {
    /// Kubeconfig file; without it the process must run in a pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one by default
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Watch all namespaces
    #[arg(long, conflicts_with = "watch_namespace")]
    all_namespaces: bool,
    /// Watch this namespace; may be given several times
    #[arg(long, value_name = "NAME")]
    watch_namespace: Vec<String>,
    /// Address of gRPC
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    bind: SocketAddr,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    metrics_bind: SocketAddr,
    #[command(flatten)]
    access: access::Flags,
}

/// Runs until a signal, or until something that must not end ends.
///
/// # Errors
/// When a flag cannot be used, or a task ends unexpectedly.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (supervisor, watch) = Supervisor::new();
    process::heeding_signals(&supervisor, life(args, supervisor.clone(), watch)).await
}

async fn life(args: Args, supervisor: Supervisor, watch: Watch) -> anyhow::Result<()> {
    let began = Instant::now();
    let access = args.access.read(args.bind)?;
    let metrics = Metrics::new("chatcli");
    let client = process::connect(args.kubeconfig.clone(), args.context.clone(), &metrics).await?;
    let scope = scope(&args)?;
    // The sentence of the error names its cause already.
    let grpc_listener = serve::bind(args.bind).await.map_err(|error| anyhow!("--bind: {error}"))?;
    let metrics_listener = serve::bind(args.metrics_bind).await.map_err(|error| anyhow!("--metrics-bind: {error}"))?;

    let hub = Hub::new(&supervisor, &metrics);
    let env = Env { supervisor: supervisor.clone(), metrics: metrics.clone(), clock: Arc::new(SystemClock) };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let settings = detector::Settings { scope: scope.clone(), workers };
    let detector = Detector::start(client, settings, &hub, &env);
    let watcher = Arc::new(Watcher::new(detector, hub, scope));

    let calls = grpc::Metrics::default();
    let opened = metrics::register(&metrics, &calls, &watcher);
    let token = supervisor.token().clone();
    supervisor.spawn("alert-counter", metrics::count(opened, watcher.clone(), token.clone()));
    let server = grpc::Server::new(
        watcher.clone(),
        env!("CARGO_PKG_VERSION"),
        access.token.clone(),
        access.tls,
        grpc::Limits::default(),
        &calls,
        token.clone(),
    )
    .map_err(|error| anyhow!("--tls-cert, --tls-key: {error}"))?;

    let ready: serve::Readiness = {
        let watcher = watcher.clone();
        Arc::new(move || watcher.missing())
    };
    supervisor.spawn("metrics", serve::run(metrics_listener, metrics.clone(), ready, token.clone()));
    supervisor.spawn("grpc", server.run(grpc_listener));
    if let (Some(file), Some(bearer)) = (args.access.token_file, access.token) {
        supervisor.spawn("token-file", access::follow(file, bearer, token.clone()));
    }
    supervisor.spawn("first-look", announce(watcher, began, token));
    tracing::info!(grpc = %args.bind, metrics = %args.metrics_bind, "listening");
    process::ended(watch.run(GRACE).await)
}

/// Which namespaces the flags name.
fn scope(args: &Args) -> anyhow::Result<Scope> {
    if args.all_namespaces {
        return Ok(Scope::All);
    }
    if args.watch_namespace.is_empty() {
        bail!(
            "nothing is to be watched; remedy: give --all-namespaces, or --watch-namespace NAME once or several times"
        );
    }
    if args.watch_namespace.iter().any(|name| name.trim().is_empty()) {
        bail!("--watch-namespace has an empty name; remedy: leave it out, or name a namespace");
    }
    Ok(Scope::Namespaces(args.watch_namespace.clone()))
}

/// Says once that everything was looked at.
async fn announce(
    watcher: Arc<Watcher>,
    began: Instant,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let wait = async {
        while !watcher.missing().is_empty() {
            tokio::time::sleep(CHECK).await;
        }
    };
    if stop.run_until_cancelled(wait).await.is_some() {
        let after_ms = began.elapsed().as_millis();
        tracing::info!(after_ms, "ready: {}", watcher.in_words());
    }
    // Its work is done, but only the stop of the process may end a task.
    stop.cancelled().await;
    Ok(())
}
