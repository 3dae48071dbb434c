//! Why a pod fits no node: per node, what is short or does not match.

use std::fmt::Write as _;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::core::v1::{Container, PodSpec, Taint, Toleration};

use super::reference::{nearest, of_missing, read};
use super::{ClaimFact, Conclusion, Evidence, NodeRoom, amount, cause, fact, ruled_out};

/// Nodes that a statement names.
const NAMED: usize = 3;

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

fn tolerates(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|t| {
        let effect = t.effect.as_deref().is_none_or(|e| e.is_empty() || e == taint.effect);
        let exists = t.operator.as_deref() == Some("Exists");
        let key = t.key.as_deref().map_or(exists, |k| k == taint.key || (k.is_empty() && exists));
        effect
            && key
            && (exists || t.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default())
    })
}

/// One node, and why it does not take the pod.
struct Verdict<'a> {
    node: &'a NodeRoom,
    /// Resource, wished for, free; in thousandths.
    short: Vec<(String, i128, i128)>,
    constraints: Vec<String>,
    selector: bool,
}

fn verdict<'a>(spec: &PodSpec, wished: &BTreeMap<String, i128>, node: &'a NodeRoom) -> Verdict<'a> {
    let mut constraints = Vec::new();
    let mut selector = false;
    if node.cordoned {
        constraints.push("cordoned".to_owned());
    }
    for (key, value) in spec.node_selector.iter().flatten() {
        if node.labels.get(key) != Some(value) {
            selector = true;
            constraints.push(format!("no label {key}={value}"));
        }
    }
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    for taint in node.taints.iter().filter(|t| t.effect != "PreferNoSchedule" && !tolerates(t, tolerations)) {
        constraints.push(format!("taint {}", taint.key));
    }
    let mut short = Vec::new();
    for (resource, amount) in wished.iter().filter(|(_, amount)| **amount > 0) {
        let free = node.allocatable.get(resource).copied().unwrap_or_default()
            - node.requested.get(resource).copied().unwrap_or_default();
        if free < *amount {
            short.push((resource.clone(), *amount, free.max(0)));
        }
    }
    Verdict { node, short, constraints, selector }
}

fn words(verdict: &Verdict<'_>) -> String {
    let mut parts = verdict.constraints.clone();
    for (resource, wished, free) in &verdict.short {
        let of = verdict.node.allocatable.get(resource).copied().unwrap_or_default();
        parts.push(if of == 0 {
            format!("no {resource} at all")
        } else {
            format!(
                "{resource} {} requested, {} free of {}",
                amount::show(resource, *wished),
                amount::show(resource, *free),
                amount::show(resource, of)
            )
        });
    }
    if parts.is_empty() {
        parts.push("refused for another reason".into());
    }
    format!("{}: {}", verdict.node.name, parts.join(", "))
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    if let Some(missing) = read(&evidence.symptom.value) {
        return of_missing(evidence, &missing);
    }
    if let Some(claim) = evidence
        .claims
        .iter()
        .find(|c| c.phase.as_deref() != Some("Bound"))
        .filter(|_| evidence.symptom.value.to_ascii_lowercase().contains("persistentvolumeclaim"))
    {
        return of_claim(evidence, claim);
    }
    let Some((spec, prefix)) = evidence.spec() else {
        return of_message(evidence);
    };
    let wished = requests(spec);
    let verdicts: Vec<Verdict<'_>> = evidence.nodes.iter().map(|n| verdict(spec, &wished, n)).collect();
    let shown: Vec<String> = verdicts.iter().take(NAMED).map(words).collect();
    let more = verdicts.len().saturating_sub(NAMED);
    let per_node = if more > 0 { format!("{} and {more} more", shown.join("; ")) } else { shown.join("; ") };
    // What is short on every node that the constraints leave.
    let open: Vec<&Verdict<'_>> = verdicts.iter().filter(|v| v.constraints.is_empty()).collect();
    let common = wished
        .keys()
        .filter(|r| !open.is_empty() && open.iter().all(|v| v.short.iter().any(|(s, ..)| s == *r)))
        .max_by_key(|r| !matches!(r.as_str(), "cpu" | "memory"));
    let mut conclusion = if !verdicts.is_empty() && verdicts.iter().all(|v| v.selector) {
        let selector: Vec<String> = spec.node_selector.iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        let statement = format!(
            "{} asks with its nodeSelector for {}, which matches no node ({per_node})",
            evidence.who(),
            selector.join(", ")
        );
        let cause = cause(
            evidence,
            CauseClass::UnsatisfiableConstraints,
            Some(format!("{prefix}.nodeSelector")),
            Some(selector.join(",")),
            statement,
            0.95,
        );
        Conclusion {
            cause,
            candidates: Vec::new(),
            recommendations: vec!["Correct the nodeSelector, or label a node that is meant for these pods.".into()],
            log_lines: Vec::new(),
        }
    } else if let Some(resource) = common {
        of_resource(evidence, spec, prefix, resource, &wished, &per_node)
    } else {
        let mut other = of_message(evidence);
        if !per_node.is_empty() {
            let _ = write!(other.cause.statement, " ({per_node})");
        }
        other
    };
    for verdict in &verdicts {
        let node = ObjectRef {
            api_version: Some("v1".into()),
            kind: "Node".into(),
            namespace: None,
            name: verdict.node.name.clone(),
            uid: verdict.node.uid.clone(),
        };
        if conclusion.cause.proof.len() < 12 {
            conclusion.cause.proof.push(fact(
                &node,
                "status.allocatable",
                &words(verdict),
                "this node does not take the pod",
            ));
        }
    }
    conclusion
}

