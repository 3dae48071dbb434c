//! The listeners: which change of which object wakes which look.

use std::sync::{Arc, PoisonError, RwLockWriteGuard};

use kit::cache::{Cache, Change, Key as Place};
use kube::{Resource, ResourceExt};

use super::Eyes;
use crate::caches::Many;
use crate::index::Index;
use crate::key::{Key, Kind};
use crate::seen::{OwnerKind, observed, room};
use crate::view::{of_pod, of_set};

impl Eyes {
    pub(super) fn listen(self: &Arc<Self>) {
        let caches = &self.caches;
        // ReplicaSets first: they tell where pods belong.
        self.hear(&caches.replica_sets, |eyes, set, gone| {
            if let Some(owner) = set.facts.owner.as_ref().filter(|o| o.kind == OwnerKind::Deployment) {
                eyes.index_mut().replica_sets.set(&owner.uid, set.name(), !gone);
            }
            eyes.add(of_set(set));
        });
        self.hear(&caches.pods, |eyes, pod, gone| {
            if let Some(owner) = &pod.facts.owner {
                eyes.index_mut().pods.set(&owner.uid, pod.name(), !gone);
            }
            if let Some(key) = of_pod(&eyes.caches, pod) {
                eyes.add(key);
            }
            eyes.graphs.stirred(pod.namespace());
        });
        self.hear(&caches.jobs, |eyes, job, _| eyes.wake(Kind::Job, job));
        self.listen_around();
        self.hear(&caches.deployments, |eyes, object, _| eyes.wake(Kind::Deployment, object));
        self.hear(&caches.stateful_sets, |eyes, object, _| eyes.wake(Kind::StatefulSet, object));
        self.hear(&caches.daemon_sets, |eyes, object, _| eyes.wake(Kind::DaemonSet, object));
        self.hear(&caches.events, |eyes, event, gone| {
            let Some(note) = &event.facts else { return };
            eyes.index_mut().event(event.name(), note, gone);
            // What is said of these is read with what is around them.
            if matches!(note.object.kind.as_str(), "PersistentVolumeClaim" | "CronJob") {
                eyes.graphs.changed(event.namespace());
            } else if let Some(key) = eyes.of_object(&note.object).filter(|_| !gone) {
                eyes.add(key);
            }
        });
        self.hear(&caches.config_maps, |eyes, map, gone| {
            if gone {
                eyes.histories.gone(&Place::of(&**map), eyes.clock.now());
            }
            eyes.graphs.changed(map.namespace());
        });
        self.hear(&caches.nodes, |eyes, node, gone| {
            let name = node.name_any();
            // First, because the looks that are woken below ask for it.
            if gone {
                eyes.graphs.node_gone(&name);
            } else {
                eyes.graphs.node(room(node), eyes.clock.now());
            }
            if eyes.index_mut().node(&name, (!gone).then(|| observed(node))) {
                eyes.wake_pods_of(&name);
            }
            eyes.wake(Kind::Node, node);
        });
    }

    /// Listens without keeping the eyes alive: they own the caches.
    fn hear<K: Resource + 'static>(
        self: &Arc<Self>,
        caches: &Many<K>,
        hear: impl Fn(&Self, &Arc<K>, bool) + Clone + Send + Sync + 'static,
    ) {
        let eyes = Arc::downgrade(self);
        caches.listen(move |change| {
            if let Some(eyes) = eyes.upgrade() {
                hear(&eyes, change.object(), matches!(change, Change::Deleted(_)));
            }
        });
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen_around(self: &Arc<Self>) {
        let around = &self.graphs.around;
        self.hear_around(&around.slices);
        self.hear_around(&around.secrets);
        self.hear_around(&around.accounts);
        self.hear_around(&around.claims);
        self.hear_around(&around.autoscalers);
        self.hear_around(&around.budgets);
        self.hear_around(&around.quotas);
        self.hear_around(&around.limits);
        self.hear_around(&around.cron_jobs);
        self.hear_around(&around.roles);
        self.hear_around(&around.role_bindings);
        // What others of the cluster see of a namespace.
        self.hear_seen_by_others(&around.services);
        self.hear_seen_by_others(&around.policies);
        self.hear_seen_by_others(&around.ingresses);
        self.hear_shared(&around.namespaces);
        self.hear_shared(&around.storage_classes);
        self.hear_shared(&around.volumes);
        self.hear_shared(&around.ingress_classes);
        self.hear_shared(&around.priority_classes);
        self.hear_shared(&around.cluster_roles);
        self.hear_shared(&around.cluster_role_bindings);
        self.hear_shared(&around.validating);
        self.hear_shared(&around.mutating);
    }

    fn hear_around<K: Resource + 'static>(self: &Arc<Self>, caches: &Many<K>) {
        self.hear(caches, |eyes, object, _| eyes.graphs.changed(&object.namespace().unwrap_or_default()));
    }

    fn hear_seen_by_others<K: Resource + 'static>(self: &Arc<Self>, caches: &Many<K>) {
        self.hear(caches, |eyes, object, _| {
            eyes.graphs.shifted();
            eyes.graphs.changed(&object.namespace().unwrap_or_default());
        });
    }

    fn hear_shared<K: Resource + 'static>(self: &Arc<Self>, cache: &Cache<K>) {
        let eyes = Arc::downgrade(self);
        cache.listen(move |_| {
            if let Some(eyes) = eyes.upgrade() {
                eyes.graphs.shifted();
            }
        });
    }

    fn wake<K: Resource>(&self, kind: Kind, object: &Arc<K>) {
        if kind != Kind::Node {
            self.graphs.changed(&object.namespace().unwrap_or_default());
        }
        self.add(Key { kind, place: Place::of(&**object) });
    }
}
