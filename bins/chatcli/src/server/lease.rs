//! One of several replicas tells the alerts: the one that holds the Lease. The others see the same and wait.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kit::clock::SystemClock;
use kit::lease::{Elector, Times};
use kit::metrics::Metrics;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::flags::{Given, OrNone, text};
use super::watcher::Watcher;

/// How long a replica waits for its own first look before it takes part: whoever takes over should know everything.
const FIRST_LOOK: Duration = Duration::from_mins(1);
/// How often it is looked whether the first look is over.
const CHECK: Duration = Duration::from_millis(100);
/// How often a replica that waits looks whether it may take part at all.
const MAY_I: Duration = Duration::from_secs(15);

/// Who this replica is.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Flags {
    /// Name of the Instance; with --pod-name and --pod-namespace, one replica of several tells the alerts
    #[arg(long, env = "CHATCLI_INSTANCE", value_name = "NAME", value_parser = text)]
    instance: Option<Given<String>>,
    /// Name of this pod
    #[arg(long, env = "POD_NAME", value_name = "NAME", value_parser = text)]
    pod_name: Option<Given<String>>,
    /// Namespace of this pod
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", value_parser = text)]
    pod_namespace: Option<Given<String>>,
}

/// The Lease, and who asks for it.
#[derive(Clone, Debug)]
pub struct Seat {
    name: String,
    namespace: String,
    me: String,
}

impl Flags {
    /// The Lease; none when this server is alone.
    ///
    /// # Errors
    /// When only a part of it is named.
    pub fn seat(&self) -> anyhow::Result<Option<Seat>> {
        let Some(instance) = self.instance.given() else { return Ok(None) };
        match (self.pod_name.given(), self.pod_namespace.given()) {
            (Some(me), Some(namespace)) => Ok(Some(Seat { name: format!("{instance}-watcher"), namespace, me })),
            (name, _) => anyhow::bail!(
                "CHATCLI_INSTANCE is set and {} is not: the replicas could not tell who of them raises the alerts; remedy: set POD_NAME and POD_NAMESPACE by the downward API, or leave CHATCLI_INSTANCE out",
                if name.is_none() { "POD_NAME" } else { "POD_NAMESPACE" }
            ),
        }
    }
}

/// Takes the Lease, keeps it, and waits for it again when it is lost, until the process stops.
pub async fn hold(
    seat: Seat,
    client: Client,
    metrics: Metrics,
    watcher: Arc<Watcher>,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let looked = async {
        while !watcher.has_looked() {
            tokio::time::sleep(CHECK).await;
        }
    };
    if stop.run_until_cancelled(tokio::time::timeout(FIRST_LOOK, looked)).await.is_none() {
        return Ok(());
    }
    let clock = Arc::new(SystemClock);
    loop {
        let elector = Elector::new(
            client.clone(),
            &seat.namespace,
            &seat.name,
            &seat.me,
            Times::default(),
            clock.clone(),
            &metrics,
        );
        let acquired = async {
            tokio::select! {
                leadership = elector.acquire() => leadership,
                never = complain(&client, &seat, &watcher) => match never {},
            }
        };
        let Some(leadership) = stop.run_until_cancelled(acquired).await else { return Ok(()) };
        watcher.lease_problem(None);
        watcher.set_standby(false);
        match leadership.keep(stop.clone()).await {
            Ok(()) => return Ok(()),
            Err(lost) => {
                tracing::warn!("{lost}; this replica answers questions and waits for the Lease");
                watcher.set_standby(true);
            }
        }
    }
}

/// Says in the state why nobody may be telling the alerts: the Lease is refused.
async fn complain(client: &Client, seat: &Seat, watcher: &Watcher) -> std::convert::Infallible {
    let api: Api<Lease> = Api::namespaced(client.clone(), &seat.namespace);
    loop {
        let refused = match api.get_opt(&seat.name).await {
            Err(kube::Error::Api(status)) if status.is_forbidden() => Some(format!(
                "the Lease {}/{} may not be read ({}), so no replica raises alerts; remedy: grant get, list, watch, create and update on leases in that namespace",
                seat.namespace, seat.name, status.message
            )),
            _ => None,
        };
        watcher.lease_problem(refused);
        tokio::time::sleep(MAY_I).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_does_not_know_its_name_is_refused() {
        let flags = |instance: &str, name: &str, namespace: &str| Flags {
            instance: text(instance).ok(),
            pod_name: text(name).ok(),
            pod_namespace: text(namespace).ok(),
        };
        assert!(flags("", "pod", "ns").seat().unwrap().is_none());
        let seat = flags("prod", "prod-0", "ns").seat().unwrap().unwrap();
        assert_eq!((seat.name.as_str(), seat.namespace.as_str(), seat.me.as_str()), ("prod-watcher", "ns", "prod-0"));
        assert!(flags("prod", "", "ns").seat().unwrap_err().to_string().contains("POD_NAME "));
        assert!(flags("prod", "prod-0", "").seat().unwrap_err().to_string().contains("POD_NAMESPACE"));
    }
}
