//! Services whose traffic must stay on a node.

use std::collections::BTreeSet;

use api::shared::CauseClass;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::index::{Front, Index};
use super::needs::Need;
use super::{concerned, finding, needed};
use crate::detection::Rule;
use crate::graph::query::{of_service, same};

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if index.sees_pods() {
        out.extend(index.fronts.iter().filter_map(|front| local(index, front)));
    }
}

/// Traffic that must stay on the node, where a node has clients and no pod of the Service.
fn local(index: &Index, front: &Front) -> Option<Finding> {
    let spec = front.service.spec.as_ref()?;
    if spec.internal_traffic_policy.as_deref() != Some("Local") || front.pods.is_empty() {
        return None;
    }
    let object = of_service(front.service);
    let serving: BTreeSet<&str> =
        front.pods.iter().filter(|pod| pod.ready).filter_map(|pod| pod.node.as_deref()).collect();
    if serving.is_empty() {
        return None;
    }
    let clients: Vec<&Need> =
        index.needs(&object.name).iter().filter(|need| need.client.is_some() && need.plain).collect();
    let (need, pod, node) = clients.iter().find_map(|need| {
        let mut pods = index.graph.pods.iter().filter(|pod| pod.terminating.is_none() && same(&pod.workload, &need.by));
        let pod = pods.find(|pod| pod.node.as_deref().is_some_and(|node| !serving.contains(node)))?;
        Some((*need, pod, pod.node.as_deref()?))
    })?;
    let statement = format!(
        "Service {} has internalTrafficPolicy Local and no ready pod on node {node}, so {} is cut off there; did you mean Cluster?",
        object.name,
        need.who()
    );
    let mut cause =
        cause(&object, CauseClass::ServiceMisconfigured, "spec.internalTrafficPolicy", "Local", statement, 0.9);
    cause.proof = needed([need]);
    cause.proof.push(fact(&pod.object, "spec.nodeName", node, "the client runs here"));
    let nodes = serving.iter().copied().take(8).collect::<Vec<_>>().join(", ");
    cause.proof.push(fact(
        &object,
        "spec.internalTrafficPolicy",
        "Local",
        "a node sends requests to pods of its own only",
    ));
    cause.proof.push(fact(&object, "endpoints", nodes, "ready pods are on these nodes"));
    Some(Finding {
        concerns: concerned(clients.iter().copied()),
        words: super::dependency::words(&object.name, &clients),
        recommendations: vec![
            "Set internalTrafficPolicy to Cluster, or run a pod of the Service on every node with clients.".into(),
        ],
        // Pods come and go on nodes.
        hold: 30,
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    })
}
