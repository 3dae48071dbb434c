//! What contradicts itself in a pod template: environment variables, probe ports, name resolution.
//!
//! Most of it only explains a symptom (`Suspect`): a variable that overrides another is normal until something fails by it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, EnvVar, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::shape::{self, finding, latent, proven, who};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::graph::{Finding, Graph, Keyed, Standing, Workload, nearest};

/// Findings about the variables of one container; a template with more is broken as a whole.
const MOST: usize = 8;
/// Longest value that a sentence shows.
const SHOWN: usize = 60;

/// Containers of a workload with their path below the pod spec.
fn containers(workload: &Workload) -> impl Iterator<Item = (String, &Container)> {
    let spec = &workload.spec;
    let init = spec.init_containers.iter().flatten().enumerate().map(|(at, c)| (format!("initContainers[{at}]"), c));
    init.chain(spec.containers.iter().enumerate().map(|(at, c)| (format!("containers[{at}]"), c)))
}

/// A value for a sentence: short, and not one that its name calls secret.
fn shown(variable: &str, value: &str) -> String {
    let name = variable.to_ascii_uppercase();
    if ["PASS", "SECRET", "TOKEN", "KEY", "CRED", "AUTH"].iter().any(|part| name.contains(part)) {
        return "(hidden)".into();
    }
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > SHOWN { format!("{}…", line.chars().take(SHOWN).collect::<String>()) } else { line }
}

/// What a variable is set to, in words; a reference is named by its source.
fn definition(variable: &EnvVar) -> String {
    let Some(source) = &variable.value_from else {
        return shown(&variable.name, variable.value.as_deref().unwrap_or_default());
    };
    if let Some(r) = &source.config_map_key_ref {
        return format!("key {} of ConfigMap {}", r.key, r.name);
    }
    if let Some(r) = &source.secret_key_ref {
        return format!("key {} of Secret {}", r.key, r.name);
    }
    "a field of the pod".into()
}

fn same(a: &EnvVar, b: &EnvVar) -> bool {
    a.value_from == b.value_from
        && (a.value_from.is_some() || a.value.as_deref().unwrap_or_default() == b.value.as_deref().unwrap_or_default())
}

/// A suspicion about a workload's template.
fn suspect(
    workload: &Workload,
    path: &str,
    value: &str,
    statement: String,
    rule: &str,
    words: Vec<String>,
    advice: String,
) -> Finding {
    let path = format!("{}.{path}", workload.spec_path);
    let cause = proven(
        cause(&workload.object, CauseClass::BadConfiguration, &path, value, statement, 0.7),
        vec![fact(&workload.object, &path, value, rule)],
    );
    Finding {
        concerns: vec![workload.object.clone()],
        words,
        recommendations: vec![advice],
        ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &workload.object, cause)
    }
}

/// Variables that are set twice, that override a shared value, or that name a variable that does not exist.
pub(super) fn environment(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let maps: BTreeMap<&str, &Keyed> = graph.config_maps.iter().map(|m| (m.object.name.as_str(), m)).collect();
    let secrets: BTreeMap<&str, &Keyed> = graph.secrets.iter().map(|s| (s.object.name.as_str(), s)).collect();
    for workload in shape::starting(graph) {
        for (base, container) in containers(workload) {
            let mut before: BTreeMap<&str, &EnvVar> = BTreeMap::new();
            // Names from envFrom, with the ConfigMap that gives them and the value where it is known.
            let mut shared: BTreeMap<String, (&Keyed, Option<&str>)> = BTreeMap::new();
            let mut complete = true;
            let enough = out.len() + MOST;
            for source in container.env_from.iter().flatten() {
                let prefix = source.prefix.as_deref().unwrap_or_default();
                let map = source.config_map_ref.as_ref().map(|r| maps.get(r.name.as_str()));
                let secret = source.secret_ref.as_ref().map(|r| secrets.get(r.name.as_str()));
                let Some(keyed) = map.or(secret).flatten() else {
                    complete = false;
                    continue;
                };
                let Some(keys) = &keyed.keys else {
                    complete = false;
                    continue;
                };
                for key in keys {
                    shared.insert(format!("{prefix}{key}"), (keyed, keyed.values.get(key).map(String::as_str)));
                }
            }
            for (index, variable) in container.env.iter().flatten().enumerate() {
                if out.len() >= enough {
                    break;
                }
                let name = variable.name.as_str();
                let value = definition(variable);
                let path = format!("{base}.env[{index}].value");
                let by = format!("Container {} of {}", container.name, who(&workload.object));
                let words = || {
                    let literal = variable.value.clone();
                    shape::telling([Some(name.to_owned()), literal].into_iter().flatten())
                };
                if let Some(first) = before.get(name).filter(|first| !same(first, variable)) {
                    let statement = format!(
                        "{by} sets env {name} twice, first to {} and then to {value}, and the last one counts",
                        definition(first)
                    );
                    let advice = format!("Keep one definition of {name}.");
                    out.push(suspect(workload, &path, &value, statement, "this one counts", words(), advice));
                } else if let Some((keyed, Some(other))) = shared.get(name)
                    && variable.value_from.is_none()
                    && variable.value.as_deref().unwrap_or_default() != *other
                {
                    let statement = format!(
                        "{by} sets env {name} to {value}, which overrides {} from {}",
                        shown(name, other),
                        who(&keyed.object)
                    );
                    let advice =
                        format!("Take {name} out of the container if the value of {} is meant.", who(&keyed.object));
                    let mut found = suspect(workload, &path, &value, statement, "this one counts", words(), advice);
                    let rule = "this one is overridden";
                    found.cause.proof.push(fact(&keyed.object, &format!("data.{name}"), shown(name, other), rule));
                    out.push(found);
                }
                if complete
                    && let Some(unknown) = unresolved(variable.value.as_deref().unwrap_or_default(), |wanted| {
                        before.contains_key(wanted) || shared.contains_key(wanted) || of_platform(graph, wanted)
                    })
                {
                    let later = container.env.iter().flatten().skip(index + 1).any(|v| v.name == unknown);
                    let why = if later { "is set only after it" } else { "does not exist in the container" };
                    let names = before.keys().copied().chain(shared.keys().map(String::as_str));
                    let near = if later { None } else { nearest(&unknown, names) };
                    let statement = format!(
                        "{by} sets env {name} to {value}, but variable {unknown} {why}, so $({unknown}) stays as it is{}",
                        meant(near)
                    );
                    let rule = "no variable of this name is set before it";
                    let words = shape::telling([format!("$({unknown})"), unknown.clone(), name.to_owned()]);
                    let advice = format!("Set {unknown} before {name}, or name the right variable.");
                    out.push(suspect(workload, &path, &value, statement, rule, words, advice));
                }
                before.insert(name, variable);
            }
        }
    }
}

