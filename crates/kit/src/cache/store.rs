//! The objects of one kind, and who wants to hear of their changes.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tokio::sync::broadcast;

/// Changes that a slow receiver may be behind before it is told to look at everything again.
const BACKLOG: usize = 1024;

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

impl<K: Resource> From<&ObjectRef<K>> for Key {
    fn from(reference: &ObjectRef<K>) -> Self {
        Self::new(reference.namespace.clone().unwrap_or_default(), reference.name.clone())
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

/// A change, as a receiver of [`Cache::events`] gets it.
#[derive(Debug)]
pub enum CacheEvent<K> {
    /// The object is new or different.
    Applied(Arc<K>),
    /// The object is gone, or cannot be decoded any more; this is how it last was.
    Deleted(Arc<K>),
    /// The cache was listed anew; every difference was told before. A receiver that gets
    /// [`broadcast::error::RecvError::Lagged`] does the same as here: it looks at everything.
    Resynced,
}

impl<K> Clone for CacheEvent<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Applied(object) => Self::Applied(object.clone()),
            Self::Deleted(object) => Self::Deleted(object.clone()),
            Self::Resynced => Self::Resynced,
        }
    }
}

type Listener<K> = Box<dyn Fn(&Change<'_, K>) + Send + Sync>;

struct Inner<K> {
    objects: RwLock<BTreeMap<Key, Arc<K>>>,
    listeners: RwLock<Vec<Listener<K>>>,
    events: broadcast::Sender<CacheEvent<K>>,
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
        Self {
            inner: Arc::new(Inner {
                objects: RwLock::default(),
                listeners: RwLock::default(),
                events: broadcast::Sender::new(BACKLOG),
            }),
        }
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

    /// An object by its two names; the namespace is empty for cluster-scoped kinds.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.get(&Key::new(namespace, name))
    }

    /// All objects, in the order of their keys.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().values().cloned().collect()
    }

    /// The objects of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let from = Key::new(namespace, "");
        self.read()
            .range(from..)
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
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
        if self.inner.events.receiver_count() > 0 {
            let _ = self.inner.events.send(match change {
                Change::Applied(object) => CacheEvent::Applied((*object).clone()),
                Change::Deleted(object) => CacheEvent::Deleted((*object).clone()),
            });
        }
    }

    /// Changes from now on, for a task of its own. [`Cache::listen`] is simpler where a callback will do, and never lags.
    pub fn events(&self) -> broadcast::Receiver<CacheEvent<K>> {
        self.inner.events.subscribe()
    }

    pub(super) fn resynced(&self) {
        let _ = self.inner.events.send(CacheEvent::Resynced);
    }

    /// Stores an object and tells the listeners, unless the cache has it at this resourceVersion already.
    pub fn apply(&self, object: K) {
        let key = Key::of(&object);
        let object = Arc::new(object);
        let old = self.write().insert(key, object.clone());
        let same = old
            .is_some_and(|old| old.resource_version().is_some() && old.resource_version() == object.resource_version());
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
