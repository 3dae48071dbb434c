//! The watches of kinds that a cluster may have or not: one task, which follows as many kinds as there are.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use domain::graph::{HELM_RECORD, OptionalKind, trim};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Secret;
use kit::cache::{Key, config};
use kit::classify::backoff;
use kit::supervisor::Supervisor;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::discovery::{self, verbs};
use kube::runtime::watcher::{self, Event, InitialListStrategy};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch as signal};

use super::{Optional, Order, RELEASES, Slot, slots};
use crate::graph::EVERYWHERE;

/// A definition is known a moment before the API server serves its kind.
const SOON: u32 = 4;

type Following = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts the task.
pub(super) fn start(
    optional: &Optional,
    client: &Client,
    supervisor: &Supervisor,
    (places, releases): (Vec<String>, bool),
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let (optional, client) = (optional.clone(), client.clone());
    let token = supervisor.token().clone();
    supervisor.spawn("optional-kinds", async move {
        let work = async {
            let mut following: FuturesUnordered<Following> = FuturesUnordered::new();
            // Dropping the sender ends the watches of a kind.
            let mut ends: BTreeMap<(&str, &str), signal::Sender<()>> = BTreeMap::new();
            if releases {
                for slot in slots(&RELEASES, &places) {
                    following.push(Box::pin(of_releases(optional.clone(), client.clone(), slot)));
                }
            }
            loop {
                let order = tokio::select! {
                    order = orders.recv() => order,
                    Some(()) = following.next() => continue,
                };
                match order {
                    Some(Order::Follow(kind)) if !ends.contains_key(&(kind.group, kind.kind)) => {
                        let (sender, receiver) = signal::channel(());
                        ends.insert((kind.group, kind.kind), sender);
                        optional.expect(kind, &places);
                        for slot in slots(kind, &places) {
                            let mut over = receiver.clone();
                            let follow = follow(optional.clone(), client.clone(), kind, slot);
                            following.push(Box::pin(async move {
                                tokio::select! {
                                    () = follow => {}
                                    _ = over.changed() => {}
                                }
                            }));
                        }
                    }
                    Some(Order::Follow(_)) => {}
                    Some(Order::Leave(kind)) => {
                        ends.remove(&(kind.group, kind.kind));
                        optional.forget(&slots(kind, &places));
                        tracing::info!(kind = kind.kind, "its definition is gone; it is not watched any more");
                    }
                    // Whoever gives orders is gone, and so are the caches.
                    None => std::future::pending().await,
                }
            }
        };
        token.run_until_cancelled(work).await.unwrap_or(());
        Ok::<_, Infallible>(())
    });
}

/// Finds out under which version a kind is served, and watches it; again and again, until nobody wants to know any more.
async fn follow(optional: Optional, client: Client, kind: &'static OptionalKind, slot: Slot) {
    let mut failures = 0;
    loop {
        match served(&client, kind).await {
            Ok(resource) => {
                failures = 0;
                let api: Api<DynamicObject> = if slot.namespace.is_empty() {
                    Api::all_with(client.clone(), &resource)
                } else {
                    Api::namespaced_with(client.clone(), &slot.namespace, &resource)
                };
                let read = |object: DynamicObject| trim(whole(&resource, object));
                Watching { optional: &optional, slot: &slot, what: described(kind) }.run(api, config(), read).await;
            }
            Err(why) if failures < SOON => tracing::debug!(kind = kind.kind, "{why}"),
            Err(why) => trouble(&optional, &slot, &why, true),
        }
        failures += 1;
        tokio::time::sleep(backoff(failures)).await;
    }
}

