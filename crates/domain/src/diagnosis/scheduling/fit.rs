//! Whether a pod fits a node, as the scheduler sees it, and what keeps it away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSpec, Taint, Toleration,
    TopologySpreadConstraint,
};

use super::obstacle::{Obstacle, TROUBLE};
use crate::diagnosis::{NodeRoom, requests};
use crate::graph::selects;

type Labels = BTreeMap<String, String>;
/// The taint of a cordoned node.
const CORDON: &str = "node.kubernetes.io/unschedulable";

/// A pod that has a node, in the namespace of the one that wants one.
#[derive(Clone, Debug)]
pub(crate) struct Placed<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its node.
    pub(crate) node: &'a str,
    /// Its labels.
    pub(crate) labels: &'a Labels,
    /// Its spec, for its host ports.
    pub(crate) spec: Option<&'a PodSpec>,
}

/// Where a pod could go.
#[derive(Clone, Debug, Default)]
pub(crate) struct World<'a> {
    /// Nodes.
    pub(crate) nodes: Vec<&'a NodeRoom>,
    /// Pods of the namespace that have a node.
    pub(crate) pods: Vec<Placed<'a>>,
    /// Volumes of the pod's claims that are on certain nodes only: claim, volume, where.
    pub(crate) volumes: Vec<(String, String, &'a NodeSelector)>,
    /// Claims of the pod that one pod may use at a time, and the pod that does.
    pub(crate) single: Vec<(String, String)>,
}

/// One node, and all that keeps the pod away.
pub(super) struct Verdict<'a> {
    pub(super) node: &'a NodeRoom,
    pub(super) obstacles: Vec<Obstacle>,
}

impl Verdict<'_> {
    /// What the node says, in words.
    pub(super) fn words(&self) -> String {
        let mut parts: Vec<String> = self.obstacles.iter().map(Obstacle::words).collect();
        if !self.node.ready && !parts.iter().any(|part| part.contains("not-ready") || part.contains("unreachable")) {
            parts.push("not ready".into());
        }
        if parts.is_empty() {
            parts.push("refused for another reason".into());
        }
        format!("{}: {}", self.node.name, parts.join(", "))
    }
}

fn tolerates(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|t| {
        let effect = t.effect.as_deref().is_none_or(|e| e.is_empty() || e == taint.effect);
        let exists = t.operator.as_deref() == Some("Exists");
        let key = t.key.as_deref().map_or(exists, |k| k == taint.key || (k.is_empty() && exists));
        effect
            && key
            && (exists || t.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default())
    })
}

