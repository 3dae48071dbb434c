//! Why a pod does not become ready.

use std::fmt::Write as _;

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Conclusion, Evidence, cause, fact, log, propose, ruled_out};
use crate::detection::{Rule, Source, same_port};

fn port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

/// A probe in words.
fn words(probe: &Probe) -> String {
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
    let command = probe.exec.as_ref().and_then(|e| e.command.as_deref()).unwrap_or_default().join(" ");
    format!("command {:?}", command.chars().take(120).collect::<String>())
}

fn ports(container: &Container) -> String {
    let declared: Vec<String> = container
        .ports
        .iter()
        .flatten()
        .map(|p| {
            p.name.as_ref().map_or_else(|| p.container_port.to_string(), |n| format!("{} ({n})", p.container_port))
        })
        .collect();
    if declared.is_empty() { "no port".into() } else { declared.join(", ") }
}

fn find<'a>(spec: &'a PodSpec, name: &str) -> Option<&'a Container> {
    spec.containers.iter().find(|c| c.name == name)
}

/// Whether the failing revision has served: then what it changed is not why a pod of it is not ready now.
fn served_before(evidence: &Evidence) -> bool {
    let Some(revision) = evidence.revision() else { return false };
    let serves = evidence.view.live_pods().any(|p| p.revision == revision.hash && p.ready());
    let complete = evidence.previous().is_none_or(|p| p.ready == 0);
    !evidence.introduced() || (serves && complete)
}

/// The field of a probe that differs from the one before, below the probe.
fn differing(now: &Probe, before: &Probe) -> Option<(&'static str, String, String)> {
    if let (Some(a), Some(b)) = (&now.http_get, &before.http_get) {
        if a.port != b.port {
            return Some(("httpGet.port", port(&a.port), port(&b.port)));
        }
        if a.path != b.path {
            return Some(("httpGet.path", a.path.clone().unwrap_or_default(), b.path.clone().unwrap_or_default()));
        }
        if a.scheme != b.scheme {
            return Some((
                "httpGet.scheme",
                a.scheme.clone().unwrap_or_default(),
                b.scheme.clone().unwrap_or_default(),
            ));
        }
    }
    if let (Some(a), Some(b)) = (&now.tcp_socket, &before.tcp_socket)
        && a.port != b.port
    {
        return Some(("tcpSocket.port", port(&a.port), port(&b.port)));
    }
    (words(now) != words(before)).then(|| ("", words(now), words(before)))
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let container = evidence.container();
    let liveness = evidence.symptom.rule == Rule::LivenessFailing;
    let kind = if liveness { "liveness" } else { "readiness" };
    let found = evidence.spec().and_then(|(spec, _)| find(spec, container));
    let probe_of = |c: &Container| if liveness { c.liveness_probe.clone() } else { c.readiness_probe.clone() };
    let probe = found.and_then(probe_of);
    let base = evidence.container_path(container).map(|p| format!("{p}.{kind}Probe"));
    let said = evidence.symptom.value.clone();
    let Some(probe) = probe else {
        let statement = format!("{} of {} is not ready: {said}", container, evidence.who());
        return Conclusion {
            cause: cause(evidence, CauseClass::Unknown, base, None, statement, 0.3),
            candidates: Vec::new(),
            recommendations: Vec::new(),
            log_lines: log::lines(evidence),
        };
    };
    let before =
        evidence.previous().and_then(|r| r.template.spec.as_ref()).and_then(|s| find(s, container)).and_then(probe_of);
    let change = before.as_ref().and_then(|b| differing(&probe, b));
    let wished = probe.http_get.as_ref().map(|h| &h.port).or(probe.tcp_socket.as_ref().map(|t| &t.port));
    let undeclared = found.is_some_and(|c| {
        wished.is_some_and(|p| c.ports.as_ref().is_some_and(|d| !d.is_empty() && !d.iter().any(|d| same_port(p, d))))
    });
    let refused = said.contains("connection refused");
    let client_error = said.contains("statuscode: 404");
    let no_command = probe.exec.is_some() && ["no such file", "not found"].iter().any(|text| said.contains(text));
    let mismatch = change.is_some() || (undeclared && refused) || client_error || no_command;
    let (suffix, value) = match (&change, refused, client_error) {
        (Some((field, now, _)), ..) => (*field, now.clone()),
        (None, true, _) if probe.http_get.is_some() => ("httpGet.port", wished.map(port).unwrap_or_default()),
        (None, _, true) => ("httpGet.path", probe.http_get.as_ref().and_then(|h| h.path.clone()).unwrap_or_default()),
        (None, ..) if probe.exec.is_some() => ("exec.command", words(&probe)),
        _ => ("", words(&probe)),
    };
    let path = base.map(|b| if suffix.is_empty() { b } else { format!("{b}.{suffix}") });
    let state = match evidence.symptom.rule {
        Rule::NotReady => "is not ready any more: its",
        Rule::LivenessFailing => "will be restarted: its",
        _ => "never becomes ready: its",
    };
    let heard = evidence.symptom.evidence.iter().any(|o| o.source == Source::Event);
    let result = if heard { format!("always fails with {said:?}") } else { "has not succeeded".to_owned() };
    let mut statement =
        format!("Container {container} of {} {state} {kind} probe ({}) {result}", evidence.who(), words(&probe));
    if undeclared && let Some(c) = found {
        let _ = write!(statement, ", while the container declares port {}", ports(c));
    }
    if let (Some((_, now, old)), Some(previous), Some(revision)) = (&change, evidence.previous(), evidence.revision()) {
        let _ =
            write!(statement, "; revision {} asks {now}, revision {} asked {old}", revision.number, previous.number);
    }
    let class = if mismatch { CauseClass::ProbeMismatch } else { CauseClass::ApplicationNotReady };
    let sure = if change.is_some() {
        0.95
    } else if mismatch {
        0.85
    } else {
        0.6
    };
    let mut cause = cause(evidence, class, path.clone(), Some(value.clone()), statement, sure);
    cause.proof.push(fact(
        &evidence.revision().map_or_else(|| evidence.view.workload.clone(), |r| r.object.clone()),
        path.as_deref().unwrap_or(kind),
        &value,
        "the kubelet asks this",
    ));
    if let (Some((_, _, old)), Some(previous)) = (&change, evidence.previous()) {
        cause.proof.push(fact(
            &previous.object,
            path.as_deref().unwrap_or(kind),
            old,
            "the revision before asked this and became ready",
        ));
    }
    if let Some(c) = found.filter(|_| wished.is_some()) {
        cause.proof.push(fact(&evidence.view.workload, "ports", &ports(c), "the container declares these"));
    }
    cause.ruled_out.push(ruled_out("The container crashes", "it is running"));
    let mut candidates = Vec::new();
    let other_changes = evidence.changes();
    if evidence.symptom.rule == Rule::ReadinessFailing && !other_changes.is_empty() && !served_before(evidence) {
        candidates.extend(propose::rollback(evidence, "never becomes ready"));
        if change.is_none()
            && let Some(first) = other_changes.first()
        {
            let _ = write!(cause.statement, "; the revision before became ready, and since then {}", first.words());
            cause.proof.push(fact(
                &evidence.view.workload,
                &first.path,
                first.after.as_deref().unwrap_or("(absent)"),
                "the revision changed this",
            ));
        }
    }
    let recommendations =
        vec![format!("Let the {kind} probe ask what the container serves, or let the container serve what it asks.")];
    Conclusion { cause, candidates, recommendations, log_lines: log::lines(evidence) }
}
