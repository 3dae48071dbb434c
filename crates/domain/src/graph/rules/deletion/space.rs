//! A namespace that is being deleted and does not go.
//!
//! Nothing can be created in it any more, so an incident about it is one of the cluster.

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::Timestamp;

use super::super::shape::{ago, finding, proven, telling, who};
use super::super::{cause, fact};
use super::{LONG, OUTSIDE, patience, remedy};
use crate::detection::Rule;
use crate::graph::query::reference;
use crate::graph::{Finding, Graph, Standing};

/// Objects that a statement names.
const NAMED: usize = 2;

/// Everything in the namespace that is being deleted and has a finalizer, by name.
fn kept(graph: &Graph, since: Timestamp, now: Timestamp) -> Vec<(ObjectRef, String)> {
    let mut found: Vec<(ObjectRef, String)> = Vec::new();
    // While pods end as they should, what waits for them does too.
    let ending = graph.pods.iter().any(|pod| pod.terminating.is_none_or(|over| ago(over, now) <= LONG));
    let mut add = |object: ObjectRef, finalizers: &[String]| {
        let stays = |finalizer: &&String| {
            *finalizer != "foregroundDeletion"
                && !(ending && matches!(object.kind.as_str(), "Pod" | "PersistentVolumeClaim"))
                && ago(since, now) > patience(finalizer)
        };
        let first = finalizers.iter().find(stays);
        found.extend(first.map(|finalizer| (object, finalizer.clone())));
    };
    for keyed in graph.config_maps.iter().chain(&graph.secrets) {
        if let Some((_, finalizers)) = &keyed.leaving {
            add(keyed.object.clone(), finalizers);
        }
    }
    for (object, _, finalizers) in &graph.leaving {
        add(object.clone(), finalizers);
    }
    for pod in graph.pods.iter().filter(|pod| pod.terminating.is_some()) {
        add(pod.object.clone(), &pod.finalizers);
    }
    macro_rules! whole {
        ($($list:ident, $version:literal, $kind:literal;)+) => {$(
            for object in &graph.$list {
                if let Some((_, finalizers)) = crate::graph::leaving(&object.metadata) {
                    add(reference($version, $kind, &object.metadata), &finalizers);
                }
            }
        )+};
    }
    whole! {
        services, "v1", "Service";
        ingresses, "networking.k8s.io/v1", "Ingress";
        policies, "networking.k8s.io/v1", "NetworkPolicy";
        claims, "v1", "PersistentVolumeClaim";
        autoscalers, "autoscaling/v2", "HorizontalPodAutoscaler";
        budgets, "policy/v1", "PodDisruptionBudget";
        quotas, "v1", "ResourceQuota";
        cron_jobs, "batch/v1", "CronJob";
    }
    found.sort_by(|a, b| (&a.0.kind, &a.0.name).cmp(&(&b.0.kind, &b.0.name)));
    found
}

/// Why this namespace does not go.
pub(in crate::graph::rules) fn namespace(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let Some(leaving) = graph.cluster.leaving.get(&graph.namespace) else { return };
    if ago(leaving.since, now) <= LONG {
        return;
    }
    let object = ObjectRef {
        api_version: Some("v1".into()),
        kind: "Namespace".into(),
        namespace: None,
        name: graph.namespace.clone(),
        uid: leaving.uid.clone(),
    };
    let said = |type_: &str| leaving.said.iter().find(|(known, _)| known == type_).map(|(_, message)| message.as_str());
    let begin = format!("{} is being deleted and stays Terminating:", who(&object));
    let kept = kept(graph, leaving.since, now);
    let (culprit, path, value, statement, advice) = if let Some((first, finalizer)) = kept.first() {
        let others = kept.len() - 1;
        let shown: Vec<String> = kept.iter().take(NAMED).map(|(object, _)| who(object)).collect();
        let more = if others >= NAMED { format!(" and {} more", kept.len() - NAMED) } else { String::new() };
        let text = format!("{begin} finalizer {finalizer} of {}{more} is not removed", shown.join(" and "));
        (first.clone(), "metadata.finalizers", finalizer.clone(), text, remedy(finalizer))
    } else if let Some(message) = said("NamespaceDeletionDiscoveryFailure") {
        let text = format!("{begin} the API server cannot find out what is in it: {}", short(message));
        let advice = "Repair the backend of the APIService that does not answer, or delete that APIService.";
        (object.clone(), "status.conditions", "NamespaceDeletionDiscoveryFailure".to_owned(), text, advice.to_owned())
    } else if let Some((message, finalizer)) = said("NamespaceFinalizersRemaining").and_then(|message| {
        let finalizer = message.split("remaining: ").nth(1)?.split_whitespace().next()?.to_owned();
        // What the cluster itself removes waits for pods, and those may take their time.
        let own =
            finalizer.starts_with("kubernetes.io/") || !finalizer.contains('/') || finalizer.starts_with("batch.");
        let patience = if own { OUTSIDE } else { patience(&finalizer) };
        (ago(leaving.since, now) > patience).then_some((message, finalizer))
    }) {
        let text = format!("{begin} {}", short(message));
        (object.clone(), "status.conditions", finalizer.clone(), text, remedy(&finalizer))
    } else if let Some((type_, message)) = leaving
        .said
        .iter()
        .filter(|_| ago(leaving.since, now) > OUTSIDE)
        .find(|(type_, _)| type_ == "NamespaceDeletionContentFailure" || type_ == "NamespaceContentRemaining")
    {
        let text = format!("{begin} {}", short(message));
        let advice = "Look at the objects that remain with kubectl get, and at what keeps each of them.";
        (object.clone(), "status.conditions", type_.clone(), text, advice.to_owned())
    } else {
        return;
    };
    let mut root = proven(
        cause(&culprit, CauseClass::DeletionBlocked, path, &value, statement, if kept.is_empty() { 0.8 } else { 0.95 }),
        vec![fact(&object, "metadata.deletionTimestamp", leaving.since.to_string(), "somebody deleted it then")],
    );
    for (object, finalizer) in kept.iter().take(8) {
        root.proof.push(fact(object, "metadata.finalizers", finalizer, "this has to be removed first"));
    }
    for (type_, message) in leaving.said.iter().take(4) {
        root.proof.push(fact(&object, "status.conditions", format!("{type_}: {message}"), "its controller says so"));
    }
    out.push(Finding {
        words: telling([value]),
        recommendations: vec![advice],
        hold: 1,
        ..finding(Rule::DeletionStuck, Standing::Outage, Severity::Medium, &object, root)
    });
}

/// What the controller says, without what would make a sentence too long.
fn short(message: &str) -> String {
    let text = message.trim().trim_end_matches(['.', ',']);
    let cut: String = text.chars().take(160).collect();
    if cut.len() < text.len() { format!("{}…", cut.trim_end()) } else { cut }
}
