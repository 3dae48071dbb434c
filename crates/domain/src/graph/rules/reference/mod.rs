//! What a pod template names and that is not there: ConfigMaps, Secrets and their keys, claims, accounts, classes.
//!
//! A pod that runs needs none of them until it starts again; so the finding is about the next start. Who is at fault
//! follows from what happened last: a pod that is ready had everything, so what is missing now went away.

mod files;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};

use super::shape::{self, Pods, finding, latent, not, proven, who};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::diagnosis::refs::{Reference, references};
use crate::graph::query::named;
use crate::graph::{Finding, Graph, Keyed, Workload, nearest};

pub(super) use files::{pull_secrets, sub_paths};

/// ConfigMaps that the platform itself keeps in every namespace.
const KEPT: [&str; 2] = ["kube-root-ca.crt", "openshift-service-ca.crt"];
/// PriorityClasses that every cluster has.
const BUILT_IN: [&str; 2] = ["system-cluster-critical", "system-node-critical"];
/// Types of Secrets that the kubelet takes credentials of a registry from.
const REGISTRY: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];

/// Changes of two objects this close to each other were made together; their order says nothing.
const TOGETHER: SignedDuration = SignedDuration::from_secs(10);

/// Names and keys that exist.
struct Known<'a> {
    graph: &'a Graph,
    maps: BTreeMap<&'a str, &'a Keyed>,
    secrets: BTreeMap<&'a str, &'a Keyed>,
    claims: BTreeSet<&'a str>,
}

/// What a reference lacks.
struct Lack<'a> {
    /// The object whose key is missing; none when the object itself is.
    keyed: Option<&'a Keyed>,
    /// A name or key that is nearly the same.
    near: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn of(graph: &'a Graph) -> Self {
        let by_name = |list: &'a [Keyed]| {
            list.iter().map(|keyed| (keyed.object.name.as_str(), keyed)).collect::<BTreeMap<_, _>>()
        };
        Self {
            graph,
            maps: by_name(&graph.config_maps),
            secrets: by_name(&graph.secrets),
            claims: graph.claims.iter().filter_map(|claim| claim.metadata.name.as_deref()).collect(),
        }
    }

    /// What is missing of a reference; none when all is there or it cannot be known.
    fn lack(&self, reference: &Reference) -> Option<Lack<'a>> {
        if !self.graph.knows(reference.kind) {
            return None;
        }
        let name = reference.name.as_str();
        let absent = |near: Option<&'a str>| Some(Lack { keyed: None, near });
        let keyed = match reference.kind {
            "ConfigMap" if KEPT.contains(&name) => return None,
            "ConfigMap" => match self.maps.get(name) {
                None => return absent(nearest(name, self.maps.keys().copied())),
                Some(keyed) => *keyed,
            },
            "Secret" => match self.secrets.get(name) {
                None => return absent(nearest(name, self.secrets.keys().copied())),
                Some(keyed) => *keyed,
            },
            "PersistentVolumeClaim" if !self.claims.contains(name) => {
                return absent(nearest(name, self.claims.iter().copied()));
            }
            // Every namespace has the default account; one that is missing is made anew at once.
            "ServiceAccount" if name != "default" && !name.is_empty() && !self.graph.accounts.contains(name) => {
                return absent(nearest(name, self.graph.accounts.iter().map(String::as_str)));
            }
            "PriorityClass" if !self.graph.cluster.priority_classes.contains(name) && !BUILT_IN.contains(&name) => {
                return absent(nearest(name, self.graph.cluster.priority_classes.iter().map(String::as_str)));
            }
            _ => return None,
        };
        let (key, keys) = (reference.key.as_deref()?, keyed.keys.as_ref()?);
        let near = || nearest(key, keys.iter().map(String::as_str));
        (!keys.contains(key)).then(|| Lack { keyed: Some(keyed), near: near() })
    }
}

/// References of a workload that a pod cannot start without.
fn needed(workload: &Workload) -> Vec<Reference> {
    let spec = &workload.spec;
    // The claims of a StatefulSet's templates take the place of volumes of the same name.
    let replaced: BTreeSet<&str> = spec
        .volumes
        .iter()
        .flatten()
        .filter(|volume| workload.claim_templates.contains(&volume.name))
        .filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
        .collect();
    let mut found = references(spec);
    found.retain(|reference| {
        // Only what a container takes from the environment is read again when a pod that belongs to nothing restarts.
        let again = workload.object.kind != "Pod" || reference.path.contains(".env");
        again
            && !reference.optional
            && !(reference.kind == "PersistentVolumeClaim" && replaced.contains(reference.name.as_str()))
    });
    if let Some(class) =
        spec.priority_class_name.as_ref().filter(|name| !name.is_empty() && workload.object.kind != "Pod")
    {
        found.push(Reference {
            kind: "PriorityClass",
            name: class.clone(),
            key: None,
            path: "priorityClassName".into(),
            variable: None,
            optional: false,
        });
    }
    found
}

