//! The work queue of one controller: no key twice, no key on two workers, a due time per key.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cache::Key;

#[derive(Default)]
struct State {
    ready: VecDeque<Key>,
    /// What stands in `ready`.
    queued: HashSet<Key>,
    /// What a worker has.
    running: HashSet<Key>,
    /// What changed while a worker had it.
    again: HashSet<Key>,
    due: BTreeSet<(Instant, Key)>,
    due_at: HashMap<Key, Instant>,
    failures: HashMap<Key, u32>,
}

/// A queue; clones share it.
#[derive(Clone, Default)]
pub struct Queue {
    state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a reconcile now. A key that is waiting for its time comes forward.
    pub fn add(&self, key: Key) {
        if self.lock().add(key) {
            self.wake.notify_one();
        }
    }

    /// The next key, when there is one. It is this worker's until [`Queue::done`].
    pub(super) async fn take(&self) -> Key {
        loop {
            let next_due = {
                let mut state = self.lock();
                state.bring_forward(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.queued.remove(&key);
                    state.running.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
                state.due.first().map(|(at, _)| *at)
            };
            match next_due {
                Some(at) => drop(tokio::time::timeout_at(at, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// A worker is through with a key; it is due again after `delay`, or at once when it changed meanwhile.
    pub(super) fn done(&self, key: &Key, delay: Duration) {
        let mut state = self.lock();
        state.running.remove(key);
        if state.again.remove(key) {
            state.add(key.clone());
        } else {
            let at = Instant::now() + delay;
            state.due.insert((at, key.clone()));
            state.due_at.insert(key.clone(), at);
        }
        drop(state);
        // The one that waits may wait for a later time.
        self.wake.notify_one();
    }

    /// The object of a key is gone.
    pub(super) fn forget(&self, key: &Key) {
        let mut state = self.lock();
        state.running.remove(key);
        state.failures.remove(key);
        if state.again.remove(key) {
            state.add(key.clone());
        }
    }

    /// Counts a failure; returns how many there were in a row.
    pub(super) fn failed(&self, key: &Key) -> u32 {
        let mut state = self.lock();
        let failures = state.failures.entry(key.clone()).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Ends the row of failures.
    pub(super) fn succeeded(&self, key: &Key) {
        self.lock().failures.remove(key);
    }
}

impl State {
    /// Returns whether a worker should wake.
    fn add(&mut self, key: Key) -> bool {
        if let Some(at) = self.due_at.remove(&key) {
            self.due.remove(&(at, key.clone()));
        }
        if self.running.contains(&key) {
            self.again.insert(key);
            return false;
        }
        if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
            return true;
        }
        false
    }

    fn bring_forward(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.due.pop_first() {
                self.due_at.remove(&key);
                self.add(key);
            }
        }
    }
}
