//! The client: an explicit configuration, deadlines on answers, counted requests.

mod meter;
mod watches;

use std::path::PathBuf;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::metrics::Metrics;

/// Which cluster, as whom, how patiently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Kubeconfig file; without it the process must run in a pod.
    pub kubeconfig: Option<PathBuf>,
    /// Context of that file; its current one by default.
    pub context: Option<String>,
    /// How long the headers of an answer may take, retries included.
    pub response_timeout: Duration,
    /// Name that the API server's logs show.
    pub user_agent: String,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("cannot use kubeconfig {path}: {why}; remedy: {remedy}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
        /// What mends it.
        remedy: &'static str,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no --kubeconfig was given and this process does not run in a pod ({why}); remedy: give --kubeconfig FILE, or run it in the cluster with a ServiceAccount"
    )]
    NotInCluster {
        /// What is missing.
        why: String,
    },
    /// The client cannot be built from the configuration.
    #[error("the client cannot be built: {0}; remedy: check the certificates and the proxy settings of the kubeconfig")]
    Build(String),
}

/// Makes the client. The API server need not be there yet.
///
/// Neither the default kubeconfig nor an environment variable is looked at: a process talks to the cluster that it was
/// told, or to the one that it runs in.
///
/// # Errors
/// Says which file, what is wrong with it, and what mends it.
pub async fn connect(settings: &Settings, metrics: &Metrics) -> Result<Client, ConnectError> {
    let mut config = match &settings.kubeconfig {
        Some(path) => from_file(path, settings.context.clone()).await?,
        None => Config::incluster().map_err(|error| ConnectError::NotInCluster { why: error.to_string() })?,
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    if let Ok(agent) = settings.user_agent.parse() {
        config.headers.push((http::header::USER_AGENT, agent));
    }
    let builder = ClientBuilder::try_from(config).map_err(|error| ConnectError::Build(error.to_string()))?;
    Ok(builder.with_layer(&meter::MeterLayer::new(metrics, settings.response_timeout)).build())
}

async fn from_file(path: &PathBuf, context: Option<String>) -> Result<Config, ConnectError> {
    let error = |why: String, remedy| ConnectError::Kubeconfig { path: path.display().to_string(), why, remedy };
    let file = Kubeconfig::read_from(path).map_err(|e| match e {
        KubeconfigError::ReadConfig(io, _) => error(io.to_string(), "check the path and its permissions"),
        other => {
            error(other.to_string(), "check that the file is a kubeconfig: `kubectl --kubeconfig FILE config view`")
        }
    })?;
    let known: Vec<String> = file.contexts.iter().map(|context| context.name.clone()).collect();
    if let Some(name) = &context
        && !known.contains(name)
    {
        return Err(error(format!("it has no context {name:?}, only {known:?}"), "choose one of these with --context"));
    }
    Config::from_custom_kubeconfig(file, &KubeConfigOptions { context, ..KubeConfigOptions::default() })
        .await
        .map_err(|e| error(e.to_string(), "check cluster, user and certificates of the context"))
}

#[cfg(test)]
mod tests;
