//! Why a claim has no volume: its class, the volumes that are there, or the one that it lost.
//!
//! A claim that waits for its first consumer waits as it should, and so does one whose class has a provisioner: what that
//! does is seen in its events, not here.

mod fit;
mod growth;
mod provision;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;

use super::shape::{self, finding, not, proven, telling};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::graph::query::{name, reference};
use crate::graph::{Finding, Graph, Member, Standing, nearest};

/// Marks the class that claims without one get.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// Names the node for which the scheduler wants the volume.
const SELECTED: &str = "volume.kubernetes.io/selected-node";
/// A provisioner that has made no volume by then does not work.
const SLOW: SignedDuration = SignedDuration::from_secs(60);
/// Says that volumes are made by hand.
const BY_HAND: &str = "kubernetes.io/no-provisioner";
/// A claim that has just been made is about to be bound.
const HOLD: i64 = 5;

/// Who mounts which claim.
struct Users<'a> {
    /// Workloads by claim.
    workloads: BTreeMap<String, Vec<ObjectRef>>,
    /// Pods by claim.
    pods: BTreeMap<String, Vec<&'a Member>>,
}

impl<'a> Users<'a> {
    fn of(graph: &'a Graph) -> Self {
        let mut workloads: BTreeMap<String, Vec<ObjectRef>> = BTreeMap::new();
        let mut pods: BTreeMap<String, Vec<&Member>> = BTreeMap::new();
        for workload in &graph.workloads {
            let sources = workload.spec.volumes.iter().flatten().filter_map(|v| v.persistent_volume_claim.as_ref());
            for claim in sources.map(|source| source.claim_name.clone()).collect::<BTreeSet<_>>() {
                workloads.entry(claim).or_default().push(workload.object.clone());
            }
        }
        let known = shape::workloads(graph);
        for pod in graph.pods.iter().filter(|pod| pod.terminating.is_none()) {
            let workload = known.get(&(pod.workload.kind.as_str(), pod.workload.name.as_str())).copied();
            for claim in shape::claims(workload, pod) {
                let users = workloads.entry(claim.clone()).or_default();
                if !users.contains(&pod.workload) {
                    users.push(pod.workload.clone());
                }
                pods.entry(claim).or_default().push(pod);
            }
        }
        Self { workloads, pods }
    }
}

/// Claims that are not bound, and why.
pub(super) fn storage(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let users = Users::of(graph);
    for claim in &graph.claims {
        if claim.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
        let found = match phase {
            "Pending" => pending(graph, claim, &users, now),
            "Lost" => Some(lost(claim)),
            "Bound" => growth::waits(claim, now),
            _ => None,
        };
        let Some(mut found) = found else { continue };
        let name = name(&claim.metadata);
        found.concerns = users.workloads.get(name).cloned().unwrap_or_default();
        // A claim that no one uses keeps no one waiting; only a name that does not exist is wrong all the same.
        if phase == "Bound" {
            out.push(found);
            continue;
        }
        if found.concerns.is_empty() && phase == "Pending" {
            found.severity = Severity::Low;
            let slip = found.cause.class == CauseClass::MissingReference;
            found.standing = if slip { Standing::Latent } else { Standing::Suspect };
        }
        out.push(found);
    }
}

/// When a claim has waited so long that its provisioner is at fault.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    let pending = |claim: &&std::sync::Arc<PersistentVolumeClaim>| {
        claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
    };
    growth::turns(graph, at);
    for made in graph.claims.iter().filter(pending).filter_map(|claim| claim.metadata.creation_timestamp.as_ref()) {
        made.0.checked_add(SLOW).into_iter().for_each(&mut *at);
    }
}

fn of_claim(claim: &PersistentVolumeClaim) -> ObjectRef {
    reference("v1", "PersistentVolumeClaim", &claim.metadata)
}

