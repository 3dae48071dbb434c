//! `chatcli operator`: flags, wiring, the life of the process. The controllers stand in `crates/operator`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgAction, Args as Flags};
use domain::instance::Settings as InstanceFacts;
use jiff::SignedDuration;
use kit::cache::Hub;
use kit::clock::SystemClock;
use kit::controller::Env;
use kit::events::Events;
use kit::lease::{Elector, Leadership, Times};
use kit::metrics::Metrics;
use kit::serve::{self, Readiness};
use kit::supervisor::{End, Supervisor, Watch};
use operator::{Caches, Definitions, Servers};
use ports::server_link::{self, ServerLink, TlsFiles};
use tokio_util::sync::CancellationToken;

use crate::process;

/// Name of the Lease.
const LOCK: &str = "chatcli-operator-lock";
/// Image of an Instance that names none.
const IMAGE: &str = "ghcr.io/diillson/chatcli";
/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// Runs the controllers: from alerts to Issues, plans, their execution and the report.
#[derive(Flags, Debug)]
pub struct Args {
    /// Kubeconfig file; without it the process must run in a pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one by default
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Namespace of the operator: its policies govern everywhere, Issues of nodes live there
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", default_value = "chatcli-system")]
    namespace: String,
    /// AI server, http://host:port or https://host:port; may be given several times
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// File with the bearer token for the AI servers
    #[arg(long, value_name = "FILE")]
    server_token_file: Option<PathBuf>,
    /// PEM file with the CA of the AI servers
    #[arg(long, value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// Address of /metrics; :PORT is every address of this machine
    #[arg(long, alias = "metrics-bind-address", value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    metrics_bind: SocketAddr,
    /// Address of /healthz and /readyz; :PORT is every address of this machine
    #[arg(long, alias = "health-probe-bind-address", value_name = "ADDRESS", default_value = "127.0.0.1:8081", value_parser = address)]
    probe_bind: SocketAddr,
    /// Port of the REST API; this version does not serve it yet
    #[arg(long, env = "CHATCLI_AIOPS_PORT", value_name = "PORT", default_value_t = 8090)]
    api_port: u16,
    /// Prometheus, which the servers of Instances ask about requests and load
    #[arg(long, env = "PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: Option<String>,
    /// Image of an Instance that names none, with its tag
    #[arg(long, env = "CHATCLI_DEFAULT_IMAGE", value_name = "IMAGE")]
    default_image: Option<String>,
    /// Tag of an image that an Instance names without one; default is this version
    #[arg(long, env = "CHATCLI_OPERATOR_APP_VERSION", value_name = "TAG")]
    app_version: Option<String>,
    /// Domain of the cluster; default is what the resolver of this pod says, or cluster.local
    #[arg(long, env = "CHATCLI_CLUSTER_DOMAIN", value_name = "DOMAIN")]
    cluster_domain: Option<String>,
    /// PEM file with CAs of servers whose Secret has no ca.crt
    #[arg(long, env = "CHATCLI_GRPC_TLS_CA", value_name = "FILE")]
    grpc_tls_ca: Option<PathBuf>,
    /// Let only one of several replicas act, by a Lease in the operator's namespace
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: bool,
    /// Seconds that a fault must be gone before it counts as gone
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    stability: u32,
    /// Attempts to mend an Issue before people take over
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=100))]
    max_attempts: i32,
    /// Seconds that an analysis may take before people are told
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    analysis_deadline: u32,
}

/// Runs until a signal, or until something that must not end ends.
///
/// # Errors
/// When a flag cannot be used, the lease is lost, or a task ends unexpectedly.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (supervisor, watch) = Supervisor::new();
    process::heeding_signals(&supervisor, Box::pin(life(args, supervisor.clone(), watch))).await
}

