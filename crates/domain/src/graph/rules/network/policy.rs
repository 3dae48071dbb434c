//! Whether NetworkPolicies allow a connection, and if not, which field is nearest to allowing it.
//!
//! What lives here: the semantics of NetworkPolicy for one direction of one connection. What does not: which connections
//! matter (`reach`, `dns`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::clip;
use crate::graph::query::ports;
use crate::graph::{Graph, selects};

/// Direction of a connection as the pod sees it that the policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

impl Way {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// The pods at the other end of a connection.
pub(super) struct Peer<'a> {
    /// Their namespace.
    pub(super) namespace: &'a str,
    /// Their labels.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Whether these are all labels that they have.
    pub(super) complete: bool,
    /// Their addresses; none where they are not known.
    pub(super) addresses: &'a [IpAddr],
    /// What they are called in sentences, for example `pods of Deployment web`.
    pub(super) who: &'a str,
}

/// The port of the pods that are connected to.
pub(super) struct Port<'a> {
    /// Its number; none when it is not known.
    pub(super) number: Option<i32>,
    /// TCP, UDP or SCTP.
    pub(super) protocol: &'a str,
    /// The pods that have it, for ports by name.
    pub(super) spec: Option<&'a PodSpec>,
}

/// What keeps a connection from being allowed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gap {
    /// Things that would have to change; the fewer, the nearer.
    pub(super) count: usize,
    /// Field at fault.
    pub(super) path: String,
    /// What stands there.
    pub(super) value: String,
    /// Why it does not allow the connection, as a clause after "its ".
    pub(super) because: String,
    /// The smallest change that allows it.
    pub(super) edit: String,
    /// Label of the other end that would do: key, what is wanted, what it has.
    pub(super) label: Option<(String, String, Option<String>)>,
}

/// A policy that does not allow a connection, with the gap that is nearest.
pub(super) struct Denial<'g> {
    pub(super) policy: &'g NetworkPolicy,
    pub(super) gap: Gap,
}

/// What the policies say of a connection.
pub(super) enum Verdict<'g> {
    /// No policy selects the pods, or one allows it.
    Open,
    /// It depends on what is not known.
    Unknown,
    /// Every policy that selects the pods, the nearest to allowing it first.
    Denied(Vec<Denial<'g>>),
}

/// Policies of a namespace that select pods with these labels for a direction.
pub(super) fn isolating<'g>(graph: &'g Graph, labels: &BTreeMap<String, String>, way: Way) -> Vec<&'g NetworkPolicy> {
    let all = graph.policies.iter().map(|policy| &**policy);
    all.filter(|policy| {
        let Some(spec) = &policy.spec else { return false };
        let listed = match &spec.policy_types {
            Some(types) if !types.is_empty() => types.iter().any(|type_| type_.eq_ignore_ascii_case(way.field())),
            _ => way == Way::Ingress || spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        };
        listed && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, labels))
    })
    .collect()
}

/// Rules of a policy for a direction: peers and ports.
type Rule<'g> = (&'g [NetworkPolicyPeer], &'g [NetworkPolicyPort]);

/// The rules of a policy for a direction.
pub(super) fn rules(policy: &NetworkPolicy, way: Way) -> Vec<Rule<'_>> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    match way {
        Way::Ingress => spec
            .ingress
            .iter()
            .flatten()
            .map(|rule| (rule.from.as_deref().unwrap_or_default(), rule.ports.as_deref().unwrap_or_default()))
            .collect(),
        Way::Egress => spec
            .egress
            .iter()
            .flatten()
            .map(|rule| (rule.to.as_deref().unwrap_or_default(), rule.ports.as_deref().unwrap_or_default()))
            .collect(),
    }
}

