//! The work queue of one controller: what is due, how often in a row it failed, how fast a change may bring it forward.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cache::Key;
use crate::work::Work;

/// How many reconciles of one key may follow each other at once.
const BURST: u32 = 50;
/// Time between two reconciles of a key that has used up its burst; also the time in which it regains one.
const PACE: Duration = Duration::from_millis(200);
/// A change brings a failing key forward, but not nearer to its failure than this: a reconcile that writes its failure
/// into the object must not wake itself in a loop.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Pace {
    failures: HashMap<Key, u32>,
    /// Keys that a change may not bring forward of this time.
    not_before: HashMap<Key, Instant>,
    /// By key: when the burst that it has used will be full again. A key at rest has no entry.
    used: HashMap<Key, Instant>,
}

/// A queue; clones share it.
#[derive(Clone, Default)]
pub struct Queue {
    work: Work<Key>,
    pace: Arc<Mutex<Pace>>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a reconcile now. A key that is waiting for its time comes forward.
    pub fn add(&self, key: impl Into<Key>) {
        let key = key.into();
        let held = self.lock().not_before.get(&key).copied().filter(|at| *at > Instant::now());
        match held {
            Some(at) => self.work.add_at(key, at),
            None => self.work.add(key),
        }
    }

    /// Asks for a reconcile after a time, unless one comes before.
    pub fn add_after(&self, key: impl Into<Key>, delay: Duration) {
        self.work.add_at(key.into(), Instant::now() + delay);
    }

    /// The next key, when there is one. It is this worker's until [`Queue::done`].
    pub(super) async fn take(&self) -> Key {
        self.work.take().await
    }

    /// A worker is through with a key; it is due again after `delay`, or as soon as its pace allows when it changed
    /// meanwhile.
    pub(super) fn done(&self, key: &Key, delay: Duration) {
        let now = Instant::now();
        let soonest = self.lock().pace(key, delay, now, self.work.len());
        let at = if self.work.finish(key) { soonest } else { (now + delay).max(soonest) };
        if at > now {
            self.work.add_at(key.clone(), at);
        } else {
            self.work.add(key.clone());
        }
    }

    /// The object of a key is gone.
    pub(super) fn forget(&self, key: &Key) {
        let mut pace = self.lock();
        pace.failures.remove(key);
        pace.not_before.remove(key);
        pace.used.remove(key);
        drop(pace);
        self.work.done(key.clone(), None);
    }

    /// Counts a failure; returns how many there were in a row.
    pub(super) fn failed(&self, key: &Key) -> u32 {
        let mut pace = self.lock();
        let failures = pace.failures.entry(key.clone()).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Ends the row of failures.
    pub(super) fn succeeded(&self, key: &Key) {
        self.lock().failures.remove(key);
    }
}

impl Pace {
    /// Decides how soon a change may bring a key forward, now that it was worked on. `live` is how many keys there are.
    fn pace(&mut self, key: &Key, delay: Duration, now: Instant, live: usize) -> Instant {
        let full = self.used.get(key).copied().filter(|at| *at > now).unwrap_or(now) + PACE;
        self.used.insert(key.clone(), full);
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
        if self.used.len() > 2 * (live + 16) {
            self.used.retain(|_, at| *at > now);
        }
        now + wait
    }
}