async fn life(args: Args, supervisor: Supervisor, watch: Watch) -> anyhow::Result<()> {
    let servers = Servers::new(links(&args)?).with_tls_files(tls_files(&args));
    let metrics = Metrics::new("chatcli_operator");
    let client = process::connect(args.kubeconfig.clone(), args.context.clone(), &metrics).await?;
    let metrics_listener = serve::bind(args.metrics_bind).await.context("--metrics-bind")?;
    let probe_listener = serve::bind(args.probe_bind).await.context("--probe-bind")?;

    let events = Events::new(client.clone(), "chatcli-operator");
    let hub = Hub::new(&supervisor, &metrics).with_events(events.clone());
    let caches = Caches::start(&hub, &client);
    let definitions = Definitions::default();
    let ready = readiness(&hub, &definitions);
    for (name, listener) in [("metrics", metrics_listener), ("probes", probe_listener)] {
        supervisor.spawn(name, serve::run(listener, metrics.clone(), ready.clone(), supervisor.token().clone()));
    }
    let env = Env { supervisor: supervisor.clone(), metrics: metrics.clone(), clock: Arc::new(SystemClock) };
    let settings = operator::Settings {
        namespace: args.namespace.clone(),
        stability: SignedDuration::from_secs(i64::from(args.stability)),
        max_attempts: args.max_attempts,
        analysis_deadline: SignedDuration::from_secs(i64::from(args.analysis_deadline)),
        instances: instances(&args),
    };
    let elector = args.leader_elect.then(|| {
        let clock = Arc::new(SystemClock);
        Elector::new(client.clone(), &args.namespace, LOCK, &identity(), Times::default(), clock, &metrics)
    });

    // The lease outlives the controllers: it is let go only when none of them can act any more.
    let release = CancellationToken::new();
    let stop = supervisor.token().clone();
    let mut leading = pin!(async {
        let prepared = Box::pin(async {
            hub.ready().await;
            definitions.usable(&client).await;
        });
        if stop.run_until_cancelled(prepared).await.is_none() {
            return Ok(());
        }
        tracing::info!("the caches are filled");
        let leadership: Option<Leadership> = match elector {
            Some(elector) => match stop.run_until_cancelled(elector.acquire()).await {
                Some(leadership) => Some(leadership),
                None => return Ok(()),
            },
            None => None,
        };
        if !stop.is_cancelled() {
            operator::start(&client, &settings, &caches, &servers, &events, &env);
        }
        if let Some(leadership) = leadership {
            return leadership.keep(release.clone()).await;
        }
        release.cancelled().await;
        Ok(())
    });
    let mut watching = pin!(watch.run(GRACE));
    let mut led = None;
    let end = tokio::select! {
        end = &mut watching => end,
        kept = &mut leading => {
            // Nobody may act without the lease: the others end at once.
            supervisor.token().cancel();
            led = Some(kept);
            watching.await
        }
    };
    match led {
        Some(Err(lost)) => bail!("{lost}"),
        Some(Ok(())) => {}
        // A task that hangs may still act: its lease runs out by itself.
        None if matches!(end, End::StuckTasks(_)) => {}
        None => {
            release.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(8), leading).await;
        }
    }
    process::ended(end)
}

/// What Instances get that say nothing else.
fn instances(args: &Args) -> operator::instance::Settings {
    let version = env!("CARGO_PKG_VERSION");
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let app_version = given(&args.app_version).unwrap_or_else(|| version.to_owned());
    let facts = InstanceFacts {
        default_image: given(&args.default_image).unwrap_or_else(|| format!("{IMAGE}:{app_version}")),
        app_version: Some(app_version),
        prometheus_url: given(&args.prometheus_url),
        cluster_domain: given(&args.cluster_domain)
            .or_else(|| cluster_domain(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()))
            .unwrap_or_else(|| "cluster.local".to_owned()),
    };
    operator::instance::Settings { facts, shared_ca: args.grpc_tls_ca.clone() }
}

/// The certificates that count for every server.
fn tls_files(args: &Args) -> TlsFiles {
    let ca = args.grpc_tls_ca.as_ref().map(|file| file.display().to_string());
    TlsFiles::from_environment(|name| match name {
        "CHATCLI_GRPC_TLS_CA" => ca.clone(),
        name => std::env::var_os(name).and_then(|value| value.into_string().ok()),
    })
}

/// The domain of the cluster that a pod's resolver searches.
fn cluster_domain(resolver: &str) -> Option<String> {
    let mut searched =
        resolver.lines().filter_map(|line| line.trim().strip_prefix("search ")).flat_map(str::split_whitespace);
    searched.find_map(|domain| domain.strip_prefix("svc.")).map(|domain| domain.trim_end_matches('.').to_owned())
}

/// An address; :PORT is every address of this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("{text:?} is no address; remedy: for example :8080 or 127.0.0.1:8080"))
}

/// The links of the flags, beside those of Instances; a server need not be there yet.
fn links(args: &Args) -> anyhow::Result<Vec<ServerLink>> {
    let mut links = Vec::new();
    for address in &args.servers {
        let settings = server_link::Settings {
            token_file: args.server_token_file.clone(),
            ca_file: args.server_ca.clone(),
            ..server_link::Settings::new(address)
        };
        links.push(ServerLink::new(settings).context("--server")?);
    }
    Ok(links)
}

/// What is missing until this process can work, each with its remedy.
fn readiness(hub: &Hub, definitions: &Definitions) -> Readiness {
    let (hub, definitions) = (hub.clone(), definitions.clone());
    Arc::new(move || {
        let caches: Vec<String> = hub
            .not_ready()
            .into_iter()
            .map(|(kind, why)| {
                let ours = why.contains("platform.chatcli.io") && why.contains("install its CustomResourceDefinition");
                let how = if ours { ": chatcli crds | kubectl apply -f -" } else { "" };
                format!("{kind}: {why}{how}")
            })
            .collect();
        if caches.is_empty() { definitions.troubles() } else { caches }
    })
}

/// A name that no other process has.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "operator",
        host => host,
    };
    format!("{host}-{:08x}", rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_the_cluster_is_read_from_the_resolver_of_a_pod() {
        let pod = "search ns.svc.example.org svc.example.org example.org host.lan\nnameserver 10.96.0.10\n";
        assert_eq!(cluster_domain(pod).as_deref(), Some("example.org"));
        assert_eq!(cluster_domain("nameserver 192.168.1.1\nsearch lan\n"), None);
    }

    #[test]
    fn addresses_may_leave_the_host_out() {
        assert_eq!(address(":8080"), Ok("0.0.0.0:8080".parse().unwrap()));
        assert_eq!(address("127.0.0.1:1"), Ok("127.0.0.1:1".parse().unwrap()));
        assert!(address("8080").is_err());
    }
}
