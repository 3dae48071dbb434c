//! Services whose selector leads nowhere.
//!
//! What does not live here: selectors that lead too far (`wide`), workloads at rest (`rest`).

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use k8s_openapi::api::core::v1::Service;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dependency::{APP, slip};
use super::index::{Index, selector};
use super::needs::{Need, edited, later};
use super::{called, clip, concerned, finding, needed, ruled_out, somebody};
use super::{rest, wide};
use crate::detection::Rule;
use crate::graph::query::{has_all, nearest, of_service};
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
            out.extend(rest::at_rest(index, front));
            out.extend(wide::too_much(index, front, wanted));
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
pub(super) fn shown(labels: &BTreeMap<String, String>) -> String {
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
