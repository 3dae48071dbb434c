//! Leader election on a Lease: every write has a precondition, and a leader gives up before its lease can be taken.

mod decide;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
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
        Self { duration: Duration::from_secs(10), renew: Duration::from_secs(3) }
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
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        me: &str,
        times: Times,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            times,
            clock,
            metrics: metrics.clone(),
        }
    }

    /// Waits until this process leads. While another leads, this one only listens, and asks when the lease is let go or
    /// has expired.
    pub async fn acquire(self) -> Leadership {
        let mut seen = Observation::default();
        let only_this = kube::runtime::watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = watcher(self.api.clone(), only_this).default_backoff().boxed();
        loop {
            if seen.is_free(&self.me, Instant::now()) {
                let asked = Instant::now();
                match tokio::time::timeout(self.times.duration, self.round(&mut seen, None)).await {
                    Ok(Ok(Some(lease))) => {
                        self.metrics.lease_held.set(1);
                        tracing::info!(lease = self.name, me = self.me, "leading");
                        drop(changes);
                        return Leadership { elector: self, seen, lease, renewed: asked };
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(lease = self.name, %error, "cannot take part in the election; remedy: check that the API server answers and that leases may be read, watched and written");
                    }
                    Err(_) => tracing::warn!(
                        lease = self.name,
                        "cannot take part in the election: the API server does not answer"
                    ),
                }
            }
            let wait = seen.until_expiry(Instant::now()).filter(|left| !left.is_zero()).unwrap_or(self.times.renew);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                change = changes.next() => match change {
                    Some(Ok(Event::InitApply(lease) | Event::Apply(lease))) => seen.note(lease.spec.as_ref(), Instant::now(), self.times.duration),
                    Some(Ok(Event::Delete(_))) => seen.note(None, Instant::now(), self.times.duration),
                    Some(Err(error)) => tracing::debug!(lease = self.name, %error, "cannot watch the lease"),
                    Some(Ok(Event::Init | Event::InitDone)) => {}
                    None => tokio::time::sleep(wait).await,
                },
            }
        }
    }

    /// One look at the lease, unless it is known, and what follows from it; the lease, if this process holds it.
    async fn round(&self, seen: &mut Observation, known: Option<&Lease>) -> Result<Option<Lease>, kube::Error> {
        let current = match known {
            Some(lease) => Some(lease.clone()),
            None => self.api.get_opt(&self.name).await?,
        };
        let Step::Take { transitions } = decide(
            current.as_ref().and_then(|lease| lease.spec.as_ref()),
            &self.me,
            seen,
            Instant::now(),
            self.times.duration,
        ) else {
            return Ok(None);
        };
        let lease = self.desired(current.as_ref(), transitions);
        let written = match current {
            None => self.api.create(&PostParams::default(), &lease).await,
            // `lease` carries the resourceVersion that the decision was made from.
            Some(_) => self.api.replace(&self.name, &PostParams::default(), &lease).await,
        };
        match written {
            Ok(lease) => {
                seen.note(lease.spec.as_ref(), Instant::now(), self.times.duration);
                Ok(Some(lease))
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
            Err(error) => Err(error),
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
pub struct Leadership {
    elector: Elector,
    seen: Observation,
    lease: Lease,
    renewed: Instant,
}

impl Leadership {
    /// Renews until the token is cancelled, then lets go, so that another takes over at once.
    ///
    /// # Errors
    /// When the lease is lost. It gives up one renewal before others may take over, by its own monotonic clock.
    pub async fn keep(mut self, token: CancellationToken) -> Result<(), Lost> {
        let ended = token.run_until_cancelled(self.renew()).await;
        self.elector.metrics.lease_held.set(0);
        if let Some(why) = ended {
            return Err(Lost { lease: self.elector.name.clone(), why });
        }
        self.release().await;
        Ok(())
    }

    /// Ends when the lease is lost, with the reason.
    async fn renew(&mut self) -> String {
        let times = self.elector.times;
        let patience = times.duration.saturating_sub(times.renew);
        let mut known = true;
        loop {
            let wait = if known { times.renew } else { times.renew / 5 };
            tokio::time::sleep_until((Instant::now() + wait).min(self.renewed + patience)).await;
            let asked = Instant::now();
            let lease = known.then_some(&self.lease);
            let answer =
                tokio::time::timeout_at(self.renewed + patience, self.elector.round(&mut self.seen, lease)).await;
            known = false;
            match answer {
                Ok(Ok(Some(lease))) => {
                    self.lease = lease;
                    self.renewed = asked;
                    known = true;
                }
                Ok(Ok(None)) if self.seen.holder.as_deref() != Some(self.elector.me.as_str()) => {
                    return format!("{} holds it", self.seen.holder.as_deref().unwrap_or("nobody"));
                }
                // Somebody wrote it meanwhile: the next round looks first.
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(lease = self.elector.name, %error, "cannot renew the lease"),
                Err(_) => {
                    tracing::warn!(lease = self.elector.name, "cannot renew the lease: the API server does not answer");
                }
            }
            if self.renewed.elapsed() >= patience {
                return format!("it was not renewed for {:.1} s", self.renewed.elapsed().as_secs_f64());
            }
        }
    }

    async fn release(&self) {
        let elector = &self.elector;
        let Ok(Ok(Some(mut lease))) =
            tokio::time::timeout(Duration::from_secs(3), elector.api.get_opt(&elector.name)).await
        else {
            return;
        };
        if let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(elector.me.as_str()))
        {
            spec.holder_identity = None;
            let _ = tokio::time::timeout(
                Duration::from_secs(3),
                elector.api.replace(&elector.name, &PostParams::default(), &lease),
            )
            .await;
        }
    }
}

#[cfg(test)]
mod tests;
