//! Connections that workloads need and NetworkPolicies deny.
//!
//! What lives here: which connections matter, and which policy is at fault. What does not: how a policy is read
//! (`policy`), name resolution (`dns`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use api::shared::{CauseClass, ObjectRef, RootCause};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dependency::slip;
use super::index::{Index, selector};
use super::needs::{Need, later};
use super::offer::{headless, list, offers};
use super::policy::{self, Denial, Gap, Peer, Port, Verdict, Way};
use super::{called, concerned, finding, needed, ruled_out};
use crate::detection::Rule;
use crate::graph::query::{name, nearest, reference, target};
use crate::graph::{Touch, selects};

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let graph = index.graph;
    if !graph.knows("NetworkPolicy") || !graph.knows("Service") || graph.policies.is_empty() {
        return;
    }
    let mut solver = Solver::of(index);
    let mut denied: BTreeMap<(String, String, String), Denied> = BTreeMap::new();
    for ((namespace, of), needs) in index.all_needs() {
        let Some(service) = index.service_of(namespace, of) else { continue };
        if super::offer::external(service) {
            continue;
        }
        for need in needs {
            let found = match need.client {
                Some(client) => solver.between(client, need, namespace, service),
                None if *namespace == graph.namespace => solver.from_outside(need, service),
                None => None,
            };
            let Some(found) = found else { continue };
            let fault = &found.cause.object;
            let key = (fault.kind.clone(), fault.name.clone(), found.cause.path.clone().unwrap_or_default());
            denied.entry(key).and_modify(|known| known.join(&found)).or_insert(found);
        }
    }
    out.extend(denied.into_values().map(Denied::finding));
}

/// A reference to a NetworkPolicy.
pub(super) fn of_policy(policy: &NetworkPolicy) -> ObjectRef {
    reference("networking.k8s.io/v1", "NetworkPolicy", &policy.metadata)
}

/// A policy, or labels, that deny connections.
struct Denied<'g> {
    cause: RootCause,
    needs: Vec<Need<'g>>,
    /// Workloads behind the Service.
    servers: Vec<ObjectRef>,
    port: String,
    standing: Standing,
    edit: String,
}

impl<'g> Denied<'g> {
    fn join(&mut self, other: &Self) {
        if other.standing > self.standing {
            self.cause = other.cause.clone();
            self.edit.clone_from(&other.edit);
        }
        self.standing = self.standing.max(other.standing);
        self.needs.extend(other.needs.iter().cloned());
        self.servers.extend(other.servers.iter().cloned());
    }

    fn finding(self) -> Finding {
        let mut needs: Vec<&Need> = self.needs.iter().collect();
        // What is explicit comes first, and of that what shows a symptom.
        needs.sort_by_key(|need| (!need.plain, !need.client.is_some_and(|client| client.troubled)));
        let about = needs.first().map_or(&self.cause.object, |need| &need.by).clone();
        let mut concerns = concerned(needs.iter().copied());
        for server in &self.servers {
            if !concerns.contains(server) {
                concerns.push(server.clone());
            }
        }
        let service = needs.first().map(|need| need.host.clone()).unwrap_or_default();
        let mut words = super::dependency::words(&service, &needs);
        words.push(self.port);
        let mut cause = self.cause;
        let mut proof = needed(needs.iter().copied());
        proof.append(&mut cause.proof);
        cause.proof = proof;
        let mut recommendations = vec![format!("Smallest change that opens it: {}.", self.edit)];
        if about.kind == "Ingress" {
            recommendations.push("Allow the namespace of the Ingress controller.".into());
        }
        Finding { concerns, words, recommendations, ..finding(Rule::NetworkDenied, self.standing, &about, cause) }
    }
}

/// Answers for workloads, with what was found out before.
struct Solver<'a, 'g> {
    index: &'a Index<'g>,
    isolating: HashMap<(&'g str, &'g str, Way), Vec<&'g NetworkPolicy>>,
    addresses: HashMap<(&'g str, &'g str), Vec<IpAddr>>,
}

