//! What every long-running command shares: the client, signals, how the process ends.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use kit::client;
use kit::metrics::Metrics;
use kit::supervisor::{End, Supervisor};

/// How long the API server may take to begin its answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of the cluster that the flags name. The API server need not be there yet.
pub async fn connect(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    metrics: &Metrics,
) -> anyhow::Result<kube::Client> {
    let settings = client::Settings {
        kubeconfig,
        context,
        response_timeout: RESPONSE_TIMEOUT,
        user_agent: format!("chatcli/{}", env!("CARGO_PKG_VERSION")),
    };
    Ok(client::connect(&settings, metrics).await?)
}

/// Which cluster a command speaks to that a person runs.
#[derive(clap::Args, Debug)]
pub struct Cluster {
    /// Kubeconfig file; without it KUBECONFIG, the home folder's, or the pod's own account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one by default
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl Cluster {
    /// A client of it; `prefix` is that of the metrics.
    pub async fn connect(&self, prefix: &str) -> anyhow::Result<kube::Client> {
        let kubeconfig = self.kubeconfig.clone().or_else(found_kubeconfig);
        connect(kubeconfig, self.context.clone(), &Metrics::new(prefix)).await
    }
}

/// The kubeconfig that kubectl would take, if there is one.
fn found_kubeconfig() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    named.or(home).filter(|path| path.is_file())
}

/// Runs a process that SIGTERM and SIGINT end in order; a second signal ends it at once.
pub async fn heeding_signals(
    supervisor: &Supervisor,
    life: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = life => ended,
        broken = kit::shutdown::on_signal(supervisor.token().clone()) => Ok(broken?),
    }
}

/// What the end of the tasks means for the process.
pub fn ended(end: End) -> anyhow::Result<()> {
    match end {
        End::Stopped => {
            tracing::info!("stopped");
            Ok(())
        }
        End::StuckTasks(tasks) => bail!("these tasks did not end in time: {}", tasks.join(", ")),
        End::Unexpected { task, why } => bail!("{task} ended although nobody asked it to: {why}"),
    }
}

/// Writes what a command has to say to standard output.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
