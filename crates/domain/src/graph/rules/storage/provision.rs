//! A claim whose class has a provisioner that makes no volume: it says why, or it is not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::shared::CauseClass;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, TopologySelectorLabelRequirement};
use k8s_openapi::api::storage::v1::StorageClass;

use super::super::shape::{ago, proven};
use super::super::{cause, fact, meant};
use super::{SLOW, blocked, of_claim, of_class};
use crate::detection::EventNote;
use crate::graph::query::{name, named};
use crate::graph::{Finding, Graph, Standing, nearest};

/// Annotation of a volume with the provisioner that made it.
const MADE_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Reasons of events in which a provisioner says why it makes no volume.
const REFUSED: [&str; 2] = ["ProvisioningFailed", "VolumeFailedProvision"];

/// What the provisioner said last about a claim.
fn refusal<'a>(graph: &'a Graph, claim: &PersistentVolumeClaim) -> Option<&'a EventNote> {
    let uid = claim.metadata.uid.as_deref();
    let ours = |note: &&Arc<EventNote>| {
        REFUSED.contains(&note.reason.as_str())
            && note.object.name == name(&claim.metadata)
            && (note.object.uid.is_none() || note.object.uid.as_deref() == uid)
    };
    graph.notes.iter().filter(ours).max_by_key(|note| note.last).map(|note| &**note)
}

/// The class has a provisioner, and it makes no volume: it says why, or it is not there.
pub(super) fn slow(
    graph: &Graph,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    now: Timestamp,
) -> Option<Finding> {
    let made = claim.metadata.creation_timestamp.as_ref()?.0;
    // Before that it is only the likely cause of what its pods say.
    let standing = if ago(made, now) < SLOW { Standing::Suspect } else { Standing::Outage };
    let (object, class_name) = (of_claim(claim), name(&class.metadata));
    let provisioner = &class.provisioner;
    let refusal = refusal(graph, claim);
    let by = |volume: &Arc<PersistentVolume>| {
        let annotation = volume.metadata.annotations.as_ref().and_then(|all| all.get(MADE_BY)) == Some(provisioner);
        let driver = volume.spec.as_ref().and_then(|spec| spec.csi.as_ref()).map(|csi| csi.driver.as_str());
        annotation || driver == Some(provisioner.as_str())
    };
    // What the cluster itself once had is done by a driver of another name.
    let never = !provisioner.starts_with("kubernetes.io/")
        && graph.knows("PersistentVolume")
        && !graph.cluster.volumes.iter().any(by);
    let (statement, sure, advice) = if let Some(note) = refusal {
        let text: String = note.message.trim().trim_end_matches('.').chars().take(200).collect();
        let text = format!(
            "PersistentVolumeClaim {} is not bound: provisioner {provisioner} of StorageClass {class_name} fails: {text}",
            object.name
        );
        (
            text,
            0.85,
            format!("Correct what {provisioner} complains of, in StorageClass {class_name} or outside of the cluster."),
        )
    } else if never {
        let text = format!(
            "PersistentVolumeClaim {} is not bound: provisioner {provisioner} of StorageClass {class_name} has made no volume for it, nor any other in this cluster: it does not seem to run",
            object.name
        );
        (text, 0.8, format!("Install the provisioner {provisioner}, or use a StorageClass whose provisioner runs."))
    } else {
        let text = format!(
            "PersistentVolumeClaim {} is not bound: provisioner {provisioner} of StorageClass {class_name} has made no volume for it",
            object.name
        );
        (text, 0.6, format!("Look at the pods and logs of the provisioner {provisioner}."))
    };
    let class_object = of_class(class);
    let mut cause = proven(
        cause(&object, CauseClass::StorageUnavailable, "spec.storageClassName", class_name, statement, sure),
        vec![
            fact(&object, "status.phase", "Pending", "the claim waits for a volume"),
            fact(&object, "metadata.creationTimestamp", made.to_string(), "it has waited since then"),
            fact(&class_object, "provisioner", provisioner, "this has to make the volume"),
        ],
    );
    if let Some(note) = refusal {
        cause.proof.push(fact(
            &object,
            "events",
            format!("{}: {}", note.reason, note.message),
            "the provisioner says so",
        ));
    }
    Some(Finding {
        words: vec![provisioner.clone()],
        recommendations: vec![advice],
        standing,
        ..blocked(&object, cause)
    })
}

/// The class allows volumes only where no node is.
pub(super) fn nowhere(graph: &Graph, claim: &PersistentVolumeClaim, class: &StorageClass) -> Option<Finding> {
    let terms = class.allowed_topologies.as_deref().filter(|terms| !terms.is_empty())?;
    let nodes = &graph.cluster.nodes;
    if !graph.knows("Node") || nodes.is_empty() {
        return None;
    }
    let asks = terms.iter().filter_map(|term| term.match_label_expressions.as_ref());
    let holds = |asked: &Vec<TopologySelectorLabelRequirement>| {
        let all = |labels: &BTreeMap<String, String>| {
            asked.iter().all(|wanted| labels.get(&wanted.key).is_some_and(|has| wanted.values.contains(has)))
        };
        nodes.iter().any(|node| all(&node.labels))
    };
    if terms.iter().any(|term| term.match_label_expressions.is_none()) || asks.clone().any(holds) {
        return None;
    }
    let first = asks.flatten().next()?;
    let wanted = format!("{} in [{}]", first.key, first.values.join(", "));
    let (object, class_object) = (of_claim(claim), of_class(class));
    let values: Vec<&str> = nodes.iter().filter_map(|node| node.labels.get(&first.key)).map(String::as_str).collect();
    let near = first.values.first().and_then(|value| nearest(value, values.iter().copied()));
    let statement = format!(
        "PersistentVolumeClaim {} is not bound: allowedTopologies of StorageClass {} allow {wanted} only, which matches no node{}",
        object.name,
        class_object.name,
        meant(near)
    );
    let mut root = proven(
        cause(&class_object, CauseClass::StorageUnavailable, "allowedTopologies", &wanted, statement, 0.9),
        vec![
            fact(&object, "spec.storageClassName", &class_object.name, "the claim takes its volume from this class"),
            fact(&class_object, "allowedTopologies", &wanted, "it makes volumes there only"),
        ],
    );
    for node in nodes.iter().take(5) {
        let has = node.labels.get(&first.key).map_or("(absent)", String::as_str);
        let object = named("v1", "Node", "", &node.name);
        root.proof.push(fact(&object, &format!("metadata.labels.{}", first.key), has, "this node is elsewhere"));
    }
    Some(Finding {
        words: vec![class_object.name.clone()],
        recommendations: vec![format!(
            "Correct allowedTopologies (the class must be created anew), or add a node with {wanted}."
        )],
        ..blocked(&object, root)
    })
}
