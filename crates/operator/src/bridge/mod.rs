//! Bridge: the alerts of the AI servers as Anomalies, one for each time that a fault is there.
//!
//! Watches: the alert streams of the servers; Anomaly as trigger. Writes: Anomalies (create), state, lastSeen, count
//! and resolvedAt in the status of Anomaly; the other fields of that status are correlation's.
//! Requeue: after a failed write, with a growing delay.
//! RBAC: anomalies get/list/watch/create, anomalies/status patch.
//!
//! An alert lives in the namespace of its workload, that of a node in the operator's own. Which Anomaly an alert has is
//! read from the Anomalies, so a restart loses and doubles nothing. It is over when its server says so, or when a full
//! account of that server leaves it out; a server that is away ends nothing. Two servers with one alert share an Anomaly.

mod book;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::anomaly::Anomaly;
use kit::cache::{Cache, Change, Key};
use kit::classify::backoff;
use kit::clock::Clock;
use kit::controller::{Env, chain};
use kube::{Client, ResourceExt};
use ports::server_link::LinkEvent;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::servers::Servers;
use book::{Book, Todo};
use kit::work::Work;

/// Alerts that are written at once.
const WORKERS: usize = 8;
/// Writes in a row for one alert; two are the rule.
const STEPS: usize = 8;
/// Events of a server that may wait; more make the stream wait.
const BACKLOG: usize = 1024;

/// A write that did not come through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The Anomaly could not be made.
    #[error("cannot create Anomaly {name}")]
    Create {
        /// Namespace and name.
        name: Key,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// Its state could not be written.
    #[error("cannot write the state of Anomaly {name}")]
    Status {
        /// Namespace and name.
        name: Key,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// What was written is not there.
    #[error(
        "what is written for alert {alert} does not stay; remedy: the installed CustomResourceDefinitions are older than this operator, update them with `chatcli crds | kubectl apply --server-side -f -`"
    )]
    NoEffect {
        /// Namespace and identity of the alert.
        alert: Key,
    },
}

impl Error {
    /// Whether the namespace is gone or about to go.
    fn nowhere_to_write(&self) -> bool {
        let Self::Create { source: kube::Error::Api(status), .. } = self else { return false };
        status.is_not_found() || (status.is_forbidden() && status.message.contains("being terminated"))
    }
}

/// The bridge. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Bridge {
    client: Client,
    book: Arc<Book>,
    work: Work<Key>,
    clock: Arc<dyn Clock>,
}

impl Bridge {
    fn new(client: Client, servers: Vec<String>, operator_namespace: &str, clock: Arc<dyn Clock>) -> Self {
        let book = Arc::new(Book::new(servers, operator_namespace));
        Self { client, book, work: Work::default(), clock }
    }

    /// Takes in what a server tells.
    pub(crate) fn heard(&self, server: usize, event: LinkEvent) {
        match event {
            LinkEvent::Begin => self.book.begin(server),
            LinkEvent::Alert(alert) => {
                if let Some(key) = self.book.alert(server, *alert) {
                    self.work.add(key);
                }
            }
            LinkEvent::Synced => {
                for key in self.book.synced(server, self.clock.now()) {
                    self.work.add(key);
                }
            }
            LinkEvent::Disconnected { .. } => self.book.disconnected(server),
        }
    }

    fn on_anomaly(&self, change: &Change<'_, Anomaly>) {
        let wanting = match change {
            Change::Applied(anomaly) => self.book.anomaly(anomaly),
            Change::Deleted(anomaly) => self.book.gone(anomaly),
        };
        if let Some(key) = wanting {
            self.work.add(key);
        }
    }

    /// Brings the Anomaly of one alert to where the alert is.
    async fn bring(&self, key: &Key) -> Result<(), Error> {
        // Create, then its state: each step looks anew at what is known by then.
        for _ in 0..STEPS {
            match self.book.todo(key) {
                Todo::Nothing => return Ok(()),
                Todo::Create(anomaly) => {
                    let made = match self.create(&anomaly).await {
                        Ok(made) => made,
                        Err(error) if error.nowhere_to_write() && self.book.drop_if_over(key) => {
                            tracing::info!(alert = %key, "the alert is over, and so is its namespace; it is not recorded");
                            return Ok(());
                        }
                        Err(error) => return Err(error),
                    };
                    if made.spec.alert_id == anomaly.spec.alert_id {
                        self.book.anomaly(&made);
                    } else {
                        self.book.taken(key, &made.name_any());
                    }
                }
                Todo::Track { name, uid, tracked } => match self.track(&name, uid.as_deref(), &tracked).await? {
                    Some(newer) => drop(self.book.anomaly(&newer)),
                    None => self.book.lost(key, &name),
                },
            }
        }
        Err(Error::NoEffect { alert: key.clone() })
    }

    async fn work_on(&self, key: Key) {
        let answer = tokio::time::timeout(Duration::from_secs(30), self.bring(&key)).await;
        let failed = match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some("the API server did not answer within 30 s".to_owned()),
        };
        match failed {
            None => self.book.came_through(&key),
            Some(why) => {
                let delay = backoff(self.book.failed(&key));
                tracing::warn!(alert = %key, retry_in_s = delay.as_secs_f64(), "the alert is not recorded yet: {why}");
                self.work.add_at(key.clone(), Instant::now() + delay);
            }
        }
        self.work.done(key, None);
    }
}

/// Starts the workers. What the servers tell comes through [`Bridge::heard`].
pub(crate) fn start(
    client: Client,
    servers: Vec<String>,
    anomalies: &Cache<Anomaly>,
    operator_namespace: &str,
    env: &Env,
) -> Bridge {
    let bridge = Bridge::new(client, servers, operator_namespace, env.clock.clone());
    let b = bridge.clone();
    anomalies.listen(move |change| b.on_anomaly(change));
    for _ in 0..WORKERS {
        let (b, token) = (bridge.clone(), env.supervisor.token().clone());
        env.supervisor.spawn("bridge", async move {
            while let Some(key) = token.run_until_cancelled(b.work.take()).await {
                b.work_on(key).await;
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }
    bridge
}

impl Bridge {
    /// Listens to the servers.
    pub(crate) fn follow(&self, servers: &Servers, env: &Env) {
        for (index, link) in servers.links().into_iter().enumerate() {
            let (sender, mut events) = mpsc::channel(BACKLOG);
            let (clock, token) = (env.clock.clone(), env.supervisor.token().clone());
            env.supervisor.spawn("server-link", async move {
                token.run_until_cancelled(link.run(sender, move || clock.now())).await;
                Ok::<_, std::convert::Infallible>(())
            });
            let (b, servers, token) = (self.clone(), servers.clone(), env.supervisor.token().clone());
            env.supervisor.spawn("server-events", async move {
                while let Some(Some(event)) = token.run_until_cancelled(events.recv()).await {
                    servers.heard(index, &event);
                    b.heard(index, event);
                }
                Ok::<_, std::convert::Infallible>(())
            });
        }
    }
}
