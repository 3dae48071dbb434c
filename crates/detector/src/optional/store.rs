//! What is kept of the objects of one kind in one place.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kit::cache::Key;
use serde_json::Value;

/// Most objects of one kind: whoever has more of them gets no answer that depends on all.
const MOST: usize = 20_000;

/// The objects, and whether they are all.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    /// Objects that are too large, or too many.
    left_out: HashSet<Key>,
    filled: bool,
    /// Why it is not filled, or why its watch fails now.
    pub(super) trouble: Option<String>,
    /// Whether the API server refuses it.
    pub(super) refused: bool,
}

impl Store {
    /// Takes an object; says whether that is news.
    pub(super) fn apply(&mut self, key: Key, object: Option<Value>) -> bool {
        let room = self.objects.len() < MOST || self.objects.contains_key(&key);
        let Some(object) = object.filter(|_| room) else {
            self.objects.remove(&key);
            return self.left_out.insert(key);
        };
        let news = self.left_out.remove(&key) || self.objects.get(&key).is_none_or(|known| **known != object);
        if news {
            self.objects.insert(key, Arc::new(object));
        }
        news
    }

    /// Drops an object; says whether it was there.
    pub(super) fn delete(&mut self, key: &Key) -> bool {
        let left_out = self.left_out.remove(key);
        self.objects.remove(key).is_some() || left_out
    }

    /// The first list is there, or a new one: what it does not show is gone. Returns the namespaces in which something is.
    pub(super) fn listed(&mut self, present: &HashSet<Key>) -> (bool, HashSet<String>) {
        let first = !self.filled;
        self.filled = true;
        (self.trouble, self.refused) = (None, false);
        self.left_out.retain(|key| present.contains(key));
        let gone: Vec<Key> = self.objects.keys().filter(|key| !present.contains(*key)).cloned().collect();
        for key in &gone {
            self.objects.remove(key);
        }
        (first, gone.into_iter().map(|key| key.namespace).collect())
    }

    /// Whether nothing is missing.
    pub(super) fn whole(&self) -> bool {
        self.filled && self.left_out.is_empty()
    }

    /// Whether it may still be filled in a moment.
    pub(super) fn waits(&self) -> bool {
        !self.filled && !self.refused
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Value>> {
        self.objects.values().cloned()
    }

    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = Arc<Value>> {
        let from = Key::new(namespace, "");
        let here = move |(key, _): &(&Key, &Arc<Value>)| key.namespace == namespace;
        self.objects.range(from..).take_while(here).map(|(_, object)| object.clone())
    }
}
