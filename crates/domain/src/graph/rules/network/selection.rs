//! Services whose selector leads nowhere, or too far, and Services whose workloads are scaled to zero.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use k8s_openapi::api::core::v1::{PodSpec, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dependency::{APP, slip};
use super::index::{Front, Index, selector};
use super::needs::{Need, edited, later};
use super::{called, clip, concerned, finding, needed, ruled_out, somebody};
use crate::detection::Rule;
use crate::graph::query::{has_all, nearest, of_service, ports};
use crate::graph::{Touch, selects};

/// Seconds that a Service may be without pods that was never changed and that nobody needs.
const NEW_HOLD: i64 = 20;
/// Labels that pods get while they run, not from a template.
const GIVEN: [&str; 8] = [
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
];

/// Labels that say whose pods they are: where one differs, they are pods of something else.
const WHO: [&str; 6] =
    ["app", "app.kubernetes.io/name", "k8s-app", "name", "app.kubernetes.io/component", "app.kubernetes.io/instance"];

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if !index.sees_pods() {
        return;
    }
    for front in &index.fronts {
        let Some(wanted) = selector(front.service) else { continue };
        if front.workloads.is_empty() && front.pods.is_empty() {
            out.push(nothing(index, front.service, wanted));
        } else {
            out.extend(at_rest(index, front));
            out.extend(too_much(front, wanted));
        }
    }
}

/// A workload whose labels are nearly those of a selector, with the labels that differ.
struct Near<'g> {
    workload: &'g Workload,
    /// Keys with what is wanted and what is there.
    differ: Vec<(&'g str, &'g str, Option<&'g str>)>,
    orphan: bool,
}

fn nothing(index: &Index, service: &Service, wanted: &BTreeMap<String, String>) -> Finding {
    let object = of_service(service);
    let needs = index.needs(&object.name);
    let plain: Vec<&Need> = needs.iter().filter(|need| need.plain && !need.spare).collect();
    let near = near(index, &object.name, wanted);
    let owned = service.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let given = given(index, wanted);
    let headless = super::offer::headless(service);
    let alone = near.is_none() && !headless;
    let expected = near.as_ref().is_some_and(|near| near.orphan);
    let outage = !owned && !given && (!plain.is_empty() || expected || alone);
    let standing = if outage { Standing::Outage } else { Standing::Suspect };
    let all: Vec<&Need> = needs.iter().collect();
    let (cause, concerns) = match near {
        Some(near) => (mismatch(service, &object, wanted, &near), vec![near.workload.object.clone()]),
        None => (no_pods(&object, wanted, &plain), Vec::new()),
    };
    let mut found = finding(Rule::ServiceBroken, standing, &object, cause);
    if plain.is_empty() {
        found.severity = Severity::Medium;
    }
    if plain.is_empty() && edited(&service.metadata, Touch::of(&service.metadata).as_ref()) != Some(true) {
        // It may have been made before its pods.
        found.hold = NEW_HOLD;
    }
    let mut needed = needed(all.iter().copied());
    found.cause.proof.append(&mut needed);
    found.concerns = concerns;
    found.concerns.extend(concerned(all.iter().copied()));
    found.words = super::dependency::words(&object.name, &all);
    found.recommendations =
        vec![format!("Let the selector of Service {} be labels of the pods that it is for.", object.name)];
    found
}

