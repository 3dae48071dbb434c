//! `chatcli server`: flags, wiring, the life of the process. What is seen stands in `crates/detector`, how it is told in
//! `crates/grpc`.

mod access;
mod analyst;
mod files;
mod flags;
mod lease;
mod listen;
mod metrics;
mod targets;
mod watcher;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as Flags;
use kit::clock::{Clock, SystemClock};
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::serve;
use kit::supervisor::{Supervisor, Watch};
use ports::llm::{Llm, Time};

use crate::process;
use flags::{Given, OrNone};
use watcher::Watcher;

/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// Watches the cluster, raises alerts, finds causes, and tells them by gRPC.
#[derive(Flags, Debug)]
pub struct Args {
    /// Kubeconfig file; without it the process must run in a pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one by default
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Who is asked for analyses; BUILTIN, which needs no language model, unless said otherwise
    #[arg(long, env = "LLM_PROVIDER", value_name = "NAME", value_parser = flags::text)]
    provider: Option<Given<String>>,
    /// Language model; the provider's usual one unless said otherwise
    #[arg(long, env = "LLM_MODEL", value_name = "NAME", value_parser = flags::text)]
    model: Option<Given<String>>,
    #[command(flatten)]
    targets: targets::Flags,
    #[command(flatten)]
    listen: listen::Flags,
    #[command(flatten)]
    access: access::Flags,
    #[command(flatten)]
    seat: lease::Flags,
}

impl Args {
    /// Whether details are to be logged.
    pub fn debug(&self) -> bool {
        self.listen.debug
    }
}

/// Runs until a signal, or until something that must not end ends.
///
/// # Errors
/// When a flag cannot be used, or a task ends unexpectedly.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (supervisor, watch) = Supervisor::new();
    process::heeding_signals(&supervisor, Box::pin(life(args, supervisor.clone(), watch))).await
}

#[expect(clippy::disallowed_methods, reason = "this is where the process reads its environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn life(args: Args, supervisor: Supervisor, watch: Watch) -> anyhow::Result<()> {
    let bind = args.listen.grpc();
    let guard = args.access.read(bind)?;
    let limits = args.listen.limits(guard.access.is_guarded());
    let plan = args.targets.read()?;
    let seat = args.seat.seat()?.filter(|_| plan.is_some());
    let audit = args.listen.audit()?;
    let metrics = Metrics::new("chatcli");
    // The sentence of the error names its cause already.
    let grpc_listener = serve::bind(bind).await.map_err(|error| anyhow!("--port, --bind: {error}"))?;
    let metrics_listener = match args.listen.metrics() {
        Some(address) => {
            Some(serve::bind(address).await.map_err(|error| anyhow!("--metrics-port, --metrics-bind: {error}"))?)
        }
        None => None,
    };

    let provider = args.provider.given().unwrap_or_else(|| grpc::BUILTIN.to_owned());
    let time = Time::new(|| SystemClock.now());
    let llm = Llm::from_env(&variable, &provider, &args.model.given().unwrap_or_default(), time)
        .telling_at_most(plan.as_ref().and_then(|plan| plan.context_chars));
    let problems: std::collections::BTreeSet<String> =
        llm.problems().iter().map(ToString::to_string).chain([llm.state().problem]).collect();
    for problem in problems.iter().filter(|problem| !problem.is_empty()) {
        tracing::warn!(provider, "{problem}; BUILTIN answers for who cannot");
    }
    let watcher = Watcher::new(llm, plan.is_some(), seat.is_some()).repeated_every(args.listen.repeat_interval());
    let watcher = Arc::new(watcher);

    let calls = grpc::Metrics::default();
    let opened = metrics::register(&metrics, &calls, &watcher);
    let token = supervisor.token().clone();
    supervisor.spawn("alert-counter", metrics::count(opened, watcher.clone(), token.clone()));
    let settings = grpc::Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        access: guard.access,
        tls: guard.tls,
        limits,
        metrics: calls,
        audit,
        reflection: args.listen.grpc_reflection,
    };
    let server = grpc::Server::new(watcher.clone(), settings, token.clone())
        .map_err(|error| anyhow!("--tls-cert, --tls-key: {error}"))?;

    if let Some(listener) = metrics_listener {
        // The first look is told in the state and by /watchz: who only asks for answers need not wait for it.
        let looked: serve::Readiness = {
            let watcher = watcher.clone();
            Arc::new(move || watcher.missing())
        };
        let serving =
            serve::run_with(listener, metrics.clone(), Arc::new(Vec::new), vec![("/watchz", looked)], token.clone());
        supervisor.spawn("metrics", serving);
    }
    supervisor.spawn("grpc", server.run(grpc_listener));
    supervisor.spawn("files", files::follow(guard.reloads, token.clone()));
    supervisor.spawn("state", watcher::tell(watcher.clone(), token.clone()));
    if let Some(plan) = plan {
        // The role of a pod grants no Secret; whoever gives a kubeconfig has the rights of their own.
        let secrets = args.kubeconfig.is_some();
        let client = process::connect(args.kubeconfig, args.context, &metrics).await?;
        if let Some(seat) = seat {
            let (metrics, watcher, token) = (metrics.clone(), watcher.clone(), token.clone());
            supervisor.spawn("watch-lease", lease::hold(seat, client.clone(), metrics, watcher, token));
        }
        let env = Env { supervisor: supervisor.clone(), metrics: metrics.clone(), clock: Arc::new(SystemClock) };
        let targets = targets::run((plan, secrets), client, env, watcher);
        supervisor.spawn("targets", async { targets.await.map_err(|error| format!("{error:#}")) });
    } else {
        if args.kubeconfig.is_some() {
            // Nothing is asked of it now, but whoever names a file wants it to be usable.
            process::connect(args.kubeconfig, args.context, &metrics).await?;
        }
        tracing::info!("no target is named: nothing is watched, questions are answered");
    }
    tracing::info!(grpc = %bind, metrics = ?args.listen.metrics(), "listening");
    process::ended(watch.run(GRACE).await)
}

#[cfg(test)]
mod tests;
