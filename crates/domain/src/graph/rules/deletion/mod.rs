//! Objects that are being deleted and do not go.

mod space;
#[cfg(test)]
mod tests;

pub(super) use space::namespace;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::shape::{self, ago, finding, proven, telling, who};
use super::{cause, fact};
use crate::detection::Rule;
use crate::graph::query::{name, reference};
use crate::graph::{Finding, Graph, Member, Standing};

/// A controller that has not done its part by then does not do it.
const LONG: SignedDuration = SignedDuration::from_secs(60);
/// What has to take something down outside of the cluster needs longer.
const OUTSIDE: SignedDuration = SignedDuration::from_secs(300);
/// The same for what has to take away a whole application first.
pub(super) const PATIENT: SignedDuration = SignedDuration::from_mins(20);
/// Kinds of which a deletion takes a moment only.
const QUICK: [&str; 3] = ["Gateway", "HTTPRoute", "GRPCRoute"];
/// Containers that are still there so long after their grace are not ending.
const OVERDUE: SignedDuration = SignedDuration::from_secs(180);
/// Keeps a claim while a pod uses it.
const IN_USE: &str = "kubernetes.io/pvc-protection";

/// When something that is being deleted has taken too long.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    let pods = graph.pods.iter().filter_map(|pod| pod.terminating);
    let claims = graph.claims.iter().map(|object| &object.metadata);
    let services = graph.services.iter().map(|object| &object.metadata);
    let ingresses = graph.ingresses.iter().map(|object| &object.metadata);
    let schedules = graph.cron_jobs.iter().map(|object| &object.metadata);
    let scalers = graph.autoscalers.iter().map(|object| &object.metadata);
    let jobs = graph.jobs.iter().map(|object| &object.metadata);
    let policies = graph.policies.iter().map(|object| &object.metadata);
    let budgets = graph.budgets.iter().map(|object| &object.metadata);
    let quotas = graph.quotas.iter().map(|object| &object.metadata);
    let others = claims.chain(services).chain(ingresses).chain(schedules).chain(scalers);
    let others = others.chain(jobs).chain(policies).chain(budgets).chain(quotas);
    let keyed = graph.config_maps.iter().chain(&graph.secrets).filter_map(|keyed| keyed.leaving.as_ref());
    let pods = pods.chain(keyed.map(|(since, _)| *since));
    let workloads = graph.leaving.iter().map(|(_, since, _)| *since);
    let space = graph.cluster.leaving.get(&graph.namespace).map(|leaving| leaving.since);
    let pods = pods.chain(workloads).chain(space);
    for since in pods.chain(others.filter_map(|metadata| metadata.deletion_timestamp.as_ref().map(|time| time.0))) {
        for after in [LONG, OVERDUE, OUTSIDE] {
            since.checked_add(after).into_iter().for_each(&mut *at);
        }
    }
}

/// Pods that stay after their grace: held by a finalizer, or by a node that does not finish them.
pub(super) fn pods(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    // The deletion timestamp of a pod is the end of its grace.
    let mut held: BTreeMap<(&str, &str, Option<&str>), Vec<&Member>> = BTreeMap::new();
    for pod in &graph.pods {
        let Some(over) = pod.terminating else { continue };
        let finalizer = pod.finalizers.first().map(String::as_str);
        let node = graph.cluster.nodes.iter().find(|node| Some(node.name.as_str()) == pod.node.as_deref());
        // What a dead node does not end is the node's fault, and is told there.
        let alive = node.is_some_and(|node| node.ready);
        let late = ago(over, now);
        if (finalizer.is_some() && late > LONG) || (finalizer.is_none() && alive && late > OVERDUE) {
            held.entry((pod.workload.kind.as_str(), pod.workload.name.as_str(), finalizer)).or_default().push(pod);
        }
    }
    for ((_, _, finalizer), pods) in held {
        let Some(first) = pods.iter().min_by_key(|pod| &pod.object.name) else { continue };
        let more = if pods.len() > 1 { format!(" and {} more", pods.len() - 1) } else { String::new() };
        let since = first.terminating.map(|at| at.to_string()).unwrap_or_default();
        let (path, value, statement, sure, advice) = if let Some(finalizer) = finalizer {
            let text = format!(
                "{}{more} is being deleted and does not go: finalizer {finalizer} is not removed",
                who(&first.object)
            );
            ("metadata.finalizers", finalizer.to_owned(), text, 0.95, remedy(finalizer))
        } else {
            let node = first.node.clone().unwrap_or_default();
            let text = format!(
                "{}{more} is being deleted and does not go: node {node} has not ended its containers long after their grace",
                who(&first.object)
            );
            let advice = format!("Look at the kubelet and the container runtime of node {node}.");
            ("metadata.deletionTimestamp", since.clone(), text, 0.7, advice)
        };
        // A StatefulSet makes no pod anew before the old one of that name is gone.
        let waits = first.workload.kind == "StatefulSet";
        let cause = proven(
            cause(&first.object, CauseClass::DeletionBlocked, path, &value, statement, sure),
            vec![
                fact(&first.object, "metadata.deletionTimestamp", since, "its grace ended then"),
                fact(
                    &first.object,
                    "metadata.finalizers",
                    first.finalizers.join(", "),
                    "these have to be removed first",
                ),
            ],
        );
        out.push(Finding {
            concerns: waits.then(|| first.workload.clone()).into_iter().collect(),
            words: telling([value]),
            recommendations: vec![advice],
            hold: 1,
            ..finding(Rule::DeletionStuck, Standing::Outage, Severity::Medium, &first.object, cause)
        });
    }
}

