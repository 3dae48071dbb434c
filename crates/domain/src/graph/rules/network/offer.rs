//! Ports that somebody wants from a Service that does not offer them.

use std::collections::{BTreeMap, BTreeSet};

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::dependency::{setting, words};
use super::index::Index;
use super::needs::{Need, later};
use super::{asked, called, clip, concerned, finding, needed, port_text, somebody};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{distance, name, of_service};

/// Whether a Service has a port, by number or name.
pub(super) fn offers(service: &Service, port: &IntOrString) -> bool {
    list(service).iter().any(|offered| match port {
        IntOrString::Int(number) => offered.port == *number,
        IntOrString::String(name) => offered.name.as_deref() == Some(name.as_str()),
    })
}

/// Ports of a Service.
pub(super) fn list(service: &Service) -> &[ServicePort] {
    service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
}

/// Whether its name leads to its pods themselves, so that every port of theirs can be reached.
pub(super) fn headless(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None"))
}

/// Whether its name is only another name for a host elsewhere.
pub(super) fn external(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName"))
}

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    for ((namespace, of), needs) in index.all_needs() {
        let Some(service) = index.service_of(namespace, of) else { continue };
        if external(service) || list(service).is_empty() {
            continue;
        }
        let checked = |need: &&Need| need.client.is_none() || !(headless(service) || need.pod);
        let (good, bad): (Vec<&Need>, Vec<&Need>) = needs
            .iter()
            .filter(checked)
            .filter(|need| need.port.is_some())
            .partition(|need| need.port.as_ref().is_some_and(|port| offers(service, port)));
        if !bad.is_empty() {
            unoffered(service, &good, &bad, out);
        }
    }
}

fn unoffered(service: &Service, good: &[&Need], bad: &[&Need], out: &mut Vec<Finding>) {
    let mut by_port: BTreeMap<String, Vec<&Need>> = BTreeMap::new();
    for need in bad {
        by_port.entry(need.port.as_ref().map(port_text).unwrap_or_default()).or_default().push(need);
    }
    let touched = Touch::of(&service.metadata);
    for needs in by_port.values() {
        let certain: Vec<&Need> = needs.iter().copied().filter(|need| need.plain && !need.usual).collect();
        let sources: BTreeSet<_> =
            certain.iter().map(|n| (n.port_at.object.kind.as_str(), n.port_at.object.name.as_str())).collect();
        let agreed = sources.len() > 1 && good.is_empty();
        let moved = !certain.is_empty() && certain.iter().all(|n| later(touched.as_ref(), n.port_at.touched.as_ref()));
        if agreed || moved {
            out.push(of_service_fault(service, &certain));
            continue;
        }
        let mut by_source: BTreeMap<(&str, &str, &str), Vec<&Need>> = BTreeMap::new();
        for need in needs {
            let at = &need.port_at;
            by_source.entry((&at.object.kind, &at.object.name, &at.path)).or_default().push(need);
        }
        out.extend(by_source.values().filter_map(|needs| of_source_fault(service, needs)));
    }
}

/// The port that is probably meant, with its position.
fn near<'a>(service: &'a Service, wanted: &IntOrString) -> Option<(usize, &'a ServicePort)> {
    let ports = list(service);
    if let [only] = ports {
        return Some((0, only));
    }
    let behind = ports.iter().position(|port| port.target_port.as_ref() == Some(wanted));
    let text = port_text(wanted);
    let close = |port: &ServicePort| match wanted {
        IntOrString::Int(_) => distance(&text, &port.port.to_string()),
        IntOrString::String(_) => distance(&text, port.name.as_deref().unwrap_or_default()),
    };
    let nearest = || {
        let (at, port) = ports.iter().enumerate().min_by_key(|(_, port)| close(port))?;
        (close(port) <= (text.len() / 2).max(1)).then_some(at)
    };
    let at = behind.or_else(nearest)?;
    Some((at, ports.get(at)?))
}

