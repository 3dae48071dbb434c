//! What the nodes offer beside what they say themselves: how much of each the pods take, and what was seen to change.
//!
//! What pods take changes with every pod, so it is summed where a pod waits for a node and not kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::diagnosis::{NodeRoom, Tenant, host_ports, requests};
use domain::graph::Surroundings;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, Taint};

use crate::caches::Caches;
use crate::seen::Seen;
use crate::view::of_pod;

/// Tenants of one node that are told, those that came last.
const TENANTS: usize = 16;

/// What was seen of a node.
#[derive(Clone, Debug, Default, PartialEq)]
struct Turn {
    ready: bool,
    cordoned: bool,
    taints: Vec<Taint>,
    /// When it ceased to be ready.
    fell: Option<Timestamp>,
    /// When its taints or its cordon changed.
    changed: Option<Timestamp>,
}

/// When nodes changed, by our own clock: what a condition says of its time is not always true.
#[derive(Debug, Default)]
pub(super) struct Turns(HashMap<String, Turn>);

impl Turns {
    /// Notes a node as it is now. What is seen for the first time has not changed.
    pub(super) fn note(&mut self, node: &NodeRoom, now: Timestamp) {
        let known = self.0.get(&node.name);
        let turned = known.is_some_and(|known| known.cordoned != node.cordoned || known.taints != node.taints);
        let fell = match known {
            _ if node.ready => None,
            Some(known) if known.ready => Some(now),
            known => known.and_then(|known| known.fell),
        };
        let changed = if turned { Some(now) } else { known.and_then(|known| known.changed) };
        let turn = Turn { ready: node.ready, cordoned: node.cordoned, taints: node.taints.clone(), fell, changed };
        self.0.insert(node.name.clone(), turn);
    }

    /// The node is gone.
    pub(super) fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// Since when a node is not ready, if it was seen ready before.
    pub(super) fn fell(&self, node: &str) -> Option<Timestamp> {
        self.0.get(node)?.fell
    }

    /// A node with the time of its last change.
    pub(super) fn on(&self, node: NodeRoom) -> NodeRoom {
        let changed = self.0.get(&node.name).and_then(|turn| turn.changed);
        NodeRoom { changed, ..node }
    }
}

/// What a pod requests, and its ports of the node.
type Sum = (Arc<BTreeMap<String, i128>>, Vec<i32>);

/// What all pods take of the nodes. Pods of a revision share their spec: each is summed once.
#[derive(Default)]
struct Sums {
    of: HashMap<usize, Sum>,
}

impl Sums {
    fn get(&mut self, spec: &Arc<PodSpec>) -> Sum {
        let of = || (Arc::new(requests(spec)), host_ports(spec).map(|(port, ..)| port).collect());
        self.of.entry(Arc::as_ptr(spec) as usize).or_insert_with(of).clone()
    }
}

/// The surroundings with what is taken of each node, and who places pods; `above` is the priority over which the pods of a
/// node are told one by one. Without the pods of all namespaces nobody knows what is taken.
pub(crate) fn taken(caches: &Caches, around: &Surroundings, above: Option<i32>) -> Surroundings {
    let mut filled = around.clone();
    let pods = caches.pods.all();
    let placed = pods.iter().filter(|pod| pod.facts.node.is_some());
    filled.schedulers = placed
        .filter_map(|pod| pod.facts.spec.scheduler_name.as_ref())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    if !caches.whole {
        return filled;
    }
    let mut sums = Sums::default();
    let mut by_name: HashMap<String, NodeRoom> = filled.nodes.drain(..).map(|node| (node.name.clone(), node)).collect();
    for pod in pods {
        let Some(node) = pod.facts.node.as_ref() else { continue };
        let Some(room) = by_name.get_mut(node).filter(|_| !pod.facts.over) else { continue };
        let (requests, ports) = sums.get(&pod.facts.spec);
        for (resource, amount) in &*requests {
            *room.requested.entry(resource.clone()).or_default() += amount;
        }
        *room.requested.entry("pods".to_owned()).or_default() += 1000;
        for port in ports {
            room.ports.entry(port).or_insert_with(|| pod.name().to_owned());
        }
        let priority = pod.facts.spec.priority.unwrap_or_default();
        if above.is_some_and(|above| priority > above) {
            room.above.extend(tenant(caches, &pod, priority, &requests));
        }
    }
    filled.nodes = by_name.into_values().collect();
    filled.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in &mut filled.nodes {
        node.above.sort_by_key(|tenant| std::cmp::Reverse(tenant.made));
        node.above.truncate(TENANTS);
    }
    filled
}

fn tenant(caches: &Caches, pod: &Seen<Pod>, priority: i32, requests: &BTreeMap<String, i128>) -> Option<Tenant> {
    let workload = of_pod(caches, pod)?.reference(None);
    let status = pod.pod().status;
    let conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
    let started = status.as_ref().and_then(|status| status.start_time.as_ref());
    let mut placed = conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "True");
    Some(Tenant {
        workload,
        priority,
        class: pod.facts.spec.priority_class_name.clone(),
        made: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        placed: placed.find_map(|condition| condition.last_transition_time.as_ref()).or(started).map(|time| time.0),
        requests: requests.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn changes_have_the_time_of_our_own_clock() {
        let mut turns = Turns::default();
        let mut node = NodeRoom { name: "n1".into(), ready: true, ..NodeRoom::default() };
        turns.note(&node, at(1));
        assert_eq!((turns.fell("n1"), turns.on(node.clone()).changed), (None, None));
        node.cordoned = true;
        turns.note(&node, at(2));
        node.ready = false;
        turns.note(&node, at(3));
        turns.note(&node, at(9));
        assert_eq!((turns.fell("n1"), turns.on(node.clone()).changed), (Some(at(3)), Some(at(2))));
        node.ready = true;
        turns.note(&node, at(10));
        assert_eq!(turns.fell("n1"), None);
        // One that was never seen ready has not fallen.
        let joining = NodeRoom { name: "n2".into(), ..NodeRoom::default() };
        turns.note(&joining, at(11));
        turns.note(&joining, at(12));
        assert_eq!(turns.fell("n2"), None);
        turns.forget("n1");
        assert_eq!(turns.on(node).changed, None);
    }
}