/// Other objects that a finalizer keeps.
pub(super) fn objects(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let users = users(graph);
    for claim in &graph.claims {
        let object = reference("v1", "PersistentVolumeClaim", &claim.metadata);
        let by: Vec<&Member> = users.get(name(&claim.metadata)).cloned().unwrap_or_default();
        let only = claim.metadata.finalizers.iter().flatten().all(|finalizer| finalizer == IN_USE);
        // A pod that has no node yet does not use it, and never will.
        let uses = |pod: &&&Member| pod.terminating.is_none() && only && pod.node.is_some();
        match by.iter().filter(uses).min_by_key(|pod| &pod.object.name) {
            // It waits for the pod, as it should; but the next pod does not get it any more.
            Some(pod) => out.extend(in_use(&object, &claim.metadata, pod)),
            // Pods that end as they should leave it in a moment.
            None if only && by.iter().any(|pod| pod.terminating.is_some_and(|over| ago(over, now) <= LONG)) => {}
            None => out.extend(kept(&object, &claim.metadata, now)),
        }
        if claim.metadata.deletion_timestamp.is_none() {
            out.extend(volume_leaves(graph, claim, &by));
        }
    }
    for (object, since, finalizers) in &graph.leaving {
        out.extend(stays(object, *since, finalizers, now));
    }
    for policy in &graph.policies {
        let object = reference("networking.k8s.io/v1", "NetworkPolicy", &policy.metadata);
        out.extend(kept(&object, &policy.metadata, now));
    }
    for budget in &graph.budgets {
        let object = reference("policy/v1", "PodDisruptionBudget", &budget.metadata);
        out.extend(kept(&object, &budget.metadata, now));
    }
    for quota in &graph.quotas {
        out.extend(kept(&reference("v1", "ResourceQuota", &quota.metadata), &quota.metadata, now));
    }
    for keyed in graph.config_maps.iter().chain(&graph.secrets) {
        if let Some((since, finalizers)) = &keyed.leaving {
            out.extend(stays(&keyed.object, *since, finalizers, now));
        }
    }
    for service in &graph.services {
        out.extend(kept(&reference("v1", "Service", &service.metadata), &service.metadata, now));
    }
    for ingress in &graph.ingresses {
        out.extend(kept(&reference("networking.k8s.io/v1", "Ingress", &ingress.metadata), &ingress.metadata, now));
    }
    for job in &graph.cron_jobs {
        out.extend(kept(&reference("batch/v1", "CronJob", &job.metadata), &job.metadata, now));
    }
    for scaler in &graph.autoscalers {
        let object = reference("autoscaling/v2", "HorizontalPodAutoscaler", &scaler.metadata);
        out.extend(kept(&object, &scaler.metadata, now));
    }
    for other in &graph.others {
        let text = |field: &str| other.get(field).and_then(serde_json::Value::as_str);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { continue };
        if !crate::graph::KINDS.contains(&kind) {
            continue;
        }
        let metadata = other.get("metadata").cloned().and_then(|m| serde_json::from_value::<ObjectMeta>(m).ok());
        // What belongs to no namespace is not told of in every one.
        let here = |metadata: &ObjectMeta| metadata.namespace.as_deref() == Some(&graph.namespace);
        let Some(metadata) = metadata.filter(here) else { continue };
        let since = metadata.deletion_timestamp.as_ref().map(|time| time.0);
        if QUICK.contains(&kind) || since.is_some_and(|since| ago(since, now) > PATIENT) {
            out.extend(kept(&reference(version, kind, &metadata), &metadata, now));
        }
    }
}

