//! The task behind one cache: watch, decode, prune, store.

use std::collections::HashSet;
use std::fmt::Debug;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::watcher::{self, Event, InitialListStrategy};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::hub::{Hub, Undecodable};
use super::store::{Cache, Key};
use crate::metrics::{Kind, WatchEvent};

/// Drops what nobody reads.
type Prune<K> = Box<dyn Fn(&mut K) + Send + Sync>;

pub(super) struct Watching<K> {
    hub: Hub,
    number: usize,
    cache: Cache<K>,
    kind: String,
    prune: Prune<K>,
    /// What the running list has shown so far.
    present: HashSet<Key>,
    unread: HashSet<Key>,
    /// What the gauge counts for this cache.
    counted: usize,
}

impl<K> Watching<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(hub: Hub, number: usize, cache: Cache<K>, kind: String, prune: Prune<K>) -> Self {
        Self { hub, number, cache, kind, prune, present: HashSet::new(), unread: HashSet::new(), counted: 0 }
    }

    /// Watches. `guarded` says how what arrives is told from what does not decode.
    pub(super) async fn run<T>(
        mut self,
        api: Api<T>,
        mut config: watcher::Config,
        guarded: fn(T) -> DeserializeGuard<K>,
    ) where
        T: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        loop {
            let mut stream = watch(api.clone(), config.clone()).default_backoff().boxed();
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => self.handle(match event {
                        Event::Init => Event::Init,
                        Event::InitApply(object) => Event::InitApply(guarded(object)),
                        Event::InitDone => Event::InitDone,
                        Event::Apply(object) => Event::Apply(guarded(object)),
                        Event::Delete(object) => Event::Delete(guarded(object)),
                    }),
                    Err(error)
                        if config.initial_list_strategy == InitialListStrategy::StreamingList
                            && is_unknown_option(&error) =>
                    {
                        tracing::info!(kind = %self.kind, "the API server does not stream lists; pages are used");
                        config.initial_list_strategy = InitialListStrategy::ListWatch;
                        break;
                    }
                    Err(error) => {
                        self.count("error");
                        let why = explain::<K>(&error);
                        if self.hub.trouble(self.number, &self.kind, Some(&why)) {
                            tracing::warn!(kind = %self.kind, "{why}");
                        }
                        if api_status(&error).is_some_and(|status| status.code == 404 || status.is_forbidden()) {
                            self.hub.refused(self.number);
                        }
                    }
                }
            }
        }
    }

    fn count(&self, r#type: &'static str) {
        self.hub.metrics.watch_events.get_or_create(&WatchEvent { kind: self.kind.clone(), r#type }).inc();
    }

    fn handle(&mut self, event: Event<DeserializeGuard<K>>) {
        match event {
            Event::Init => {
                self.present.clear();
                self.unread.clear();
            }
            Event::InitApply(object) => match self.store(object) {
                Ok(key) => drop(self.present.insert(key)),
                Err(key) => drop(self.unread.insert(key)),
            },
            Event::InitDone => {
                self.cache.keep_only(&std::mem::take(&mut self.present));
                let unread = std::mem::take(&mut self.unread);
                self.hub.can_read(self.number, &self.kind, |key| unread.contains(key));
                self.count("resync");
                self.cache.resynced();
                self.hub.filled(self.number);
                self.works_again();
            }
            Event::Apply(object) => {
                if let Ok(key) = self.store(object) {
                    self.hub.can_read(self.number, &self.kind, |other| *other != key);
                }
                self.works_again();
            }
            Event::Delete(object) => {
                self.count("deleted");
                let key = Key::of(&object);
                self.cache.delete(&key);
                self.hub.can_read(self.number, &self.kind, |other| *other != key);
            }
        }
        let now = self.cache.len();
        self.hub
            .metrics
            .cache_objects
            .get_or_create(&Kind { kind: self.kind.clone() })
            .inc_by(now as i64 - self.counted as i64);
        self.counted = now;
    }

    fn works_again(&self) {
        if self.hub.trouble(self.number, &self.kind, None) {
            tracing::info!(kind = %self.kind, "the watch works again");
        }
    }

    fn store(&self, object: DeserializeGuard<K>) -> Result<Key, Key> {
        match object.0 {
            Ok(mut object) => {
                self.count("applied");
                object.meta_mut().managed_fields = None;
                if let Some(annotations) = &mut object.meta_mut().annotations {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                (self.prune)(&mut object);
                let key = Key::of(&object);
                self.cache.apply(object);
                Ok(key)
            }
            Err(invalid) => {
                self.count("undecodable");
                Err(self.leave_out(invalid))
            }
        }
    }

    fn leave_out(&self, invalid: InvalidObject) -> Key {
        let metadata = invalid.metadata;
        let reference = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(self.kind.clone()),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid,
            ..ObjectReference::default()
        };
        let key = Key::new(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
        self.cache.delete(&key);
        self.hub.cannot_read(
            self.number,
            Undecodable { kind: self.kind.clone(), key: key.clone(), error: invalid.error },
            reference,
        );
        key
    }
}

/// A watch that is given up takes what it counted with it.
impl<K> Drop for Watching<K> {
    fn drop(&mut self) {
        let kind = Kind { kind: self.kind.clone() };
        self.hub.metrics.cache_objects.get_or_create(&kind).inc_by(-(self.counted as i64));
    }
}

fn api_status(error: &watcher::Error) -> Option<&kube::core::Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

/// Whether the API server refused the form of the request, and not the request.
fn is_unknown_option(error: &watcher::Error) -> bool {
    api_status(error).is_some_and(|status| matches!(status.code, 400 | 422))
}

/// What a watch that fails says to people.
fn explain<K: Resource<DynamicType = ()>>(error: &watcher::Error) -> String {
    let resource = format!("{}.{}", K::plural(&()), K::group(&()));
    let resource = resource.trim_end_matches('.');
    match api_status(error) {
        Some(status) if status.code == 404 => {
            format!(
                "the API server does not know {resource} ({}); remedy: install its CustomResourceDefinition",
                K::api_version(&())
            )
        }
        Some(status) if status.is_forbidden() => {
            format!(
                "list or watch of {resource} is refused ({}); remedy: grant get, list and watch on it",
                status.message
            )
        }
        _ => format!("{error}; it is tried again"),
    }
}
