//! A pod that finds too little of a resource, on every node that it would fit otherwise.

use std::collections::BTreeMap;

use api::shared::CauseClass;

use super::fit::Verdict;
use super::obstacle::Obstacle;
use super::place::{Placement, Wanted, per_node};
use super::{of_container, requests};
use crate::diagnosis::{amount, ruled_out};
use crate::graph::nearest;

/// What is short on every node that the constraints leave.
pub(super) fn by_resource(wanted: &Wanted<'_>, verdicts: &[Verdict<'_>]) -> Option<Placement> {
    let short = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Short { .. });
    let open: Vec<&Verdict<'_>> = verdicts.iter().filter(|v| v.obstacles.iter().all(short)).collect();
    if open.is_empty() {
        return None;
    }
    let wished = requests(wanted.spec);
    let lacks = |v: &Verdict<'_>, resource: &str| {
        v.obstacles.iter().any(|o| matches!(o, Obstacle::Short { resource: r, .. } if r == resource))
    };
    if open.iter().all(|v| lacks(v, "pods")) {
        return Some(Placement {
            class: CauseClass::InsufficientResources,
            object: None,
            newer: None,
            path: "status.allocatable.pods".into(),
            value: "0 free".into(),
            statement: format!(
                "{} find no node that takes one more pod: too many pods ({})",
                pods(wanted.who),
                per_node(verdicts)
            ),
            confidence: 0.9,
            advice: "Add a node, raise maxPods of the kubelets, or remove pods that are not needed.".into(),
            proof: Vec::new(),
            ruled_out: Vec::new(),
        });
    }
    let common = wished.keys().filter(|r| open.iter().all(|v| lacks(v, r)));
    let resource = common.max_by_key(|r| !matches!(r.as_str(), "cpu" | "memory"))?;
    Some(of_resource(wanted, resource, &wished, verdicts))
}

/// "Pods of Deployment web".
pub(super) fn pods(who: &str) -> String {
    format!("Pods of {who}")
}

pub(super) fn of_resource(
    wanted: &Wanted<'_>,
    resource: &str,
    wished: &BTreeMap<String, i128>,
    verdicts: &[Verdict<'_>],
) -> Placement {
    let Wanted { who, prefix, spec, .. } = wanted;
    let per_node = per_node(verdicts);
    let index = spec
        .containers
        .iter()
        .enumerate()
        .max_by_key(|(_, c)| of_container(c).get(resource).copied().unwrap_or_default())
        .map_or(0, |(i, _)| i);
    let total = wished.get(resource).copied().unwrap_or_default();
    let offers = |v: &Verdict<'_>| v.node.allocatable.get(resource).copied().unwrap_or_default();
    let nowhere = verdicts.iter().all(|v| offers(v) == 0);
    let amount = amount::show(resource, total);
    // A resource that only some nodes have has a name that is easily misspelt.
    let offered = verdicts.iter().flat_map(|v| v.node.allocatable.keys()).map(String::as_str);
    let near = nearest(resource, offered).filter(|_| nowhere);
    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let statement = if nowhere {
        format!("Pods of {who} request {amount} {resource}, and no node offers any {resource} ({per_node}){hint}")
    } else {
        format!(
            "Pods of {who} request {amount} {resource}, and no node has that much free: insufficient {resource} ({per_node})"
        )
    };
    let largest = verdicts.iter().map(offers).max().unwrap_or_default();
    let advice = if let Some(near) = near {
        format!("Request {near} instead of {resource}.")
    } else if nowhere {
        format!("Take {resource} out of the requests, or add a node that offers it.")
    } else if largest < total {
        format!(
            "Request at most {} {resource}, which is all that the largest node has, or add a larger node.",
            amount::show(resource, largest)
        )
    } else {
        format!("Free {resource} on a node, lower the request of {amount}, or add a node.")
    };
    Placement {
        class: CauseClass::InsufficientResources,
        object: None,
        newer: None,
        path: format!("{prefix}.containers[{index}].resources.requests.{resource}"),
        value: amount,
        statement,
        confidence: 0.95,
        advice,
        proof: Vec::new(),
        ruled_out: vec![ruled_out(
            "Selectors, taints or cordons",
            "at least one node passes all of them and lacks only room",
        )],
    }
}
