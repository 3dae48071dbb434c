//! What the rules of this folder ask again and again, gathered once per look.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::shared::ObjectRef;
use k8s_openapi::api::core::v1::Service;

use super::needs::{self, Need, Needs};
use super::uses::{self, Use};
use crate::graph::query::{has_all, name, same};
use crate::graph::{Graph, Keyed, Member, Workload};

/// Kinds that make pods: where one cannot be read, nobody knows that no pod is behind a Service.
const MAKERS: [&str; 7] = ["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

/// A Service with what stands behind it.
pub(super) struct Front<'g> {
    pub(super) service: &'g Arc<Service>,
    /// Workloads whose template it selects.
    pub(super) workloads: Vec<&'g Workload>,
    /// Pods that it selects and nobody deletes.
    pub(super) pods: Vec<&'g Member>,
}

impl Front<'_> {
    /// Whether the pods of a workload stand behind it.
    pub(super) fn covers(&self, workload: &ObjectRef) -> bool {
        self.workloads.iter().any(|behind| same(&behind.object, workload))
    }
}

/// Positions of objects by the labels that they have.
struct Labelled<'g>(HashMap<(&'g str, &'g str), Vec<usize>>);

impl<'g> Labelled<'g> {
    fn of(all: impl Iterator<Item = &'g BTreeMap<String, String>>) -> Self {
        let mut found: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (position, labels) in all.enumerate() {
            for (key, value) in labels {
                found.entry((key, value)).or_default().push(position);
            }
        }
        Self(found)
    }

    /// Positions of those that have the rarest of the wanted labels.
    fn candidates<'a>(&'a self, wanted: &'a BTreeMap<String, String>) -> &'a [usize] {
        let lists = wanted.iter().map(|(key, value)| self.0.get(&(key.as_str(), value.as_str())));
        lists.min_by_key(|list| list.map_or(0, Vec::len)).flatten().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A Service with its namespace.
pub(super) type Placed<'g> = (&'g str, &'g Arc<Service>);

/// A graph with what was gathered from it.
pub(super) struct Index<'g> {
    pub(super) graph: &'g Graph,
    pub(super) fronts: Vec<Front<'g>>,
    covered: BTreeSet<(&'g str, &'g str)>,
    maps: HashMap<&'g str, &'g Keyed>,
    by_name: HashMap<&'g str, usize>,
    namespaces: BTreeSet<&'g str>,
    pod_names: OnceCell<BTreeSet<&'g str>>,
    elsewhere: OnceCell<HashMap<&'g str, Vec<Placed<'g>>>>,
    uses: Vec<Use<'g>>,
    needs: Needs<'g>,
}

impl<'g> Index<'g> {
    /// Gathers.
    pub(super) fn of(graph: &'g Graph) -> Self {
        let by_template = Labelled::of(graph.workloads.iter().map(|workload| &workload.pod_labels));
        let by_pod = Labelled::of(graph.pods.iter().map(|pod| &*pod.labels));
        let none = BTreeMap::new();
        let fronts: Vec<Front> = graph
            .services
            .iter()
            .map(|service| {
                let wanted = selector(service).unwrap_or(&none);
                let workloads = by_template.candidates(wanted).iter().filter_map(|at| graph.workloads.get(*at));
                let pods = by_pod.candidates(wanted).iter().filter_map(|at| graph.pods.get(*at));
                Front {
                    service,
                    workloads: workloads.filter(|workload| has_all(wanted, &workload.pod_labels)).collect(),
                    pods: pods.filter(|pod| pod.terminating.is_none() && has_all(wanted, &pod.labels)).collect(),
                }
            })
            .collect();
        let around = &graph.cluster;
        let mut namespaces: BTreeSet<&str> = around.namespaces.keys().map(String::as_str).collect();
        namespaces.extend(around.services.keys().map(|(namespace, _)| namespace.as_str()));
        namespaces.insert(&graph.namespace);
        let mut index = Self {
            graph,
            by_name: fronts.iter().enumerate().map(|(at, front)| (name(&front.service.metadata), at)).collect(),
            covered: fronts
                .iter()
                .flat_map(|front| &front.workloads)
                .map(|workload| (workload.object.kind.as_str(), workload.object.name.as_str()))
                .collect(),
            fronts,
            maps: graph.config_maps.iter().map(|map| (map.object.name.as_str(), map)).collect(),
            namespaces,
            pod_names: OnceCell::new(),
            elsewhere: OnceCell::new(),
            uses: Vec::new(),
            needs: Needs::new(),
        };
        index.uses = uses::of(&index);
        index.needs = needs::of(&index);
        index
    }

