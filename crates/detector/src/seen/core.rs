//! Nodes, Warning events and ConfigMaps.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::detection::{EventNote, node_ready};
use domain::diagnosis::{NodeRoom, amount};
use domain::graph::Touch;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, NodeStatus};

use super::{Digest, Seen, packed, slim};

/// Kinds whose events a rule reads.
const SPOKEN_OF: [&str; 8] =
    ["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "PersistentVolumeClaim"];
/// Characters of an event's message that are kept.
const MESSAGE: usize = 1024;
/// Bytes of a ConfigMap above which its data is not kept.
const LARGE: usize = 64 * 1024;
/// Keys of a ConfigMap above which their names are not kept.
const KEYS: usize = 1000;

impl Digest for Event {
    /// None for an event that no rule reads.
    type Facts = Option<Arc<EventNote>>;

    fn digest(self) -> Seen<Self> {
        let about = self.involved_object.kind.as_deref().unwrap_or_default();
        let note = SPOKEN_OF.contains(&about).then(|| EventNote::of(&self)).flatten().map(|mut note| {
            if let Some((end, _)) = note.message.char_indices().nth(MESSAGE) {
                note.message.truncate(end);
            }
            Arc::new(note)
        });
        Seen { metadata: slim(self.metadata), facts: note }
    }
}

/// What is kept of a ConfigMap; its data goes on to the histories.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFacts {
    /// Its data, packed; none when it is too large.
    pub(crate) data: Option<Box<[u8]>>,
    /// Names of all its keys; none when they are too many.
    pub(crate) keys: Option<BTreeSet<String>>,
    /// When it was changed last, and by whom.
    pub(crate) touched: Option<(Timestamp, String)>,
    /// Since when it is being deleted, and what keeps it.
    pub(crate) leaving: Option<(Timestamp, Vec<String>)>,
}

impl Digest for ConfigMap {
    type Facts = ConfigFacts;

    fn digest(self) -> Seen<Self> {
        let touched = touched(&self);
        let leaving = domain::graph::leaving(&self.metadata);
        let binary = self.binary_data.unwrap_or_default().into_keys();
        let data = self.data.unwrap_or_default();
        let keys: BTreeSet<String> = data.keys().cloned().chain(binary).collect();
        let keys = (keys.len() <= KEYS).then_some(keys);
        let data = packed(&data);
        let data = (data.len() <= LARGE).then_some(data);
        Seen { metadata: slim(self.metadata), facts: ConfigFacts { data, keys, touched, leaving } }
    }
}

/// When an object was changed last, and by whom.
pub(crate) fn touched(map: &ConfigMap) -> Option<(Timestamp, String)> {
    Touch::of(&map.metadata).map(|touch| (touch.at, touch.by))
}

/// Reduces a node to what is read.
pub(crate) fn node(node: &mut Node) {
    node.metadata.annotations = None;
    node.metadata.owner_references = None;
    if let Some(status) = node.status.take() {
        let NodeStatus { allocatable, conditions, addresses, .. } = status;
        node.status = Some(NodeStatus { allocatable, conditions, addresses, ..NodeStatus::default() });
    }
}

/// Whether what changed on a node matters to the pods on it: everything else is its heartbeat.
pub(crate) fn observed(node: &Node) -> bool {
    node.metadata.deletion_timestamp.is_none() && node_ready(node)
}

/// What a node offers; what is taken of it is added by who knows the pods.
pub(crate) fn room(node: &Node) -> NodeRoom {
    let (spec, status) = (node.spec.as_ref(), node.status.as_ref());
    let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    let bad = |type_: &str, status: &str| if type_ == "Ready" { status != "True" } else { status == "True" };
    NodeRoom {
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        taints: spec.and_then(|s| s.taints.clone()).unwrap_or_default(),
        cordoned: spec.and_then(|s| s.unschedulable).unwrap_or_default(),
        ready: node_ready(node),
        trouble: conditions
            .iter()
            .filter(|c| bad(&c.type_, &c.status))
            .map(|c| format!("{}={} {}", c.type_, c.status, c.reason.as_deref().unwrap_or_default()))
            .collect(),
        allocatable: status
            .and_then(|s| s.allocatable.as_ref())
            .into_iter()
            .flatten()
            .filter_map(|(resource, quantity)| Some((resource.clone(), amount::millis(&quantity.0)?)))
            .collect(),
        ..NodeRoom::default()
    }
}