impl<'a, 'g> Solver<'a, 'g> {
    fn of(index: &'a Index<'g>) -> Self {
        let graph = index.graph;
        let blocks = graph.policies.iter().any(|policy| {
            [Way::Ingress, Way::Egress].into_iter().any(|way| {
                policy::rules(policy, way).iter().any(|(peers, _)| peers.iter().any(|p| p.ip_block.is_some()))
            })
        });
        let addresses = if blocks { addresses(index) } else { HashMap::new() };
        Self { index, isolating: HashMap::new(), addresses }
    }

    fn isolating(&mut self, workload: &'g Workload, way: Way) -> Vec<&'g NetworkPolicy> {
        let key = (workload.object.kind.as_str(), workload.object.name.as_str(), way);
        let graph = self.index.graph;
        let found = self.isolating.entry(key).or_insert_with(|| policy::isolating(graph, &workload.pod_labels, way));
        found.clone()
    }

    fn addresses<'b>(&'b self, workload: &'b Workload) -> &'b [IpAddr] {
        let key = (workload.object.kind.as_str(), workload.object.name.as_str());
        self.addresses.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a workload may connect to the pods behind a Service.
    fn between(
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
                let found = self.to_elsewhere(client, need, namespace, service, port)?;
                first.get_or_insert(found);
            }
            // Where one of several workloads or ports can be reached, the connection works at least sometimes.
            for server in &servers {
                let found = self.to_server(client, need, service, server, port)?;
                first.get_or_insert(found);
            }
        }
        first
    }

