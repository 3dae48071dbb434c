//! Services whose workloads are scaled to zero.

use api::shared::{CauseClass, ObjectRef};

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dns::{DNS_NAMESPACE, DNS_SERVICE};
use super::index::{Front, Index, selector};
use super::needs::Need;
use super::selection::shown;
use super::{called, concerned, finding, needed, somebody};
use crate::detection::Rule;
use crate::graph::query::of_service;

/// Everything behind a Service is scaled to zero.
pub(super) fn at_rest(index: &Index, front: &Front) -> Option<Finding> {
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
    // Whoever looks for a name needs the DNS of the cluster.
    let names = object.namespace.as_deref() == Some(DNS_NAMESPACE) && object.name == DNS_SERVICE;
    let standing = if needed_by.is_empty() && !names { Standing::Suspect } else { Standing::Outage };
    let who = match needed_by.as_slice() {
        _ if names => ", the DNS of the cluster,".to_owned(),
        [] => String::new(),
        some => format!(", which {} needs,", somebody(some)),
    };
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