    /// Addresses that the configuration of workloads names, with where they lead.
    pub(super) fn uses(&self) -> &[Use<'g>] {
        &self.uses
    }

    /// Who needs a Service of this namespace, which may be missing.
    pub(super) fn needs(&self, service: &str) -> &[Need<'g>] {
        let key = (self.graph.namespace.clone(), service.to_owned());
        self.needs.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// All Services that somebody needs, with who does.
    pub(super) fn all_needs(&self) -> &Needs<'g> {
        &self.needs
    }

    /// A Service of this namespace with what is behind it.
    pub(super) fn front(&self, service: &str) -> Option<&Front<'g>> {
        self.fronts.get(*self.by_name.get(service)?)
    }

    /// A Service of any namespace.
    pub(super) fn service_of(&self, namespace: &str, service: &str) -> Option<&'g Arc<Service>> {
        if namespace == self.graph.namespace
            && let Some(front) = self.front(service)
        {
            return Some(front.service);
        }
        self.graph.cluster.services.get(&(namespace.to_owned(), service.to_owned()))
    }

    /// The namespace that alone has a Service of this name, besides this one.
    pub(super) fn only_elsewhere(&self, service: &str) -> Option<Placed<'g>> {
        match self.elsewhere(service) {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Services of this name in other namespaces.
    fn elsewhere(&self, service: &str) -> &[Placed<'g>] {
        let all = self.elsewhere.get_or_init(|| {
            let mut found: HashMap<&str, Vec<Placed>> = HashMap::new();
            for ((namespace, name), service) in &self.graph.cluster.services {
                if *namespace != self.graph.namespace {
                    found.entry(name).or_default().push((namespace, service));
                }
            }
            found
        });
        all.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// The namespace that alone has a Service of this name, this one or another.
    pub(super) fn only_in(&self, service: &str) -> Option<Placed<'g>> {
        let here = self.front(service).map(|front| (self.graph.namespace.as_str(), front.service));
        match (here, self.elsewhere(service)) {
            (Some(here), []) => Some(here),
            (None, [only]) => Some(*only),
            _ => None,
        }
    }

    /// Names of the Services of a namespace.
    pub(super) fn service_names(&self, namespace: &str) -> Vec<&'g str> {
        if namespace == self.graph.namespace {
            return self.graph.services.iter().map(|service| name(&service.metadata)).collect();
        }
        let first = (namespace.to_owned(), String::new());
        let rest = self.graph.cluster.services.range(first..);
        rest.take_while(|((of, _), _)| of == namespace).map(|((_, name), _)| name.as_str()).collect()
    }

    /// Whether a Service selects the pods of a workload.
    pub(super) fn covered(&self, workload: &ObjectRef) -> bool {
        self.covered.contains(&(workload.kind.as_str(), workload.name.as_str()))
    }

    /// A ConfigMap of this namespace.
    pub(super) fn config_map(&self, name: &str) -> Option<&'g Keyed> {
        self.maps.get(name).copied()
    }

    /// Whether a namespace exists.
    pub(super) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }

    /// Names of all namespaces.
    pub(super) fn namespace_names(&self) -> impl Iterator<Item = &'g str> {
        self.namespaces.iter().copied()
    }

    /// Whether a pod of this name exists, or a StatefulSet makes pods of such names.
    pub(super) fn has_pod_named(&self, pod: &str) -> bool {
        let names = self.pod_names.get_or_init(|| {
            let sets = self.graph.workloads.iter().filter(|workload| workload.object.kind == "StatefulSet");
            let pods = self.graph.pods.iter().map(|pod| pod.object.name.as_str());
            pods.chain(sets.map(|set| set.object.name.as_str())).collect()
        });
        names.contains(pod)
            || pod.rsplit_once('-').is_some_and(|(set, n)| n.parse::<u32>().is_ok() && names.contains(set))
    }

    /// Whether everything that makes pods could be read.
    pub(super) fn sees_pods(&self) -> bool {
        self.graph.knows("Service") && MAKERS.iter().all(|kind| self.graph.knows(kind))
    }
}

/// The selector of a Service that has one.
pub(super) fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref()?;
    let external = spec.type_.as_deref() == Some("ExternalName");
    spec.selector.as_ref().filter(|selector| !external && !selector.is_empty())
}