    fn to_server(
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
                namespace: &graph.namespace,
                labels: &other.pod_labels,
                complete: true,
                addresses: self.addresses(other),
                who: &who,
            };
            let Verdict::Denied(denials) = policy::decide(graph, &policies, way, &peer, &at) else { continue };
            let what = format!("port {number} of {}", called(&server.object));
            let connection = Connection { need, way, subject, other: Some(other), what, number };
            return self.denied(&connection, &denials, &peer, &at, service);
        }
        None
    }

    fn to_elsewhere(
        &mut self,
        client: &'g Workload,
        need: &Need<'g>,
        namespace: &str,
        service: &Service,
        port: &Wanted,
    ) -> Option<Denied<'g>> {
        let policies = self.isolating(client, Way::Egress);
        let none = BTreeMap::new();
        let who = format!("pods of Service {} of namespace {namespace}", name(&service.metadata));
        // The pods have at least the labels that the Service selects them by.
        let peer =
            Peer { namespace, labels: selector(service).unwrap_or(&none), complete: false, addresses: &[], who: &who };
        let number = port.elsewhere();
        let at = Port { number, protocol: port.protocol(), spec: None };
        let verdict = policy::decide(self.index.graph, &policies, Way::Egress, &peer, &at);
        let Verdict::Denied(denials) = verdict else { return None };
        let what = format!("Service {} of namespace {namespace}", name(&service.metadata));
        let connection = Connection {
            need,
            way: Way::Egress,
            subject: client,
            other: None,
            what,
            number: number.unwrap_or_default(),
        };
        self.denied(&connection, &denials, &peer, &at, service)
    }

    /// Whether anything outside of the namespace may connect to the pods behind a route.
    fn from_outside(&mut self, need: &Need<'g>, service: &'g Service) -> Option<Denied<'g>> {
        let front = self.index.front(name(&service.metadata))?;
        let server = front.workloads.iter().copied().find(|w| w.desired > 0 && w.spec.host_network != Some(true))?;
        let policies = self.isolating(server, Way::Ingress);
        let wanted = wanted(service, need);
        let port = wanted.first()?;
        let number = port.of_pod(server)?;
        let none = BTreeMap::new();
        // Nobody knows where the controller runs: whatever allows somebody this port may mean it.
        let at = Port { number: Some(number), protocol: port.protocol(), spec: Some(&server.spec) };
        let peer =
            Peer { namespace: "", labels: &none, complete: false, addresses: &[], who: "pods of its controller" };
        let denials: Option<Vec<Denial>> =
            policies.iter().map(|policy| policy::refuses_port(policy, Way::Ingress, &at)).collect();
        let denials = denials.filter(|denials| !denials.is_empty())?;
        let what = format!("port {number} of {}", called(&server.object));
        let connection = Connection { need, way: Way::Ingress, subject: server, other: None, what, number };
        self.denied(&connection, &denials, &peer, &at, service)
    }

    fn denied(
        &self,
        connection: &Connection<'_, 'g>,
        denials: &[Denial<'g>],
        peer: &Peer,
        port: &Port,
        service: &Service,
    ) -> Option<Denied<'g>> {
        let Connection { need, way, subject, other, what, number } = connection;
        let slipped = self
            .index
            .graph
            .policies
            .iter()
            .find_map(|policy| Some((&**policy, self.misses(policy, subject, *way, peer, port)?)));
        let (policy, gap) = match slipped {
            Some(found) => found,
            None => {
                let denial = denials.get(chosen(denials))?;
                (denial.policy, denial.gap.clone())
            }
        };
        let rest = denials.iter().filter(|denial| !std::ptr::eq(denial.policy, policy));
        let object = of_policy(policy);
        let who = match need.client {
            Some(_) => need.who(),
            None => format!("the controller of {}", called(&need.by)),
        };
        let explicit = need.plain && !need.spare;
        let confidence = if explicit { 0.92 } else { 0.6 };
        let left = other.filter(|other| left(other, policy, &gap));
        let mut edit = gap.edit.clone();
        let mut cause = match (left, &gap.label) {
            (Some(other), Some((key, want, found))) => {
                let path = format!("{}metadata.labels.{key}", other.spec_path.strip_suffix("spec").unwrap_or_default());
                let has = found.as_ref().map_or_else(|| format!("no label {key}"), |found| format!("{key}={found}"));
                let statement = format!(
                    "Pods of {} have {has}, while NetworkPolicy {} allows {key}={want} only, so {who} is denied {what}",
                    called(&other.object),
                    object.name
                );
                edit = format!("set {path} of {} to {want}", called(&other.object));
                let value = found.as_deref().unwrap_or("(absent)");
                cause(&other.object, CauseClass::NetworkDenied, &path, value, statement, confidence)
            }
            _ => {
                let statement = format!("{who} is denied {what} by NetworkPolicy {}: its {}", object.name, gap.because);
                cause(&object, CauseClass::NetworkDenied, &gap.path, &gap.value, statement, confidence)
            }
        };
        let selects = format!("it selects the pods of {} for {}", called(&subject.object), way.field());
        cause.proof = vec![
            fact(
                &crate::graph::query::of_service(service),
                "spec.ports",
                number.to_string(),
                "requests go to this port of the pods",
            ),
            fact(&object, &gap.path, gap.value.clone(), &selects),
            fact(&subject.object, "labels", shown(&subject.pod_labels), "its pods have these labels"),
        ];
        if let Some(other) = other {
            cause.proof.push(fact(
                &other.object,
                "labels",
                shown(&other.pod_labels),
                "the pods at the other end have these",
            ));
        }
        for denial in rest.take(6) {
            cause.ruled_out.push(ruled_out(
                format!("NetworkPolicy {} allows it", name(&denial.policy.metadata)),
                format!("its {}", denial.gap.because),
            ));
        }
        let servers = match way {
            Way::Ingress => vec![subject.object.clone()],
            Way::Egress => other.iter().map(|other| other.object.clone()).collect(),
        };
        Some(Denied {
            cause,
            needs: vec![(*need).clone()],
            servers,
            port: number.to_string(),
            standing: if explicit { Standing::Outage } else { Standing::Suspect },
            edit,
        })
    }

    /// A policy that would allow the connection, and that by a slip in its podSelector selects no pods at all.
    fn misses(&self, policy: &'g NetworkPolicy, subject: &Workload, way: Way, peer: &Peer, port: &Port) -> Option<Gap> {
        let selector = policy.spec.as_ref()?.pod_selector.as_ref()?;
        let wanted =
            selector.match_labels.as_ref().filter(|_| selector.match_expressions.iter().flatten().next().is_none())?;
        if self.index.graph.workloads.iter().any(|workload| selects(selector, &workload.pod_labels)) {
            return None;
        }
        let mut differ = wanted.iter().filter(|(key, want)| subject.pod_labels.get(*key) != Some(want));
        let ((key, want), None) = (differ.next()?, differ.next()) else { return None };
        let found = subject.pod_labels.get(key)?;
        let close = slip(want, found) || nearest(want, [found.as_str()]).is_some() || wanted.len() > 1;
        let opens = matches!(policy::decide(self.index.graph, &[policy], way, peer, port), Verdict::Open);
        (close && opens && peer.complete).then(|| Gap {
            count: 1,
            path: format!("spec.podSelector.matchLabels.{key}"),
            value: want.clone(),
            because: format!(
                "podSelector wants {key}={want} and selects no pods, while {} has {key}={found}",
                called(&subject.object)
            ),
            edit: format!("set spec.podSelector.matchLabels.{key} to {found}"),
            label: None,
        })
    }
}

