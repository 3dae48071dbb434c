//! The work queue of one controller: no key twice, no key on two workers, a due time per key.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cache::Key;

/// How many reconciles of one key may follow each other at once.
const BURST: u32 = 50;
/// Time between two reconciles of a key that has used up its burst; also the time in which it regains one.
const PACE: Duration = Duration::from_millis(200);
/// A change brings a failing key forward, but not nearer to its failure than this: a reconcile that writes its failure
/// into the object must not wake itself in a loop.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

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
    /// Keys that a change may not bring forward of this time.
    not_before: HashMap<Key, Instant>,
    /// By key: when the burst that it has used will be full again. A key at rest has no entry.
    paced: HashMap<Key, Instant>,
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
    pub fn add(&self, key: impl Into<Key>) {
        self.lock().add(key.into());
        self.wake.notify_one();
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
        let now = Instant::now();
        let mut state = self.lock();
        state.running.remove(key);
        state.pace(key, delay, now);
        if state.again.remove(key) {
            state.add(key.clone());
        } else {
            state.wait_until(key.clone(), now + delay);
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
        state.not_before.remove(key);
        state.paced.remove(key);
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
    fn add(&mut self, key: Key) {
        if let Some(at) = self.due_at.remove(&key) {
            self.due.remove(&(at, key.clone()));
        }
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if let Some(at) = self.not_before.get(&key).copied().filter(|at| *at > Instant::now()) {
            self.wait_until(key, at);
        } else if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn wait_until(&mut self, key: Key, at: Instant) {
        self.due.insert((at, key.clone()));
        self.due_at.insert(key, at);
    }

    /// Decides how soon a change may bring a key forward, now that it was worked on.
    fn pace(&mut self, key: &Key, delay: Duration, now: Instant) {
        let full = self.paced.get(key).copied().filter(|at| *at > now).unwrap_or(now) + PACE;
        self.paced.insert(key.clone(), full);
        let wait = if self.failures.contains_key(key) {
            delay.min(AFTER_FAILURE)
        } else if full > now + PACE * BURST {
            PACE
        } else {
            Duration::ZERO
        };
        if wait.is_zero() {
            self.not_before.remove(key);
        } else {
            self.not_before.insert(key.clone(), now + wait);
        }
        if self.paced.len() > 2 * (self.due_at.len() + self.running.len() + self.queued.len() + 16) {
            self.paced.retain(|_, at| *at > now);
        }
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
