//! Whether NetworkPolicies allow a connection, and if not, which field is nearest to allowing it.
//!
//! What lives here: the semantics of NetworkPolicy for one direction of one connection. What does not: what of a rule does not fit (`gap`),
//! which connections matter (`reach`, `dns`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::gap::{self, Answer, peers_gap, port_gap};
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

    /// As policyTypes has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    pub(super) fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// The pods at the other end of a connection.
pub(super) struct Peer<'a> {
    /// Namespace of the policies.
    pub(super) home: &'a str,
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

/// Policies that select pods with these labels for a direction.
pub(super) fn isolating<'g>(
    policies: &'g [Arc<NetworkPolicy>],
    labels: &BTreeMap<String, String>,
    way: Way,
) -> Vec<&'g NetworkPolicy> {
    let all = policies.iter().map(|policy| &**policy).filter(|policy| concerns(policy, way));
    all.filter(|policy| selector(policy).is_none_or(|selector| selects(selector, labels))).collect()
}

/// The same for pods of which only some labels are known: those that certainly select them, and those that may.
pub(super) fn perhaps_isolating<'g>(
    policies: &'g [Arc<NetworkPolicy>],
    labels: &BTreeMap<String, String>,
    way: Way,
) -> (Vec<&'g NetworkPolicy>, Vec<&'g NetworkPolicy>) {
    let mut found = (Vec::new(), Vec::new());
    for policy in policies.iter().map(|policy| &**policy).filter(|policy| concerns(policy, way)) {
        match selector(policy).map(|selector| gap::selector_gap(selector, labels, false, "", "", "")) {
            None | Some(Answer::Yes) => found.0.push(policy),
            Some(Answer::Unknown) => found.1.push(policy),
            Some(Answer::No(_)) => {}
        }
    }
    found
}

fn selector(policy: &NetworkPolicy) -> Option<&LabelSelector> {
    policy.spec.as_ref()?.pod_selector.as_ref()
}

/// Whether a policy is about a direction at all.
fn concerns(policy: &NetworkPolicy, way: Way) -> bool {
    let Some(spec) = &policy.spec else { return false };
    match &spec.policy_types {
        Some(types) if !types.is_empty() => types.iter().any(|type_| type_.eq_ignore_ascii_case(way.field())),
        _ => way == Way::Ingress || spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
    }
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

/// The gap of a policy that admits nobody to a port, or only peers of which `never` says that they are somebody else; none
/// when a rule may admit those who are meant.
pub(super) fn refuses_port<'g>(
    policy: &'g NetworkPolicy,
    port: &Port,
    never: impl Fn(&NetworkPolicyPeer) -> bool,
) -> Option<Denial<'g>> {
    let way = Way::Ingress;
    let mut nearest: Option<Gap> = None;
    for (at, (peers, ports)) in rules(policy, way).into_iter().enumerate() {
        let base = format!("spec.{}[{at}]", way.field());
        let gap = match port_gap(ports, port, &base, way, at) {
            Answer::No(gap) => gap,
            Answer::Yes | Answer::Unknown if !peers.is_empty() && peers.iter().all(&never) => Gap {
                count: 1,
                path: format!("{base}.from[0]"),
                value: "podSelector".into(),
                because: format!("{} rule {at} allows pods of its own namespace only", way.field()),
                edit: format!("add a peer with the namespace of the controller to {base}.from"),
                label: None,
            },
            Answer::Yes | Answer::Unknown => return None,
        };
        nearest = nearest.or(Some(gap));
    }
    Some(Denial { policy, gap: nearest.unwrap_or_else(|| closed(policy, way)) })
}

/// Whether a policy may let connections to a port out of the cluster.
pub(super) fn lets_out(policy: &NetworkPolicy, port: &Port) -> bool {
    rules(policy, Way::Egress).into_iter().any(|(peers, ports)| {
        let out = peers.is_empty() || peers.iter().any(|peer| peer.ip_block.is_some());
        out && !matches!(port_gap(ports, port, "", Way::Egress, 0), Answer::No(_))
    })
}

/// The gap of a policy that allows nothing in a direction.
fn closed(policy: &NetworkPolicy, way: Way) -> Gap {
    let field = way.field();
    let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.as_ref());
    let all = selector.is_none_or(|s| {
        s.match_labels.iter().flatten().next().is_none() && s.match_expressions.iter().flatten().next().is_none()
    });
    let whom = if all { "every pod of the namespace" } else { "these pods" };
    let other = match way {
        Way::Ingress => Way::Egress,
        Way::Egress => Way::Ingress,
    };
    // A direction that is named in policyTypes, or is there because nothing is, and that nobody wrote rules for.
    if !rules(policy, other).is_empty() {
        let (name, theirs) = (way.name(), other.field());
        return Gap {
            count: usize::MAX,
            path: "spec.policyTypes".into(),
            value: name.into(),
            because: format!("policyTypes has {name} while it has rules for {theirs} only, so it allows no {field}"),
            edit: format!("drop {name} from spec.policyTypes, or add an {field} rule for this connection"),
            label: None,
        };
    }
    Gap {
        count: usize::MAX,
        path: format!("spec.{field}"),
        value: "[]".into(),
        because: format!("podSelector selects {whom} and it allows no {field}"),
        edit: format!("add an {field} rule for this connection"),
        label: None,
    }
}