/// Whether these policies allow a connection with a peer.
pub(super) fn decide<'g>(
    graph: &Graph,
    policies: &[&'g NetworkPolicy],
    way: Way,
    peer: &Peer,
    port: &Port,
) -> Verdict<'g> {
    if policies.is_empty() {
        return Verdict::Open;
    }
    let mut unknown = false;
    let mut denials = Vec::new();
    for policy in policies {
        let mut best: Option<Gap> = None;
        for (at, (peers, ports)) in rules(policy, way).into_iter().enumerate() {
            let base = format!("spec.{}[{at}]", way.field());
            let port_gap = port_gap(ports, port, &base, way, at);
            let peer_gap = peers_gap(graph, peers, peer, &base, way, at);
            let gap = match (port_gap, peer_gap) {
                (Answer::Yes, Answer::Yes) => return Verdict::Open,
                (Answer::No(gap), Answer::Yes) | (Answer::Yes, Answer::No(gap)) => gap,
                (Answer::No(port), Answer::No(peer)) => Gap { count: port.count + peer.count, ..peer },
                // One half is certainly missing, so the other does not matter.
                (Answer::No(gap), Answer::Unknown) | (Answer::Unknown, Answer::No(gap)) => {
                    Gap { count: gap.count + 1, ..gap }
                }
                (Answer::Unknown, _) | (_, Answer::Unknown) => {
                    unknown = true;
                    continue;
                }
            };
            if best.as_ref().is_none_or(|known| gap.count < known.count) {
                best = Some(gap);
            }
        }
        denials.push(Denial { policy, gap: best.unwrap_or_else(|| closed(policy, way)) });
    }
    if unknown {
        return Verdict::Unknown;
    }
    denials.sort_by_key(|denial| denial.gap.count);
    Verdict::Denied(denials)
}

/// The gap of a policy that allows nobody a port; none when a rule allows it somebody.
pub(super) fn refuses_port<'g>(policy: &'g NetworkPolicy, way: Way, port: &Port) -> Option<Denial<'g>> {
    let mut nearest = None;
    for (at, (_, ports)) in rules(policy, way).into_iter().enumerate() {
        match port_gap(ports, port, &format!("spec.{}[{at}]", way.field()), way, at) {
            Answer::No(gap) => nearest = nearest.or(Some(gap)),
            Answer::Yes | Answer::Unknown => return None,
        }
    }
    Some(Denial { policy, gap: nearest.unwrap_or_else(|| closed(policy, way)) })
}

/// The gap of a policy that allows nothing in a direction.
fn closed(policy: &NetworkPolicy, way: Way) -> Gap {
    let field = way.field();
    let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.as_ref());
    let all = selector.is_none_or(|s| {
        s.match_labels.iter().flatten().next().is_none() && s.match_expressions.iter().flatten().next().is_none()
    });
    let whom = if all { "every pod of the namespace" } else { "these pods" };
    Gap {
        count: usize::MAX,
        path: format!("spec.{field}"),
        value: "[]".into(),
        because: format!("podSelector selects {whom} and it allows no {field}"),
        edit: format!("add an {field} rule for this connection"),
        label: None,
    }
}

/// An answer that may not be known.
enum Answer {
    Yes,
    No(Gap),
    Unknown,
}

fn port_gap(list: &[NetworkPolicyPort], port: &Port, base: &str, way: Way, at: usize) -> Answer {
    if list.is_empty() {
        return Answer::Yes;
    }
    let mut unknown = false;
    for allowed in list {
        if allowed.protocol.as_deref().unwrap_or("TCP") != port.protocol {
            continue;
        }
        match (&allowed.port, port.number) {
            (None, _) => return Answer::Yes,
            (Some(_), None) => unknown = true,
            (Some(IntOrString::Int(first)), Some(number)) => {
                if (*first..=allowed.end_port.unwrap_or(*first)).contains(&number) {
                    return Answer::Yes;
                }
            }
            (Some(IntOrString::String(name)), Some(number)) => match port.spec {
                Some(spec) => {
                    let mut named = ports(spec).filter(|(_, declared)| declared.name.as_deref() == Some(name.as_str()));
                    if named.any(|(_, declared)| declared.container_port == number) {
                        return Answer::Yes;
                    }
                }
                None => unknown = true,
            },
        }
    }
    if unknown {
        return Answer::Unknown;
    }
    let shown = clip(&list.iter().map(port_words).collect::<Vec<_>>().join(", "), 60);
    let number = port.number.map(|number| number.to_string()).unwrap_or_default();
    let same =
        list.iter().position(|allowed| matches!(&allowed.port, Some(IntOrString::Int(n)) if Some(*n) == port.number));
    let (path, value, edit) = match same {
        Some(index) => (
            format!("{base}.ports[{index}].protocol"),
            list.get(index).and_then(|allowed| allowed.protocol.clone()).unwrap_or_else(|| "TCP".into()),
            format!("add port {number}/{} to {base}.ports", port.protocol),
        ),
        None => (
            format!("{base}.ports[0].port"),
            list.first().and_then(|allowed| allowed.port.as_ref()).map(super::port_text).unwrap_or_default(),
            match list.len() {
                1 => format!("set {base}.ports[0].port to {number}"),
                _ => format!("add port {number} to {base}.ports"),
            },
        ),
    };
    let suffix = if port.protocol == "TCP" { String::new() } else { format!("/{}", port.protocol) };
    Answer::No(Gap {
        count: 1,
        path,
        value,
        because: format!("{} rule {at} allows port {shown} and not {number}{suffix}", way.field()),
        edit,
        label: None,
    })
}

