//! Whether anybody listens to the alerts, and which of them were handed to a listener.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// An operator that asks for the alerts now and then (as chatcli 1.188 does every half a minute) counts as listening for
/// so long after it has asked.
const ASKED: Duration = Duration::from_mins(2);

#[derive(Debug, Default)]
struct State {
    streams: usize,
    asked: Option<Instant>,
    /// Alerts that somebody waits for to be handed on, with how many wait.
    awaited: HashMap<String, usize>,
}

/// Who listens. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audience {
    state: Arc<Mutex<State>>,
    told: Arc<Notify>,
}

/// A stream that tells alerts, as long as it lives.
#[derive(Debug)]
pub(crate) struct Listener(Audience);

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.streams = state.streams.saturating_sub(1);
    }
}

/// Alerts that are waited for.
#[derive(Debug)]
pub(crate) struct Awaited {
    audience: Audience,
    ids: HashSet<String>,
    /// An operator that asks is not told one by one.
    streams: bool,
}

impl Audience {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream begins to tell alerts.
    pub(crate) fn listener(&self) -> Listener {
        self.lock().streams += 1;
        Listener(self.clone())
    }

    /// Somebody has asked for the alerts.
    pub(crate) fn asked(&self) {
        self.lock().asked = Some(Instant::now());
    }

    /// Whether anybody listens.
    pub(crate) fn is_there(&self) -> bool {
        let state = self.lock();
        state.streams > 0 || state.asked.is_some_and(|at| at.elapsed() < ASKED)
    }

    /// An alert was handed to a listener.
    pub(crate) fn told(&self, id: &str) {
        let awaited = self.lock().awaited.remove(id).is_some();
        if awaited {
            self.told.notify_waiters();
        }
    }

    /// Waits for alerts to be handed on; to be called before they are told.
    pub(crate) fn expect(&self, ids: impl IntoIterator<Item = String>) -> Awaited {
        let ids: HashSet<String> = ids.into_iter().collect();
        let mut state = self.lock();
        for id in &ids {
            *state.awaited.entry(id.clone()).or_default() += 1;
        }
        let streams = state.streams > 0;
        drop(state);
        Awaited { audience: self.clone(), ids, streams }
    }
}

impl Awaited {
    /// Waits until these were handed on, for a while; the others are not told. Returns whether they were.
    pub(crate) async fn all(&self, told: &[String], patience: Duration) -> bool {
        let wanted: Vec<&String> = told.iter().filter(|id| self.ids.contains(*id)).collect();
        if !self.streams {
            return true;
        }
        let waiting = async {
            loop {
                // Listened for before it is looked, so that nothing is missed in between.
                let mut notified = std::pin::pin!(self.audience.told.notified());
                notified.as_mut().enable();
                let left = {
                    let state = self.audience.lock();
                    wanted.iter().any(|id| state.awaited.contains_key(*id))
                };
                if !left {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut state = self.audience.lock();
        for id in &self.ids {
            if let Some(count) = state.awaited.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    state.awaited.remove(id);
                }
            }
        }
    }
}
