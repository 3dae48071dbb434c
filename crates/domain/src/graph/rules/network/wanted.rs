//! The ports that a need means, and the addresses of pods.

use std::collections::HashMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::index::Index;
use super::needs::Need;
use super::offer::{headless, list, offers};
use crate::graph::Workload;
use crate::graph::query::target;

/// A port that is wanted of the pods behind a Service.
pub(super) enum Wanted {
    /// One of the Service.
    Of(ServicePort),
    /// One of the pods themselves.
    Pod(i32),
}

impl Wanted {
    pub(super) fn of_pod(&self, server: &Workload) -> Option<i32> {
        match self {
            Self::Of(port) => target(port, &server.spec),
            Self::Pod(number) => Some(*number),
        }
    }

    /// For pods that are not known.
    pub(super) fn elsewhere(&self) -> Option<i32> {
        match self {
            Self::Pod(number) => Some(*number),
            Self::Of(port) => match &port.target_port {
                Some(IntOrString::String(_)) => None,
                Some(IntOrString::Int(number)) if *number != 0 => Some(*number),
                _ => Some(port.port),
            },
        }
    }

    pub(super) fn protocol(&self) -> &str {
        match self {
            Self::Of(port) => port.protocol.as_deref().unwrap_or("TCP"),
            Self::Pod(_) => "TCP",
        }
    }
}

/// The ports that somebody wants; all of the Service when it is not said which.
pub(super) fn wanted(service: &Service, need: &Need) -> Vec<Wanted> {
    match &need.port {
        Some(port) if offers(service, port) => {
            let is = |offered: &&ServicePort| match port {
                IntOrString::Int(number) => offered.port == *number,
                IntOrString::String(name) => offered.name.as_deref() == Some(name),
            };
            list(service).iter().filter(is).take(1).cloned().map(Wanted::Of).collect()
        }
        Some(IntOrString::Int(number)) if headless(service) && need.client.is_some() => vec![Wanted::Pod(*number)],
        // It is not offered, which is another fault.
        Some(_) if !need.usual => Vec::new(),
        _ => list(service).iter().take(16).cloned().map(Wanted::Of).collect(),
    }
}

/// Addresses of the pods of each workload, where all of them are known from EndpointSlices.
pub(super) fn addresses<'g>(index: &Index<'g>) -> HashMap<(&'g str, &'g str), Vec<IpAddr>> {
    let graph = index.graph;
    let mut by_pod: HashMap<&str, Vec<IpAddr>> = HashMap::new();
    for slice in &graph.slices {
        for endpoint in &slice.endpoints {
            let Some(pod) = endpoint.target_ref.as_ref().and_then(|reference| reference.name.as_deref()) else {
                continue;
            };
            by_pod
                .entry(pod)
                .or_default()
                .extend(endpoint.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()));
        }
    }
    let mut found: HashMap<(&str, &str), Option<Vec<IpAddr>>> = HashMap::new();
    for pod in &graph.pods {
        let known = found.entry((&pod.workload.kind, &pod.workload.name)).or_insert_with(|| Some(Vec::new()));
        match (by_pod.get(pod.object.name.as_str()), known.as_mut()) {
            (Some(addresses), Some(all)) => all.extend(addresses),
            (None, _) => *known = None,
            (Some(_), None) => {}
        }
    }
    found.into_iter().filter_map(|(workload, addresses)| Some((workload, addresses?))).collect()
}