fn shown(service: &Service) -> String {
    let text = |port: &ServicePort| match &port.name {
        Some(name) if list(service).len() > 1 => format!("{} ({name})", port.port),
        _ => port.port.to_string(),
    };
    clip(&list(service).iter().map(text).collect::<Vec<_>>().join(", "), 60)
}

fn ask(port: &ServicePort, wanted: &IntOrString) -> String {
    match (wanted, &port.name) {
        (IntOrString::String(_), Some(name)) => name.clone(),
        _ => port.port.to_string(),
    }
}

/// The Service has changed, or all who need it agree: the port of the Service is wrong.
fn of_service_fault(service: &Service, needs: &[&Need]) -> Finding {
    let object = of_service(service);
    let wanted = needs.first().and_then(|need| need.port.clone()).unwrap_or(IntOrString::Int(0));
    let near = near(service, &wanted);
    let field = if matches!(wanted, IntOrString::String(_)) { "name" } else { "port" };
    let path = near.map_or_else(|| "spec.ports".to_owned(), |(at, _)| format!("spec.ports[{at}].{field}"));
    let value = near.map_or_else(|| shown(service), |(_, port)| ask(port, &wanted));
    let statement = format!(
        "Service {} offers port {} only, while {} asks it for port {wanted}; did you mean {wanted}?",
        object.name,
        shown(service),
        somebody(needs),
        wanted = port_text(&wanted)
    );
    let mut cause = cause(&object, CauseClass::ServiceMisconfigured, &path, &value, statement, 0.9);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.ports", shown(service), "the Service offers these ports and no other"));
    Finding {
        concerns: concerned(needs.iter().copied()),
        words: words(&object.name, needs),
        recommendations: vec![format!("Let Service {} offer port {} again.", object.name, port_text(&wanted))],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    }
}

/// One place asks for a port that the Service never had.
fn of_source_fault(service: &Service, needs: &[&Need]) -> Option<Finding> {
    let need = needs.iter().find(|need| need.plain).or(needs.first())?;
    let wanted = need.port.as_ref()?;
    let object = of_service(service);
    let near = near(service, wanted).map(|(_, port)| ask(port, wanted));
    let meant = near.as_ref().map(|port| format!("; did you mean {port}?")).unwrap_or_default();
    let (route, of) = (need.client.is_none(), name(&service.metadata));
    let source = &need.port_at.object;
    let port = port_text(wanted);
    let statement = match (&need.port_variable, route) {
        (_, true) => format!(
            "{} sends {} to port {port} of Service {of}, which offers {} only{meant}",
            called(source),
            clip(&need.words, 80),
            shown(service)
        ),
        (Some(variable), _) => format!(
            "{variable}={port} of {} asks Service {of} ({}) for a port that it does not offer: it has {}{meant}",
            called(&need.by),
            need.words,
            shown(service)
        ),
        (None, _) => format!(
            "{} asks Service {of} for port {port}, which it does not offer: it has {}{meant}",
            setting(need),
            shown(service)
        ),
    };
    let class = if route { CauseClass::RouteMisconfigured } else { CauseClass::DependencyUnavailable };
    let sure = route || (need.plain && !need.usual && !need.spare);
    let value = if need.port_variable.is_some() || route { port.clone() } else { clip(&need.value, 120) };
    let confidence = if sure { 0.92 } else { 0.5 };
    let mut cause = cause(source, class, &need.port_at.path, &value, statement, confidence);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.ports", shown(service), "the Service offers these ports and no other"));
    let mut found = asked((need, needs), (route, sure), cause);
    found.words = words(of, needs);
    found.words.push(port.clone());
    found.recommendations = vec![match near {
        Some(near) => format!("Ask Service {of} for port {near}, or let it offer port {port}."),
        None => format!("Ask Service {of} for a port that it offers: {}.", shown(service)),
    }];
    Some(found)
}
