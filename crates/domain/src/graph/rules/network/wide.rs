//! Services whose selector takes in pods that do not serve their port.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, RootCause};
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dependency::APP;
use super::index::{Front, Index};
use super::selection::shown;
use super::{called, finding};
use crate::detection::Rule;
use crate::graph::query::{of_service, ports, same};

/// A Service leads to pods of several workloads, some of which do not serve its port.
pub(super) fn too_much(index: &Index, front: &Front, wanted: &BTreeMap<String, String>) -> Option<Finding> {
    let ready = |workload: &&&Workload| {
        !matches!(workload.object.kind.as_str(), "Job" | "CronJob")
            && front.pods.iter().any(|pod| pod.ready && same(&pod.workload, &workload.object))
    };
    let behind: Vec<&&Workload> = front.workloads.iter().filter(ready).collect();
    let (_, [_, ..]) = behind.split_first()? else { return None };
    for (at, port) in super::offer::list(front.service).iter().enumerate() {
        let number = match &port.target_port {
            Some(IntOrString::Int(number)) if *number != 0 => *number,
            None | Some(IntOrString::Int(_)) => port.port,
            // Pods without a port of that name are no endpoints of it.
            Some(IntOrString::String(_)) => continue,
        };
        let serves = |spec: &PodSpec| ports(spec).any(|(_, declared)| declared.container_port == number);
        let declares = |spec: &PodSpec| spec.containers.iter().all(|c| c.ports.as_ref().is_some_and(|p| !p.is_empty()));
        let right = behind.iter().find(|workload| serves(&workload.spec));
        let deaf = |w: &&&&Workload| declares(&w.spec) && !serves(&w.spec) && !super::ports::hinted(&w.spec, number);
        let Some((right, stranger)) = right.zip(behind.iter().find(deaf)) else { continue };
        let object = of_service(front.service);
        let but = format!("which do not serve port {number}");
        let mut cause = stranger_in(&object, wanted, right, stranger, &but);
        cause.proof = vec![
            fact(&object, "spec.selector", shown(wanted), "it matches ready pods of both workloads"),
            fact(&object, &format!("spec.ports[{at}].targetPort"), number.to_string(), "requests go to this port"),
            fact(&right.object, "ports", super::ports::declared(&right.spec), "it declares this port"),
            fact(&stranger.object, "ports", super::ports::declared(&stranger.spec), "it declares others only"),
        ];
        return Some(Finding {
            concerns: vec![right.object.clone(), stranger.object.clone()],
            words: vec![object.name.clone(), number.to_string()],
            recommendations: vec![format!(
                "Add a label to the selector that only pods of {} have.",
                called(&right.object)
            )],
            ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
        });
    }
    neighbour(index, front, wanted, &behind)
}

/// The cause of a selector that takes in the pods of a stranger; `but` is what tells that it is one.
fn stranger_in(
    object: &ObjectRef,
    wanted: &BTreeMap<String, String>,
    right: &Workload,
    stranger: &Workload,
    but: &str,
) -> RootCause {
    let statement = format!(
        "Service {} selects too much: {} matches pods of {} and of {}, {but}",
        object.name,
        shown(wanted),
        called(&right.object),
        called(&stranger.object)
    );
    let path = match wanted.iter().next() {
        Some((key, _)) if wanted.len() == 1 => format!("spec.selector.{key}"),
        _ => "spec.selector".to_owned(),
    };
    cause(object, CauseClass::ServiceMisconfigured, &path, &shown(wanted), statement, 0.85)
}

/// A Service with the name of one application takes in pods of another, which has a Service of its own.
fn neighbour(
    index: &Index,
    front: &Front,
    wanted: &BTreeMap<String, String>,
    behind: &[&&Workload],
) -> Option<Finding> {
    let object = of_service(front.service);
    let app = |workload: &Workload| APP.iter().find_map(|key| workload.pod_labels.get(*key).cloned());
    let called_so =
        |workload: &&&&Workload| workload.object.name == object.name || app(workload) == Some(object.name.clone());
    let right = behind.iter().find(called_so)?;
    let stranger = behind.iter().find(|workload| {
        let name = &workload.object.name;
        // A variant of the same application has a name that begins so, or the same label.
        let variant = name.starts_with(&object.name) || object.name.starts_with(name.as_str());
        let apart = app(workload).zip(app(right)).is_some_and(|(this, that)| this != that);
        let alone =
            index.front(name).is_some_and(|own| own.workloads.iter().all(|w| same(&w.object, &workload.object)));
        !variant && apart && alone && app(workload).as_deref() == Some(name)
    })?;
    let mut cause = stranger_in(&object, wanted, right, stranger, "which has a Service of its own");
    cause.proof = vec![
        fact(&object, "spec.selector", shown(wanted), "it matches ready pods of both workloads"),
        fact(&right.object, "metadata.name", &right.object.name, "the Service has the name of this one"),
        fact(&stranger.object, "metadata.name", &stranger.object.name, "this one has a Service of its own"),
    ];
    Some(Finding {
        concerns: vec![right.object.clone(), stranger.object.clone()],
        words: vec![object.name.clone()],
        recommendations: vec![format!("Add a label to the selector that only pods of {} have.", called(&right.object))],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    })
}
