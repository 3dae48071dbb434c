//! Ports of Services that the containers behind them do not have.

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec, Probe, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::index::{Front, Index};
use super::needs::{Need, later};
use super::{called, clip, concerned, finding, names, needed, offer};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{distance, of_service, ports};

/// Words in the names of ports that are not for those who use the application.
const ASIDE: [&str; 7] = ["metric", "prom", "health", "admin", "debug", "probe", "pprof"];

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if !index.sees_pods() {
        return;
    }
    for front in &index.fronts {
        if offer::external(front.service) {
            continue;
        }
        let behind: Vec<&Workload> = front.workloads.iter().copied().filter(|w| lasting(w)).collect();
        if !behind.is_empty() {
            for (at, port) in offer::list(front.service).iter().enumerate() {
                out.extend(target(index, front, &behind, at, port));
            }
        }
    }
}

/// Whether a workload is for serving, and has pods.
fn lasting(workload: &Workload) -> bool {
    workload.desired > 0 && !matches!(workload.object.kind.as_str(), "Job" | "CronJob")
}

/// Ports that the containers of a spec declare, for people.
pub(super) fn declared(spec: &PodSpec) -> String {
    let text = |(_, port): (&Container, &ContainerPort)| match &port.name {
        Some(name) => format!("{} ({name})", port.container_port),
        None => port.container_port.to_string(),
    };
    let all: Vec<String> = ports(spec).map(text).collect();
    if all.is_empty() { "no port".into() } else { clip(&all.join(", "), 80) }
}

/// Whether something besides the declared ports says that a container serves a port: a probe, a variable, a flag.
pub(super) fn hinted(spec: &PodSpec, number: i32) -> bool {
    let text = number.to_string();
    let has = |value: &str| {
        let parts = names::head(value).split(|c: char| !c.is_ascii_digit());
        parts.into_iter().any(|digits| digits == text)
    };
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).any(|container| {
        let probes = [&container.readiness_probe, &container.liveness_probe, &container.startup_probe];
        let variables = || container.env.iter().flatten().filter_map(|variable| variable.value.as_deref());
        let words = || container.command.iter().flatten().chain(container.args.iter().flatten());
        probes.into_iter().flatten().any(|probe| asks(probe) == Some(number))
            || variables().any(|value| value.trim() == text || value.ends_with(&format!(":{text}")))
            || words().any(|word| has(word))
    })
}

/// Whether a container of a spec says nothing about its ports.
pub(super) fn undeclared(spec: &PodSpec) -> bool {
    spec.containers.iter().any(|container| container.ports.as_ref().is_none_or(Vec::is_empty))
}

fn asks(probe: &Probe) -> Option<i32> {
    let port = probe.http_get.as_ref().map(|http| &http.port).or(probe.tcp_socket.as_ref().map(|tcp| &tcp.port));
    match port {
        Some(IntOrString::Int(number)) => Some(*number),
        _ => probe.grpc.as_ref().map(|grpc| grpc.port),
    }
}

fn protocol(text: Option<&String>) -> &str {
    text.map_or("TCP", String::as_str)
}

/// What is wrong with the target of a port.
enum Wrong {
    /// No container has a port of this name.
    Name(String),
    /// No container declares this number.
    Number(i32),
    /// It is declared for another protocol.
    Protocol(String, String),
}

