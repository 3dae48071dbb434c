//! Names that cannot be resolved: DNS that a policy denies, and pods that do not ask the cluster's DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::shared::{CauseClass, SignalType};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::index::{Index, selector};
use super::place::Place;
use super::policy::{self, Peer, Port, Verdict, Way};
use super::reach::of_policy;
use super::uses::Use;
use super::{called, finding, names};
use crate::detection::Rule;

/// Where the DNS of clusters runs by custom.
pub(super) const DNS_NAMESPACE: &str = "kube-system";
pub(super) const DNS_SERVICE: &str = "kube-dns";

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let mut by_client: BTreeMap<(&str, &str), Vec<&Use>> = BTreeMap::new();
    for used in index.uses() {
        let object = &used.client.object;
        by_client.entry((&object.kind, &object.name)).or_default().push(used);
    }
    for uses in by_client.values() {
        let led = |used: &&&Use| {
            matches!(used.place, Place::Service { .. }) && used.plain && !used.link && !names::spare(&used.variable)
        };
        let Some(used) = uses.iter().find(led) else { continue };
        let found = elsewhere(used).or_else(|| denied(index, used.client, used, out));
        out.extend(found);
    }
}

/// The resolver that the pods ask does not know the names of the cluster.
fn elsewhere(used: &Use) -> Option<Finding> {
    if used.asks {
        return None;
    }
    let client = used.client;
    let spec = &client.spec;
    let config = spec.dns_config.as_ref();
    let servers = config.and_then(|config| config.nameservers.as_deref()).unwrap_or_default();
    let searches = config.and_then(|config| config.searches.as_deref()).unwrap_or_default();
    let host = &used.mention.host;
    let world = !servers.is_empty() && servers.iter().all(|server| server.parse().is_ok_and(public));
    let first = "ClusterFirst";
    // What else a resolver may know is for those who look at it alone.
    let (field, value, why, meant) = match spec.dns_policy.as_deref() {
        Some("Default") if servers.is_empty() || world => {
            ("dnsPolicy", "Default", "so its pods ask the resolver of their node, which does not know it", first)
        }
        Some("None") if world => {
            let asked = servers.first().map(String::as_str).unwrap_or_default();
            ("dnsConfig.nameservers", asked, "whose nameservers are of the internet and do not know it", first)
        }
        Some("None") if searches.is_empty() && !host.contains('.') => {
            ("dnsPolicy", "None", "and dnsConfig has no searches for a short name", first)
        }
        None | Some("ClusterFirst") if spec.host_network == Some(true) && servers.is_empty() => (
            "dnsPolicy",
            first,
            "which with hostNetwork means the resolver of the node, and that does not know it",
            "ClusterFirstWithHostNet",
        ),
        _ => return None,
    };
    let path = format!("{}.{field}", client.spec_path);
    let policy = spec.dns_policy.as_deref().unwrap_or(first);
    let statement =
        format!("{} looks for {host} with dnsPolicy {policy}, {why}; did you mean {meant}?", called(&client.object));
    let mut cause = cause(&client.object, CauseClass::BadConfiguration, &path, value, statement, 0.88);
    cause.proof = vec![
        fact(&used.spot.object, &used.spot.path, used.words(), "it looks for a name of the cluster"),
        fact(&client.object, &path, value, "its pods ask this resolver"),
    ];
    Some(Finding {
        signal: SignalType::ServiceError,
        concerns: vec![client.object.clone()],
        words: vec![host.clone(), used.variable.clone()],
        recommendations: vec![format!("Set dnsPolicy to {meant}.")],
        ..finding(Rule::Configuration, Standing::Outage, &client.object, cause)
    })
}

/// Whether an address is one of the internet.
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| (0x2000..0x4000).contains(first)),
    }
}

/// Policies that let a workload connect and not ask for names.
fn denied(index: &Index, client: &Workload, used: &Use, known: &[Finding]) -> Option<Finding> {
    let graph = index.graph;
    if !graph.knows("NetworkPolicy") || graph.policies.is_empty() || client.spec.host_network == Some(true) {
        return None;
    }
    let active = client.desired > 0 || client.object.kind == "CronJob";
    let policies = policy::isolating(&graph.policies, &client.pod_labels, Way::Egress);
    // Where nothing at all is allowed, the connection itself is denied, which says more.
    if !active || policies.iter().all(|policy| policy::rules(policy, Way::Egress).is_empty()) {
        return None;
    }
    let service = index.service_of(DNS_NAMESPACE, DNS_SERVICE);
    let usual = BTreeMap::from([("k8s-app".to_owned(), "kube-dns".to_owned())]);
    let labels = service.and_then(|service| selector(service)).unwrap_or(&usual);
    let mut numbers = BTreeSet::from([53]);
    for port in service.iter().flat_map(|service| super::offer::list(service)) {
        if let Some(IntOrString::Int(number)) = port.target_port {
            numbers.insert(number);
        }
    }
    let peer = Peer {
        home: &graph.namespace,
        namespace: DNS_NAMESPACE,
        labels,
        complete: false,
        addresses: &[],
        who: "the pods of the cluster's DNS",
    };
    let mut denials = None;
    for number in numbers {
        let port = Port { number: Some(number), protocol: "UDP", spec: None };
        match policy::decide(graph, &policies, Way::Egress, &peer, &port) {
            Verdict::Denied(found) => denials = denials.or(Some(found)),
            Verdict::Open | Verdict::Unknown => return None,
        }
    }
    let denials = denials?;
    let denial = denials.first()?;
    let object = of_policy(denial.policy);
    if known.iter().any(|found| found.cause.object == object && found.concerns.contains(&client.object)) {
        return None;
    }
    let statement = format!(
        "{} is denied DNS (UDP port 53) by NetworkPolicy {}, so it cannot resolve {}: its {}",
        called(&client.object),
        object.name,
        used.mention.host,
        denial.gap.because
    );
    // What is missing is a rule; the nearest one is only where it could go.
    let (path, value) = match denial.gap.count {
        1 => (denial.gap.path.as_str(), denial.gap.value.as_str()),
        _ => ("spec.egress", "no rule for UDP port 53"),
    };
    let mut cause = cause(&object, CauseClass::NetworkDenied, path, value, statement, 0.9);
    cause.proof = vec![
        fact(&used.spot.object, &used.spot.path, used.words(), "it looks for this host by name"),
        fact(&object, "spec.podSelector", "matches", "it selects the pods of the workload for egress"),
        fact(&object, path, value, "no rule of it allows UDP port 53 to the DNS of the cluster"),
    ];
    let shown = "add an egress rule with ports 53/UDP and 53/TCP to namespace kube-system";
    Some(Finding {
        concerns: vec![client.object.clone()],
        words: vec![used.mention.host.clone(), used.variable.clone(), "53".into()],
        recommendations: vec![format!("Smallest change that opens it: {shown}.")],
        ..finding(Rule::NetworkDenied, Standing::Outage, &client.object, cause)
    })
}
