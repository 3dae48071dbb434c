//! Bridge: the alerts of the AI servers as Anomalies, one for each time that a fault is there.
//!
//! Watches: the alert streams of the servers; Anomaly as trigger. Writes: Anomalies (create), state, lastSeen, count
//! and resolvedAt in the status of Anomaly; the other fields of that status are correlation's.
//! Requeue: after a failed write, with a growing delay.
//! RBAC: anomalies get/list/watch/create, anomalies/status patch.
//!
//! An alert lives in the namespace of its workload, that of a node in the operator's own. Which Anomaly an alert has is
//! read from the Anomalies, so a restart loses and doubles nothing. It is over when its Instance says so, or when a full
//! account of that Instance leaves it out, whichever replica tells it; a server that is away ends nothing. Instances with
//! the same alert share an Anomaly, which is over when all of them say so; what one of them tells late, within seconds of
//! that, is no new one. An Instance without servers still vouches for what it told for ten minutes, in which it may come
//! back; then its alerts count as over. What its source tells only once (Alertmanager) is no matter of accounts: it is over
//! when its end is told, or when it was not repeated for as long as it is kept.

mod accounts;
mod book;
mod write;

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::anomaly::Anomaly;
use futures::StreamExt;
use futures::future::Abortable;
use futures::stream::FuturesUnordered;
use kit::cache::{Cache, Change, Key};
use kit::classify::backoff;
use kit::clock::Clock;
use kit::controller::{Env, chain};
use kube::{Client, ResourceExt};
use ports::server_link::LinkEvent;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::servers::{NewLink, Servers};
use accounts::LinkId;
pub(crate) use accounts::Source;
use book::{Book, Todo};
use kit::work::Work;

/// Alerts that are written at once.
const WORKERS: usize = 8;
/// Writes in a row for one alert; two are the rule.
const STEPS: usize = 8;
/// Events of a server that may wait; more make the stream wait.
const BACKLOG: usize = 1024;
/// How soon it is looked when an alert that is told only once is over; that takes hours.
const SOON: Duration = Duration::from_mins(1);

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
    /// When time alone may end an alert.
    later: Work<()>,
    clock: Arc<dyn Clock>,
}

impl Bridge {
    fn new(client: Client, operator_namespace: &str, clock: Arc<dyn Clock>) -> Self {
        let book = Arc::new(Book::new(operator_namespace));
        Self { client, book, work: Work::default(), later: Work::default(), clock }
    }

    /// A link to a server is there; what it tells comes through [`Bridge::heard`].
    pub(crate) fn join(&self, link: LinkId, source: Source) {
        self.book.join(link, source, self.clock.now());
        self.later.add(());
    }

    /// A link is there no more.
    pub(crate) fn leave(&self, link: LinkId) {
        self.book.leave(link, self.clock.now());
        self.later.add(());
    }

    /// Takes in what a server tells.
    pub(crate) fn heard(&self, link: LinkId, event: LinkEvent) {
        match event {
            LinkEvent::Begin => self.book.begin(link),
            LinkEvent::Alert(alert) => {
                if alert.kept.is_some() {
                    self.later.add_at((), Instant::now() + SOON);
                }
                if let Some(key) = self.book.alert(link, *alert, self.clock.now()) {
                    self.work.add(key);
                }
            }
            LinkEvent::Synced => {
                for key in self.book.synced(link, self.clock.now()) {
                    self.work.add(key);
                }
            }
            LinkEvent::State(state) if state.standby => self.book.silent(link),
            LinkEvent::State(_) => {}
            LinkEvent::Disconnected { .. } => self.book.silent(link),
        }
    }

    /// Ends what time ends; returns when to look again.
    fn look(&self) -> Option<Instant> {
        let now = self.clock.now();
        let (over, next) = self.book.look(now);
        for key in over {
            self.work.add(key);
        }
        let wait = Duration::try_from(next?.duration_since(now)).unwrap_or_default();
        Some(Instant::now() + wait)
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
            let now = self.clock.now();
            match self.book.todo(key, now) {
                Todo::Nothing => return Ok(()),
                Todo::Later(at) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    self.work.add_at(key.clone(), Instant::now() + wait);
                    return Ok(());
                }
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
pub(crate) fn start(client: Client, anomalies: &Cache<Anomaly>, operator_namespace: &str, env: &Env) -> Bridge {
    let bridge = Bridge::new(client, operator_namespace, env.clock.clone());
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
    let (b, token) = (bridge.clone(), env.supervisor.token().clone());
    env.supervisor.spawn("bridge-time", async move {
        b.later.add(());
        while let Some(()) = token.run_until_cancelled(b.later.take()).await {
            let next = b.look();
            b.later.done((), next);
        }
        Ok::<_, std::convert::Infallible>(())
    });
    bridge
}

impl Bridge {
    /// Listens to the servers, those of now and those that come.
    pub(crate) fn follow(&self, servers: &Servers, env: &Env) {
        let Some(mut new) = servers.new_links() else {
            tracing::error!("the servers are followed already; this is a fault of the program");
            return;
        };
        let (bridge, servers) = (self.clone(), servers.clone());
        let (clock, token) = (env.clock.clone(), env.supervisor.token().clone());
        env.supervisor.spawn("server-links", async move {
            let mut running = FuturesUnordered::new();
            let following = async {
                loop {
                    tokio::select! {
                        Some(link) = new.recv() => running.push(bridge.listen(link, &servers, &clock)),
                        Some(()) = running.next(), if !running.is_empty() => {}
                        else => return,
                    }
                }
            };
            token.run_until_cancelled(following).await;
            Ok::<_, std::convert::Infallible>(())
        });
    }

    /// One link, until it is taken away.
    async fn listen(&self, new: NewLink, servers: &Servers, clock: &Arc<dyn Clock>) {
        let NewLink { id, source, link, until } = new;
        self.join(id, source);
        let (sender, mut events) = mpsc::channel(BACKLOG);
        let listening = async {
            while let Some(event) = events.recv().await {
                servers.heard(id, &event);
                self.heard(id, event);
            }
        };
        let both = async { tokio::join!(link.run(sender, move || clock.now()), listening) };
        let _ = Abortable::new(both, until).await;
        self.leave(id);
    }
}