fn pending(graph: &Graph, claim: &PersistentVolumeClaim, users: &Users<'_>, now: Timestamp) -> Option<Finding> {
    if !graph.knows("StorageClass") {
        return None;
    }
    let object = of_claim(claim);
    let spec = claim.spec.as_ref()?;
    // A volume that is named is waited for, whatever the class.
    if let Some(wanted) = spec.volume_name.as_deref().filter(|name| !name.is_empty()) {
        return graph.knows("PersistentVolume").then(|| named_volume(graph, claim, wanted)).flatten();
    }
    let classes = &graph.cluster.storage_classes;
    match spec.storage_class_name.as_deref() {
        None => {
            let default = classes.iter().find(|class| {
                class.metadata.annotations.as_ref().and_then(|a| a.get(DEFAULT)).is_some_and(|value| value == "true")
            });
            if default.is_some() {
                // The default class is filled in by the API server a moment later.
                return None;
            }
            // Without any class a volume without a class does it.
            if fit::any(graph, claim, "") {
                return None;
            }
            let names: Vec<&str> = classes.iter().map(|class| name(&class.metadata)).collect();
            let there = if names.is_empty() {
                "there is no StorageClass at all".to_owned()
            } else {
                format!("StorageClasses are {}", names.join(", "))
            };
            let statement = format!(
                "PersistentVolumeClaim {} names no storageClassName and the cluster has no default StorageClass, so it is not bound; {there}",
                object.name
            );
            let mut cause = proven(
                cause(&object, CauseClass::StorageUnavailable, "spec.storageClassName", "", statement, 0.95),
                vec![fact(&object, "spec.storageClassName", "(absent)", "the default class would be taken")],
            );
            for class in classes.iter().take(5) {
                let class = of_class(class);
                cause.proof.push(fact(
                    &class,
                    &format!("metadata.annotations[{DEFAULT}]"),
                    "(not true)",
                    "this is not the default",
                ));
            }
            Some(Finding {
                recommendations: vec![
                    "Create the claim anew with a storageClassName, or mark one StorageClass as the default.".into(),
                ],
                ..blocked(&object, cause)
            })
        }
        Some("") => no_volume(graph, claim, ""),
        Some(wanted) => match classes.iter().find(|class| name(&class.metadata) == wanted) {
            // A class that does not exist still binds to volumes that carry its name.
            None if graph.knows("PersistentVolume") && fit::any(graph, claim, wanted) => None,
            None => Some(no_class(graph, claim, wanted)),
            Some(class) => {
                let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
                let consumers = users.pods.get(object.name.as_str()).map(Vec::as_slice).unwrap_or_default();
                if waits && consumers.is_empty() {
                    return None;
                }
                if class.provisioner == BY_HAND {
                    return no_volume(graph, claim, wanted);
                }
                if waits && let Some(found) = provision::nowhere(graph, claim, class) {
                    return Some(found);
                }
                let chosen = claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(SELECTED));
                // A claim that waits for its pod's node waits as it should, however long that takes.
                (chosen || !waits).then(|| provision::slow(graph, claim, class, now)).flatten()
            }
        },
    }
}

fn of_class(class: &StorageClass) -> ObjectRef {
    reference("storage.k8s.io/v1", "StorageClass", &class.metadata)
}

fn of_volume(volume: &PersistentVolume) -> ObjectRef {
    reference("v1", "PersistentVolume", &volume.metadata)
}

/// A claim that cannot be bound.
fn blocked(object: &ObjectRef, cause: api::shared::RootCause) -> Finding {
    Finding { hold: HOLD, ..finding(Rule::ClaimPending, Standing::Outage, Severity::High, object, cause) }
}

fn no_class(graph: &Graph, claim: &PersistentVolumeClaim, wanted: &str) -> Finding {
    let object = of_claim(claim);
    let names: Vec<&str> = graph.cluster.storage_classes.iter().map(|class| name(&class.metadata)).collect();
    let near = nearest(wanted, names.iter().copied());
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let hint = if near.is_none() && !shown.is_empty() { format!("; there are {shown}") } else { meant(near) };
    let statement = format!(
        "PersistentVolumeClaim {} refers in storageClassName to StorageClass {wanted}, which does not exist, so it is not bound{hint}",
        object.name
    );
    let missing = crate::graph::query::named("storage.k8s.io/v1", "StorageClass", "", wanted);
    let mut cause = proven(
        cause(&object, CauseClass::MissingReference, "spec.storageClassName", wanted, statement, 0.95),
        vec![
            fact(&object, "spec.storageClassName", wanted, "the reference stands here"),
            fact(&missing, "metadata.name", "(absent)", "no such class exists"),
            fact(&object, "status.phase", "Pending", "the claim waits for the class"),
        ],
    );
    cause.ruled_out.push(not("A volume that is there already", "none carries the name of the class and fits"));
    Finding {
        words: telling([wanted.to_owned()]),
        recommendations: vec![match near {
            Some(near) => {
                format!("Create the claim anew with StorageClass {near}; storageClassName cannot be changed in place.")
            }
            None => format!("Create StorageClass {wanted}, or the claim anew with a class that exists."),
        }],
        ..blocked(&object, cause)
    }
}

