//! Probes in words, and what one asks otherwise than another.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::diagnosis::log::cut;

pub(super) fn port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

/// A probe in words.
pub(super) fn words(probe: &Probe) -> String {
    if let Some(http) = &probe.http_get {
        return format!(
            "{} {} on port {}",
            http.scheme.as_deref().unwrap_or("HTTP"),
            http.path.as_deref().unwrap_or("/"),
            port(&http.port)
        );
    }
    if let Some(tcp) = &probe.tcp_socket {
        return format!("TCP on port {}", port(&tcp.port));
    }
    if let Some(grpc) = &probe.grpc {
        return format!("gRPC on port {}", grpc.port);
    }
    format!("command {:?}", cut(&command(probe), 80))
}

pub(super) fn command(probe: &Probe) -> String {
    probe.exec.as_ref().and_then(|e| e.command.as_deref()).unwrap_or_default().join(" ")
}

/// The command of a probe with the variables of its container put in, and the names of Services for the variables that the
/// kubelet makes of them.
pub(super) fn spelled(probe: &Probe, variables: &BTreeMap<String, Option<&str>>) -> String {
    let text = command(probe);
    let mut parts = text.split('$');
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let close = match part.chars().next() {
            Some('{') => "}",
            Some('(') => ")",
            _ => "",
        };
        let inner = if close.is_empty() { part } else { part.get(1..).unwrap_or_default() };
        let name = inner.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
        let tail = inner.get(name.len()..).and_then(|tail| tail.strip_prefix(close));
        let set = variables.get(name).map(|value| value.map(str::to_owned));
        let service = || Some(name.strip_suffix("_SERVICE_HOST")?.to_ascii_lowercase().replace('_', "-"));
        if let Some((value, tail)) = set.unwrap_or_else(service).zip(tail) {
            done.push_str(&value);
            done.push_str(tail);
        } else {
            done.push('$');
            done.push_str(part);
        }
    }
    done
}

/// Ports that a container declares.
pub(super) fn ports(container: &Container) -> String {
    let one = |p: &k8s_openapi::api::core::v1::ContainerPort| {
        p.name.as_ref().map_or_else(|| p.container_port.to_string(), |n| format!("{} ({n})", p.container_port))
    };
    let declared: Vec<String> = container.ports.iter().flatten().map(one).collect();
    match declared.as_slice() {
        [] => "no port".into(),
        [one] => format!("port {one}"),
        more => format!("ports {}", more.join(", ")),
    }
}

/// Port that a probe asks.
pub(super) fn asked(probe: &Probe) -> Option<&IntOrString> {
    probe.http_get.as_ref().map(|h| &h.port).or(probe.tcp_socket.as_ref().map(|t| &t.port))
}

/// A field of a probe that differs from the one before: its name below the probe, its value now and before.
pub(super) struct Differing {
    pub(super) field: &'static str,
    pub(super) now: String,
    pub(super) before: String,
    /// Whether it is about when to ask rather than what.
    pub(super) timing: bool,
}

/// What a probe asks otherwise than the one before; what it asks counts more than when.
pub(super) fn differing(now: &Probe, before: &Probe) -> Option<Differing> {
    let what =
        |field, now: String, before: String| (now != before).then_some(Differing { field, now, before, timing: false });
    if let (Some(a), Some(b)) = (&now.http_get, &before.http_get) {
        let text = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        let found = what("httpGet.port", port(&a.port), port(&b.port))
            .or_else(|| what("httpGet.path", text(&a.path, "/"), text(&b.path, "/")))
            .or_else(|| what("httpGet.scheme", text(&a.scheme, "HTTP"), text(&b.scheme, "HTTP")));
        if found.is_some() {
            return found;
        }
    }
    if let (Some(a), Some(b)) = (&now.tcp_socket, &before.tcp_socket)
        && a.port != b.port
    {
        return what("tcpSocket.port", port(&a.port), port(&b.port));
    }
    if now.exec != before.exec && now.exec.is_some() && before.exec.is_some() {
        return what("exec.command", command(now), command(before));
    }
    if words(now) != words(before) {
        return what("", words(now), words(before));
    }
    let when = |field, now: Option<i32>, before: Option<i32>, default: i32| {
        let (now, before) = (now.unwrap_or(default), before.unwrap_or(default));
        // Less of it is what makes a probe fail that did not.
        (now < before).then(|| Differing { field, now: now.to_string(), before: before.to_string(), timing: true })
    };
    when("initialDelaySeconds", now.initial_delay_seconds, before.initial_delay_seconds, 0)
        .or_else(|| when("timeoutSeconds", now.timeout_seconds, before.timeout_seconds, 1))
        .or_else(|| when("failureThreshold", now.failure_threshold, before.failure_threshold, 3))
        .or_else(|| when("periodSeconds", now.period_seconds, before.period_seconds, 10))
}
