//! Whether the policies allow what workloads and routes need.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer};

use super::super::super::Standing;
use super::blame::{self, Connection, Subject};
use super::called;
use super::index::{Index, selector};
use super::needs::{Need, later};
use super::policy::{self, Denial, Peer, Port, Verdict, Way};
use super::reach::Denied;
use super::wanted::{Wanted, addresses, wanted};
use crate::graph::query::{name, of_service};
use crate::graph::{Touch, Workload, selects};

/// Words in the images and names of what takes in requests from outside.
const FRONTS: [&str; 12] = [
    "ingress", "nginx", "traefik", "haproxy", "envoy", "kong", "gateway", "proxy", "contour", "caddy", "istio",
    "router",
];

/// Whether a workload may be what a route is served by.
fn fronts(workload: &Workload) -> bool {
    let mut names = workload.spec.containers.iter().map(|container| container.image.as_deref().unwrap_or_default());
    let has = |text: &str| FRONTS.iter().any(|word| text.contains(word));
    has(&workload.object.name) || names.any(has)
}

/// Answers for workloads, with what was found out before.
pub(super) struct Solver<'a, 'g> {
    index: &'a Index<'g>,
    isolating: HashMap<(&'g str, &'g str, Way), Vec<&'g NetworkPolicy>>,
    addresses: HashMap<(&'g str, &'g str), Vec<IpAddr>>,
    idle: OnceCell<Vec<&'g NetworkPolicy>>,
}

impl<'a, 'g> Solver<'a, 'g> {
    pub(super) fn of(index: &'a Index<'g>) -> Self {
        let graph = index.graph;
        let blocks = graph.policies.iter().any(|policy| {
            [Way::Ingress, Way::Egress].into_iter().any(|way| {
                policy::rules(policy, way).iter().any(|(peers, _)| peers.iter().any(|p| p.ip_block.is_some()))
            })
        });
        let addresses = if blocks { addresses(index) } else { HashMap::new() };
        Self { index, isolating: HashMap::new(), addresses, idle: OnceCell::new() }
    }

    fn isolating(&mut self, workload: &'g Workload, way: Way) -> Vec<&'g NetworkPolicy> {
        let key = (workload.object.kind.as_str(), workload.object.name.as_str(), way);
        let graph = self.index.graph;
        let found =
            self.isolating.entry(key).or_insert_with(|| policy::isolating(&graph.policies, &workload.pod_labels, way));
        found.clone()
    }

    fn addresses<'b>(&'b self, workload: &'b Workload) -> &'b [IpAddr] {
        let key = (workload.object.kind.as_str(), workload.object.name.as_str());
        self.addresses.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a workload may connect to the pods behind a Service.
    pub(super) fn between(
        &mut self,
        client: &'g Workload,
        need: &Need<'g>,
        namespace: &str,
        service: &'g Service,
    ) -> Option<Denied<'g>> {
        // Policies do not hold for pods in the network of their node.
        if client.spec.host_network == Some(true) {
            return None;
        }
        let here = namespace == self.index.graph.namespace;
        let servers: Vec<&'g Workload> = match self.index.front(name(&service.metadata)).filter(|_| here) {
            Some(front) => {
                front.workloads.iter().copied().filter(|w| w.desired > 0 && w.spec.host_network != Some(true)).collect()
            }
            None => Vec::new(),
        };
        if here && servers.is_empty() {
            return None;
        }
        let wanted = wanted(service, need);
        let mut first = None;
        for port in &wanted {
            if !here {
                let found = self.across(client, need, namespace, service, port)?;
                first.get_or_insert(found);
            }
            // Where one of several workloads or ports can be reached, the connection works at least sometimes.
            for server in &servers {
                let found = self.within(client, need, service, server, port)?;
                first.get_or_insert(found);
            }
        }
        first
    }