fn requirement(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let listed = |value: &str| wanted.values.iter().flatten().any(|v| v == value);
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = wanted.values.iter().flatten().next().and_then(|v| number(v));
    match wanted.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => value.is_none_or(|value| !listed(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

fn asks(wanted: &NodeSelectorRequirement) -> String {
    let values = wanted.values.as_deref().unwrap_or_default();
    match wanted.operator.as_str() {
        "In" if values.len() == 1 => format!("{}={}", wanted.key, values.join("")),
        "Exists" | "DoesNotExist" => format!("{} {}", wanted.key, wanted.operator),
        operator => format!("{} {operator} [{}]", wanted.key, values.join(", ")),
    }
}

/// Requirements of a term that a node does not meet. A term without any selects no node.
fn unmet<'a>(term: &'a NodeSelectorTerm, node: &NodeRoom) -> Vec<&'a NodeSelectorRequirement> {
    let labels = term.match_expressions.iter().flatten();
    let fields = term.match_fields.iter().flatten();
    let by_label = labels.filter(|r| !requirement(r, node.labels.get(&r.key).map(String::as_str)));
    by_label.chain(fields.filter(|r| !requirement(r, Some(node.name.as_str())))).collect()
}

/// What the nearest term of a node selector asks for and the node has not; none when a term holds.
fn nearest_term(selector: &NodeSelector, node: &NodeRoom) -> Option<(String, String)> {
    let empty = |term: &NodeSelectorTerm| {
        term.match_expressions.as_ref().is_none_or(Vec::is_empty)
            && term.match_fields.as_ref().is_none_or(Vec::is_empty)
    };
    let judged = selector.node_selector_terms.iter().filter(|term| !empty(term)).map(|term| unmet(term, node));
    let nearest = judged.min_by_key(Vec::len)?;
    let first = nearest.first()?;
    Some((nearest.iter().map(|r| asks(r)).collect::<Vec<_>>().join(" and "), first.key.clone()))
}

/// Whether a term speaks of pods of the same namespace only, which are the ones that are known.
fn own_namespace(term: &PodAffinityTerm) -> bool {
    term.namespace_selector.is_none() && term.namespaces.as_ref().is_none_or(Vec::is_empty)
}

fn selected(term: &PodAffinityTerm, labels: &Labels) -> bool {
    term.label_selector.as_ref().is_some_and(|selector| selects(selector, labels))
}

fn wanted_labels(term: &PodAffinityTerm) -> String {
    let selector = term.label_selector.as_ref();
    let equal = selector.iter().flat_map(|s| s.match_labels.iter().flatten()).map(|(k, v)| format!("{k}={v}"));
    let more = selector
        .iter()
        .flat_map(|s| s.match_expressions.iter().flatten())
        .map(|e| format!("{} {} [{}]", e.key, e.operator, e.values.as_deref().unwrap_or_default().join(", ")));
    equal.chain(more).collect::<Vec<_>>().join(" and ")
}

/// Ports of the node that a pod wants: number, protocol, address, path in the spec.
pub fn host_ports(spec: &PodSpec) -> impl Iterator<Item = (i32, &str, &str, String)> {
    spec.containers.iter().enumerate().flat_map(|(at, container)| {
        container.ports.iter().flatten().enumerate().filter_map(move |(number, port)| {
            let host = port.host_port.filter(|p| *p > 0)?;
            let path = format!("containers[{at}].ports[{number}].hostPort");
            Some((host, port.protocol.as_deref().unwrap_or("TCP"), port.host_ip.as_deref().unwrap_or_default(), path))
        })
    })
}

/// Judges every node.
pub(super) fn judge<'a>(spec: &PodSpec, labels: &Labels, world: &World<'a>) -> Vec<Verdict<'a>> {
    let wished = requests(spec);
    let domains = Domains::of(spec, labels, world);
    world
        .nodes
        .iter()
        .map(|node| Verdict { node, obstacles: obstacles(spec, &wished, node, world, &domains) })
        .collect()
}

/// What the pods that are there mean for the constraints of a pod, counted once for all nodes.
struct Domains {
    /// Per required anti-affinity term: values of its key with a pod in them.
    apart: Vec<BTreeMap<String, String>>,
    /// Per required affinity term: values of its key with a wanted pod; none when the pod itself is the first one.
    beside: Vec<Option<BTreeSet<String>>>,
    /// Per spread constraint: pods per value of its key, and what the pod itself adds.
    spread: Vec<Option<(BTreeMap<String, i32>, i32)>>,
    /// Host ports by node.
    ports: BTreeMap<(String, i32), String>,
    /// Pods whose own required anti-affinity forbids this one: key and value of the place, the pod, what it asks.
    unwanted: Vec<(String, String, String, String)>,
}

fn terms(spec: &PodSpec) -> (&[PodAffinityTerm], &[PodAffinityTerm]) {
    let affinity = spec.affinity.as_ref();
    let beside = affinity.and_then(|a| a.pod_affinity.as_ref());
    let apart = affinity.and_then(|a| a.pod_anti_affinity.as_ref());
    (
        beside.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref()).unwrap_or_default(),
        apart.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref()).unwrap_or_default(),
    )
}

