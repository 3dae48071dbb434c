//! Connections within the pod: a container that asks `localhost` for a port that no container beside it has.

use std::collections::{BTreeMap, BTreeSet};

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Link, Place, Setting, Told};
use crate::diagnosis::diff::masked;
use crate::diagnosis::fact;
use crate::graph::nearest;

/// Addresses by which the containers of a pod reach each other.
const HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Ports that a container is known to have.
struct Known<'a> {
    name: &'a str,
    /// Ports that it declares or is probed at, with the path of that field.
    open: BTreeMap<u16, String>,
    /// All numbers in its command and its variables that may be ports.
    named: BTreeSet<u16>,
}

/// The setting with the wrong port, and the port that is right.
pub(super) fn link(place: &Place<'_>, told: &Told) -> Option<Link> {
    let host = told.host.as_deref()?;
    if !(HOSTS.contains(&host) || host == "::1" || host.starts_with("127.")) {
        return None;
    }
    let starts = place.path.contains(".initContainers[") && !stays(place.container);
    // On the node's network others listen too; before the containers are started none does.
    if place.spec.host_network == Some(true) || starts {
        return None;
    }
    let (own, others) = around(place);
    let has = |port: u16| {
        own.open.contains_key(&port)
            || others.iter().any(|other| other.open.contains_key(&port) || other.named.contains(&port))
    };
    let settings = place.settings();
    let asked: BTreeSet<u16> = match told.port {
        Some(port) => BTreeSet::from([port]),
        None => settings.iter().flat_map(|setting| ports(setting.value)).collect(),
    };
    // Where the log names no port there may be one wrong one only.
    let mut wrong = asked.into_iter().filter(|port| !has(*port));
    let port = wrong.next().filter(|_| wrong.next().is_none())?;
    let setting =
        settings.iter().find(|setting| ports(setting.value).contains(&port)).or_else(|| alone(&settings, port))?;
    let before = before(place).filter(|before| *before != port);
    let meant = before.or_else(|| meant(&others, port));
    // One that shows no port at all may have this one.
    if meant.is_none() && (others.is_empty() || others.iter().any(|other| other.open.is_empty())) {
        return None;
    }
    let of = |port: u16| others.iter().find_map(|other| Some((other.name, other.open.get(&port)?)));
    let right = if let Some(meant) = meant {
        let whose = of(meant).map(|(name, _)| format!(" of container {name}")).unwrap_or_default();
        format!("; did you mean {meant}{whose}?")
    } else {
        let open: BTreeSet<u16> = others.iter().flat_map(|other| other.open.keys().copied()).collect();
        let open: Vec<String> = open.iter().take(5).map(u16::to_string).collect();
        format!("; the others have {}", open.join(", "))
    };
    let what = setting.what.trim_end_matches(',');
    let clause = format!("{what} names port {port} of localhost, but no container of its pod listens on {port}{right}");
    let sure = if before.is_some() { 0.94 } else { 0.9 };
    let mut link = place.link_setting(CauseClass::BadConfiguration, setting, clause, sure);
    for (port, path) in others.iter().flat_map(|other| &other.open).take(5) {
        link.proof.push(fact(place.evidence.culprit(), path, &port.to_string(), "a container of the pod listens here"));
    }
    let changes = place.evidence.changes();
    let change = changes.iter().find(|change| setting.path == change.path && !change.is_secret());
    if let (Some(_), Some(change), Some(revision)) = (before, change, place.evidence.previous()) {
        let was = change.before.as_deref().map(masked);
        link.proof
            .extend(was.map(|was| fact(&revision.object, &change.path, &was, "the revision before asked this port")));
    }
    Some(link)
}

/// Whether an init container runs beside the others.
fn stays(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// What is known of the container itself, and of those that run beside it.
fn around<'a>(place: &Place<'a>) -> (Known<'a>, Vec<Known<'a>>) {
    let own = known(place.container, &place.path);
    let main =
        place.spec.containers.iter().enumerate().map(|(at, c)| (format!("{}.containers[{at}]", place.prefix), c));
    let init = place.spec.init_containers.iter().flatten().enumerate().filter(|(_, container)| stays(container));
    let init = init.map(|(at, c)| (format!("{}.initContainers[{at}]", place.prefix), c));
    let others = main.chain(init).filter(|(_, container)| container.name != place.container.name);
    (own, others.map(|(path, container)| known(container, &path)).collect())
}