fn port_words(port: &NetworkPolicyPort) -> String {
    let number = port.port.as_ref().map_or_else(|| "any".to_owned(), super::port_text);
    let range = port.end_port.map(|end| format!("-{end}")).unwrap_or_default();
    match port.protocol.as_deref() {
        None | Some("TCP") => format!("{number}{range}"),
        Some(protocol) => format!("{number}{range}/{protocol}"),
    }
}

fn peers_gap(graph: &Graph, peers: &[NetworkPolicyPeer], peer: &Peer, base: &str, way: Way, at: usize) -> Answer {
    if peers.is_empty() {
        return Answer::Yes;
    }
    let mut unknown = false;
    let mut best: Option<Gap> = None;
    for (number, allowed) in peers.iter().enumerate() {
        let path = format!("{base}.{}[{number}]", way.peers());
        match peer_gap(graph, allowed, peer, &path, way, at) {
            Answer::Yes => return Answer::Yes,
            Answer::Unknown => unknown = true,
            Answer::No(gap) => {
                if best.as_ref().is_none_or(|known| gap.count < known.count) {
                    best = Some(gap);
                }
            }
        }
    }
    match best {
        Some(gap) if !unknown => Answer::No(gap),
        _ => Answer::Unknown,
    }
}

fn peer_gap(graph: &Graph, allowed: &NetworkPolicyPeer, peer: &Peer, path: &str, way: Way, at: usize) -> Answer {
    let rule = format!("{} rule {at}", way.field());
    if let Some(block) = &allowed.ip_block {
        return match holds(block, peer.addresses) {
            Some(true) => Answer::Yes,
            None => Answer::Unknown,
            Some(false) => Answer::No(Gap {
                count: 1,
                path: format!("{path}.ipBlock"),
                value: block.cidr.clone(),
                because: format!("{rule} allows addresses of {} only", block.cidr),
                edit: format!("add a peer for the pods to {}", path.rsplit_once('[').map_or(path, |(list, _)| list)),
                label: None,
            }),
        };
    }
    let space = match &allowed.namespace_selector {
        None if peer.namespace == graph.namespace => Answer::Yes,
        None => Answer::No(Gap {
            count: 1,
            path: path.to_owned(),
            value: "podSelector".into(),
            because: format!(
                "{rule} allows pods of its own namespace only, and {} are in {}",
                peer.who, peer.namespace
            ),
            edit: format!(
                "add namespaceSelector {{matchLabels: {{kubernetes.io/metadata.name: {}}}}} to {path}",
                peer.namespace
            ),
            label: None,
        }),
        Some(selector) => {
            let known = graph.cluster.namespaces.get(peer.namespace);
            let mut labels = known.cloned().unwrap_or_default();
            labels.insert("kubernetes.io/metadata.name".into(), peer.namespace.to_owned());
            let whose = format!("namespace {} has", peer.namespace);
            let field = format!("{path}.namespaceSelector");
            selector_gap(selector, &labels, known.is_some(), &field, &format!("{rule} allows namespaces with"), &whose)
        }
    };
    let pods = match &allowed.pod_selector {
        None => Answer::Yes,
        Some(selector) => {
            let field = format!("{path}.podSelector");
            let whose = format!("{} have", peer.who);
            selector_gap(selector, peer.labels, peer.complete, &field, &format!("{rule} allows pods with"), &whose)
        }
    };
    match (space, pods) {
        (Answer::Yes, other) | (other, Answer::Yes) => other,
        (Answer::No(a), Answer::No(b)) => Answer::No(Gap { count: a.count + b.count, label: None, ..a }),
        (Answer::No(gap), Answer::Unknown) | (Answer::Unknown, Answer::No(gap)) => {
            Answer::No(Gap { count: gap.count + 1, ..gap })
        }
        (Answer::Unknown, Answer::Unknown) => Answer::Unknown,
    }
}

