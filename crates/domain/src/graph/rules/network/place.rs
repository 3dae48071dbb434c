//! Which Service a host name means inside a cluster.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodSpec, Service};

use super::dependency::slip;
use super::index::Index;

/// Where a host name leads.
#[derive(Clone, Debug)]
pub(super) enum Place<'g> {
    /// To a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// The Service.
        service: &'g Arc<Service>,
        /// Whether it names one pod of it rather than the Service.
        pod: bool,
    },
    /// To a Service that does not exist.
    Missing {
        /// Namespace in which it would be.
        namespace: String,
        /// Its name.
        name: String,
        /// Whether the name can only be one of the cluster.
        sure: bool,
    },
    /// To a Service of a namespace that does not exist.
    NoNamespace {
        /// The namespace.
        namespace: String,
        /// Name of the Service.
        name: String,
    },
    /// Nowhere: a name of the cluster's domain without a namespace.
    Incomplete {
        /// Name of the Service.
        name: String,
    },
    /// Out of the cluster, or it cannot be told.
    Elsewhere,
}

/// Where a host leads for a pod of this namespace.
pub(super) fn place<'g>(index: &Index<'g>, host: &str) -> Place<'g> {
    let here = index.graph.namespace.as_str();
    let labels: Vec<&str> = host.split('.').collect();
    let found = |namespace: &str, name: &str, pod: bool| {
        let service = index.service_of(namespace, name)?;
        Some(Place::Service { namespace: namespace.to_owned(), service, pod })
    };
    let missing = |namespace: &str, name: &str, sure: bool| Place::Missing {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        sure,
    };
    if let Some(at) = labels.iter().rposition(|label| *label == "svc") {
        let after = labels.get(at + 1..).unwrap_or_default();
        let before = labels.get(..at).unwrap_or_default();
        let ours = after.is_empty() || after == ["cluster", "local"];
        if let ([name], true) = (before, ours && !index.has_namespace("svc")) {
            return Place::Incomplete { name: (*name).to_owned() };
        }
        let [pods @ .., name, namespace] = before else { return Place::Elsewhere };
        if !ours || pods.len() > 1 {
            return Place::Elsewhere;
        }
        return match found(namespace, name, !pods.is_empty()) {
            Some(place) => place,
            None if index.has_namespace(namespace) => missing(namespace, name, true),
            None if index.graph.knows("Namespace") && !index.graph.cluster.namespaces.is_empty() => {
                Place::NoNamespace { namespace: (*namespace).to_owned(), name: (*name).to_owned() }
            }
            None => Place::Elsewhere,
        };
    }
    match labels.as_slice() {
        [name] => found(here, name, false).unwrap_or_else(|| missing(here, name, false)),
        [first, second] => found(second, first, false)
            .or_else(|| {
                found(here, second, true).filter(|_| index.has_pod_named(first) || of_set(index, first, second))
            })
            .or_else(|| index.has_namespace(second).then(|| missing(second, first, false)))
            .or_else(|| {
                // A namespace with a slip in it, where such a Service is.
                let meant = |other: &&str| slip(second, other) && index.service_of(other, first).is_some();
                let near = second.len() > 3 && index.namespace_names().any(|other| meant(&other));
                near.then(|| Place::NoNamespace { namespace: (*second).to_owned(), name: (*first).to_owned() })
            })
            .unwrap_or(Place::Elsewhere),
        [_, name, namespace] => found(namespace, name, true).unwrap_or(Place::Elsewhere),
        _ => Place::Elsewhere,
    }
}

/// Whether a name is formed as one of the pods that a StatefulSet makes behind a Service.
fn of_set(index: &Index, pod: &str, service: &str) -> bool {
    let formed = pod.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u16>().is_ok());
    let makes = |front: &super::index::Front| front.workloads.iter().any(|w| w.object.kind == "StatefulSet");
    formed && index.front(service).is_some_and(makes)
}

/// Whether pods of a spec ask the cluster's DNS with the usual search list, so that a short name is one of the cluster.
pub(super) fn asks_cluster(spec: &PodSpec) -> bool {
    let own = spec.dns_config.as_ref().is_some_and(|config| {
        config.searches.as_ref().is_some_and(|list| !list.is_empty())
            || config.nameservers.as_ref().is_some_and(|list| !list.is_empty())
    });
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let first = policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && spec.host_network != Some(true));
    first && !own
}

/// Whether a pod knows the address of a host without asking.
pub(super) fn aliased(spec: &PodSpec, host: &str) -> bool {
    spec.host_aliases.iter().flatten().flat_map(|alias| alias.hostnames.iter().flatten()).any(|name| name == host)
}
