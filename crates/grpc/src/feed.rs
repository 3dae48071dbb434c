//! The stream of alerts of one client: STATE, what is open, SYNCED, then each change, and a heartbeat now and then.
//!
//! A replica that does not hold the watch tells its state and heartbeats only; the moment it takes the watch over, a full
//! account follows. One that loses it ends its streams: whoever connects again learns where the account is now.
//!
//! Alerts are told at once, also while the first look at the cluster goes on; SYNCED waits for its end, because the client
//! closes whatever it was not told until then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::detection::{Alert, Transition};
use futures::Stream;
use proto::v1::AlertEvent;
use proto::v1::alert_event::Kind;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::alertmanager::{Audience, Listener};
use crate::metrics::Metrics;
use crate::{Eyes, ServerState, convert};

/// How soon, and how rarely at last, it is looked whether everything was looked at.
const FIRST_CHECK: Duration = Duration::from_millis(20);
const LAST_CHECK: Duration = Duration::from_secs(1);

/// One client's stream. It is read at the client's pace: what the client does not fetch waits in the channel of changes,
/// which is bounded, and a client that falls behind that is told to connect again.
pub(crate) struct Feed<E> {
    eyes: Arc<E>,
    /// Namespace that is asked for; empty for all.
    namespace: String,
    queue: VecDeque<AlertEvent>,
    states: watch::Receiver<Arc<ServerState>>,
    /// Changes after the alerts that were open when the account began; none while another replica watches.
    changes: Option<Receiver<Transition>>,
    synced: bool,
    check: Duration,
    heartbeat: Interval,
    stop: CancellationToken,
    over: bool,
    metrics: Metrics,
    method: &'static str,
    audience: Audience,
    /// Counts as listening as long as it tells alerts.
    listener: Option<Listener>,
}

impl<E: Eyes> Feed<E> {
    pub(crate) fn new(
        eyes: Arc<E>,
        namespace: String,
        heartbeat: Duration,
        stop: CancellationToken,
        (metrics, method): (Metrics, &'static str),
        audience: Audience,
    ) -> Self {
        let mut heartbeat = interval_at(Instant::now() + heartbeat, heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let states = eyes.states();
        let mut feed = Self {
            eyes,
            namespace,
            queue: VecDeque::new(),
            states,
            changes: None,
            synced: false,
            check: FIRST_CHECK,
            heartbeat,
            stop,
            over: false,
            metrics,
            method,
            audience,
            listener: None,
        };
        feed.state();
        feed
    }

    /// Tells how the server stands, and begins the account when this replica watches. False when it did and does no more.
    fn state(&mut self) -> bool {
        let state = self.states.borrow_and_update().clone();
        self.queue.push_back(AlertEvent { kind: Kind::State.into(), alert: None, state: Some((&*state).into()) });
        match (&self.changes, state.standby) {
            (None, false) => {
                let (alerts, changes) = self.eyes.watch();
                self.changes = Some(changes);
                self.listener = Some(self.audience.listener());
                for alert in &alerts {
                    self.tell(alert);
                }
                true
            }
            (Some(_), true) => false,
            _ => true,
        }
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<AlertEvent, Status>> + Send {
        futures::stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            if event.is_ok() {
                feed.metrics.message(feed.method);
            }
            Some((event, feed))
        })
    }

    async fn next(&mut self) -> Option<Result<AlertEvent, Status>> {
        if self.over {
            return None;
        }
        loop {
            if let Some(event) = self.queue.pop_front() {
                if let Some(alert) = &event.alert {
                    self.audience.told(&alert.id);
                }
                return Some(Ok(event));
            }
            if !self.synced && self.changes.is_some() && self.eyes.pending().is_none() {
                // What the first look has found was sent before it was said to be complete: it is in the channel.
                while let Some(changes) = &mut self.changes {
                    match changes.try_recv() {
                        Ok(change) => self.tell(change.alert()),
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Lagged(missed)) => return Some(Err(self.behind(missed))),
                        Err(TryRecvError::Closed) => return Some(Err(self.other())),
                    }
                }
                self.synced = true;
                self.queue.push_back(event(Kind::Synced, None));
                continue;
            }
            let change = async {
                match &mut self.changes {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Some(Err(self.end("the server is stopping"))),
                changed = self.states.changed() => {
                    if changed.is_err() {
                        return Some(Err(self.end("the server is stopping")));
                    }
                    if !self.state() {
                        return Some(Err(self.end("another replica raises the alerts now; connect again")));
                    }
                }
                change = change => match change {
                    Ok(change) => self.tell(change.alert()),
                    Err(RecvError::Lagged(missed)) => return Some(Err(self.behind(missed))),
                    Err(RecvError::Closed) => return Some(Err(self.other())),
                },
                _ = self.heartbeat.tick() => return Some(Ok(event(Kind::Heartbeat, None))),
                () = tokio::time::sleep(self.check), if !self.synced => self.check = (self.check * 2).min(LAST_CHECK),
            }
        }
    }

    fn other(&mut self) -> Status {
        self.end("what is watched has changed; connect again for a full account")
    }

    /// The client takes a new connection as a new full account, which makes good for what it missed.
    fn behind(&mut self, missed: u64) -> Status {
        self.end(format!("this stream fell {missed} changes behind; connect again for a full account"))
    }

    fn tell(&mut self, alert: &Alert) {
        if self.namespace.is_empty() || alert.workload.namespace.as_ref() == Some(&self.namespace) {
            self.queue.push_back(event(Kind::Alert, Some(alert)));
        }
    }

    fn end(&mut self, why: impl Into<String>) -> Status {
        self.over = true;
        Status::unavailable(why)
    }
}

fn event(kind: Kind, alert: Option<&Alert>) -> AlertEvent {
    AlertEvent { kind: kind.into(), alert: alert.map(convert::alert), state: None }
}