fn of_resource(
    evidence: &Evidence,
    spec: &PodSpec,
    prefix: &str,
    resource: &str,
    wished: &BTreeMap<String, i128>,
    per_node: &str,
) -> Conclusion {
    let index = spec
        .containers
        .iter()
        .enumerate()
        .max_by_key(|(_, c)| of_container(c).get(resource).copied().unwrap_or_default())
        .map_or(0, |(i, _)| i);
    let total = wished.get(resource).copied().unwrap_or_default();
    let nowhere = evidence.nodes.iter().all(|n| n.allocatable.get(resource).copied().unwrap_or_default() == 0);
    let amount = amount::show(resource, total);
    let statement = if nowhere {
        format!(
            "Pods of {} request {amount} {resource}, and no node offers any {resource} ({per_node})",
            evidence.who()
        )
    } else {
        format!(
            "Pods of {} request {amount} {resource}, and no node has that much free: insufficient {resource} ({per_node})",
            evidence.who()
        )
    };
    let path = format!("{prefix}.containers[{index}].resources.requests.{resource}");
    let mut cause =
        cause(evidence, CauseClass::InsufficientResources, Some(path), Some(amount.clone()), statement, 0.95);
    cause
        .ruled_out
        .push(ruled_out("Selectors, taints or cordons", "at least one node passes all of them and lacks only room"));
    let largest = evidence
        .nodes
        .iter()
        .map(|n| n.allocatable.get(resource).copied().unwrap_or_default())
        .max()
        .unwrap_or_default();
    let advice = if largest < total {
        format!(
            "Request at most {} {resource}, which is all that the largest node has, or add a larger node.",
            amount::show(resource, largest)
        )
    } else {
        format!("Free {resource} on a node, lower the request of {amount}, or add a node.")
    };
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}

fn of_message(evidence: &Evidence) -> Conclusion {
    let statement = format!("Pods of {} fit no node: {}", evidence.who(), evidence.symptom.value.trim_end_matches('.'));
    let insufficient = evidence.symptom.value.contains("Insufficient");
    let class = if insufficient { CauseClass::InsufficientResources } else { CauseClass::UnsatisfiableConstraints };
    let cause = cause(evidence, class, None, None, statement, 0.6);
    Conclusion {
        cause,
        candidates: Vec::new(),
        recommendations: vec!["Compare the pod's affinity, spread and tolerations with the nodes.".into()],
        log_lines: Vec::new(),
    }
}

fn of_claim(evidence: &Evidence, claim: &ClaimFact) -> Conclusion {
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
        let similar = evidence
            .names
            .get("StorageClass")
            .and_then(|names| nearest(&class, names))
            .map(|s| format!("; StorageClass {s} does, was that meant?"))
            .unwrap_or_default();
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
