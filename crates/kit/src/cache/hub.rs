//! Starts the watches and knows which caches are not filled yet, and why.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch as signal};

use super::store::{Cache, Key};
use super::watching::Watching;
use crate::events::Events;
use crate::metrics::{Kind, Metrics};
use crate::supervisor::Supervisor;

/// An object that the API server has and that we cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// Its kind.
    pub kind: String,
    /// Its namespace and name.
    pub key: Key,
    /// Why it cannot be read.
    pub error: String,
}

#[derive(Default)]
struct State {
    caches: usize,
    /// By number of the cache: its kind, and why it is not filled.
    pending: BTreeMap<usize, (String, String)>,
    /// By number of the cache: what is wrong with its watch now, filled or not.
    troubles: BTreeMap<usize, (String, String)>,
    undecodable: BTreeMap<(usize, Key), Undecodable>,
    /// Caches that the API server refuses or whose kind it does not know.
    refused: BTreeSet<usize>,
}

/// Starts watches; clones share what is known about them.
#[derive(Clone)]
pub struct Hub {
    supervisor: Supervisor,
    pub(super) metrics: Metrics,
    state: Arc<Mutex<State>>,
    changed: signal::Sender<()>,
    reports: Option<mpsc::UnboundedSender<(ObjectReference, String)>>,
}

/// The watch configuration for a cache: the first list arrives as a stream, so that neither the API server nor this
/// process holds all of it at once. An API server that does not stream lists gives pages instead.
pub fn config() -> watcher::Config {
    watcher::Config::default().streaming_lists()
}

impl Hub {
    /// A hub whose watches run under `supervisor`.
    pub fn new(supervisor: &Supervisor, metrics: &Metrics) -> Self {
        Self {
            supervisor: supervisor.clone(),
            metrics: metrics.clone(),
            state: Arc::default(),
            changed: signal::Sender::new(()),
            reports: None,
        }
    }

    /// The same hub; it writes an Event on every object that does not decode.
    #[must_use]
    pub fn with_events(mut self, events: Events) -> Self {
        let (sender, mut reports) = mpsc::unbounded_channel::<(ObjectReference, String)>();
        self.reports = Some(sender);
        let token = self.supervisor.token().clone();
        self.supervisor.spawn("undecodable-reports", async move {
            while let Some(Some((object, note))) = token.run_until_cancelled(reports.recv()).await {
                events.warning(&object, "Undecodable", "Read", &note).await;
            }
            // The hub outlives this task only while the process stops; without any hub there is nothing left to report.
            token.cancelled().await;
            Ok::<_, std::convert::Infallible>(())
        });
        self
    }