/// A pod that could only become ready because the thing was there, or the last success of a CronJob.
fn had(graph: &Graph, pods: &Pods<'_>, workload: &Workload, reference: &Reference) -> Option<(ObjectRef, String)> {
    let same = |other: &Reference| {
        other.kind == reference.kind && other.name == reference.name && other.key == reference.key && !other.optional
    };
    if let Some(pod) =
        shape::of(pods, &workload.object).iter().find(|pod| pod.ready && references(&pod.spec).iter().any(same))
    {
        return Some((pod.object.clone(), "Ready".into()));
    }
    let job = graph.cron_jobs.iter().find(|job| {
        workload.object.kind == "CronJob" && job.metadata.name.as_deref() == Some(workload.object.name.as_str())
    })?;
    let last = job.status.as_ref()?.last_successful_time.as_ref()?.0;
    let touched = workload.touched.as_ref()?.at;
    (last > touched).then(|| (workload.object.clone(), format!("last success at {last}")))
}

/// One workload that lacks something.
struct Need<'a> {
    workload: &'a Workload,
    reference: Reference,
    lack: Lack<'a>,
    /// What shows that it was there once.
    had: Option<(ObjectRef, String)>,
    /// Whether the other object was changed after the workload.
    edited: bool,
}

/// Missing references of every workload that will start a pod again.
pub(super) fn missing(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let known = Known::of(graph);
    let pods = shape::pods(graph);
    // One object that is not there is one fault, however many workloads need it.
    let mut needs: BTreeMap<(&'static str, String, Option<String>), Vec<Need<'_>>> = BTreeMap::new();
    for workload in shape::starting(graph) {
        let mut told = BTreeSet::new();
        for reference in needed(workload) {
            let Some(lack) = known.lack(&reference) else { continue };
            let what = (reference.kind, reference.name.clone(), reference.key.clone());
            if !told.insert(what.clone()) {
                continue;
            }
            let had = had(graph, &pods, workload, &reference);
            let edited = lack.keyed.and_then(|keyed| keyed.touched.as_ref()).is_some_and(|touch| {
                workload.touched.as_ref().is_some_and(|own| touch.at.duration_since(own.at) > TOGETHER)
            });
            needs.entry(what).or_default().push(Need { workload, reference, lack, had, edited });
        }
    }
    for needs in needs.into_values() {
        let Some(first) = needs.iter().find(|need| need.had.is_some()).or_else(|| needs.first()) else { continue };
        // Several do not misspell the same name at once.
        let shared = needs.len() > 1 || first.had.is_some() || first.edited;
        let mut found = if shared { vanished(graph, first, needs.len()) } else { wrong(first) };
        found.concerns = needs.iter().map(|need| need.workload.object.clone()).collect();
        if let Some(calm) = needs.iter().find(|need| !need.workload.troubled) {
            found.about = calm.workload.object.clone();
            found.standing = latent(calm.workload);
        }
        out.push(found);
    }
}

/// Where a reference stands, for sentences.
fn place(reference: &Reference) -> String {
    reference.variable.as_ref().map_or_else(|| reference.path.clone(), |variable| format!("env {variable}"))
}

fn consequence(reference: &Reference) -> &'static str {
    match reference.kind {
        "ServiceAccount" | "PriorityClass" => "so the next pod is refused",
        _ => "so the next pod cannot start",
    }
}

/// The thing that a reference names.
fn target(namespace: &str, reference: &Reference) -> ObjectRef {
    match reference.kind {
        "PriorityClass" => named("scheduling.k8s.io/v1", reference.kind, "", &reference.name),
        kind => named("v1", kind, namespace, &reference.name),
    }
}

/// Facts that say that something is missing.
fn absent(object: &ObjectRef, lack: &Lack<'_>) -> api::shared::Proof {
    match lack.keyed {
        Some(keyed) => {
            let keys: Vec<&str> = keyed.keys.iter().flatten().map(String::as_str).take(20).collect();
            fact(&keyed.object, "data", keys.join(", "), "these are its keys")
        }
        None => fact(object, "metadata.name", "(absent)", "no such object exists"),
    }
}

