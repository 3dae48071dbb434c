//! What of a rule of a NetworkPolicy does not fit a connection: its ports, its peers, their labels.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::block::holds;
use super::clip;
use super::policy::{Gap, Peer, Port, Way};
use crate::graph::query::ports;
use crate::graph::{Graph, selects};

/// An answer that may not be known.
pub(super) enum Answer {
    Yes,
    No(Gap),
    Unknown,
}

pub(super) fn port_gap(list: &[NetworkPolicyPort], port: &Port, base: &str, way: Way, at: usize) -> Answer {
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

pub(super) fn peers_gap(
    graph: &Graph,
    peers: &[NetworkPolicyPeer],
    peer: &Peer,
    base: &str,
    way: Way,
    at: usize,
) -> Answer {
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
        None if peer.namespace == peer.home => Answer::Yes,
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
pub(super) fn selector_gap(
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
