//! Kinds that a cluster may have or not: found by their definitions, watched while these are there.
//!
//! What lives here: which of them are watched now, and what is kept of their objects. What does not: the list of the kinds
//! and what is kept of an object (`domain::graph`), the watches themselves (`watch`). A definition that comes later is
//! picked up, and one that goes takes its objects with it, without a restart.

mod store;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domain::graph::{OPTIONAL, OptionalKind};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kit::cache::{Cache, Change, Hub, config};
use kit::supervisor::Supervisor;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::{mpsc, watch as signal};

use crate::graph::EVERYWHERE;
use crate::scope::Hubs;
use store::Store;

/// Kind of the definitions.
const DEFINITION: &str = "CustomResourceDefinition";
/// What is known of the releases of Helm where Secrets may be watched.
const RELEASES: OptionalKind = OptionalKind { group: "", kind: "Secret", plural: "secrets", namespaced: true };

/// A kind in a namespace, or in all of them under the empty name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    kind: &'static str,
    group: &'static str,
    namespace: String,
}

/// What a task is asked to do.
enum Order {
    Follow(&'static OptionalKind),
    Leave(&'static OptionalKind),
}

type Wake = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Inner {
    stores: Mutex<BTreeMap<Slot, Store>>,
    /// Called with the namespace of what has changed.
    wake: OnceLock<Wake>,
    changed: signal::Sender<()>,
    definitions: OnceLock<(Hub, Cache<PartialObjectMeta<CustomResourceDefinition>>)>,
}

/// The objects of the kinds that are there. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Optional(Arc<Inner>);

/// The kind that a definition is of, by the name that the API server makes it have.
fn kind_of(name: &str) -> Option<&'static OptionalKind> {
    let (plural, group) = name.split_once('.')?;
    OPTIONAL.iter().find(|kind| kind.plural == plural && kind.group == group)
}

impl Optional {
    /// Starts to look for definitions, and to watch what they are of. With `releases` what Helm notes is watched too.
    pub(crate) fn start(client: &Client, hubs: &Hubs, releases: bool, supervisor: &Supervisor) -> Self {
        let this = Self::default();
        let Some(cluster) = hubs.cluster() else { return this };
        let (orders, receiver) = mpsc::unbounded_channel();
        let places: Vec<String> = hubs.by_namespace().map(|(namespace, _)| namespace.clone()).collect();
        let definitions = cluster.names::<CustomResourceDefinition>(Api::all(client.clone()), config());
        let weak = Arc::downgrade(&this.0);
        let spaces = places.clone();
        definitions.listen(move |change| {
            let Some(kind) = kind_of(&change.object().name_any()) else { return };
            let Some(inner) = weak.upgrade() else { return };
            // Noted at once, so that nobody takes it for settled before its watch has begun.
            let order = match change {
                Change::Applied(_) => {
                    Self(inner).expect(kind, &spaces);
                    Order::Follow(kind)
                }
                Change::Deleted(_) => Order::Leave(kind),
            };
            // The task ends with the process.
            let _ = orders.send(order);
        });
        let _ = this.0.definitions.set((cluster.clone(), definitions));
        if releases {
            this.expect(&RELEASES, &places);
        }
        watch::start(&this, client, supervisor, (places, releases), receiver);
        this
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Slot, Store>> {
        self.0.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who hears of changes; the namespace is empty for what all of them share.
    pub(crate) fn listen(&self, wake: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.wake.set(Box::new(wake));
    }

    fn wake(&self, namespace: &str) {
        if let Some(wake) = self.0.wake.get() {
            wake(namespace);
        }
    }

    fn expect(&self, kind: &OptionalKind, places: &[String]) {
        let mut stores = self.lock();
        for slot in slots(kind, places) {
            stores.entry(slot).or_default();
        }
    }

    /// Changes what is kept of a kind, and says so.
    fn change<T>(&self, slot: &Slot, change: impl FnOnce(&mut Store) -> T) -> Option<T> {
        let done = self.lock().get_mut(slot).map(change);
        self.0.changed.send_replace(());
        done
    }

    /// A kind is not there any more.
    fn forget(&self, slots: &[Slot]) {
        let mut stores = self.lock();
        for slot in slots {
            stores.remove(slot);
        }
        drop(stores);
        self.0.changed.send_replace(());
        self.wake(EVERYWHERE);
    }

    /// The objects of a namespace, and those that all namespaces share.
    pub(crate) fn objects(&self, namespace: &str) -> Vec<Arc<Value>> {
        let stores = self.lock();
        let mut found = Vec::new();
        for (slot, store) in stores.iter() {
            // What another namespace permits is read from here too.
            if slot.kind == "ReferenceGrant" {
                found.extend(store.all());
            } else {
                found.extend(store.of(namespace));
                found.extend(store.of(""));
            }
        }
        found
    }

    /// Kinds of which nobody knows in a namespace whether there are any, or which.
    pub(crate) fn unreadable(&self, namespace: &str) -> BTreeSet<String> {
        let known = self.0.definitions.get().is_some_and(|(hub, _)| {
            let pending = hub.not_ready();
            !pending.iter().any(|(kind, _)| kind == DEFINITION)
        });
        if !known {
            return OPTIONAL.iter().map(|kind| kind.kind.to_owned()).collect();
        }
        let stores = self.lock();
        let here = |slot: &Slot| slot.namespace.is_empty() || slot.namespace == namespace;
        let missing =
            stores.iter().filter(|(slot, store)| here(slot) && slot.group != RELEASES.group && !store.whole());
        missing.map(|(slot, _)| slot.kind.to_owned()).collect()
    }

    fn waits(&self) -> bool {
        self.lock().values().any(Store::waits)
    }

    /// Waits until every kind that is there is filled, or is known to stay empty.
    pub(crate) async fn settled(&self) {
        let mut changed = self.0.changed.subscribe();
        // The sender is part of what this holds: it cannot be gone.
        while self.waits() && changed.changed().await.is_ok() {}
    }
}

/// The places in which a kind is watched.
fn slots(kind: &OptionalKind, places: &[String]) -> Vec<Slot> {
    let of = |namespace: &str| Slot { kind: kind.kind, group: kind.group, namespace: namespace.to_owned() };
    if kind.namespaced { places.iter().map(|place| of(place)).collect() } else { vec![of("")] }
}

#[cfg(test)]
mod tests;