fn words(reference: &Reference) -> Vec<String> {
    let own = [Some(reference.name.clone()), reference.key.clone(), reference.variable.clone()];
    shape::telling(own.into_iter().flatten())
}

/// The reference is wrong: nothing shows that what it names ever existed.
fn wrong(need: &Need<'_>) -> Finding {
    let Need { workload, reference, lack, .. } = need;
    let path = format!("{}.{}", workload.spec_path, reference.path);
    let (who, place, then) = (who(&workload.object), place(reference), consequence(reference));
    let (kind, name) = (reference.kind, &reference.name);
    let statement = match (&reference.key, lack.keyed) {
        (Some(key), Some(_)) => format!(
            "{who} refers in {place} to key {key} of {kind} {name}, which does not exist there, {then}{}",
            meant(lack.near)
        ),
        _ => format!("{who} refers in {place} to {kind} {name}, which does not exist, {then}{}", meant(lack.near)),
    };
    let target = target(workload.object.namespace.as_deref().unwrap_or_default(), reference);
    let value = reference.key.as_ref().filter(|_| lack.keyed.is_some()).unwrap_or(name);
    let mut cause = proven(
        cause(&workload.object, CauseClass::MissingReference, &path, value, statement, 0.95),
        vec![fact(&workload.object, &path, value, "the reference stands here"), absent(&target, lack)],
    );
    cause.ruled_out.push(not("The pod starts without it", "the reference is not optional"));
    let what = reference
        .key
        .as_ref()
        .map_or_else(|| shape::who(&target), |key| format!("key {key} of {}", shape::who(&target)));
    let advice = match lack.near {
        Some(near) => format!("Let {place} name {near}, or create {what}."),
        None => format!("Create {what}, or correct the reference in {place}."),
    };
    Finding {
        concerns: vec![workload.object.clone()],
        words: words(reference),
        recommendations: vec![advice],
        ..finding(Rule::NextStart, latent(workload), Severity::High, &workload.object, cause)
    }
}

/// What the reference names was there, and is not any more.
fn vanished(graph: &Graph, need: &Need<'_>, users: usize) -> Finding {
    let Need { workload, reference, lack, had, .. } = need;
    let target = lack.keyed.map_or_else(|| target(&graph.namespace, reference), |keyed| keyed.object.clone());
    let path = format!("{}.{}", workload.spec_path, reference.path);
    let (user, place, then) = (who(&workload.object), place(reference), consequence(reference));
    let user = if users > 1 { format!("{user} and {} more refer", users - 1) } else { format!("{user} refers") };
    let state = if had.is_some() || need.edited { "does not exist any more" } else { "does not exist" };
    let (statement, at, value) = match (&reference.key, lack.keyed) {
        (Some(key), Some(_)) => (
            format!("Key {key} of {}, to which {user} in {place}, {state}, {then}{}", who(&target), meant(lack.near)),
            format!("data.{key}"),
            key.clone(),
        ),
        _ => (
            format!(
                "{}, to which {user} in {place}, {state}, {then}{}",
                who(&target),
                meant(lack.near.filter(|_| had.is_none()))
            ),
            "metadata.name".to_owned(),
            reference.name.clone(),
        ),
    };
    let mut proof =
        vec![fact(&workload.object, &path, &reference.name, "the reference stands here"), absent(&target, lack)];
    if let Some((object, state)) = had {
        proof.push(fact(object, "status", state, "it could only start while that was there"));
    }
    if let Some(touch) = lack.keyed.and_then(|keyed| keyed.touched.as_ref()) {
        let by = format!("{} at {}", touch.by, touch.at);
        proof.push(fact(&target, "metadata.managedFields", by, "this changed it last"));
    }
    let mut cause = proven(cause(&target, CauseClass::MissingReference, &at, &value, statement, 0.95), proof);
    let because = match (had, need.edited) {
        (Some(_), _) => "it worked with the same reference",
        (None, true) => "the other object was changed later",
        (None, false) => "several workloads have the same one",
    };
    cause.ruled_out.push(not("The reference is misspelt", because));
    let what = reference
        .key
        .as_ref()
        .map_or_else(|| shape::who(&target), |key| format!("key {key} of {}", shape::who(&target)));
    Finding {
        concerns: vec![workload.object.clone()],
        words: words(reference),
        recommendations: vec![format!("Restore {what}, or take the reference out of {place}.")],
        ..finding(Rule::NextStart, latent(workload), Severity::High, &workload.object, cause)
    }
}
