//! What the pods of Deployments were before their last rollouts, from the ReplicaSets in the caches.
//!
//! Templates lie packed; only those of Deployments that were rolled out lately are read.

use std::sync::Arc;

use domain::graph::{Before, Workload};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ReplicaSet;

use crate::caches::Caches;
use crate::index::Index;
use crate::seen::Seen;

/// A rollout is forgotten after this time; no rule looks back further.
const LATELY: SignedDuration = SignedDuration::from_mins(60);

/// Tells each Deployment what its pods were before its last rollout, where that was lately.
pub(super) fn tell(caches: &Caches, index: &Index, namespace: &str, workloads: &mut [Workload], now: Timestamp) {
    for workload in workloads.iter_mut().filter(|workload| workload.object.kind == "Deployment") {
        let Some(uid) = workload.object.uid.as_deref() else { continue };
        let names = index.replica_sets.of(uid);
        if names.len() < 2 {
            continue;
        }
        let mut sets: Vec<Arc<Seen<ReplicaSet>>> = names
            .iter()
            .filter_map(|name| caches.replica_sets.find(namespace, name))
            .filter(|set| set.facts.owner.as_ref().is_some_and(|owner| owner.uid == uid))
            .collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.facts.number));
        let [newest, before, ..] = sets.as_slice() else { continue };
        let Some(made) = newest.metadata.creation_timestamp.as_ref().map(|time| time.0) else { continue };
        if now.duration_since(made) < LATELY {
            let (number, template) = (newest.facts.number, Arc::new(before.facts.template()));
            workload.before = Some(Before { at: made, number, template });
        }
    }
}
