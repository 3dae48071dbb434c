//! Why a pod has no node: per node what keeps it away, and the smallest change that would let it in.
//!
//! What lives here: the conclusion for a symptom. Whether a pod fits a node is in `fit`, what that means in `place`. The same is asked for a symptom, with what is
//! known of its workload, and for a whole namespace (`graph::rules`), where the other pods are known too.

mod closest;
mod fit;
mod obstacle;
mod place;
mod preempt;
mod room;
mod said;

pub use fit::host_ports;
pub(crate) use fit::{Placed, World};
pub(crate) use place::{Wanted, place};

use std::collections::BTreeMap;
use std::fmt::Write as _;

use api::shared::{CauseClass, ObjectRef};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::reference::{of_missing, read};
use super::{ClaimFact, Conclusion, Evidence, amount, cause, fact, observed};
use crate::detection::{PodView, Rule, refused_by_node};
use crate::graph::{Finding, nearest};
use fit::judge;
use place::per_node;

/// What happened to a node so long before a pod was made is no news for it.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
/// The first pods of a revision are made this soon after it.
const TOGETHER: SignedDuration = SignedDuration::from_secs(10);

/// What a pod requests: the sum of its containers, or its largest init container; amounts in thousandths.
pub fn requests(spec: &PodSpec) -> BTreeMap<String, i128> {
    let mut sum: BTreeMap<String, i128> = BTreeMap::new();
    for container in &spec.containers {
        for (resource, amount) in of_container(container) {
            *sum.entry(resource).or_default() += amount;
        }
    }
    for container in spec.init_containers.iter().flatten() {
        for (resource, amount) in of_container(container) {
            let known = sum.entry(resource).or_default();
            if container.restart_policy.as_deref() == Some("Always") {
                *known += amount;
            } else {
                *known = (*known).max(amount);
            }
        }
    }
    for (resource, amount) in spec.overhead.iter().flatten() {
        *sum.entry(resource.clone()).or_default() += amount::millis(&amount.0).unwrap_or_default();
    }
    sum
}

fn of_container(container: &Container) -> BTreeMap<String, i128> {
    let resources = container.resources.as_ref();
    let read = |map: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| -> BTreeMap<String, i128> {
        map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), amount::millis(&v.0)?))).collect()
    };
    // A limit without a request is the request.
    let mut found = read(resources.and_then(|r| r.limits.as_ref()));
    found.extend(read(resources.and_then(|r| r.requests.as_ref())));
    found
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    if let Some(missing) = read(&evidence.symptom.value) {
        return of_missing(evidence, &missing);
    }
    if evidence.pod().is_some_and(|pod| refused_by_node(pod).is_some()) {
        return said::rejected(evidence);
    }
    let said = evidence.symptom.value.to_ascii_lowercase();
    let about_volumes = said.contains("persistentvolumeclaim") || said.contains("persistent volume");
    if about_volumes {
        let leaving =
            |s: &&Finding| s.cause.class == CauseClass::DeletionBlocked && s.about.kind == "PersistentVolumeClaim";
        if let Some(found) = evidence.suspects.iter().find(leaving).filter(|_| said.contains("being deleted")) {
            return of_finding(evidence, found);
        }
        if let Some(claim) = evidence.claims.iter().find(|c| c.phase.as_deref() != Some("Bound")) {
            return of_claim(evidence, claim);
        }
    }
    let own = |s: &&Finding| s.rule == Rule::Unschedulable && s.about.name == evidence.view.workload.name;
    let known = evidence.suspects.iter().find(own);
    // What has to do with other pods, or with volumes, was seen where the whole namespace was looked at.
    if let Some(found) = known.filter(|found| beyond(found)) {
        return of_finding(evidence, found);
    }
    let Some((spec, prefix)) = evidence.spec() else {
        return said::explain(evidence);
    };
    // Only the pod itself says which node a DaemonSet made it for.
    let own_spec = evidence.pod().and_then(PodView::spec).filter(|_| evidence.view.workload.kind == "DaemonSet");
    let spec = own_spec.unwrap_or(spec);
    let own = evidence.pod().and_then(|pod| pod.pod.metadata.labels.clone()).unwrap_or_default();
    let none = BTreeMap::new();
    let placed = evidence.view.live_pods().filter_map(|view| {
        let spec = view.pod.spec.as_ref();
        Some(Placed {
            name: view.pod.metadata.name.as_deref().unwrap_or_default(),
            node: spec.and_then(|spec| spec.node_name.as_deref()).filter(|node| !node.is_empty())?,
            labels: view.pod.metadata.labels.as_ref().unwrap_or(&none),
            spec,
        })
    });
    let world = World { nodes: evidence.nodes.iter().collect(), pods: placed.collect(), ..World::default() };
    let who = evidence.who();
    let made = evidence.pod().and_then(|pod| pod.pod.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let rolled = evidence.revision().and_then(|revision| revision.created);
    let lately =
        made.and_then(|made| made.checked_sub(LATELY).ok()).map(|least| rolled.map_or(least, |r| r.max(least)));
    let wanted = Wanted { who: &who, prefix, spec, labels: &own, rolled, lately };
    if let Some((cause, advice)) = preempt::preempted(evidence, &world, &wanted) {
        return Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() };
    }
    // A node that seems to have a place for the pod is closed to it for what only the whole namespace shows.
    let open = judge(spec, &own, &world).iter().any(|verdict| verdict.obstacles.is_empty() && verdict.node.ready);
    if let Some(found) = known.filter(|_| open) {
        return of_finding(evidence, found);
    }
    let Some(found) = place(&wanted, &world) else {
        if let Some(found) = known {
            return of_finding(evidence, found);
        }
        let mut other = said::explain(evidence);
        if !world.nodes.is_empty() {
            let verdicts = judge(spec, &own, &world);
            let _ = write!(other.cause.statement, " ({})", per_node(&verdicts));
        }
        return other;
    };
    let mut cause =
        cause(evidence, found.class, Some(found.path), Some(found.value), found.statement, found.confidence);
    cause.object = found.object.unwrap_or(cause.object);
    if let Some(node) = found.newer.filter(|node| driven_away(evidence, &node.name)) {
        cause.object = node;
        cause.path = Some("spec.taints".into());
    }
    cause.proof.extend(found.proof);
    cause.ruled_out = found.ruled_out;
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![found.advice], log_lines: Vec::new() }
}