/// A connection that is denied.
struct Connection<'n, 'g> {
    need: &'n Need<'g>,
    way: Way,
    /// The workload that the policies select.
    subject: &'g Workload,
    /// The one at the other end, where it is known.
    other: Option<&'g Workload>,
    what: String,
    number: i32,
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    super::clip(&labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","), 120)
}

/// Which of the policies is at fault: the one that nearly allows the connection, if it seems to be meant for it; else the
/// one that was changed last; else the one that allows nothing.
fn chosen(denials: &[Denial]) -> usize {
    let touched: Vec<Option<Touch>> = denials.iter().map(|denial| Touch::of(&denial.policy.metadata)).collect();
    let last = touched.iter().enumerate().find_map(|(at, touch)| {
        let others = touched.iter().enumerate().filter(|(other, _)| *other != at);
        let mut others = others.peekable();
        (others.peek().is_some() && others.all(|(_, other)| later(touch.as_ref(), other.as_ref()))).then_some(at)
    });
    let meant = denials.iter().enumerate().find(|(at, denial)| {
        let fits = match &denial.gap.label {
            Some((_, want, Some(found))) => slip(want, found) || nearest(want, [found.as_str()]).is_some(),
            _ => true,
        };
        denial.gap.count == 1 && (fits || last == Some(*at))
    });
    let closed = || denials.iter().position(|denial| denial.gap.count == usize::MAX);
    meant.map(|(at, _)| at).or(last).or_else(closed).unwrap_or_default()
}

/// Whether the pods at the other end have left the labels that the policy allows, rather than the policy them.
fn left(other: &Workload, policy: &NetworkPolicy, gap: &Gap) -> bool {
    let Some((key, want, found)) = &gap.label else { return false };
    if other.labels.get(key) == Some(want) {
        return true;
    }
    let fixed = other.selector.iter().flat_map(|selector| selector.match_labels.iter().flatten());
    let fixed = fixed.into_iter().any(|(own, value)| own == key && Some(value) == found.as_ref());
    !fixed && later(other.touched.as_ref(), Touch::of(&policy.metadata).as_ref())
}

/// A port that is wanted of the pods behind a Service.
enum Wanted {
    /// One of the Service.
    Of(ServicePort),
    /// One of the pods themselves.
    Pod(i32),
}

impl Wanted {
    fn of_pod(&self, server: &Workload) -> Option<i32> {
        match self {
            Self::Of(port) => target(port, &server.spec),
            Self::Pod(number) => Some(*number),
        }
    }

    /// For pods that are not known.
    fn elsewhere(&self) -> Option<i32> {
        match self {
            Self::Pod(number) => Some(*number),
            Self::Of(port) => match &port.target_port {
                Some(IntOrString::String(_)) => None,
                Some(IntOrString::Int(number)) if *number != 0 => Some(*number),
                _ => Some(port.port),
            },
        }
    }

    fn protocol(&self) -> &str {
        match self {
            Self::Of(port) => port.protocol.as_deref().unwrap_or("TCP"),
            Self::Pod(_) => "TCP",
        }
    }
}

/// The ports that somebody wants; all of the Service when it is not said which.
fn wanted(service: &Service, need: &Need) -> Vec<Wanted> {
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
fn addresses<'g>(index: &Index<'g>) -> HashMap<(&'g str, &'g str), Vec<IpAddr>> {
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