/// Variables that the kubelet sets for the Services of a namespace.
fn of_platform(graph: &Graph, name: &str) -> bool {
    name.starts_with("KUBERNETES_")
        || graph.services.iter().filter_map(|service| service.metadata.name.as_deref()).any(|service| {
            let prefix = service.to_ascii_uppercase().replace('-', "_");
            name.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with("_SERVICE_") || rest.starts_with("_PORT"))
        })
}

/// The first `$(NAME)` in a value that is not known. `$$(NAME)` is meant literally.
fn unresolved(value: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let after = rest.get(at + 1..)?;
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
            continue;
        }
        rest = after;
        let Some(inside) = after.strip_prefix('(') else { continue };
        let (name, tail) = inside.split_once(')')?;
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let plain = first && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        // Lower case with no underscore is more likely a command for a shell than a variable.
        let variable = name.contains('_') || name.chars().any(|c| c.is_ascii_uppercase());
        if plain && variable && !known(name) {
            return Some(name.to_owned());
        }
        rest = tail;
    }
    None
}

fn asked(probe: &Probe) -> Option<(&'static str, &IntOrString)> {
    if let Some(http) = probe.http_get.as_ref().filter(|http| http.host.as_deref().unwrap_or_default().is_empty()) {
        return Some(("httpGet.port", &http.port));
    }
    let tcp = probe.tcp_socket.as_ref().filter(|tcp| tcp.host.as_deref().unwrap_or_default().is_empty())?;
    Some(("tcpSocket.port", &tcp.port))
}

/// Probes that ask for a port that the container does not declare: by name that is an error, by number a suspicion.
pub(super) fn probes(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    for workload in shape::starting(graph) {
        for (base, container) in containers(workload) {
            let kinds = [
                ("startupProbe", &container.startup_probe),
                ("readinessProbe", &container.readiness_probe),
                ("livenessProbe", &container.liveness_probe),
            ];
            let mut told = BTreeSet::new();
            for (kind, probe) in kinds {
                let Some((field, port)) = probe.as_ref().and_then(asked) else { continue };
                let path = format!("{base}.{kind}.{field}");
                let ports = container.ports.as_deref().unwrap_or_default();
                let by = format!("The {kind} of container {} of {}", container.name, who(&workload.object));
                let declared: Vec<String> = ports
                    .iter()
                    .map(|p| {
                        p.name
                            .as_ref()
                            .map_or_else(|| p.container_port.to_string(), |n| format!("{} ({n})", p.container_port))
                    })
                    .collect();
                let declares = if declared.is_empty() { "no port".to_owned() } else { declared.join(", ") };
                match port {
                    IntOrString::String(name) => {
                        let exists =
                            ports.iter().any(|p| p.name.as_deref() == Some(name)) || name.parse::<u16>().is_ok();
                        if exists || !told.insert(name.clone()) {
                            continue;
                        }
                        let near = nearest(name, ports.iter().filter_map(|p| p.name.as_deref()));
                        let then =
                            if kind == "livenessProbe" { "it never succeeds" } else { "the pod never becomes ready" };
                        let statement = format!(
                            "{by} asks for port {name}, which does not exist: the container declares {declares}, so {then}{}",
                            meant(near)
                        );
                        let mut found = suspect(
                            workload,
                            &path,
                            name,
                            statement,
                            "the kubelet looks for a port of this name in the same container",
                            Vec::new(),
                            format!("Let the {kind} name a port that the container declares."),
                        );
                        found.cause.class = CauseClass::ProbeMismatch;
                        found.cause.confidence = 0.95;
                        found.standing = latent(workload);
                        found.severity = if kind == "livenessProbe" { Severity::Medium } else { Severity::High };
                        out.push(found);
                    }
                    IntOrString::Int(number) => {
                        let known = ports.is_empty() || ports.iter().any(|p| p.container_port == *number);
                        if known || !told.insert(number.to_string()) {
                            continue;
                        }
                        let statement =
                            format!("{by} asks for port {number}, while the container declares port {declares}");
                        let mut found = suspect(
                            workload,
                            &path,
                            &number.to_string(),
                            statement,
                            "the container declares other ports",
                            vec![number.to_string()],
                            format!("Let the {kind} ask for a port that the container serves."),
                        );
                        found.cause.class = CauseClass::ProbeMismatch;
                        out.push(found);
                    }
                }
            }
        }
    }
}

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
pub(super) fn names(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
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