    fn within(
        &mut self,
        client: &'g Workload,
        need: &Need<'g>,
        service: &Service,
        server: &'g Workload,
        port: &Wanted,
    ) -> Option<Denied<'g>> {
        let number = port.of_pod(server)?;
        let graph = self.index.graph;
        let at = Port { number: Some(number), protocol: port.protocol(), spec: Some(&server.spec) };
        for (way, subject, other) in [(Way::Egress, client, server), (Way::Ingress, server, client)] {
            let policies = self.isolating(subject, way);
            let who = format!("pods of {}", called(&other.object));
            let peer = Peer {
                home: &graph.namespace,
                namespace: &graph.namespace,
                labels: &other.pod_labels,
                complete: true,
                addresses: self.addresses(other),
                who: &who,
            };
            let Verdict::Denied(denials) = policy::decide(graph, &policies, way, &peer, &at) else { continue };
            let what = format!("port {number} of {}", called(&server.object));
            let connection = Connection { need, way, subject: subject.into(), other: Some(other), what, number };
            return blame::denied(self.index, &connection, &denials, self.idle(), (&peer, &at), service);
        }
        None
    }

    fn across(
        &mut self,
        client: &'g Workload,
        need: &Need<'g>,
        namespace: &str,
        service: &Service,
        port: &Wanted,
    ) -> Option<Denied<'g>> {
        let graph = self.index.graph;
        let none = BTreeMap::new();
        // The pods have at least the labels that the Service selects them by.
        let labels = selector(service).unwrap_or(&none);
        let object = of_service(service);
        let what = format!("Service {} of namespace {namespace}", object.name);
        let number = port.elsewhere();
        let at = Port { number, protocol: port.protocol(), spec: None };
        let number = number.unwrap_or_default();
        let policies = self.isolating(client, Way::Egress);
        let who = format!("pods of {what}");
        let home = &graph.namespace;
        let peer = Peer { home, namespace, labels, complete: false, addresses: &[], who: &who };
        if let Verdict::Denied(denials) = policy::decide(graph, &policies, Way::Egress, &peer, &at) {
            let connection = Connection { need, way: Way::Egress, subject: client.into(), other: None, what, number };
            return blame::denied(self.index, &connection, &denials, self.idle(), (&peer, &at), service);
        }
        let there = graph.cluster.policies.get(namespace)?;
        let (mut policies, perhaps) = policy::perhaps_isolating(there, labels, Way::Ingress);
        if policies.is_empty() {
            return None;
        }
        // One that may not select the pods can allow the connection all the same.
        policies.extend(perhaps);
        let who = format!("pods of {}", called(&client.object));
        let (labels, addresses) = (&client.pod_labels, self.addresses(client));
        let peer = Peer { home: namespace, namespace: home, labels, complete: true, addresses, who: &who };
        let Verdict::Denied(denials) = policy::decide(graph, &policies, Way::Ingress, &peer, &at) else { return None };
        let subject = Subject { object, labels: selector(service).unwrap_or(&none) };
        let connection = Connection { need, way: Way::Ingress, subject, other: Some(client), what, number };
        blame::denied(self.index, &connection, &denials, &[], (&peer, &at), service)
    }

    /// Whether anything outside of the namespace may connect to the pods behind a route.
    pub(super) fn outside_in(&mut self, need: &Need<'g>, service: &'g Service) -> Option<Denied<'g>> {
        let front = self.index.front(name(&service.metadata))?;
        let server = front.workloads.iter().copied().find(|w| w.desired > 0 && w.spec.host_network != Some(true))?;
        let policies = self.isolating(server, Way::Ingress);
        let wanted = wanted(service, need);
        let port = wanted.first()?;
        let number = port.of_pod(server)?;
        let none = BTreeMap::new();
        // Nobody knows where the controller runs: whatever allows somebody of elsewhere this port may mean it.
        let at = Port { number: Some(number), protocol: port.protocol(), spec: Some(&server.spec) };
        let peer = Peer {
            home: "",
            namespace: "",
            labels: &none,
            complete: false,
            addresses: &[],
            who: "pods of its controller",
        };
        let never = |peer: &NetworkPolicyPeer| {
            let own = peer.namespace_selector.is_none() && peer.ip_block.is_none();
            own && !self.index.graph.workloads.iter().any(|workload| {
                peer.pod_selector.as_ref().is_none_or(|wanted| selects(wanted, &workload.pod_labels))
                    && fronts(workload)
            })
        };
        let denials: Option<Vec<Denial>> =
            policies.iter().map(|policy| policy::refuses_port(policy, &at, never)).collect();
        let denials = denials.filter(|denials| !denials.is_empty())?;
        // Those who allow pods of the namespace may be right about how requests come; a change tells that they were not.
        let own = denials.iter().any(|denial| denial.gap.value == "podSelector");
        let since = |denial: &Denial| later(Touch::of(&denial.policy.metadata).as_ref(), need.name_at.touched.as_ref());
        let unsure = own && !denials.iter().any(since);
        let what = format!("port {number} of {}", called(&server.object));
        let connection = Connection { need, way: Way::Ingress, subject: server.into(), other: None, what, number };
        let found = blame::denied(self.index, &connection, &denials, self.idle(), (&peer, &at), service)?;
        Some(if unsure { Denied { standing: Standing::Suspect, ..found } } else { found })
    }

    /// Policies that select no pods at all.
    fn idle(&self) -> &[&'g NetworkPolicy] {
        let graph = self.index.graph;
        let selects_none = |policy: &&NetworkPolicy| {
            let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.as_ref());
            selector.is_some_and(|wanted| !graph.workloads.iter().any(|workload| selects(wanted, &workload.pod_labels)))
        };
        self.idle.get_or_init(|| graph.policies.iter().map(|policy| &**policy).filter(selects_none).collect())
    }
}