fn target(index: &Index, front: &Front, behind: &[&Workload], at: usize, port: &ServicePort) -> Option<Finding> {
    let wants = protocol(port.protocol.as_ref());
    let fits = |declared: &ContainerPort| protocol(declared.protocol.as_ref()) == wants;
    let all = || behind.iter().flat_map(|workload| ports(&workload.spec));
    let wrong = match &port.target_port {
        Some(IntOrString::String(name)) => {
            let named = |(_, declared): &(&Container, &ContainerPort)| declared.name.as_deref() == Some(name.as_str());
            if all().any(|found| named(&found) && fits(found.1)) {
                return None;
            }
            match all().find(named) {
                Some((_, other)) => Wrong::Protocol(name.clone(), protocol(other.protocol.as_ref()).to_owned()),
                None => Wrong::Name(name.clone()),
            }
        }
        target => {
            let number = match target {
                Some(IntOrString::Int(number)) if *number != 0 => *number,
                _ => port.port,
            };
            let same = |(_, declared): &(&Container, &ContainerPort)| declared.container_port == number;
            if all().any(|found| same(&found) && fits(found.1)) {
                return None;
            }
            match all().find(same) {
                Some((_, other)) => {
                    // A port that is served over both protocols is often declared once.
                    let both = offer::list(front.service).iter().any(|other| {
                        other.target_port == port.target_port
                            && other.port == port.port
                            && other.protocol != port.protocol
                    });
                    if both {
                        return None;
                    }
                    Wrong::Protocol(number.to_string(), protocol(other.protocol.as_ref()).to_owned())
                }
                // A container that declares nothing may serve anything.
                None if behind.iter().any(|workload| undeclared(&workload.spec) || hinted(&workload.spec, number)) => {
                    return None;
                }
                None => Wrong::Number(number),
            }
        }
    };
    Some(explain(index, front, behind, at, port, &wrong))
}

/// A declared port with its workload and path.
type Declared<'g> = (&'g Workload, String, &'g ContainerPort);

/// The declared port that is probably meant, with its workload and path.
fn meant<'g>(front: &Front, behind: &[&'g Workload], port: &ServicePort, wrong: &Wrong) -> Option<Declared<'g>> {
    let taken = |declared: &ContainerPort| {
        offer::list(front.service).iter().any(|other| match &other.target_port {
            Some(IntOrString::Int(number)) => *number == declared.container_port,
            Some(IntOrString::String(name)) => declared.name.as_ref() == Some(name),
            None => other.port == declared.container_port,
        })
    };
    let aside = |declared: &ContainerPort| {
        let name = declared.name.as_deref().unwrap_or_default();
        ASIDE.iter().any(|word| name.contains(word))
    };
    let mut found: Option<((bool, usize), Declared<'g>)> = None;
    for workload in behind {
        for (container_at, container) in workload.spec.containers.iter().enumerate() {
            for (at, declared) in container.ports.iter().flatten().enumerate() {
                let protocol_fits = matches!(wrong, Wrong::Protocol(..))
                    || protocol(declared.protocol.as_ref()) == protocol(port.protocol.as_ref());
                let own_name = declared.name.is_some() && declared.name == port.name;
                let own_number = declared.container_port == port.port;
                if !protocol_fits
                    || (taken(declared) && !matches!(wrong, Wrong::Protocol(..)))
                    || (aside(declared) && !own_name)
                {
                    continue;
                }
                let apart = match wrong {
                    Wrong::Name(name) | Wrong::Protocol(name, _) => {
                        distance(name, declared.name.as_deref().unwrap_or_default())
                    }
                    Wrong::Number(number) => distance(&number.to_string(), &declared.container_port.to_string()),
                };
                let rank = (!(own_name || own_number), apart);
                if found.as_ref().is_none_or(|(known, _)| rank < *known) {
                    let path = format!("{}.containers[{container_at}].ports[{at}]", workload.spec_path);
                    found = Some((rank, (*workload, path, declared)));
                }
            }
        }
    }
    found.map(|(_, found)| found)
}

