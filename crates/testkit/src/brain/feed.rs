//! The stream of one client: what the server says of itself, a full account when it raises the alerts, then changes.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use proto::v1::alert_event::Kind;
use proto::v1::{AlertEvent, ServerState, WatcherAlert};
use tokio::sync::{broadcast, watch};
use tonic::Status;

use super::Brain;

struct Feed {
    brain: Arc<Brain>,
    states: watch::Receiver<ServerState>,
    /// Absent on standby.
    changes: Option<broadcast::Receiver<WatcherAlert>>,
    queue: VecDeque<AlertEvent>,
}

fn event(kind: Kind) -> AlertEvent {
    AlertEvent { kind: kind.into(), ..AlertEvent::default() }
}

fn told(alert: WatcherAlert) -> AlertEvent {
    AlertEvent { alert: Some(alert), ..event(Kind::Alert) }
}

impl Feed {
    fn state(&mut self) {
        let state = self.states.borrow_and_update().clone();
        let standby = state.standby;
        self.queue.push_back(AlertEvent { state: Some(state), ..event(Kind::State) });
        if standby {
            self.changes = None;
        } else if self.changes.is_none() {
            let (firing, changes) = self.brain.truth.watch();
            self.changes = Some(changes);
            self.queue.extend(firing.into_iter().map(told));
            self.queue.push_back(event(Kind::Synced));
        }
    }

    async fn next(&mut self) -> Result<AlertEvent, Status> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(event);
            }
            let heartbeat = self.brain.heartbeat;
            let change = async {
                match &mut self.changes {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.states.changed() => match changed {
                    Ok(()) => self.state(),
                    Err(_) => return Err(Status::unavailable("the server is stopping")),
                },
                change = change => match change {
                    Ok(alert) => self.queue.push_back(told(alert)),
                    Err(_) => return Err(Status::unavailable("this stream fell behind")),
                },
                () = tokio::time::sleep(heartbeat) => return Ok(event(Kind::Heartbeat)),
            }
        }
    }
}

pub(super) fn stream(brain: &Arc<Brain>) -> impl Stream<Item = Result<AlertEvent, Status>> + Send + use<> {
    let mut feed =
        Feed { brain: brain.clone(), states: brain.state.subscribe(), changes: None, queue: VecDeque::new() };
    feed.state();
    futures::stream::unfold(Some(feed), |feed| async move {
        let mut feed = feed?;
        let event = feed.next().await;
        let rest = event.is_ok().then_some(feed);
        Some((event, rest))
    })
}