fn known<'a>(container: &'a Container, path: &str) -> Known<'a> {
    let mut open = BTreeMap::new();
    for (at, port) in container.ports.iter().flatten().enumerate() {
        if let Ok(number) = u16::try_from(port.container_port) {
            open.insert(number, format!("{path}.ports[{at}].containerPort"));
        }
    }
    let probes = [
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (field, probe) in probes {
        if let Some((port, below)) = probe.as_ref().and_then(probed) {
            open.entry(port).or_insert_with(|| format!("{path}.{field}.{below}.port"));
        }
    }
    let words = container.command.iter().chain(&container.args).flatten();
    let values = container.env.iter().flatten().filter_map(|variable| variable.value.as_ref());
    let named = words.chain(values).flat_map(|text| numbers(text)).collect();
    Known { name: &container.name, open, named }
}

/// The port that a probe asks, with its place in the probe.
fn probed(probe: &Probe) -> Option<(u16, &'static str)> {
    let number = |port: &IntOrString| match port {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(_) => None,
    };
    let http = probe.http_get.as_ref().filter(|ask| ask.host.is_none());
    let tcp = probe.tcp_socket.as_ref().filter(|ask| ask.host.is_none());
    http.and_then(|ask| Some((number(&ask.port)?, "httpGet")))
        .or_else(|| Some((number(&tcp?.port)?, "tcpSocket")))
        .or_else(|| Some((u16::try_from(probe.grpc.as_ref()?.port).ok()?, "grpc")))
}

/// Numbers of a text that may be ports.
fn numbers(text: &str) -> impl Iterator<Item = u16> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).filter(|port| *port > 0)
}

/// Ports behind the addresses of the pod itself in a text.
fn ports(text: &str) -> Vec<u16> {
    let of = |host: &str| {
        let behind = text.match_indices(host).filter_map(|(at, _)| text.get(at + host.len()..)?.strip_prefix(':'));
        let digits = behind.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
        digits.filter_map(|digits| digits.parse().ok()).collect::<Vec<u16>>()
    };
    HOSTS.iter().flat_map(|host| of(host)).collect()
}

/// The variable or key that holds the port and nothing else.
fn alone<'s, 'a>(settings: &'s [Setting<'a>], port: u16) -> Option<&'s Setting<'a>> {
    let text = port.to_string();
    settings.iter().find(|setting| setting.value.trim() == text)
}

/// The port of the pod itself that the revision before asked, and this one does not.
fn before(place: &Place<'_>) -> Option<u16> {
    fn asked(container: &Container) -> BTreeSet<u16> {
        let words = container.command.iter().chain(&container.args).flatten();
        let values = container.env.iter().flatten().filter_map(|variable| variable.value.as_ref());
        words.chain(values).flat_map(|text| ports(text)).collect()
    }
    let spec = place.evidence.previous()?.template.spec.as_ref()?;
    let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let container = all.find(|container| container.name == place.container.name)?;
    let now = asked(place.container);
    let mut gone = asked(container).into_iter().filter(|port| !now.contains(port));
    gone.next().filter(|_| gone.next().is_none())
}

/// The port of another container that is probably meant: the only one, or the one nearest in its digits.
fn meant(others: &[Known<'_>], port: u16) -> Option<u16> {
    let open: BTreeSet<u16> = others.iter().flat_map(|other| other.open.keys().copied()).collect();
    let silent = others.iter().any(|other| other.open.is_empty());
    if let Some(only) = open.first().filter(|_| open.len() == 1 && !silent) {
        return Some(*only);
    }
    let texts: Vec<String> = open.iter().map(u16::to_string).collect();
    nearest(&port.to_string(), texts.iter().map(String::as_str))?.parse().ok()
}
