//! Addresses in scripts that stand in no URL: arguments of tools that connect, and the variables that the kubelet makes of
//! Services.

use k8s_openapi::api::core::v1::Container;

use super::names::{self, Form, Mention};
use super::settings::Setting;

/// Tools with a host and a port behind them.
const CONNECT: [&str; 4] = ["nc", "ncat", "netcat", "telnet"];
/// Tools with a host behind them.
const RESOLVE: [&str; 4] = ["nslookup", "dig", "ping", "hosts"];
/// Tools whose host and port are options.
const CLIENTS: [&str; 7] = ["pg_isready", "psql", "mysql", "mysqladmin", "mariadb-admin", "redis-cli", "mongosh"];
/// Options of the tools that have a value.
const VALUED: &str = "wipsqxXc";
/// Words that are read behind a tool.
const MOST: usize = 12;
/// End of the variable with the address of a Service.
const LINK: &str = "_SERVICE_HOST";

/// Hosts that the tools of a script ask.
pub(super) fn asked(script: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    for line in names::head(script).lines().filter(|line| !line.trim_start().starts_with('#')) {
        let parted = line.replace([';', '|', '&', '(', ')', '<', '>', '`'], " ; ");
        let words: Vec<&str> = parted.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        for (at, word) in words.iter().enumerate() {
            let rest = words.get(at + 1..words.len().min(at + 1 + MOST)).unwrap_or_default();
            let rest = rest.split(|word| *word == ";").next().unwrap_or_default();
            let tool = word.rsplit('/').next().unwrap_or(word);
            found.extend(behind(tool, rest));
        }
    }
    found
}

fn behind(tool: &str, words: &[&str]) -> Option<Mention> {
    if CLIENTS.contains(&tool) {
        let option = |short: &str, long: &str| {
            words.iter().enumerate().find_map(|(at, word)| {
                let joined = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
                let apart = (*word == short || *word == long).then(|| words.get(at + 1).copied()).flatten();
                joined.or(apart)
            })
        };
        return address(option("-h", "--host")?, option("-p", "--port").and_then(|port| port.parse().ok()));
    }
    let (connects, resolves) = (CONNECT.contains(&tool), RESOLVE.contains(&tool));
    if !(connects || resolves) {
        return None;
    }
    let mut plain = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            if word.len() > 1 && word.ends_with(|c| VALUED.contains(c)) {
                words.next();
            }
        } else if !word.starts_with('+') {
            plain.push(word);
        }
    }
    let port = plain.get(1).filter(|_| connects).and_then(|port| port.parse().ok());
    // Without its port a connection is none.
    (resolves || port.is_some()).then(|| address(plain.first()?, port)).flatten()
}

fn address(host: &str, port: Option<u16>) -> Option<Mention> {
    let form = if port.is_some() { Form::HostPort } else { Form::Bare };
    Some(Mention { port, form, ..names::bare(host)? })
}

/// A Service whose variable a script of a container uses.
pub(super) struct Link {
    /// The variable.
    pub(super) variable: String,
    /// What the script asks: the Service, and its port where the script says one.
    pub(super) mention: Mention,
    /// The field below the container that has the script.
    pub(super) field: &'static str,
}

/// The variables of Services that the scripts of a container use. The kubelet sets them when the Service is there at the
/// start, and nothing else does.
pub(super) fn links(container: &Container, set: &[Setting]) -> Vec<Link> {
    let own = [("command", &container.command), ("args", &container.args)];
    let probes = [
        ("readinessProbe.exec.command", &container.readiness_probe),
        ("livenessProbe.exec.command", &container.liveness_probe),
        ("startupProbe.exec.command", &container.startup_probe),
    ];
    let own = own.into_iter().filter_map(|(field, words)| Some((field, words.as_ref()?)));
    let probed =
        probes.into_iter().filter_map(|(field, probe)| Some((field, probe.as_ref()?.exec.as_ref()?.command.as_ref()?)));
    let mut found: Vec<Link> = Vec::new();
    for (field, words) in own.chain(probed) {
        let script = words.join(" ");
        let text = names::head(&script);
        for (variable, service) in linked(text) {
            let set = set.iter().any(|setting| setting.name == variable)
                || container.env.iter().flatten().any(|known| known.name == variable)
                || text.contains(&format!("{variable}="));
            if set || service == "kubernetes" {
                continue;
            }
            for mention in mentioned(text, &variable, &service) {
                let known = |link: &Link| link.variable == variable && link.mention.port == mention.port;
                if !found.iter().any(known) {
                    found.push(Link { variable: variable.clone(), mention, field });
                }
            }
        }
    }
    found
}

/// Variables of Services in a script, with the names of those; without one that has a value for its absence.
fn linked(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in text.split('$').skip(1) {
        let open = part.starts_with(['{', '(']);
        let part = part.strip_prefix(['{', '(']).unwrap_or(part);
        let name: &str = part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
        let tail = part.get(name.len()..).unwrap_or_default();
        let Some(service) = name.strip_suffix(LINK).filter(|service| !service.is_empty()) else { continue };
        if !(open && tail.starts_with([':', '-', '='])) {
            found.push((name.to_owned(), service.to_ascii_lowercase().replace('_', "-")));
        }
    }
    found
}

/// What a script asks of a Service whose variable it uses: with its ports, or without where it says none.
fn mentioned(text: &str, variable: &str, service: &str) -> Vec<Mention> {
    let mut named = text.to_owned();
    for form in [format!("${{{variable}}}"), format!("$({variable})"), format!("${variable}")] {
        named = named.replace(&form, service);
    }
    let lines = named.lines().filter(|line| !line.trim_start().starts_with('#'));
    let all = lines.flat_map(names::mentions).chain(asked(&named));
    let with_port: Vec<Mention> = all.filter(|mention| mention.host == service && mention.port.is_some()).collect();
    if with_port.is_empty() {
        return vec![Mention { host: service.to_owned(), port: None, usual: None, form: Form::Bare, secure: None }];
    }
    with_port
}