/// What Helm notes of its releases: the labels of Secrets and nothing else of them.
async fn of_releases(optional: Optional, client: Client, slot: Slot) {
    loop {
        let api: Api<PartialObjectMeta<Secret>> = if slot.namespace.is_empty() {
            Api::all(client.clone())
        } else {
            Api::namespaced(client.clone(), &slot.namespace)
        };
        let config = config().labels("owner=helm").fields(&format!("type={HELM_RECORD}"));
        let read = |object: PartialObjectMeta<Secret>| {
            trim(json!({"apiVersion": "v1", "kind": "Secret", "type": HELM_RECORD, "metadata": object.metadata}))
        };
        let what = "secrets of Helm".to_owned();
        Watching { optional: &optional, slot: &slot, what }.run(api, config, read).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

fn described(kind: &OptionalKind) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

/// The most stable version of a kind that the API server serves.
async fn served(client: &Client, kind: &OptionalKind) -> Result<ApiResource, String> {
    let group = discovery::group(client, kind.group).await.map_err(|error| format!("{}: {error}", described(kind)))?;
    let found = group.resources_by_stability().into_iter().find(|(resource, can)| {
        resource.kind == kind.kind && resource.plural == kind.plural && can.supports_operation(verbs::WATCH)
    });
    found.map(|(resource, _)| resource).ok_or_else(|| format!("{} is defined and not served yet", described(kind)))
}

/// The whole of an object as JSON.
fn whole(resource: &ApiResource, object: DynamicObject) -> Value {
    let mut all = object.data;
    if let Some(fields) = all.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(resource.api_version));
        fields.insert("kind".to_owned(), json!(resource.kind));
        fields.insert("metadata".to_owned(), json!(object.metadata));
    }
    all
}

/// Notes what is wrong with a watch, and says so once.
fn trouble(optional: &Optional, slot: &Slot, why: &str, refused: bool) {
    let news = optional.change(slot, |store| {
        store.refused |= refused;
        store.trouble.replace(why.to_owned()).as_deref() != Some(why)
    });
    if news == Some(true) {
        tracing::warn!("{}: {why}; faults that only this kind shows are not found", slot.kind);
    }
}

struct Watching<'a> {
    optional: &'a Optional,
    slot: &'a Slot,
    /// The resource, for people.
    what: String,
}

impl Watching<'_> {
    /// Watches until the API server does not know the kind any more.
    async fn run<K>(&self, api: Api<K>, mut config: watcher::Config, read: impl Fn(K) -> Option<Value>)
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        loop {
            let mut stream = watch(api.clone(), config.clone()).default_backoff().boxed();
            let mut present = HashSet::new();
            while let Some(event) = stream.next().await {
                match event {
                    Ok(Event::Init) => present.clear(),
                    Ok(Event::InitApply(object)) => drop(present.insert(self.apply(object, &read))),
                    Ok(Event::InitDone) => self.listed(&std::mem::take(&mut present)),
                    Ok(Event::Apply(object)) => drop(self.apply(object, &read)),
                    Ok(Event::Delete(object)) => {
                        let key = Key::of(&object);
                        if self.optional.change(self.slot, |store| store.delete(&key)) == Some(true) {
                            self.tell(&key.namespace);
                        }
                    }
                    Err(error) => match code(&error) {
                        Some(404) => {
                            trouble(self.optional, self.slot, &format!("{} is not served any more", self.what), true);
                            return;
                        }
                        Some(400 | 422) if config.initial_list_strategy == InitialListStrategy::StreamingList => {
                            config.initial_list_strategy = InitialListStrategy::ListWatch;
                            break;
                        }
                        Some(401 | 403) => {
                            let why = format!(
                                "list or watch of {} is refused ({error}); remedy: grant get, list and watch on it",
                                self.what
                            );
                            trouble(self.optional, self.slot, &why, true);
                        }
                        _ => trouble(self.optional, self.slot, &format!("{error}; it is tried again"), false),
                    },
                }
            }
        }
    }

    fn apply<K: Resource>(&self, object: K, read: impl Fn(K) -> Option<Value>) -> Key {
        let key = Key::new(object.namespace().unwrap_or_default(), object.name_any());
        let object = read(object);
        let news = self.optional.change(self.slot, |store| store.apply(key.clone(), object));
        if news == Some(true) {
            self.tell(&key.namespace);
        }
        key
    }

    fn listed(&self, present: &HashSet<Key>) {
        let Some((first, gone)) = self.optional.change(self.slot, |store| store.listed(present)) else { return };
        // From now on an object that is not there is missing.
        if first {
            self.optional.wake(EVERYWHERE);
        }
        for namespace in &gone {
            self.tell(namespace);
        }
    }

    fn tell(&self, namespace: &str) {
        // What another namespace permits matters everywhere.
        let shared = self.slot.kind == "ReferenceGrant";
        self.optional.wake(if shared { EVERYWHERE } else { namespace });
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}