impl Domains {
    fn of(spec: &PodSpec, labels: &Labels, world: &World<'_>) -> Self {
        let nodes: BTreeMap<&str, &NodeRoom> = world.nodes.iter().map(|node| (node.name.as_str(), *node)).collect();
        let value = |pod: &Placed<'_>, key: &str| nodes.get(pod.node)?.labels.get(key).cloned();
        let (beside, apart) = terms(spec);
        let apart = apart.iter().map(|term| {
            let there = world.pods.iter().filter(|pod| own_namespace(term) && selected(term, pod.labels));
            there.filter_map(|pod| Some((value(pod, &term.topology_key)?, pod.name.to_owned()))).collect()
        });
        let beside = beside.iter().map(|term| {
            let there: Vec<&Placed<'_>> = world.pods.iter().filter(|pod| selected(term, pod.labels)).collect();
            let first = there.is_empty() && selected(term, labels);
            (own_namespace(term) && !first)
                .then(|| there.iter().filter_map(|pod| value(pod, &term.topology_key)).collect())
        });
        let spread = spec.topology_spread_constraints.iter().flatten().map(|constraint| {
            if constraint.when_unsatisfiable != "DoNotSchedule" {
                return None;
            }
            let keys = constraint.match_label_keys.as_deref().unwrap_or_default();
            // Of these the pods that have the same value as this one count.
            if keys.iter().any(|key| !labels.contains_key(key)) {
                return None;
            }
            let mut counts: BTreeMap<String, i32> = world
                .nodes
                .iter()
                .filter(|node| eligible(spec, node))
                .filter_map(|node| Some((node.labels.get(&constraint.topology_key)?.clone(), 0)))
                .collect();
            let counted = |pod: &&Placed<'_>| {
                constraint.label_selector.as_ref().is_some_and(|s| selects(s, pod.labels))
                    && keys.iter().all(|key| pod.labels.get(key) == labels.get(key))
            };
            for pod in world.pods.iter().filter(counted) {
                if let Some(count) = value(pod, &constraint.topology_key).and_then(|value| counts.get_mut(&value)) {
                    *count += 1;
                }
            }
            let own = constraint.label_selector.as_ref().is_some_and(|s| selects(s, labels));
            Some((counts, i32::from(own)))
        });
        let (apart, beside, spread) = (apart.collect(), beside.collect(), spread.collect());
        let mut ports = BTreeMap::new();
        if host_ports(spec).next().is_some() {
            for pod in &world.pods {
                for (port, ..) in pod.spec.iter().flat_map(|spec| host_ports(spec)) {
                    ports.insert((pod.node.to_owned(), port), pod.name.to_owned());
                }
            }
        }
        let mut unwanted = Vec::new();
        for pod in &world.pods {
            let theirs = pod.spec.map(|spec| terms(spec).1).unwrap_or_default();
            for term in theirs.iter().filter(|term| own_namespace(term) && selected(term, labels)) {
                if let Some(value) = value(pod, &term.topology_key) {
                    unwanted.push((term.topology_key.clone(), value, pod.name.to_owned(), wanted_labels(term)));
                }
            }
        }
        Self { apart, beside, spread, ports, unwanted }
    }
}

/// Whether the node selector and the node affinity of a pod take a node in, which is what spreading counts by.
fn eligible(spec: &PodSpec, node: &NodeRoom) -> bool {
    spec.node_selector.iter().flatten().all(|(key, value)| node.labels.get(key) == Some(value))
        && required(spec).is_none_or(|selector| nearest_term(selector, node).is_none())
}

fn required(spec: &PodSpec) -> Option<&NodeSelector> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    affinity.required_during_scheduling_ignored_during_execution.as_ref()
}