/// Pods by the claims that they use.
fn users(graph: &Graph) -> BTreeMap<String, Vec<&Member>> {
    let known = shape::workloads(graph);
    let mut found: BTreeMap<String, Vec<&Member>> = BTreeMap::new();
    for pod in &graph.pods {
        let workload = known.get(&(pod.workload.kind.as_str(), pod.workload.name.as_str())).copied();
        for claim in shape::claims(workload, pod) {
            found.entry(claim).or_default().push(pod);
        }
    }
    found
}

fn in_use(object: &ObjectRef, metadata: &ObjectMeta, pod: &Member) -> Option<Finding> {
    let since = metadata.deletion_timestamp.as_ref()?.0;
    let statement = format!(
        "{} is being deleted (Terminating): {} still uses it, and once that ends the claim and its data are gone and no new pod can mount it",
        who(object),
        who(&pod.object)
    );
    let cause = proven(
        cause(object, CauseClass::DeletionBlocked, "metadata.finalizers", IN_USE, statement, 0.9),
        vec![
            fact(object, "metadata.deletionTimestamp", since.to_string(), "somebody deleted it then"),
            fact(&pod.object, "spec.volumes", &object.name, "this pod uses it"),
        ],
    );
    Some(Finding {
        concerns: vec![pod.workload.clone()],
        recommendations: vec![format!(
            "Stop {} if the data may go; otherwise secure the data before that pod ends.",
            who(&pod.workload)
        )],
        hold: 15,
        ..finding(Rule::NextStart, Standing::Latent, Severity::High, object, cause)
    })
}

/// The volume of a claim is being deleted: it goes with the claim, and so do the data.
fn volume_leaves(graph: &Graph, claim: &PersistentVolumeClaim, by: &[&Member]) -> Option<Finding> {
    let wanted = claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty())?;
    let volume = graph.cluster.volumes.iter().find(|volume| name(&volume.metadata) == wanted)?;
    let since = volume.metadata.deletion_timestamp.as_ref()?.0;
    let object = reference("v1", "PersistentVolume", &volume.metadata);
    let about = reference("v1", "PersistentVolumeClaim", &claim.metadata);
    let statement = format!(
        "PersistentVolume {wanted} is being deleted (Terminating) while {} is bound to it: once the claim goes the volume is gone",
        who(&about)
    );
    let cause = proven(
        cause(&object, CauseClass::DeletionBlocked, "metadata.deletionTimestamp", &since.to_string(), statement, 0.9),
        vec![
            fact(&object, "metadata.deletionTimestamp", since.to_string(), "somebody deleted it then"),
            fact(&about, "spec.volumeName", wanted, "this claim is bound to it"),
        ],
    );
    let mut concerns: Vec<ObjectRef> = by.iter().map(|pod| pod.workload.clone()).collect();
    concerns.dedup();
    Some(Finding {
        concerns,
        recommendations: vec![
            "Secure the data; a deletion cannot be taken back. Then create volume and claim anew.".into(),
        ],
        hold: 15,
        ..finding(Rule::NextStart, Standing::Latent, Severity::High, &about, cause)
    })
}

fn kept(object: &ObjectRef, metadata: &ObjectMeta, now: Timestamp) -> Option<Finding> {
    let since = metadata.deletion_timestamp.as_ref()?.0;
    stays(object, since, metadata.finalizers.as_deref().unwrap_or_default(), now)
}

fn stays(object: &ObjectRef, since: Timestamp, finalizers: &[String], now: Timestamp) -> Option<Finding> {
    // Deletion in the foreground waits for what belongs to the object, and that is told where it is stuck.
    let finalizer = finalizers.iter().find(|finalizer| *finalizer != "foregroundDeletion")?;
    if ago(since, now) <= patience(finalizer) {
        return None;
    }
    let statement = format!("{} is being deleted and does not go: finalizer {finalizer} is not removed", who(object));
    let cause = proven(
        cause(object, CauseClass::DeletionBlocked, "metadata.finalizers", finalizer, statement, 0.95),
        vec![
            fact(object, "metadata.deletionTimestamp", since.to_string(), "somebody deleted it then"),
            fact(object, "metadata.finalizers", finalizers.join(", "), "these have to be removed first"),
        ],
    );
    Some(Finding {
        words: telling([finalizer.clone()]),
        recommendations: vec![remedy(finalizer)],
        hold: 1,
        ..finding(Rule::DeletionStuck, Standing::Outage, Severity::Medium, object, cause)
    })
}

/// How long a finalizer may stay.
fn patience(finalizer: &str) -> SignedDuration {
    let outside = ["load-balancer", "loadbalancer", "ingress.", "elbv2.", "networking.gke.io"];
    if outside.iter().any(|word| finalizer.contains(word)) { OUTSIDE } else { LONG }
}

fn remedy(finalizer: &str) -> String {
    format!("Start the controller that removes {finalizer}; remove the finalizer by hand only if it is gone for good.")
}
