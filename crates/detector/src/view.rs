//! What the rules look at, put together from the caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::detection::{EventNote, PodView, Revision, WorkloadView};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;

use crate::caches::Caches;
use crate::index::Index;
use crate::key::{Key, Kind};
use crate::seen::{OwnerKind, Plan, Seen};

/// The workload that a ReplicaSet belongs to: its Deployment, or itself.
pub(crate) fn of_set(set: &Seen<ReplicaSet>) -> Key {
    match &set.facts.owner {
        Some(owner) if owner.kind == OwnerKind::Deployment => Key::new(Kind::Deployment, set.namespace(), &owner.name),
        _ => Key::new(Kind::ReplicaSet, set.namespace(), set.name()),
    }
}

/// The workload that a pod belongs to. None for the pods of Jobs and the like, which end by nature, and for a pod whose
/// ReplicaSet has not been seen yet; that wakes its workload when it is.
pub(crate) fn of_pod(caches: &Caches, pod: &Seen<Pod>) -> Option<Key> {
    let own = || Key::new(Kind::Pod, pod.namespace(), pod.name());
    let Some(owner) = &pod.facts.owner else { return Some(own()) };
    match owner.kind {
        OwnerKind::ReplicaSet => caches.replica_sets.find(pod.namespace(), &owner.name).map(|set| of_set(&set)),
        OwnerKind::StatefulSet => Some(Key::new(Kind::StatefulSet, pod.namespace(), &owner.name)),
        OwnerKind::DaemonSet => Some(Key::new(Kind::DaemonSet, pod.namespace(), &owner.name)),
        OwnerKind::Node => Some(own()),
        OwnerKind::Job => None,
        // Controllers that we do not know run services as well as batches; only a service is always started again.
        OwnerKind::Deployment | OwnerKind::Other => pod.facts.restarts.then(own),
    }
}

/// The workload as it is now; none when it is gone or being deleted.
pub(crate) fn build(caches: &Caches, index: &Index, key: &Key) -> Option<WorkloadView> {
    let (namespace, name) = (key.place.namespace.as_str(), key.place.name.as_str());
    let assemble = Assemble { caches, index, namespace };
    match key.kind {
        Kind::Deployment => {
            let found = caches.deployments.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.deployment(key, &found.metadata, &found.facts))
        }
        Kind::StatefulSet => {
            let found = caches.stateful_sets.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.plain(key, &found.metadata, &found.facts))
        }
        Kind::DaemonSet => {
            let found = caches.daemon_sets.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.plain(key, &found.metadata, &found.facts))
        }
        Kind::ReplicaSet => {
            let found = caches.replica_sets.find(namespace, name)?;
            let alone = found.metadata.deletion_timestamp.is_none() && of_set(&found) == *key;
            alone.then(|| assemble.replica_set(key, &found))
        }
        Kind::Pod => {
            let found = caches.pods.find(namespace, name)?;
            let alone = found.metadata.deletion_timestamp.is_none() && of_pod(caches, &found).as_ref() == Some(key);
            alone.then(|| assemble.pod(key, &found))
        }
        Kind::Node => None,
    }
}

struct Assemble<'a> {
    caches: &'a Caches,
    index: &'a Index,
    namespace: &'a str,
}

type Meta = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn uid(metadata: &Meta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

impl Assemble<'_> {
    fn view(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        WorkloadView {
            workload: key.reference(metadata.uid.clone()),
            resource_version: metadata.resource_version.clone(),
            desired: plan.desired,
            paused: plan.paused,
            current: plan.current.clone(),
            conditions: plan.conditions.clone(),
            revisions: Vec::new(),
            pods: Vec::new(),
            events: self.index.notes(uid(metadata)),
            job: None,
        }
    }

    fn plain(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        let mut view = self.view(key, metadata, plan);
        view.pods = self.pods(uid(metadata));
        view
    }

    fn pod(&self, key: &Key, pod: &Seen<Pod>) -> WorkloadView {
        let mut view = self.view(key, &pod.metadata, &Plan { desired: 1, ..Plan::default() });
        // Its events are those of the pod; the workload has none of its own.
        view.events = Vec::new();
        view.pods = vec![PodView { revision: String::new(), ..self.pod_view(pod) }];
        view
    }

    fn replica_set(&self, key: &Key, set: &Arc<Seen<ReplicaSet>>) -> WorkloadView {
        let facts = &set.facts;
        let plan = Plan {
            desired: facts.desired,
            current: Some(facts.hash.clone()).filter(|hash| !hash.is_empty()),
            conditions: facts.conditions.clone(),
            ..Plan::default()
        };
        let mut view = self.plain(key, &set.metadata, &plan);
        view.revisions = vec![revision(set)];
        view
    }

    fn deployment(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        let mut view = self.view(key, metadata, plan);
        let owner = uid(metadata);
        let names = self.index.replica_sets.of(owner);
        let mut sets: Vec<Arc<Seen<ReplicaSet>>> = names
            .iter()
            .filter_map(|name| self.caches.replica_sets.find(self.namespace, name))
            .filter(|set| set.facts.owner.as_ref().is_some_and(|o| o.uid == owner))
            .collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.facts.number));
        let current = sets.iter().position(|set| Some(set.facts.number) == plan.number).unwrap_or_default();
        view.current = sets.get(current).map(|set| set.facts.hash.clone());
        let mut wanted = BTreeSet::from([current]);
        for (position, set) in sets.iter().enumerate() {
            let pods = self.pods(set.uid());
            if !pods.is_empty() || set.facts.desired > 0 || set.facts.ready > 0 {
                wanted.insert(position);
            }
            view.pods.extend(pods);
            view.events.extend(self.index.notes(set.uid()));
        }
        // To know what a revision changed, the one before it is needed; the templates of older ones are not read.
        let before: Vec<usize> = wanted.iter().map(|position| position + 1).collect();
        wanted.extend(before);
        view.revisions = wanted.iter().filter_map(|position| sets.get(*position)).map(revision).collect();
        view
    }

    /// The pods of an owner. The index may still tell one that has left it.
    fn pods(&self, owner: &str) -> Vec<PodView> {
        let names = self.index.pods.of(owner);
        let found = names.iter().filter_map(|name| self.caches.pods.find(self.namespace, name));
        found
            .filter(|pod| pod.facts.owner.as_ref().is_some_and(|o| o.uid == owner))
            .map(|pod| self.pod_view(&pod))
            .collect()
    }

    fn pod_view(&self, pod: &Seen<Pod>) -> PodView {
        let events: Vec<Arc<EventNote>> = self.index.notes(pod.uid());
        PodView {
            pod: Arc::new(pod.pod()),
            revision: pod.facts.revision.clone(),
            node_ready: pod.facts.node.as_deref().is_none_or(|node| self.index.node_answers(node)),
            events,
        }
    }
}

fn revision(set: &Arc<Seen<ReplicaSet>>) -> Revision {
    let facts = &set.facts;
    Revision {
        hash: facts.hash.clone(),
        number: facts.number,
        object: Key::new(Kind::ReplicaSet, set.namespace(), set.name()).reference(set.metadata.uid.clone()),
        resource_version: set.metadata.resource_version.clone(),
        created: set.metadata.creation_timestamp.as_ref().map(|time| time.0),
        template: Arc::new(facts.template()),
        desired: facts.desired,
        ready: facts.ready,
    }
}
