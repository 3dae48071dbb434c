//! Addresses that the configuration of workloads names.
//!
//! What lives here: which hosts and ports a workload is told to speak to, and where that stands. What does not: whether
//! that is right (`dependency`), whether it may (`reach`).

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::index::Index;
use super::names::{self, Form, Mention};
use super::offer::offers;
use super::place::{Place, aliased, asks_cluster, place};
use super::scripts;
use super::settings::{self, Setting, Spot, Text};
use crate::graph::Workload;

/// Addresses that are kept of one workload.
const MOST: usize = 200;

/// An address that a workload is told.
#[derive(Clone, Debug)]
pub(super) struct Use<'g> {
    /// The workload.
    pub(super) client: &'g Workload,
    /// Where it stands.
    pub(super) spot: Spot,
    /// Variable, flag or property that holds it; empty for other text.
    pub(super) variable: String,
    /// The whole value, or the address alone where the value is a text.
    pub(super) value: String,
    /// The address.
    pub(super) mention: Mention,
    /// Its port, also from another variable.
    pub(super) port: Option<u16>,
    /// Variable that holds the port, when it is another one, and where that stands.
    pub(super) port_at: Option<(String, Spot)>,
    /// Whether the value is an address and nothing but that, and its variable is for addresses.
    pub(super) plain: bool,
    /// Whether the value is an address and nothing but that.
    pub(super) whole: bool,
    /// Where it leads.
    pub(super) place: Place<'g>,
    /// Whether the pods ask the cluster's DNS with the usual search list.
    pub(super) asks: bool,
    /// Whether it is the variable that the kubelet makes of a Service, so that nobody asks DNS.
    pub(super) link: bool,
    /// Whether an init container or a probe is told so: the pod is not ready before that has what it needs.
    pub(super) waits: bool,
}

impl Use<'_> {
    /// `NAME=value`, or the value where it has no name.
    pub(super) fn words(&self) -> String {
        let value = super::clip(&self.value, 80);
        if self.variable.is_empty() { value } else { format!("{}={value}", self.variable.trim_start_matches('-')) }
    }
}

/// An address in a text, before it is known where it leads.
struct Raw {
    spot: Spot,
    variable: String,
    value: String,
    mention: Mention,
    port: Option<u16>,
    port_at: Option<(String, Spot)>,
    plain: bool,
    whole: bool,
    waits: bool,
}

/// All addresses of all workloads that lead to a Service, or to one that is missing.
pub(super) fn of<'g>(index: &Index<'g>) -> Vec<Use<'g>> {
    let mut files: HashMap<(&str, &str), Vec<Raw>> = HashMap::new();
    let (mut found, mut linked) = (Vec::new(), Vec::new());
    for client in &index.graph.workloads {
        let spec = &*client.spec;
        let asks = asks_cluster(spec);
        let mut seen = BTreeSet::new();
        let mut add = |raw: &Raw| {
            let key = (raw.mention.host.clone(), raw.port, raw.spot.path.clone());
            if seen.len() >= MOST || aliased(spec, &raw.mention.host) || !seen.insert(key) {
                return;
            }
            let leads = place(index, &raw.mention.host);
            let skip = match &leads {
                // Only policies have a say in what leads out of the cluster.
                Place::Elsewhere => index.graph.policies.is_empty() || !raw.mention.host.contains('.'),
                // It speaks of itself.
                Place::Service { namespace, service, .. } => {
                    let name = service.metadata.name.as_deref().unwrap_or_default();
                    *namespace == index.graph.namespace
                        && index.front(name).is_some_and(|front| front.covers(&client.object))
                }
                Place::Missing { sure, .. } => !asks && !sure,
                Place::NoNamespace { .. } | Place::Incomplete { .. } => false,
            };
            if !skip {
                found.push(Use {
                    client,
                    spot: raw.spot.clone(),
                    variable: raw.variable.clone(),
                    value: raw.value.clone(),
                    mention: raw.mention.clone(),
                    port: raw.port,
                    port_at: raw.port_at.clone(),
                    plain: raw.plain,
                    whole: raw.whole,
                    place: leads,
                    asks,
                    link: false,
                    waits: raw.waits,
                });
            }
        };
        for (container, path) in containers(client) {
            let variables = settings::variables(index, client, container, &path);
            let (flags, texts) = settings::command_line(client, container, &path, &variables);
            let mut set: Vec<Raw> = settle(&variables).into_iter().chain(settle(&flags)).collect();
            let mut scripted = read(&texts);
            scripted.retain(|raw| !told(&mut set, raw));
            let init = path.contains(".initContainers[") && container.restart_policy.as_deref() != Some("Always");
            for raw in set.iter_mut().chain(&mut scripted) {
                raw.waits = init;
                // To wait for something is what such a script is for.
                raw.plain |= init && raw.variable.is_empty();
            }
            let mut probed = read(&settings::probes(client, container, &path, &variables));
            probed.retain(|raw| !told(&mut set, raw));
            for raw in &mut probed {
                (raw.waits, raw.plain) = (true, true);
            }
            set.iter().chain(&scripted).chain(&probed).for_each(&mut add);
            linked.extend(link(index, client, (container, &path), &variables, init));
        }
        for (map, items) in mounted(spec) {
            let Some(keyed) = index.config_map(map) else { continue };
            for (key, value) in keyed.values.iter().filter(|(key, _)| items.is_empty() || items.contains(&key.as_str()))
            {
                let raws = files.entry((&keyed.object.name, key)).or_insert_with(|| {
                    let spot = settings::file_spot(&index.graph.namespace, map, key, keyed.touched.clone());
                    let (properties, texts) = settings::file(&spot, value);
                    let mut raws = settle(&properties);
                    raws.extend(read(&texts));
                    raws
                });
                raws.iter().for_each(&mut add);
            }
        }
    }
    found.append(&mut linked);
    found
}

