//! The caches: which kinds are watched, where, and what is kept of them.
//!
//! What lives here: one watch per kind (per kind and namespace when only some are watched). What does not: Secrets, claims
//! and storage classes, which are read when a question needs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod};
use kit::cache::{Cache, Change, Hub, config};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

use crate::scope::Hubs;
use crate::seen::{self, Digest, Seen};

/// Namespaces that hold no workloads.
pub(crate) const EMPTY: [&str; 2] = ["kube-node-lease", "kube-public"];
/// The kinds that must be there before anything is concluded.
pub(crate) const KINDS: [&str; 8] =
    ["Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Event", "ConfigMap", "Node"];

/// The caches of one kind, by namespace; one cache under the empty name when the whole cluster is watched.
pub(crate) struct Many<K>(BTreeMap<String, Cache<K>>);

impl<K> Default for Many<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Resource> Many<K> {
    fn of(&self, namespace: &str) -> Option<&Cache<K>> {
        self.0.get("").or_else(|| self.0.get(namespace))
    }

    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.of(namespace)?.find(namespace, name)
    }

    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        self.of(namespace).map(|cache| cache.in_namespace(namespace)).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.0.values().flat_map(Cache::all).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Cache::len).sum()
    }

    pub(crate) fn listen(&self, listener: impl Fn(&Change<'_, K>) + Clone + Send + Sync + 'static) {
        for cache in self.0.values() {
            cache.listen(listener.clone());
        }
    }

    /// Whether a namespace is watched.
    pub(crate) fn covers(&self, namespace: &str) -> bool {
        self.of(namespace).is_some()
    }

    /// Caches that are filled by hand.
    #[cfg(test)]
    pub(crate) fn by_hand(cache: Cache<K>) -> Self {
        Self(BTreeMap::from([(String::new(), cache)]))
    }
}

/// Everything that is watched.
pub(crate) struct Caches {
    pub(crate) pods: Many<Seen<Pod>>,
    pub(crate) replica_sets: Many<Seen<ReplicaSet>>,
    pub(crate) deployments: Many<Seen<Deployment>>,
    pub(crate) stateful_sets: Many<Seen<StatefulSet>>,
    pub(crate) daemon_sets: Many<Seen<DaemonSet>>,
    pub(crate) events: Many<Seen<Event>>,
    pub(crate) config_maps: Many<Seen<ConfigMap>>,
    pub(crate) jobs: Many<Seen<Job>>,
    pub(crate) nodes: Many<Node>,
    /// Whether the pods of all namespaces are seen.
    pub(crate) whole: bool,
}

/// What looks at an object before it is kept.
pub(crate) struct Prunes<P, C> {
    pub(crate) pod: P,
    pub(crate) config_map: C,
}

impl Caches {
    /// Starts the watches.
    pub(crate) fn start(
        client: &Client,
        hubs: &Hubs,
        prunes: Prunes<
            impl Fn(&mut Seen<Pod>) + Clone + Send + Sync + 'static,
            impl Fn(&mut Seen<ConfigMap>) + Clone + Send + Sync + 'static,
        >,
    ) -> Self {
        let nodes = hubs.cluster().map(|hub| hub.cache(Api::all(client.clone()), config(), seen::node));
        Self {
            // A pod that has done its work has nothing to say.
            pods: watch(client, hubs, "status.phase!=Succeeded", prunes.pod),
            replica_sets: watch(client, hubs, "", |_| {}),
            deployments: watch(client, hubs, "", |_| {}),
            stateful_sets: watch(client, hubs, "", |_| {}),
            daemon_sets: watch(client, hubs, "", |_| {}),
            events: watch(client, hubs, "type=Warning", |_| {}),
            config_maps: watch(client, hubs, "metadata.name!=kube-root-ca.crt", prunes.config_map),
            jobs: watch(client, hubs, "", |_| {}),
            nodes: Many(nodes.into_iter().map(|nodes| (String::new(), nodes)).collect()),
            whole: hubs.by_namespace().any(|(namespace, _)| namespace.is_empty()),
        }
    }
}

pub(crate) fn watch<K: Digest + Resource<Scope = NamespaceResourceScope>>(
    client: &Client,
    hubs: &Hubs,
    fields: &str,
    prune: impl Fn(&mut Seen<K>) + Clone + Send + Sync + 'static,
) -> Many<Seen<K>> {
    let with = |more: Vec<String>| -> watcher::Config {
        let all: Vec<String> = more.into_iter().chain([fields.to_owned()]).filter(|field| !field.is_empty()).collect();
        let config = config();
        if all.is_empty() { config } else { config.fields(&all.join(",")) }
    };
    let start = |(namespace, hub): (&String, &Hub)| {
        let (api, config) = if namespace.is_empty() {
            let elsewhere = EMPTY.iter().map(|namespace| format!("metadata.namespace!={namespace}")).collect();
            (Api::all(client.clone()), with(elsewhere))
        } else {
            (Api::namespaced(client.clone(), namespace), with(Vec::new()))
        };
        (namespace.clone(), hub.cache(api, config, prune.clone()))
    };
    Many(hubs.by_namespace().map(start).collect())
}