/// Nobody makes volumes for this claim, and none that is there fits.
fn no_volume(graph: &Graph, claim: &PersistentVolumeClaim, class: &str) -> Option<Finding> {
    if !graph.knows("PersistentVolume") || fit::any(graph, claim, class) {
        return None;
    }
    let object = of_claim(claim);
    let of = if class.is_empty() {
        "with an empty storageClassName".to_owned()
    } else {
        format!("of StorageClass {class}, which provisions none,")
    };
    let near = fit::nearest(graph, claim, class);
    let (path, value, hint) = match &near {
        None => ("spec.storageClassName", class.to_owned(), "there is no PersistentVolume at all".to_owned()),
        Some((volume, lack)) => {
            (lack.path, lack.value.clone(), format!("the nearest is {}, {}", name(&volume.metadata), lack.words))
        }
    };
    let statement = format!("PersistentVolumeClaim {} {of} fits no PersistentVolume: {hint}", object.name);
    let mut cause = proven(
        cause(&object, CauseClass::StorageUnavailable, path, &value, statement, 0.9),
        vec![fact(&object, "status.phase", "Pending", "the claim waits for a volume")],
    );
    let mut advice = "Create a PersistentVolume that fits, or the claim anew so that one fits.".to_owned();
    let mut words = Vec::new();
    if let Some((nearest, lack)) = &near {
        let volume = of_volume(nearest);
        words.push(volume.name.clone());
        cause.proof.push(fact(&volume, lack.volume_path, &lack.has, "this volume comes nearest and does not fit"));
        if lack.released {
            cause.object = volume;
            cause.path = Some("spec.claimRef".into());
            cause.value = Some(lack.has.clone());
            advice = format!(
                "Remove spec.claimRef of PersistentVolume {} once its data may be used again, or create another volume.",
                name(&nearest.metadata)
            );
        }
    }
    Some(Finding { words: telling(words), recommendations: vec![advice], ..blocked(&object, cause) })
}

/// The claim asks for one volume by name.
fn named_volume(graph: &Graph, claim: &PersistentVolumeClaim, wanted: &str) -> Option<Finding> {
    let object = of_claim(claim);
    let volumes = &graph.cluster.volumes;
    let there = volumes.iter().find(|volume| name(&volume.metadata) == wanted);
    let (statement, value) = match there {
        None => {
            let near = nearest(wanted, volumes.iter().map(|volume| name(&volume.metadata)));
            let text = format!(
                "PersistentVolumeClaim {} refers in volumeName to PersistentVolume {wanted}, which does not exist{}",
                object.name,
                meant(near)
            );
            (text, "(absent)".to_owned())
        }
        Some(volume) => {
            let misfit =
                fit::misfit(claim, volume, claim.spec.as_ref()?.storage_class_name.as_deref().unwrap_or_default())?;
            let text = format!(
                "PersistentVolumeClaim {} is not bound: its volumeName names PersistentVolume {wanted}, {}",
                object.name, misfit.words
            );
            (text, misfit.has)
        }
    };
    let volume = there
        .map_or_else(|| crate::graph::query::named("v1", "PersistentVolume", "", wanted), |volume| of_volume(volume));
    let cause = proven(
        cause(&object, CauseClass::StorageUnavailable, "spec.volumeName", wanted, statement, 0.9),
        vec![
            fact(&object, "spec.volumeName", wanted, "the claim takes only this volume"),
            fact(&volume, "metadata.name", value, "this is the volume"),
        ],
    );
    Some(Finding {
        words: telling([wanted.to_owned()]),
        recommendations: vec![format!(
            "Create the claim anew without volumeName, or make PersistentVolume {wanted} fit."
        )],
        ..blocked(&object, cause)
    })
}

/// The volume of the claim went away.
fn lost(claim: &PersistentVolumeClaim) -> Finding {
    let object = of_claim(claim);
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone()).unwrap_or_default();
    let missing = crate::graph::query::named("v1", "PersistentVolume", "", &volume);
    let statement = format!(
        "PersistentVolumeClaim {} is Lost: PersistentVolume {volume}, to which it was bound, does not exist any more",
        object.name
    );
    let cause = proven(
        cause(&object, CauseClass::StorageUnavailable, "spec.volumeName", &volume, statement, 0.95),
        vec![
            fact(&object, "status.phase", "Lost", "the claim was bound and its volume is gone"),
            fact(&missing, "metadata.name", "(absent)", "no such volume exists"),
        ],
    );
    Finding {
        words: telling([volume.clone()]),
        recommendations: vec![format!(
            "Restore PersistentVolume {volume} or its data from a backup; then create the claim anew."
        )],
        ..finding(Rule::ClaimPending, Standing::Outage, Severity::Critical, &object, cause)
    }
}