fn obstacles(
    spec: &PodSpec,
    wished: &BTreeMap<String, i128>,
    node: &NodeRoom,
    world: &World<'_>,
    domains: &Domains,
) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let cordon = Taint { key: CORDON.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    if node.cordoned && !tolerates(&cordon, tolerations) {
        found.push(Obstacle::Cordoned);
    }
    for (key, value) in spec.node_selector.iter().flatten() {
        let has = node.labels.get(key);
        if has != Some(value) {
            found.push(Obstacle::Selector { key: key.clone(), value: value.clone(), has: has.cloned() });
        }
    }
    if let Some((asks, key)) = required(spec).and_then(|selector| nearest_term(selector, node)) {
        found.push(Obstacle::Affinity { asks, key });
    }
    for taint in node.taints.iter().filter(|t| t.effect != "PreferNoSchedule" && !tolerates(t, tolerations)) {
        // One trouble of a node shows in several taints, and the taint of a cordon is the cordon.
        let again = taint.key.starts_with(TROUBLE)
            && found.iter().any(|known| matches!(known, Obstacle::Taint { key, .. } if key.starts_with(TROUBLE)));
        if !(again || node.cordoned && taint.key == CORDON) {
            let value = taint.value.clone().unwrap_or_default();
            found.push(Obstacle::Taint { key: taint.key.clone(), value, effect: taint.effect.clone() });
        }
    }
    for (resource, wished) in wished.iter().filter(|(_, amount)| **amount > 0) {
        let of = node.allocatable.get(resource).copied().unwrap_or_default();
        let free = of - node.requested.get(resource).copied().unwrap_or_default();
        if free < *wished {
            found.push(Obstacle::Short { resource: resource.clone(), wished: *wished, free: free.max(0), of });
        }
    }
    if let (Some(of), Some(taken)) = (node.allocatable.get("pods"), node.requested.get("pods"))
        && taken >= of
    {
        found.push(Obstacle::Short { resource: "pods".into(), wished: 1000, free: 0, of: *of });
    }
    for (port, _, _, path) in host_ports(spec) {
        if let Some(by) = domains.ports.get(&(node.name.clone(), port)).or_else(|| node.ports.get(&port)) {
            found.push(Obstacle::Port { port, by: by.clone(), path });
        }
    }
    of_pods(spec, node, domains, &mut found);
    found.extend(world.single.iter().map(|(claim, by)| Obstacle::Single { claim: claim.clone(), by: by.clone() }));
    for (claim, volume, selector) in &world.volumes {
        if let Some((asks, _)) = nearest_term(selector, node) {
            found.push(Obstacle::Volume { claim: claim.clone(), volume: volume.clone(), asks });
        }
    }
    found
}

/// What the pods that are there mean for one node.
fn of_pods(spec: &PodSpec, node: &NodeRoom, domains: &Domains, found: &mut Vec<Obstacle>) {
    let (beside, apart) = terms(spec);
    for (index, (term, taken)) in apart.iter().zip(&domains.apart).enumerate() {
        if let Some(by) = node.labels.get(&term.topology_key).and_then(|value| taken.get(value)) {
            let key = term.topology_key.clone();
            found.push(Obstacle::Apart { by: by.clone(), key, asks: wanted_labels(term), index });
        }
    }
    for (index, (term, there)) in beside.iter().zip(&domains.beside).enumerate() {
        let Some(there) = there else { continue };
        if node.labels.get(&term.topology_key).is_none_or(|value| !there.contains(value)) {
            found.push(Obstacle::Beside { key: term.topology_key.clone(), asks: wanted_labels(term), index });
        }
    }
    // Pods that are not wanted beside one of their own are told as such already.
    for (key, value, by, asks) in domains.unwanted.iter().take_while(|_| apart.is_empty()) {
        if node.labels.get(key) == Some(value) {
            found.push(Obstacle::Unwanted { by: by.clone(), key: key.clone(), asks: asks.clone() });
            break;
        }
    }
    let constraints: &[TopologySpreadConstraint] = spec.topology_spread_constraints.as_deref().unwrap_or_default();
    for (index, (constraint, counts)) in constraints.iter().zip(&domains.spread).enumerate() {
        let Some((counts, own)) = counts else { continue };
        let few = constraint.min_domains.is_some_and(|least| counts.len() < usize::try_from(least).unwrap_or_default());
        let least = if few { 0 } else { counts.values().min().copied().unwrap_or_default() };
        let here = node.labels.get(&constraint.topology_key).and_then(|value| counts.get(value));
        if here.is_none_or(|here| here + own - least > constraint.max_skew) {
            let key = constraint.topology_key.clone();
            found.push(Obstacle::Spread { key, skew: constraint.max_skew, index });
        }
    }
}
