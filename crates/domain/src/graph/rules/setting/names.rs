//! Names of Services that the pods of a workload cannot resolve, or resolve to something else.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{containers, suspect};
use crate::graph::rules::shape::{self, who};
use crate::graph::{Finding, Graph, Workload};

/// What a failed look-up of a name is called by the usual libraries.
const NO_NAME: [&str; 7] = [
    "no such host",
    "could not resolve",
    "bad address",
    "Name or service not known",
    "Temporary failure in name resolution",
    "ENOTFOUND",
    "EAI_AGAIN",
];

/// Services of the namespace that literal values of a workload name as a host.
fn used_services<'a>(graph: &'a Graph, workload: &Workload) -> Vec<(&'a str, Option<&'a str>)> {
    let mut hosts = BTreeSet::new();
    for (_, container) in containers(workload) {
        for value in container.env.iter().flatten().filter_map(|v| v.value.as_deref()).filter(|v| v.len() < 2000) {
            let parts = value.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')));
            hosts.extend(parts.filter(|part| !part.is_empty()).filter_map(|part| {
                let (first, rest) = part.split_once('.').unwrap_or((part, ""));
                (rest.is_empty() || rest.starts_with(&graph.namespace)).then(|| first.to_owned())
            }));
        }
    }
    let named = graph.services.iter().filter_map(|service| {
        let name = service.metadata.name.as_deref()?;
        let ip = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
        hosts.contains(name).then_some((name, ip))
    });
    named.collect()
}

/// Pods that cannot resolve the names of Services that they use, or that take another address for one.
pub(in crate::graph::rules) fn names(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    for workload in shape::starting(graph) {
        let spec = &workload.spec;
        let by = format!("Pods of {}", who(&workload.object));
        for (index, alias) in spec.host_aliases.iter().flatten().enumerate() {
            for host in alias.hostnames.iter().flatten() {
                let (name, rest) = host.split_once('.').unwrap_or((host, ""));
                let ours = rest.is_empty() || rest.split('.').next() == Some(graph.namespace.as_str());
                let Some(service) = graph.service(name).filter(|_| ours) else { continue };
                let ip = service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).filter(|ip| *ip != "None");
                let Some(ip) = ip.filter(|ip| *ip != alias.ip && !ip.is_empty()) else { continue };
                let path = format!("hostAliases[{index}].ip");
                let statement = format!(
                    "{by} resolve {host} to {} by hostAliases, while Service {name} has the address {ip}",
                    alias.ip
                );
                let words = vec![alias.ip.clone()];
                let advice = format!("Take {host} out of hostAliases.");
                out.push(suspect(workload, &path, &alias.ip, statement, "this overrides DNS", words, advice));
            }
        }
        let host_network = spec.host_network == Some(true);
        let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
        let servers = spec.dns_config.as_ref().and_then(|config| config.nameservers.as_deref()).unwrap_or_default();
        let of_cluster = |server: &String| {
            server.starts_with("169.254.")
                || graph
                    .cluster
                    .services
                    .values()
                    .any(|service| service.spec.as_ref().and_then(|s| s.cluster_ip.as_ref()) == Some(server))
        };
        let why = match policy {
            "ClusterFirst" if host_network && !servers.iter().any(of_cluster) => {
                "dnsPolicy ClusterFirst on the host's network, which means the node's DNS".to_owned()
            }
            // What `Default` means for the hosts that are used is told where those are looked at.
            "None" if graph.knows("Service") && !servers.is_empty() && !servers.iter().any(of_cluster) => {
                format!("dnsPolicy None with nameserver {}, which is not the cluster's", servers.join(", "))
            }
            _ => continue,
        };
        let used = used_services(graph, workload);
        let Some((service, _)) = used.first() else { continue };
        let statement = format!("{by} have {why}, so the name of Service {service}, which they use, does not resolve");
        let words = NO_NAME.map(str::to_owned).to_vec();
        let (path, value) = if policy == "None" {
            ("dnsConfig.nameservers", servers.join(","))
        } else {
            ("dnsPolicy", policy.to_owned())
        };
        let advice = if host_network { "ClusterFirstWithHostNet" } else { "ClusterFirst" };
        let advice = format!("Set dnsPolicy to {advice}.");
        out.push(suspect(workload, path, &value, statement, "this DNS does not know Services", words, advice));
    }
}
