//! A pod without a node where only the scheduler knows why: its own words, and the field that they are about.

use api::shared::CauseClass;

use crate::diagnosis::{Conclusion, Evidence, cause, fact};

/// Words of the scheduler, the field that they are about, and what may be done.
const PHRASES: [(&str, &str, &str); 14] = [
    ("enough free storage", "volumes", "Ask for a smaller volume, or add storage where the driver has none left."),
    (
        "exceed max volume count",
        "volumes",
        "Spread the pods that have volumes over more nodes; a node takes only so many.",
    ),
    ("volume node affinity conflict", "volumes", "Let the pod run where its volume is, or bring back a node there."),
    ("ReadWriteOncePod", "volumes", "Run one replica, or use a claim with another access mode."),
    ("find available persistent volumes", "volumes", "Create a PersistentVolume that fits the claim and the node."),
    ("node(s) had volume", "volumes", "Let the pod run where its volume is."),
    (
        "topology spread constraints",
        "topologySpreadConstraints",
        "Add nodes to the domains that lack pods, or set whenUnsatisfiable to ScheduleAnyway.",
    ),
    (
        "existing pods anti-affinity",
        "affinity.podAntiAffinity",
        "Let the other pods only prefer to be apart, or add a node.",
    ),
    (
        "pod anti-affinity rules",
        "affinity.podAntiAffinity",
        "Add a node, lower the replicas, or make the anti-affinity a preference.",
    ),
    (
        "pod affinity rules",
        "affinity.podAffinity",
        "Correct the labels that podAffinity asks for, or start those pods first.",
    ),
    (
        "free ports for the requested pod ports",
        "containers[0].ports[0].hostPort",
        "Use a Service instead of the hostPort, or fewer replicas than nodes.",
    ),
    ("resourceclaim", "resourceClaims", "Create the ResourceClaim, or a device that its class offers."),
    ("node affinity/selector", "nodeSelector", "Correct the nodeSelector or the node affinity, or label a node."),
    ("untolerated taint", "tolerations", "Add the toleration if these pods may run there, or remove the taint."),
];

/// What the message alone says.
pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let said = evidence.symptom.value.trim_end_matches('.');
    // What the scheduler tries to make room is no cause.
    let said = said.split(". preemption:").next().unwrap_or(said).trim_end_matches('.');
    let statement = format!("Pods of {} fit no node: {said}", evidence.who());
    let insufficient = said.contains("Insufficient");
    let class = if insufficient { CauseClass::InsufficientResources } else { CauseClass::UnsatisfiableConstraints };
    let phrase = PHRASES.iter().find(|(words, ..)| said.contains(words)).filter(|_| !insufficient);
    let prefix = evidence.spec().map_or("spec", |(_, prefix)| prefix);
    let path = match phrase {
        Some((_, field, _)) => Some(format!("{prefix}.{field}")),
        None => said.split("Insufficient ").nth(1).and_then(|rest| {
            let resource = rest.split([',', ' ']).next()?.trim_end_matches('.');
            (!resource.is_empty()).then(|| format!("{prefix}.containers[0].resources.requests.{resource}"))
        }),
    };
    let cause = cause(evidence, class, path, None, statement, 0.6);
    let advice =
        phrase.map_or("Compare the pod's affinity, spread and tolerations with the nodes.", |(.., advice)| advice);
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice.to_owned()], log_lines: Vec::new() }
}

/// A pod that its node refused.
pub(super) fn rejected(evidence: &Evidence) -> Conclusion {
    let pod = evidence.pod();
    let node = pod.and_then(|pod| pod.spec()?.node_name.clone()).unwrap_or_default();
    let said = evidence.symptom.value.trim_end_matches('.').replace("Pod was rejected: ", "");
    let prefix = evidence.spec().map_or("spec", |(_, prefix)| prefix);
    let named = evidence.spec().and_then(|(spec, _)| spec.node_name.clone()).filter(|name| !name.is_empty());
    let by_name = named.is_some() && pod.is_some_and(|pod| pod.condition("PodScheduled").is_none());
    let resource = said.split("enough resource: ").nth(1).and_then(|rest| rest.split([',', ' ']).next());
    let (class, path, value, why, advice) = if by_name {
        (
            CauseClass::UnsatisfiableConstraints,
            format!("{prefix}.nodeName"),
            node.clone(),
            ", on which nodeName puts them without a scheduler,",
            "Take nodeName out and let the scheduler choose.".to_owned(),
        )
    } else if let Some(resource) = resource {
        (
            CauseClass::InsufficientResources,
            format!("{prefix}.containers[0].resources.requests.{resource}"),
            resource.to_owned(),
            "",
            format!("Free {resource} on node {node}, or lower the request."),
        )
    } else {
        (
            CauseClass::UnsatisfiableConstraints,
            format!("{prefix}.nodeSelector"),
            node.clone(),
            "",
            format!("Compare the labels of node {node} with what the pods ask for."),
        )
    };
    let statement = format!("Node {node}{why} refuses the pods of {}: {said}", evidence.who());
    let mut cause = cause(evidence, class, Some(path.clone()), Some(value.clone()), statement, 0.9);
    cause.proof.push(fact(
        evidence.culprit(),
        &path,
        &value,
        "this brings the pods to the node, or is too much for it",
    ));
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}