/// Whether what is missing are only labels that something gives to running pods: the rest of the selector holds.
fn given(index: &Index, wanted: &BTreeMap<String, String>) -> bool {
    let late = |key: &str| GIVEN.contains(&key) || key.to_ascii_lowercase().contains("role");
    let lasting: BTreeMap<String, String> =
        wanted.iter().filter(|(key, _)| !late(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    if lasting.len() == wanted.len() {
        return false;
    }
    lasting.is_empty()
        || index.graph.workloads.iter().any(|workload| {
            let absent = wanted.keys().all(|key| !late(key) || !workload.pod_labels.contains_key(key));
            absent && has_all(&lasting, &workload.pod_labels)
        })
}

/// A selector in words.
fn shown(labels: &BTreeMap<String, String>) -> String {
    clip(&labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","), 100)
}

fn no_pods(object: &ObjectRef, wanted: &BTreeMap<String, String>, needs: &[&Need]) -> api::shared::RootCause {
    let (path, value) = match wanted.iter().next() {
        Some((key, value)) if wanted.len() == 1 => (format!("spec.selector.{key}"), value.clone()),
        _ => ("spec.selector".to_owned(), shown(wanted)),
    };
    let who = if needs.is_empty() { String::new() } else { format!(", and {} needs it", somebody(needs)) };
    let statement = format!(
        "Service {} selects no pods: no workload and no pod of the namespace has {}{who}",
        object.name,
        shown(wanted)
    );
    let mut cause = cause(object, CauseClass::ServiceMisconfigured, &path, &value, statement, 0.85);
    cause.proof.push(fact(object, "spec.selector", shown(wanted), "no pod and no pod template has these labels"));
    cause
}

/// One label differs: either the selector is wrong, or the labels of the pods are.
fn mismatch(
    service: &Service,
    object: &ObjectRef,
    wanted: &BTreeMap<String, String>,
    near: &Near,
) -> api::shared::RootCause {
    let workload = near.workload;
    let who = called(&workload.object);
    let first = near.differ.first().copied().unwrap_or_default();
    let (key, want, found) = first;
    let has = found.map_or_else(|| format!("no label {key}"), |found| format!("{key}={found}"));
    let at_workload = near.differ.len() == 1 && workload_at_fault(service, workload, first);
    let base = workload.spec_path.strip_suffix("spec").unwrap_or_default();
    let statement = if at_workload {
        format!(
            "Pods of {who} have {has}, while Service {} selects {key}={want}: it selects no pods; did you mean {key}={want}?",
            object.name
        )
    } else {
        let meant = found.map(|found| format!("; did you mean {key}={found}?")).unwrap_or_default();
        format!(
            "Service {} selects no pods: its selector wants {key}={want}, while pods of {who} have {has}{meant}",
            object.name
        )
    };
    let label_path = format!("{base}metadata.labels.{key}");
    let confidence = if near.differ.len() == 1 { 0.92 } else { 0.75 };
    let mut cause = if at_workload {
        let value = found.unwrap_or("(absent)");
        cause(&workload.object, CauseClass::ServiceMisconfigured, &label_path, value, statement, confidence)
    } else {
        let path = format!("spec.selector.{key}");
        cause(object, CauseClass::ServiceMisconfigured, &path, want, statement, confidence)
    };
    cause.proof = vec![
        fact(object, "spec.selector", shown(wanted), "no pod and no pod template has these labels"),
        fact(
            &workload.object,
            &label_path,
            found.unwrap_or("(absent)"),
            "this is the workload whose labels are nearest",
        ),
    ];
    let touched = Touch::of(&service.metadata);
    for (touch, changed) in [(&touched, object), (&workload.touched, &workload.object)] {
        if let Some(touch) = touch {
            let mut changed = fact(changed, "metadata.managedFields", touch.by.clone(), "it was changed last then");
            changed.time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(touch.at));
            cause.proof.push(changed);
        }
    }
    if workload.desired > 0 {
        cause.ruled_out.push(ruled_out(format!("{who} is scaled to zero"), format!("it wants {}", workload.desired)));
    }
    cause
}

/// Whether the labels of the pods were changed under the Service, rather than the selector.
fn workload_at_fault(service: &Service, workload: &Workload, (key, want, found): (&str, &str, Option<&str>)) -> bool {
    // Its own labels still say what the selector wants, so the template has left them.
    if workload.labels.get(key).is_some_and(|own| own == want) {
        return true;
    }
    let touched = Touch::of(&service.metadata);
    let after = later(workload.touched.as_ref(), touched.as_ref());
    let fixed = workload.selector.as_ref().is_some_and(|selector| {
        let equal =
            selector.match_labels.iter().flatten().any(|(fixed, value)| fixed == key && Some(value.as_str()) == found);
        equal && selects(selector, &workload.pod_labels)
    });
    if !fixed {
        return after;
    }
    // A label that the workload selects its pods by cannot be changed in place; only a workload that was made anew under a
    // Service that is older can be the one that left.
    let name = service.metadata.name.as_deref().unwrap_or_default();
    after && want == name && found != Some(name) && found != Some(workload.object.name.as_str())
}

