//! The keys that workers look at: none twice, none on two workers, each with at most one time of its own.
//!
//! What lives here: the bare queue. What does not: pace and failures of a controller's objects (`controller`).

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

struct State<K> {
    ready: VecDeque<K>,
    /// What stands in `ready`.
    queued: HashSet<K>,
    /// What a worker has.
    running: HashSet<K>,
    /// What changed while a worker had it.
    again: HashSet<K>,
    due: BTreeSet<(Instant, K)>,
    due_at: HashMap<K, Instant>,
}

/// The queue; clones share it.
pub struct Work<K> {
    state: Arc<Mutex<State<K>>>,
    wake: Arc<Notify>,
}

impl<K> Clone for Work<K> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), wake: self.wake.clone() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Default for Work<K> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            due: BTreeSet::new(),
            due_at: HashMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), wake: Arc::default() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Work<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a key now.
    pub fn add(&self, key: K) {
        self.lock().add(key);
        self.wake.notify_one();
    }

    /// Asks for a look at a key at an instant. One that is asked for earlier keeps the earlier time.
    pub fn add_at(&self, key: K, at: Instant) {
        self.lock().add_at(key, at);
        // The one that waits may wait for a later time.
        self.wake.notify_one();
    }

    /// The next key; it is this worker's until [`Work::done`].
    pub async fn take(&self) -> K {
        loop {
            let next = {
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
            match next {
                Some(at) => drop(tokio::time::timeout_at(at, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// The worker is through with a key; returns whether somebody asked for it meanwhile. It is not queued for that.
    pub fn finish(&self, key: &K) -> bool {
        let mut state = self.lock();
        state.running.remove(key);
        state.again.remove(key)
    }

    /// The worker is through with a key; it is looked at again at once when it changed meanwhile, or else at `next`.
    pub fn done(&self, key: K, next: Option<Instant>) {
        if self.finish(&key) {
            self.add(key);
        } else if let Some(at) = next {
            self.add_at(key, at);
        }
    }

    /// How many keys are waiting, with a worker, or have a time of their own.
    pub fn len(&self) -> usize {
        let state = self.lock();
        state.queued.len() + state.running.len() + state.due_at.len()
    }

    /// Whether there are none of these.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn add(&mut self, key: K) {
        if let Some(at) = self.due_at.remove(&key) {
            self.due.remove(&(at, key.clone()));
        }
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn add_at(&mut self, key: K, at: Instant) {
        // What is queued comes before any time.
        if self.queued.contains(&key) {
            return;
        }
        if let Some(known) = self.due_at.get(&key).copied() {
            if known <= at {
                return;
            }
            self.due.remove(&(known, key.clone()));
        }
        self.due.insert((at, key.clone()));
        self.due_at.insert(key, at);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_worker_has_the_key_is_not_lost() {
        let work = Work::default();
        work.add("a");
        work.add("a");
        let key = work.take().await;
        work.add("a");
        work.add("b");
        assert_eq!(work.take().await, "b");
        work.done(key, None);
        assert_eq!(work.take().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_comes_before_the_time_and_replaces_it() {
        let work = Work::default();
        let began = Instant::now();
        work.add("a");
        let key = work.take().await;
        work.done(key, Some(began + Duration::from_mins(1)));
        work.add("a");
        let key = work.take().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        work.done(key, Some(began + Duration::from_secs(90)));
        work.take().await;
        assert!(began.elapsed() >= Duration::from_secs(90));
    }
}
