//! How the objects of a graph hang together.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::shared::ObjectRef;
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Graph, Keyed, Member, Workload};

/// The owner that controls an object.
pub fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether labels satisfy a label selector; an empty one selects everything.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|v| v == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether labels have all of `wanted`, as a Service selects pods; nothing wanted selects nothing.
pub(super) fn has_all(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The name that is nearest to one that is missing; none when nothing is near.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.len() / 4).clamp(1, 4);
    let rank = |other: &'a str| {
        let shared = name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        let begins = shared * 2 >= name.len() && shared >= 4;
        let slips = (begins || name.len().abs_diff(other.len()) <= most * 4).then(|| distance(name, other))?;
        (begins || slips <= most).then_some((slips, other))
    };
    let others = names.into_iter().filter(|other| *other != name);
    others.filter_map(rank).min_by_key(|(slips, _)| *slips).map(|(_, other)| other)
}

/// How many slips of the hand lie between two names: a letter more, less, another, or two neighbours swapped.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&char, &char)>| pairs.take_while(|(a, b)| a == b).count();
    // What they have in common at both ends costs nothing.
    let first = same(&mut a.iter().zip(&b));
    let (a, b) = (a.get(first..).unwrap_or_default(), b.get(first..).unwrap_or_default());
    let last = same(&mut a.iter().rev().zip(b.iter().rev()));
    let (a, b) = (a.get(..a.len() - last).unwrap_or_default(), b.get(..b.len() - last).unwrap_or_default());
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len());
    }
    let of = |row: &[usize], at: usize| row.get(at).copied().unwrap_or_default();
    let mut older: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before = None;
    for (i, left) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let mut value = (of(&row, j) + usize::from(left != right)).min(of(&row, j + 1) + 1).min(of(&next, j) + 1);
            if before == Some(right)
                && let Some(at) = j.checked_sub(1)
                && b.get(at) == Some(left)
            {
                value = value.min(of(&older, at) + 1);
            }
            next.push(value);
        }
        before = Some(left);
        older = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

/// Whether two references mean the same object of a namespace.
pub fn same(a: &ObjectRef, b: &ObjectRef) -> bool {
    a.kind == b.kind && a.name == b.name
}

/// A reference to an object from its metadata.
pub(super) fn reference(api_version: &str, kind: &str, metadata: &ObjectMeta) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone(),
    }
}

/// A reference to an object that may not be there.
pub(super) fn named(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
        name: name.to_owned(),
        uid: None,
    }
}

/// A reference to a Service.
pub(super) fn of_service(service: &Service) -> ObjectRef {
    reference("v1", "Service", &service.metadata)
}

/// Name of an object.
pub(super) fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// Ports of the containers of a pod, each with its container; sidecars among the init containers serve too.
pub(super) fn ports(spec: &PodSpec) -> impl Iterator<Item = (&Container, &ContainerPort)> {
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let all = spec.containers.iter().chain(sidecars);
    all.flat_map(|container| container.ports.iter().flatten().map(move |port| (container, port)))
}

/// The port of a pod that a port of a Service leads to; none when it names one that no container has. A number leads to
/// itself whether or not a container declares it.
pub(super) fn target(port: &ServicePort, spec: &PodSpec) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) if *number == 0 => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(wanted)) => {
            let named = |(_, port): &(&Container, &ContainerPort)| port.name.as_deref() == Some(wanted.as_str());
            ports(spec).find(named).map(|(_, port)| port.container_port)
        }
    }
}

impl Graph {
    /// Whether a kind was read, so that its absence means something.
    pub fn knows(&self, kind: &str) -> bool {
        !self.unreadable.contains(kind)
    }

    /// A Service of this namespace.
    pub fn service(&self, wanted: &str) -> Option<&Arc<Service>> {
        self.services.iter().find(|service| name(&service.metadata) == wanted)
    }

    /// A ConfigMap.
    pub fn config_map(&self, name: &str) -> Option<&Keyed> {
        self.config_maps.iter().find(|map| map.object.name == name)
    }

    /// A Secret.
    pub fn secret(&self, name: &str) -> Option<&Keyed> {
        self.secrets.iter().find(|secret| secret.object.name == name)
    }

    /// The workload that a reference means.
    pub fn workload(&self, object: &ObjectRef) -> Option<&Workload> {
        self.workloads.iter().find(|workload| same(&workload.object, object))
    }

    /// Pods that a Service selects; none for one without a selector.
    pub fn selected<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Member> {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        self.pods.iter().filter(move |pod| selector.is_some_and(|wanted| has_all(wanted, &pod.labels)))
    }

    /// Workloads whose pods a Service selects, also where there is no pod at the moment.
    pub fn behind<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Workload> {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        self.workloads
            .iter()
            .filter(move |workload| selector.is_some_and(|wanted| has_all(wanted, &workload.pod_labels)))
    }

    /// Services that select the pods of a workload.
    pub fn fronts<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Arc<Service>> {
        self.services.iter().filter(move |service| {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            selector.is_some_and(|wanted| has_all(wanted, &workload.pod_labels))
        })
    }
}
