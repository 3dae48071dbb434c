//! A queue of keys for workers that are no controllers of one object: no key twice, none on two workers, delays.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

struct State<K> {
    ready: VecDeque<K>,
    queued: HashSet<K>,
    running: HashSet<K>,
    again: HashSet<K>,
    later: BTreeMap<(Instant, u64), K>,
    number: u64,
}

/// The queue; clones share it.
pub(crate) struct Work<K> {
    state: Arc<Mutex<State<K>>>,
    wake: Arc<Notify>,
}

impl<K> Clone for Work<K> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), wake: self.wake.clone() }
    }
}

impl<K: Clone + Eq + Hash> Work<K> {
    pub(crate) fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            later: BTreeMap::new(),
            number: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), wake: Arc::new(Notify::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a key.
    pub(crate) fn add(&self, key: K) {
        let mut state = self.lock();
        if state.running.contains(&key) {
            state.again.insert(key);
        } else if state.queued.insert(key.clone()) {
            state.ready.push_back(key);
            self.wake.notify_one();
        }
    }

    /// Asks for a look at a key after a delay.
    pub(crate) fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.lock();
        state.number += 1;
        let at = (Instant::now() + delay, state.number);
        state.later.insert(at, key);
        self.wake.notify_one();
    }

    /// The next key; it is this worker's until [`Work::done`].
    pub(crate) async fn take(&self) -> K {
        loop {
            let next = {
                let mut state = self.lock();
                let now = Instant::now();
                while state.later.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
                    if let Some((_, key)) = state.later.pop_first() {
                        if state.running.contains(&key) {
                            state.again.insert(key);
                        } else if state.queued.insert(key.clone()) {
                            state.ready.push_back(key);
                        }
                    }
                }
                if let Some(key) = state.ready.pop_front() {
                    state.queued.remove(&key);
                    state.running.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.wake.notify_one();
                    }
                    return key;
                }
                state.later.first_key_value().map(|((at, _), _)| *at)
            };
            match next {
                Some(at) => drop(tokio::time::timeout_at(at, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// The worker is through with a key.
    pub(crate) fn done(&self, key: &K) {
        let mut state = self.lock();
        state.running.remove(key);
        if state.again.remove(key) && state.queued.insert(key.clone()) {
            state.ready.push_back(key.clone());
        }
        drop(state);
        self.wake.notify_one();
    }
}