fn explain(
    index: &Index,
    front: &Front,
    behind: &[&Workload],
    at: usize,
    port: &ServicePort,
    wrong: &Wrong,
) -> Finding {
    let object = of_service(front.service);
    let near = meant(front, behind, port, wrong);
    let needs: Vec<&Need> = index.needs(&object.name).iter().collect();
    // A pod of an older template may still have the port, and one that was changed at its admission may have more.
    let serves_still = front.pods.iter().filter(|pod| pod.ready).any(|pod| match wrong {
        Wrong::Name(name) => ports(&pod.spec).any(|(_, port)| port.name.as_ref() == Some(name)),
        Wrong::Number(number) => ports(&pod.spec).any(|(_, port)| port.container_port == *number),
        Wrong::Protocol(..) => false,
    });
    let standing = match wrong {
        _ if serves_still => Standing::Suspect,
        Wrong::Name(_) => Standing::Outage,
        Wrong::Number(_) | Wrong::Protocol(..) if near.is_some() => Standing::Outage,
        _ => Standing::Suspect,
    };
    let touched = Touch::of(&front.service.metadata);
    let target_path = format!("spec.ports[{at}].targetPort");
    let who = behind.first().map(|workload| called(&workload.object)).unwrap_or_default();
    let has = behind.first().map(|workload| declared(&workload.spec)).unwrap_or_default();
    let blamed = near.as_ref().filter(|(workload, ..)| later(workload.touched.as_ref(), touched.as_ref()));
    let (value, field) = match wrong {
        Wrong::Name(name) => (name.clone(), "name"),
        Wrong::Number(number) => (number.to_string(), "containerPort"),
        Wrong::Protocol(port, _) => (port.clone(), "protocol"),
    };
    let sends = protocol(port.protocol.as_ref());
    let ask = |declared: &ContainerPort| match wrong {
        Wrong::Name(_) => declared.name.clone().unwrap_or_else(|| declared.container_port.to_string()),
        Wrong::Number(_) => declared.container_port.to_string(),
        Wrong::Protocol(_, other) => other.clone(),
    };
    let confidence = match (wrong, standing) {
        (Wrong::Name(_), _) => 0.95,
        (_, Standing::Outage) => 0.86,
        _ => 0.5,
    };
    let mut cause = if let Some((workload, path, declared)) = blamed {
        let shown = ask(declared);
        let (whose, of) = (called(&workload.object), &object.name);
        let statement = match wrong {
            Wrong::Name(name) => format!(
                "No container of {whose} has a port {name}, the targetPort of Service {of}: it is called {shown}; did you mean {name}?"
            ),
            Wrong::Number(number) => format!(
                "{whose} declares port {}, while the targetPort of Service {of} is {number}; did you mean {number}?",
                ports_text(&workload.spec, &shown)
            ),
            Wrong::Protocol(port, other) => format!(
                "{whose} declares port {port} for {other}, while Service {of} sends {sends} there; did you mean {sends}?"
            ),
        };
        cause(
            &workload.object,
            CauseClass::ServiceMisconfigured,
            &format!("{path}.{field}"),
            &shown,
            statement,
            confidence,
        )
    } else {
        let path = if matches!(wrong, Wrong::Protocol(..)) {
            format!("spec.ports[{at}].protocol")
        } else {
            target_path.clone()
        };
        let meant =
            near.as_ref().map(|(.., declared)| format!("; did you mean {}?", ask(declared))).unwrap_or_default();
        let of = &object.name;
        let statement = match wrong {
            Wrong::Name(name) => format!(
                "targetPort {name} of Service {of} does not exist: no container of {who} has a port of that name, it has {has}{meant}"
            ),
            Wrong::Number(number) => format!(
                "Service {of} sends requests to port {number}, which no container of {who} declares: it has {has}{meant}"
            ),
            Wrong::Protocol(port, other) => format!(
                "Service {of} offers port {port} over protocol {sends}, while {who} serves it over {other}{meant}"
            ),
        };
        let value = if matches!(wrong, Wrong::Protocol(..)) { protocol(port.protocol.as_ref()) } else { &value };
        cause(&object, CauseClass::ServiceMisconfigured, &path, value, statement, confidence)
    };
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, &target_path, value.clone(), "requests to the Service go to this port of its pods"));
    for workload in behind.iter().take(3) {
        let path = format!("{}.containers[*].ports", workload.spec_path);
        cause.proof.push(fact(&workload.object, &path, declared(&workload.spec), "its containers have these ports"));
    }
    let mut concerns: Vec<ObjectRef> = behind.iter().map(|workload| workload.object.clone()).collect();
    concerns.extend(concerned(needs.iter().copied()));
    let mut words = super::dependency::words(&object.name, &needs);
    words.push(value);
    Finding {
        concerns,
        words,
        recommendations: vec![format!("Let targetPort of Service {} be a port that its pods serve.", object.name)],
        ..finding(Rule::ServiceBroken, standing, &object, cause)
    }
}

fn ports_text(spec: &PodSpec, shown: &str) -> String {
    if ports(spec).count() == 1 { shown.to_owned() } else { declared(spec) }
}