fn near<'a>(index: &'a Index, service: &str, wanted: &'a BTreeMap<String, String>) -> Option<Near<'a>> {
    let lasting = |w: &&Workload| !matches!(w.object.kind.as_str(), "Job" | "CronJob") && !w.pod_labels.is_empty();
    let mut best: Option<((usize, bool, bool, usize), Near<'a>)> = None;
    for workload in index.graph.workloads.iter().filter(lasting) {
        let differ: Vec<_> = wanted
            .iter()
            .map(|(key, want)| (key.as_str(), want.as_str(), workload.pod_labels.get(key).map(String::as_str)))
            .filter(|(_, want, found)| *found != Some(want))
            .collect();
        let named = is_named(workload, service);
        let orphan = !index.covered(&workload.object);
        let each = |near: fn(&str, &str) -> bool| {
            differ.iter().all(|(_, want, found)| found.is_some_and(|found| near(want, found)))
        };
        let besides = matches!(differ.as_slice(), [(key, ..)] if wanted.len() > 1 && !WHO.contains(key));
        if !(named || besides || each(slip) || (orphan && each(is_near))) {
            continue;
        }
        let apart =
            differ.iter().map(|(_, want, found)| crate::graph::query::distance(want, found.unwrap_or_default())).sum();
        let rank = (differ.len(), !orphan, !named, apart);
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            best = Some((rank, Near { workload, differ, orphan }));
        }
    }
    best.map(|(_, near)| near)
}

/// Whether a workload has the name of a Service.
fn is_named(workload: &Workload, service: &str) -> bool {
    let ends = ["-svc", "-service", "-headless", "-lb"];
    let plain = ends.iter().find_map(|end| service.strip_suffix(end)).unwrap_or(service);
    let app = || APP.iter().any(|key| workload.pod_labels.get(*key).is_some_and(|value| value == plain));
    workload.object.name == service || workload.object.name == plain || app()
}

fn is_near(want: &str, found: &str) -> bool {
    slip(want, found) || nearest(want, [found]).is_some()
}

/// Everything behind a Service is scaled to zero.
fn at_rest(index: &Index, front: &Front) -> Option<Finding> {
    let stays = |w: &&&Workload| matches!(w.object.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet");
    let first = front.workloads.iter().find(stays)?;
    if !front.pods.is_empty() || front.workloads.iter().any(|workload| workload.desired != 0 || !stays(&workload)) {
        return None;
    }
    if by_event(index, &first.object.name) {
        return None;
    }
    let object = of_service(front.service);
    let needs: Vec<&Need> = index.needs(&object.name).iter().collect();
    let needed_by: Vec<&Need> = needs.iter().copied().filter(|need| need.plain && !need.spare).collect();
    let standing = if needed_by.is_empty() { Standing::Suspect } else { Standing::Outage };
    let who = if needed_by.is_empty() { String::new() } else { format!(", which {} needs,", somebody(&needed_by)) };
    let statement = format!(
        "{} is scaled to zero (spec.replicas: 0), so Service {}{who} has no pods",
        called(&first.object),
        object.name
    );
    let mut cause = cause(&first.object, CauseClass::ScaledToZero, "spec.replicas", "0", statement, 0.93);
    cause.proof = needed(needed_by.iter().copied());
    cause.proof.push(fact(
        &object,
        "spec.selector",
        shown(selector(front.service)?),
        "it selects pods of this workload only",
    ));
    cause.proof.push(fact(&first.object, "spec.replicas", "0", "no pod is wanted"));
    let mut concerns: Vec<ObjectRef> = front.workloads.iter().map(|workload| workload.object.clone()).collect();
    concerns.extend(concerned(needs.iter().copied()));
    Some(Finding {
        concerns,
        words: super::dependency::words(&object.name, &needs),
        recommendations: vec![format!(
            "Scale {} up, or let nobody need Service {}.",
            called(&first.object),
            object.name
        )],
        ..finding(Rule::ScaledToZero, standing, &object, cause)
    })
}

/// Whether something else scales a workload by events, from zero.
fn by_event(index: &Index, workload: &str) -> bool {
    index.graph.others.iter().any(|object| {
        let kind = object.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        let target = object.pointer("/spec/scaleTargetRef/name").and_then(serde_json::Value::as_str);
        matches!(kind, "ScaledObject" | "HTTPScaledObject") && target == Some(workload)
    })
}

/// A Service leads to pods of several workloads, some of which do not serve its port.
fn too_much(front: &Front, wanted: &BTreeMap<String, String>) -> Option<Finding> {
    let ready = |workload: &&&Workload| {
        !matches!(workload.object.kind.as_str(), "Job" | "CronJob")
            && front.pods.iter().any(|pod| pod.ready && super::index::same(&pod.workload, &workload.object))
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
        let statement = format!(
            "Service {} selects too much: {} matches pods of {} and of {}, which do not serve port {number}",
            object.name,
            shown(wanted),
            called(&right.object),
            called(&stranger.object)
        );
        let path = match wanted.iter().next() {
            Some((key, _)) if wanted.len() == 1 => format!("spec.selector.{key}"),
            _ => "spec.selector".to_owned(),
        };
        let mut cause = cause(&object, CauseClass::ServiceMisconfigured, &path, &shown(wanted), statement, 0.85);
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
    None
}