/// Whether the pod replaces one of the same revision, and none of them has a node any more or one is just leaving this one.
fn driven_away(evidence: &Evidence, node: &str) -> bool {
    let made = evidence.pod().and_then(|pod| pod.pod.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let begun = evidence.revision().and_then(|revision| revision.created);
    let later = made.zip(begun).is_some_and(|(made, begun)| made.duration_since(begun) > TOGETHER);
    let on = |view: &PodView| view.pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let leaving = evidence.view.pods.iter().any(|pod| pod.terminating() && on(pod) == node);
    later && (leaving || evidence.view.live_pods().all(|pod| on(pod).is_empty()))
}

/// Whether a finding speaks of what the evidence of one workload does not show.
fn beyond(found: &Finding) -> bool {
    let path = found.cause.path.as_deref().unwrap_or_default();
    ["podAffinity", "podAntiAffinity", "topologySpread", "hostPort", "nodeName"].iter().any(|part| path.contains(part))
        || found.cause.class == CauseClass::StorageUnavailable
}

/// What was found around the workload, with the symptom as the beginning of its proof.
fn of_finding(evidence: &Evidence, found: &Finding) -> Conclusion {
    let mut cause = found.cause.clone();
    let said = evidence.symptom.evidence.iter().map(|o| observed(o, "this is the symptom"));
    cause.proof = said.chain(cause.proof).collect();
    Conclusion {
        cause,
        candidates: found.candidates.clone(),
        recommendations: found.recommendations.clone(),
        log_lines: Vec::new(),
    }
}

fn of_claim(evidence: &Evidence, claim: &ClaimFact) -> Conclusion {
    let known = |s: &&Finding| s.rule == Rule::ClaimPending && s.about.name == claim.name;
    if let Some(found) = evidence.suspects.iter().find(known) {
        return of_finding(evidence, found);
    }
    let object = ObjectRef {
        api_version: Some("v1".into()),
        kind: "PersistentVolumeClaim".into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: claim.name.clone(),
        uid: claim.uid.clone(),
    };
    let class = claim.class.clone().unwrap_or_default();
    let (statement, path, kind, sure) = if claim.phase.is_none() {
        (
            format!("{} refers to PersistentVolumeClaim {}, which does not exist", evidence.who(), claim.name),
            None,
            CauseClass::MissingReference,
            0.95,
        )
    } else if !claim.class_exists {
        let names = evidence.names.get("StorageClass").into_iter().flatten().map(String::as_str);
        let similar =
            nearest(&class, names).map(|s| format!("; StorageClass {s} does, was that meant?")).unwrap_or_default();
        (
            format!(
                "PersistentVolumeClaim {} of {} cannot be bound: its StorageClass {class} does not exist{similar}",
                claim.name,
                evidence.who()
            ),
            Some("spec.storageClassName".to_owned()),
            CauseClass::MissingReference,
            0.95,
        )
    } else {
        (
            format!("PersistentVolumeClaim {} of {} is not bound", claim.name, evidence.who()),
            None,
            CauseClass::UnsatisfiableConstraints,
            0.6,
        )
    };
    let mut cause = cause(evidence, kind, path, Some(class), statement, sure);
    cause.proof.push(fact(
        &object,
        "status.phase",
        claim.phase.as_deref().unwrap_or("(absent)"),
        "the pod waits for this claim",
    ));
    cause.object = object;
    Conclusion { cause, candidates: Vec::new(), recommendations: vec!["Create the claim anew with a StorageClass that exists, or create that class; its storageClassName cannot be changed in place.".into()], log_lines: Vec::new() }
}
