//! What contradicts itself in a pod template: environment variables, probe ports, name resolution.
//!
//! Most of it only explains a symptom (`Suspect`): a variable that overrides another is normal until something fails by it.

mod names;
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

pub(super) use names::names;

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
            let enough = out.len() + MOST;
            let mut before: BTreeMap<&str, &EnvVar> = BTreeMap::new();
            // Names from envFrom, with the ConfigMap that gives them and the value where it is known.
            let mut shared: BTreeMap<String, (&Keyed, Option<&str>)> = BTreeMap::new();
            let mut complete = true;
            for (index, source) in container.env_from.iter().flatten().enumerate() {
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
                    let (variable, value) = (format!("{prefix}{key}"), keyed.values.get(key).map(String::as_str));
                    if let Some((other, Some(before))) = shared.insert(variable.clone(), (keyed, value))
                        && let Some(value) = value.filter(|value| *value != before)
                        && out.len() < enough
                    {
                        out.push(shadowed(
                            workload,
                            (&base, container, index),
                            &variable,
                            (other, before),
                            (keyed, value),
                        ));
                    }
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

/// A key that two sources of a container have, with two values; the later source counts.
fn shadowed(
    workload: &Workload,
    (base, container, index): (&str, &Container, usize),
    variable: &str,
    (first, before): (&Keyed, &str),
    (second, value): (&Keyed, &str),
) -> Finding {
    let statement = format!(
        "Container {} of {} takes env {variable} from two sources in envFrom: {} from {} overrides {} from {}",
        container.name,
        who(&workload.object),
        shown(variable, value),
        who(&second.object),
        shown(variable, before),
        who(&first.object)
    );
    let words = shape::telling([variable.to_owned(), value.to_owned()]);
    let advice = format!("Take {variable} out of {}, or change the order of envFrom.", who(&second.object));
    let path = format!("{base}.envFrom[{index}]");
    let mut found = suspect(workload, &path, &second.object.name, statement, "the later source counts", words, advice);
    for (keyed, value) in [(first, before), (second, value)] {
        found.cause.proof.push(fact(
            &keyed.object,
            &format!("data.{variable}"),
            shown(variable, value),
            "the source has this",
        ));
    }
    found
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