/// Whether labels satisfy a selector, when perhaps not all labels are known.
fn selector_gap(
    selector: &LabelSelector,
    labels: &BTreeMap<String, String>,
    complete: bool,
    path: &str,
    allows: &str,
    whose: &str,
) -> Answer {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut unknown = false;
    for (key, wanted) in selector.match_labels.iter().flatten() {
        match labels.get(key) {
            Some(found) if found == wanted => {}
            None if !complete => unknown = true,
            found => {
                let has = found.map_or_else(|| format!("{whose} no {key}"), |found| format!("{whose} {key}={found}"));
                let to = found.map_or_else(
                    || format!("drop {key} from {path}"),
                    |found| format!("set {path}.matchLabels.{key} to {found}"),
                );
                gaps.push(Gap {
                    count: 1,
                    path: format!("{path}.matchLabels.{key}"),
                    value: wanted.clone(),
                    because: format!("{allows} {key}={wanted}, and {has}"),
                    edit: to,
                    label: Some((key.clone(), wanted.clone(), found.cloned())),
                });
            }
        }
    }
    for (at, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let single = LabelSelector { match_labels: None, match_expressions: Some(vec![expression.clone()]) };
        let found = labels.get(&expression.key);
        if selects(&single, labels) && (found.is_some() || complete) {
            continue;
        }
        if found.is_none() && !complete {
            unknown = true;
            continue;
        }
        let values = expression.values.as_deref().unwrap_or_default();
        let shown = match values {
            [] => String::new(),
            values => format!(" ({})", clip(&values.join(", "), 60)),
        };
        let has = found.map_or_else(|| "no such label".to_owned(), Clone::clone);
        gaps.push(Gap {
            count: 1,
            path: format!("{path}.matchExpressions[{at}]"),
            value: format!("{} {}{shown}", expression.key, expression.operator),
            because: format!("{allows} {} {}{shown}, and {whose} {has}", expression.key, expression.operator),
            edit: match (expression.operator.as_str(), found) {
                ("In", Some(found)) => format!("add {found} to {path}.matchExpressions[{at}].values"),
                _ => format!("drop {path}.matchExpressions[{at}]"),
            },
            label: None,
        });
    }
    let count = gaps.len() + usize::from(unknown);
    match gaps.into_iter().next() {
        Some(first) => Answer::No(Gap { count, ..first }),
        None if unknown => Answer::Unknown,
        None => Answer::Yes,
    }
}

/// Whether a block of addresses holds all of these; none when that cannot be told.
fn holds(block: &IPBlock, addresses: &[IpAddr]) -> Option<bool> {
    let excepted = block.except.as_deref().unwrap_or_default();
    if block.cidr.ends_with("/0") && excepted.is_empty() {
        return Some(true);
    }
    if addresses.is_empty() {
        return None;
    }
    let mut all = true;
    for address in addresses {
        // An address of the other family says nothing.
        let inside = within(&block.cidr, *address)?;
        let out = excepted.iter().any(|except| within(except, *address) == Some(true));
        all &= inside && !out;
    }
    Some(all)
}

fn within(cidr: &str, address: IpAddr) -> Option<bool> {
    let (network, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (network, address, width) = match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(u32::from(network)), u128::from(u32::from(address)), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (u128::from(network), u128::from(address), 128),
        _ => return None,
    };
    let shift = u32::checked_sub(width, bits)?;
    let cut = |value: u128| value.checked_shr(shift).unwrap_or(0);
    Some(cut(network) == cut(address))
}