/// Services whose variables the scripts of a container use.
fn link<'g>(
    index: &Index<'g>,
    client: &'g Workload,
    (container, path): (&Container, &str),
    variables: &[Setting],
    waits: bool,
) -> Vec<Use<'g>> {
    let namespace = &index.graph.namespace;
    let all =
        scripts::links(container, variables).into_iter().filter_map(|scripts::Link { variable, mention, field }| {
            let name = mention.host.clone();
            let place = match index.front(&name) {
                Some(front) if front.covers(&client.object) => return None,
                Some(front) => Place::Service { namespace: namespace.clone(), service: front.service, pod: false },
                // An image or a file may set such a variable too.
                None => Place::Missing { namespace: namespace.clone(), name, sure: false },
            };
            let spot = Spot {
                object: client.object.clone(),
                path: format!("{path}.{field}"),
                touched: client.touched.clone(),
            };
            let value = format!("${variable}");
            let probed = field.ends_with(".exec.command");
            let port = mention.port;
            let offered = match &place {
                Place::Service { service, .. } => {
                    port.is_none_or(|port| offers(service, &IntOrString::Int(i32::from(port))))
                }
                _ => true,
            };
            Some(Use {
                client,
                spot,
                variable: String::new(),
                value,
                mention,
                port,
                port_at: None,
                // A script of a process may ask in vain and go on; a probe and an init container may not.
                plain: offered || probed || waits,
                whole: false,
                place,
                asks: true,
                link: true,
                waits,
            })
        });
    all.collect()
}

/// Whether an address in a script only repeats a variable. The script may add the port.
fn told(set: &mut [Raw], raw: &Raw) -> bool {
    let mut found = false;
    for known in set.iter_mut().filter(|known| known.mention.host == raw.mention.host) {
        if known.port.is_none() && raw.port.is_some() {
            known.port = raw.port;
            known.port_at = Some((String::new(), raw.spot.clone()));
        }
        found |= raw.port.is_none() || known.port == raw.port;
    }
    found
}

/// Containers of a workload with their paths.
pub(super) fn containers(workload: &Workload) -> impl Iterator<Item = (&Container, String)> {
    let base = workload.spec_path;
    let init = workload.spec.init_containers.iter().flatten().enumerate();
    let main = workload.spec.containers.iter().enumerate();
    init.map(move |(at, container)| (container, format!("{base}.initContainers[{at}]")))
        .chain(main.map(move |(at, container)| (container, format!("{base}.containers[{at}]"))))
}

/// ConfigMaps that are mounted, with the keys that are taken; no keys means all.
fn mounted(spec: &PodSpec) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        if let Some(source) = &volume.config_map {
            let items = source.items.iter().flatten().map(|item| item.key.as_str()).collect();
            found.push((source.name.as_str(), items));
        }
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            if let Some(source) = &source.config_map {
                let items = source.items.iter().flatten().map(|item| item.key.as_str()).collect();
                found.push((source.name.as_str(), items));
            }
        }
    }
    found
}

/// Addresses in settings that belong together, so that one may hold the port of another.
fn settle(group: &[Setting]) -> Vec<Raw> {
    let by_name: HashMap<String, &Setting> = group.iter().map(|s| (names::normal(&s.name), s)).collect();
    let mut found = Vec::new();
    for setting in group.iter().filter(|setting| !names::own(&setting.name)) {
        let hinted = names::base(&setting.name).is_some();
        let mut mentions = names::mentions(&setting.value);
        if mentions.is_empty() && hinted {
            let parts = setting.value.split([',', ';', ' ']).filter(|part| !part.is_empty());
            mentions = parts.map(names::bare).collect::<Option<Vec<_>>>().unwrap_or_default();
        }
        let pair = names::port_variables(&setting.name)
            .into_iter()
            .find_map(|name| Some((*by_name.get(&name)?, by_name.get(&name)?.value.trim().parse::<u16>().ok()?)));
        let one_word = !setting.value.trim().contains(char::is_whitespace);
        for mention in mentions {
            let apart = pair.filter(|_| mention.port.is_none());
            found.push(Raw {
                spot: setting.spot.clone(),
                variable: setting.name.clone(),
                value: if one_word { setting.value.trim().to_owned() } else { shown(&mention) },
                port: mention.port.or(apart.map(|(_, port)| port)),
                port_at: apart.map(|(other, _)| (other.name.clone(), other.spot.clone())),
                plain: mention.form == Form::Url || (one_word && hinted),
                whole: one_word,
                waits: false,
                mention,
            });
        }
    }
    found
}

/// Addresses in other text.
fn read(texts: &[Text]) -> Vec<Raw> {
    let mut found = Vec::new();
    for text in texts {
        let lines = text.words.lines().filter(|line| !line.trim_start().starts_with('#'));
        let tools = if text.prose { scripts::asked(&text.words) } else { Vec::new() };
        for mention in lines.flat_map(names::mentions).chain(tools) {
            found.push(Raw {
                spot: text.spot.clone(),
                variable: String::new(),
                value: shown(&mention),
                port: mention.port,
                port_at: None,
                plain: mention.form == Form::Url && !text.prose,
                whole: !text.prose,
                waits: false,
                mention,
            });
        }
    }
    found
}

fn shown(mention: &Mention) -> String {
    mention.port.map_or_else(|| mention.host.clone(), |port| format!("{}:{port}", mention.host))
}
