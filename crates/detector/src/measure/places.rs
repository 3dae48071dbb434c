//! The pods of every node. Counted from the caches, which must hold the pods of all namespaces.

use std::collections::HashMap;

use domain::detection::measure::Places;

use super::Part;
use crate::eyes::Eyes;
use crate::key::{Key, Kind};
use crate::seen::room;

impl Eyes {
    /// Judges how full the nodes are.
    pub(super) fn count_places(&self, began: bool) {
        if !self.caches.whole {
            return;
        }
        let now = self.clock.now();
        let mut taken: HashMap<String, u32> = HashMap::new();
        for pod in self.caches.pods.all() {
            if let Some(node) = pod.facts.node.as_ref().filter(|_| !pod.facts.over) {
                *taken.entry(node.clone()).or_default() += 1;
            }
        }
        for node in self.caches.nodes.all() {
            let of = room(&node);
            let allocatable = of.allocatable.get("pods").map_or(0, |millis| u32::try_from(millis / 1000).unwrap_or(0));
            let places = Places { taken: taken.get(&of.name).copied().unwrap_or_default(), allocatable };
            let key = Key::new(Kind::Node, "", &of.name);
            let object = key.reference(of.uid);
            let mut state = self.measures.lock();
            let crowd = state.crowds.entry(key.place.name.clone()).or_default();
            let found = crowd.judge(&object, places, began, now);
            if crowd.is_idle() {
                state.crowds.remove(&key.place.name);
            }
            drop(state);
            self.measures.publish(&key, Part::Places, found.into_iter().collect());
        }
        for gone in self.measures.told_of(|key| !self.exists(key)) {
            self.measures.work.add(gone);
        }
    }
}
