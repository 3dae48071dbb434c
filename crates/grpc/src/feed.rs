//! The stream of alerts of one client: everything that is open, SYNCED, then each change, and a heartbeat now and then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::detection::{Alert, Transition};
use futures::Stream;
use proto::v1::AlertEvent;
use proto::v1::alert_event::Kind;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::metrics::Metrics;
use crate::{Eyes, convert};

/// How often a client that came early looks whether the first look at the cluster is complete.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// One client's stream. It is read at the client's pace: what the client does not fetch waits in the channel of changes,
/// which is bounded, and a client that falls behind that is told to connect again.
pub(crate) struct Feed<E> {
    eyes: Arc<E>,
    /// Namespace that is asked for; empty for all.
    namespace: String,
    queue: VecDeque<AlertEvent>,
    /// Changes after the alerts that were told; none before the first look is complete.
    changes: Option<Receiver<Transition>>,
    heartbeat: Interval,
    stop: CancellationToken,
    over: bool,
    metrics: Metrics,
    method: &'static str,
}

impl<E: Eyes> Feed<E> {
    pub(crate) fn new(
        eyes: Arc<E>,
        namespace: String,
        heartbeat: Duration,
        stop: CancellationToken,
        metrics: Metrics,
        method: &'static str,
    ) -> Self {
        let mut heartbeat = interval_at(Instant::now() + heartbeat, heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { eyes, namespace, queue: VecDeque::new(), changes: None, heartbeat, stop, over: false, metrics, method }
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
                return Some(Ok(event));
            }
            let Some(changes) = &mut self.changes else {
                // "Nothing fires" would be a lie before everything was looked at: the client would close what is open.
                if self.eyes.status().pending.is_none() {
                    self.tell_all();
                    continue;
                }
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Some(Err(self.end("the server is stopping"))),
                    _ = self.heartbeat.tick() => return Some(Ok(event(Kind::Heartbeat, None))),
                    () = tokio::time::sleep(FIRST_LOOK) => continue,
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Some(Err(self.end("the server is stopping"))),
                change = changes.recv() => match change {
                    Ok(change) => self.tell(change.alert()),
                    // The client takes a new connection as a new full account, which makes good for what it missed.
                    Err(RecvError::Lagged(missed)) => {
                        let why = format!("this stream fell {missed} changes behind; connect again for a full account");
                        return Some(Err(self.end(why)));
                    }
                    Err(RecvError::Closed) => return Some(Err(self.end("the watching has ended"))),
                },
                _ = self.heartbeat.tick() => return Some(Ok(event(Kind::Heartbeat, None))),
            }
        }
    }

    /// Everything that is open, and that it is everything.
    fn tell_all(&mut self) {
        let (alerts, changes) = self.eyes.watch();
        self.changes = Some(changes);
        for alert in &alerts {
            self.tell(alert);
        }
        self.queue.push_back(event(Kind::Synced, None));
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
    AlertEvent { kind: kind.into(), alert: alert.map(convert::alert) }
}
