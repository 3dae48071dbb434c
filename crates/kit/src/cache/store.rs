//! The objects of one kind, and who wants to hear of their changes.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::{Resource, ResourceExt};

/// Namespace (empty for cluster-scoped objects) and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key of its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// A change in the cache.
#[derive(Debug)]
pub enum Change<'a, K> {
    /// The object is new or different.
    Applied(&'a Arc<K>),
    /// The object is gone, or cannot be decoded any more; this is how it last was.
    Deleted(&'a Arc<K>),
}

impl<'a, K> Change<'a, K> {
    /// The object, as it is or was.
    pub fn object(&self) -> &'a Arc<K> {
        match self {
            Self::Applied(object) | Self::Deleted(object) => object,
        }
    }
}

type Listener<K> = Box<dyn Fn(&Change<'_, K>) + Send + Sync>;

struct Inner<K> {
    objects: RwLock<BTreeMap<Key, Arc<K>>>,
    listeners: RwLock<Vec<Listener<K>>>,
}

/// The objects of one kind. Clones share it.
pub struct Cache<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K: Resource> Default for Cache<K> {
    fn default() -> Self {
        Self { inner: Arc::new(Inner { objects: RwLock::default(), listeners: RwLock::default() }) }
    }
}

impl<K: Resource> Cache<K> {
    /// A cache that is filled by hand, for tests.
    pub fn of(objects: impl IntoIterator<Item = K>) -> Self {
        let cache = Self::default();
        for object in objects {
            cache.apply(object);
        }
        cache
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Arc<K>>> {
        self.inner.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Key, Arc<K>>> {
        self.inner.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().get(key).cloned()
    }

    /// All objects, in the order of their keys.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().values().cloned().collect()
    }

    /// The objects of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let from = Key::new(namespace, "");
        self.read().range(from..).take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| object.clone()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Calls `listener` for every object that is there, and from now on for every change. Listeners run on the watch's
    /// task: they note what to do and return.
    pub fn listen(&self, listener: impl Fn(&Change<'_, K>) + Send + Sync + 'static) {
        let mut listeners = self.inner.listeners.write().unwrap_or_else(PoisonError::into_inner);
        for object in self.all() {
            listener(&Change::Applied(&object));
        }
        listeners.push(Box::new(listener));
    }

    fn tell(&self, change: &Change<'_, K>) {
        for listener in self.inner.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(change);
        }
    }

    /// Stores an object and tells the listeners, unless the cache has it at this resourceVersion already.
    pub fn apply(&self, object: K) {
        let key = Key::of(&object);
        let object = Arc::new(object);
        let old = self.write().insert(key, object.clone());
        let same = old.is_some_and(|old| old.resource_version().is_some() && old.resource_version() == object.resource_version());
        if !same {
            self.tell(&Change::Applied(&object));
        }
    }

    /// Removes an object and tells the listeners.
    pub fn delete(&self, key: &Key) {
        let old = self.write().remove(key);
        if let Some(old) = old {
            self.tell(&Change::Deleted(&old));
        }
    }

    /// Removes whatever is not in `present`: what was deleted while nobody watched.
    pub fn keep_only(&self, present: &HashSet<Key>) {
        let gone: Vec<Key> = self.read().keys().filter(|key| !present.contains(*key)).cloned().collect();
        for key in gone {
            self.delete(&key);
        }
    }
}
