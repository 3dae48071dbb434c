//! Starts the watches and knows which caches are not filled yet, and why.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch as signal;

use super::store::{Cache, Key};
use crate::metrics::{Kind, Metrics, WatchEvent};
use crate::supervisor::Supervisor;

/// Starts watches; clones share what is known about them.
#[derive(Clone)]
pub struct Hub {
    supervisor: Supervisor,
    metrics: Metrics,
    pending: Arc<Mutex<BTreeMap<String, String>>>,
    changed: signal::Sender<()>,
}

impl Hub {
    /// A hub whose watches run under `supervisor`.
    pub fn new(supervisor: &Supervisor, metrics: &Metrics) -> Self {
        Self { supervisor: supervisor.clone(), metrics: metrics.clone(), pending: Arc::default(), changed: signal::Sender::new(()) }
    }

    /// Starts the one watch of a kind. `prune` drops what nobody reads, before it is kept.
    ///
    /// A kind that is missing or refused is reported and tried again; the other kinds do not wait for it. An object that
    /// does not decode is taken for deleted, counted, and logged with its name; the others are not held up.
    pub fn watch<K>(&self, api: Api<DeserializeGuard<K>>, config: watcher::Config, prune: fn(&mut K)) -> Cache<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let cache = Cache::default();
        let kind = K::kind(&()).into_owned();
        self.set_pending(&kind, Some("the first list has not arrived yet".to_owned()));
        let task = Watching { hub: self.clone(), cache: cache.clone(), kind, prune, present: HashSet::new() };
        let token = self.supervisor.token().clone();
        self.supervisor.spawn("watch", async move {
            token.run_until_cancelled(task.run(api, config)).await;
            Ok::<_, std::convert::Infallible>(())
        });
        cache
    }

    /// The kinds whose cache is not filled, and why.
    pub fn not_ready(&self) -> Vec<String> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(kind, why)| format!("cache of {kind}: {why}")).collect()
    }

    /// Waits until every cache is filled.
    pub async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        while !self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            let _ = tokio::time::timeout(Duration::from_secs(1), changed.changed()).await;
        }
    }

    fn set_pending(&self, kind: &str, why: Option<String>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(pending.insert(kind.to_owned(), why)),
            None => drop(pending.remove(kind)),
        }
        self.changed.send_replace(());
    }

    fn count(&self, kind: &str, r#type: &'static str) {
        self.metrics.watch_events.get_or_create(&WatchEvent { kind: kind.to_owned(), r#type }).inc();
    }
}

/// What a watch that fails says to people.
fn explain<K: Resource<DynamicType = ()>>(error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    };
    let resource = format!("{}.{}", K::plural(&()), K::group(&()));
    let resource = resource.trim_end_matches('.');
    match status {
        Some(status) if status.is_not_found() => {
            format!("the API server does not know {resource}; remedy: install its CustomResourceDefinition")
        }
        Some(status) if status.is_forbidden() => {
            format!("list or watch of {resource} is refused ({}); remedy: grant get, list, watch on it", status.message)
        }
        _ => format!("{error}; it is tried again"),
    }
}

struct Watching<K> {
    hub: Hub,
    cache: Cache<K>,
    kind: String,
    prune: fn(&mut K),
    present: HashSet<Key>,
}

impl<K> Watching<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    async fn run(mut self, api: Api<DeserializeGuard<K>>, config: watcher::Config) {
        let mut stream = watch(api, config).default_backoff().boxed();
        let mut complained = String::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    if !complained.is_empty() && matches!(event, Event::InitDone | Event::Apply(_)) {
                        tracing::info!(kind = %self.kind, "the watch works again");
                        complained.clear();
                    }
                    self.handle(event);
                }
                Err(error) => {
                    self.hub.count(&self.kind, "error");
                    let why = explain::<K>(&error);
                    if why != complained {
                        tracing::warn!(kind = %self.kind, "{why}");
                        complained.clone_from(&why);
                    }
                    let mut pending = self.hub.pending.lock().unwrap_or_else(PoisonError::into_inner);
                    // A filled cache stays usable while its watch is away.
                    if let Some(reason) = pending.get_mut(&self.kind) {
                        *reason = why;
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: Event<DeserializeGuard<K>>) {
        match event {
            Event::Init => self.present.clear(),
            Event::InitApply(object) => {
                if let Some(key) = self.store(object) {
                    self.present.insert(key);
                }
            }
            Event::InitDone => {
                self.cache.keep_only(&self.present);
                self.present = HashSet::new();
                self.hub.count(&self.kind, "resync");
                self.hub.set_pending(&self.kind, None);
            }
            Event::Apply(object) => drop(self.store(object)),
            Event::Delete(object) => {
                self.hub.count(&self.kind, "deleted");
                self.cache.delete(&Key::of(&object));
            }
        }
        self.hub.metrics.cache_objects.get_or_create(&Kind { kind: self.kind.clone() }).set(self.cache.len() as i64);
    }

    fn store(&self, object: DeserializeGuard<K>) -> Option<Key> {
        match object.0 {
            Ok(mut object) => {
                self.hub.count(&self.kind, "applied");
                object.meta_mut().managed_fields = None;
                if let Some(annotations) = &mut object.meta_mut().annotations {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                (self.prune)(&mut object);
                let key = Key::of(&object);
                self.cache.apply(object);
                Some(key)
            }
            Err(invalid) => {
                self.hub.count(&self.kind, "undecodable");
                let key = Key::new(invalid.metadata.namespace.unwrap_or_default(), invalid.metadata.name.unwrap_or_default());
                tracing::warn!(kind = %self.kind, object = %key, error = %invalid.error, "the object does not decode and is left out; remedy: correct or delete it");
                self.cache.delete(&key);
                None
            }
        }
    }
}