    /// Starts the one watch of a kind. `prune` drops what nobody reads, before it is kept; managedFields and
    /// last-applied-configuration are dropped in any case. It sees every object before the listeners do, also one that is
    /// listed again unchanged.
    ///
    /// A kind that is missing or refused is reported and tried again; the other kinds do not wait for it. An object that
    /// does not decode is taken for deleted, counted, and reported once; the others are not held up.
    ///
    /// Use [`config`] unless you know better, with `.labels(..)` and `.fields(..)` as you need.
    pub fn cache<K>(
        &self,
        api: Api<DeserializeGuard<K>>,
        config: watcher::Config,
        prune: impl Fn(&mut K) + Send + Sync + 'static,
    ) -> Cache<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        self.watched(api, config, prune, |object| object)
    }

    /// The same, but the API server sends no more than the metadata of each object, and of that only names and the version
    /// are kept: enough to know that an object is there and that it has moved. What is in it is read when it is needed.
    pub fn names<K>(&self, api: Api<PartialObjectMeta<K>>, config: watcher::Config) -> Cache<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let prune = |object: &mut PartialObjectMeta<K>| {
            let metadata = std::mem::take(&mut object.metadata);
            object.metadata.name = metadata.name;
            object.metadata.namespace = metadata.namespace;
            object.metadata.uid = metadata.uid;
            object.metadata.resource_version = metadata.resource_version;
        };
        self.watched(api, config, prune, |object| DeserializeGuard(Ok(object)))
    }

    fn watched<K, T>(
        &self,
        api: Api<T>,
        config: watcher::Config,
        prune: impl Fn(&mut K) + Send + Sync + 'static,
        guarded: fn(T) -> DeserializeGuard<K>,
    ) -> Cache<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        T: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let cache = Cache::default();
        let kind = K::kind(&()).into_owned();
        let number = {
            let mut state = self.lock();
            state.caches += 1;
            let number = state.caches;
            state.pending.insert(number, (kind.clone(), "the first list has not arrived yet".to_owned()));
            number
        };
        let task = Watching::new(self.clone(), number, cache.clone(), kind, Box::new(prune));
        let token = self.supervisor.token().clone();
        let name = match K::kind(&()) {
            Cow::Borrowed(kind) => kind,
            Cow::Owned(_) => "watch",
        };
        self.supervisor.spawn(name, async move {
            // A watch never ends by itself.
            token.run_until_cancelled(task.run(api, config, guarded)).await;
            Ok::<_, std::convert::Infallible>(())
        });
        cache
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds whose cache is not filled, each with the reason and the remedy. Empty when ready.
    pub fn not_ready(&self) -> Vec<(String, String)> {
        self.lock().pending.values().cloned().collect()
    }

    /// The kinds whose watch fails now, filled or not, each with the reason and the remedy. A filled cache stays usable
    /// and grows old.
    pub fn troubles(&self) -> Vec<(String, String)> {
        self.lock().troubles.values().cloned().collect()
    }

    /// The objects that are left out because they cannot be read.
    pub fn undecodable(&self) -> Vec<Undecodable> {
        self.lock().undecodable.values().cloned().collect()
    }

    /// Waits until every cache that was started before is filled.
    pub async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        while !self.lock().pending.is_empty() {
            let _ = tokio::time::timeout(Duration::from_secs(1), changed.changed()).await;
        }
    }

    /// Waits until every cache of these kinds that was started before is filled, or is known to stay empty because the
    /// API server refuses it or does not know the kind.
    pub async fn settled(&self, kinds: &[&str]) {
        self.settled_of(|kind| kinds.contains(&kind)).await;
    }

    /// The same for every kind that was started before.
    pub async fn all_settled(&self) {
        self.settled_of(|_| true).await;
    }

    async fn settled_of(&self, wanted: impl Fn(&str) -> bool) {
        let mut changed = self.changed.subscribe();
        loop {
            let waits = {
                let state = self.lock();
                let mut pending = state.pending.iter();
                pending.any(|(number, (kind, _))| wanted(kind) && !state.refused.contains(number))
            };
            // The sender is part of this hub: it cannot be gone.
            if !waits || changed.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn filled(&self, number: usize) {
        let mut state = self.lock();
        state.pending.remove(&number);
        state.refused.remove(&number);
        drop(state);
        self.changed.send_replace(());
    }

    pub(super) fn refused(&self, number: usize) {
        self.lock().refused.insert(number);
        self.changed.send_replace(());
    }

    /// Remembers what is wrong with a watch; returns whether that is news.
    pub(super) fn trouble(&self, number: usize, kind: &str, why: Option<&str>) -> bool {
        let mut state = self.lock();
        let Some(why) = why else {
            return state.troubles.remove(&number).is_some();
        };
        let now = (kind.to_owned(), why.to_owned());
        if let Some(pending) = state.pending.get_mut(&number) {
            pending.clone_from(&now);
        }
        state.troubles.insert(number, now.clone()) != Some(now)
    }

    /// Remembers an object that cannot be read, and reports it unless that was done.
    pub(super) fn cannot_read(&self, number: usize, object: Undecodable, reference: ObjectReference) {
        let mut state = self.lock();
        let known = state.undecodable.insert((number, object.key.clone()), object.clone());
        self.count_undecodable(&state, &object.kind);
        drop(state);
        if known.is_some_and(|known| known == object) {
            return;
        }
        let Undecodable { kind, key, error } = object;
        tracing::warn!(kind, object = %key, error, "the object does not decode and is left out; remedy: correct or delete it");
        if let Some(reports) = &self.reports {
            let _ = reports.send((
                reference,
                format!("This object cannot be read and is ignored: {error}. Correct it or delete it."),
            ));
        }
    }

    /// Forgets that objects could not be read, except those that `keep` names.
    pub(super) fn can_read(&self, number: usize, kind: &str, keep: impl Fn(&Key) -> bool) {
        let mut state = self.lock();
        if state.undecodable.is_empty() {
            return;
        }
        state.undecodable.retain(|(of, key), _| *of != number || keep(key));
        self.count_undecodable(&state, kind);
    }

    fn count_undecodable(&self, state: &State, kind: &str) {
        let count = state.undecodable.values().filter(|object| object.kind == kind).count();
        self.metrics.undecodable.get_or_create(&Kind { kind: kind.to_owned() }).set(count as i64);
    }
}
