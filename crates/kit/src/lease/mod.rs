//! Leader election on a Lease: every write has a precondition, and a leader gives up before its lease can be taken.

mod decide;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Metrics;
use decide::{Observation, Step, decide};

/// Times of an election.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long others wait after the last renewal that they saw before they take over.
    pub duration: Duration,
    /// How often the leader renews. A third of `duration` or less.
    pub renew: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), renew: Duration::from_secs(5) }
    }
}

/// The lease was lost, or could not be renewed in time.
#[derive(Debug, thiserror::Error)]
#[error("the lease {lease} is lost: {why}; another replica leads now, or the API server is away")]
pub struct Lost {
    lease: String,
    why: String,
}

/// Takes part in the election of a leader.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    times: Times,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Elector {
    /// A candidate called `me` for the Lease `name` in `namespace`. `me` must be unique among all processes.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str, times: Times, clock: Arc<dyn Clock>, metrics: &Metrics) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), me: me.to_owned(), times, clock, metrics: metrics.clone() }
    }

    /// Waits until this process leads.
    pub async fn acquire(&self) -> Leadership<'_> {
        let mut seen = Observation::default();
        loop {
            match self.round(&mut seen).await {
                Ok(true) => {
                    self.metrics.lease_held.set(1);
                    tracing::info!(lease = self.name, me = self.me, "leading");
                    return Leadership { elector: self, seen };
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(lease = self.name, %error, "cannot take part in the election; remedy: check that the API server answers and that leases may be read and written"),
            }
            let wait = seen.until_expiry(Instant::now()).unwrap_or(self.times.renew).clamp(Duration::from_millis(50), self.times.renew);
            tokio::time::sleep(wait).await;
        }
    }

    /// One look at the lease and what follows from it; true when this process holds it afterwards.
    async fn round(&self, seen: &mut Observation) -> Result<bool, kube::Error> {
        let current = self.api.get_opt(&self.name).await?;
        match decide(current.as_ref().and_then(|lease| lease.spec.as_ref()), &self.me, seen, Instant::now(), self.times.duration) {
            Step::Wait => Ok(false),
            Step::Take { transitions } => {
                let lease = self.desired(current.as_ref(), transitions);
                let written = match current {
                    None => self.api.create(&PostParams::default(), &lease).await,
                    // `lease` carries the resourceVersion that the decision was made from.
                    Some(_) => self.api.replace(&self.name, &PostParams::default(), &lease).await,
                };
                match written {
                    Ok(lease) => {
                        seen.note(lease.spec.as_ref(), Instant::now(), self.times.duration);
                        Ok(true)
                    }
                    Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn desired(&self, current: Option<&Lease>, transitions: i32) -> Lease {
        let now = MicroTime(self.clock.now());
        let old = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let mine = old.holder_identity.as_deref() == Some(self.me.as_str());
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: current.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.me.clone()),
                lease_duration_seconds: Some(i32::try_from(self.times.duration.as_secs().max(1)).unwrap_or(i32::MAX)),
                acquire_time: if mine { old.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// This process leads, as long as [`Leadership::keep`] runs.
pub struct Leadership<'a> {
    elector: &'a Elector,
    seen: Observation,
}

impl Leadership<'_> {
    /// Renews until the token is cancelled, then lets go, so that another takes over at once.
    ///
    /// # Errors
    /// When the lease is lost. It gives up one renewal before others may take over, by its own monotonic clock.
    pub async fn keep(mut self, token: CancellationToken) -> Result<(), Lost> {
        let elector = self.elector;
        let patience = elector.times.duration.saturating_sub(elector.times.renew);
        let mut renewed = Instant::now();
        let lost = loop {
            if token.run_until_cancelled(tokio::time::sleep(elector.times.renew)).await.is_none() {
                break None;
            }
            let asked = Instant::now();
            let answer = tokio::time::timeout_at(renewed + patience, elector.round(&mut self.seen)).await;
            match answer {
                Ok(Ok(true)) => renewed = asked,
                Ok(Ok(false)) if self.seen.holder.as_deref() != Some(elector.me.as_str()) => {
                    break Some(format!("{} holds it", self.seen.holder.as_deref().unwrap_or("nobody")));
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(lease = elector.name, %error, "cannot renew the lease"),
                Err(_) => {}
            }
            if renewed.elapsed() >= patience {
                break Some(format!("it was not renewed for {} s", renewed.elapsed().as_secs()));
            }
        };
        elector.metrics.lease_held.set(0);
        match lost {
            Some(why) => Err(Lost { lease: elector.name.clone(), why }),
            None => {
                self.release().await;
                Ok(())
            }
        }
    }

    async fn release(&self) {
        let elector = self.elector;
        let Ok(Ok(Some(mut lease))) = tokio::time::timeout(Duration::from_secs(3), elector.api.get_opt(&elector.name)).await else { return };
        if let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(elector.me.as_str())) {
            spec.holder_identity = None;
            let _ = tokio::time::timeout(Duration::from_secs(3), elector.api.replace(&elector.name, &PostParams::default(), &lease)).await;
        }
    }
}
