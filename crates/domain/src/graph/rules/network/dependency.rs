//! Services that somebody needs and that do not exist.
//!
//! What lives here: a missing Service, whoever needs it, and whether its name is wrong or the Service is gone. What does
//! not: Services that exist (`offer`, `selection`).

use std::collections::{BTreeMap, BTreeSet};

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{CauseClass, ObjectRef, SignalType};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact, meant};
use super::index::{Index, Placed};
use super::needs::Need;
use super::offer::offers;
use super::place::Place;
use super::{asked, called, clip, concerned, finding, names, needed, somebody};
use crate::detection::Rule;
use crate::graph::query::{distance, named, nearest, same};

/// Labels by which an application is called.
pub(super) const APP: [&str; 3] = ["app.kubernetes.io/name", "app", "k8s-app"];

/// What the same variable says elsewhere, where it leads to a Service.
type Siblings<'a> = BTreeMap<String, Vec<(&'a str, &'a Workload)>>;

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let siblings = siblings(index);
    for ((namespace, name), needs) in index.all_needs() {
        if index.service_of(namespace, name).is_none() && index.has_namespace(namespace) {
            missing(index, namespace, name, needs, &siblings, out);
        }
    }
    no_namespace(index, out);
    incomplete(index, out);
}

/// Whether two names differ as a slip of the hand makes them differ.
pub(super) fn slip(a: &str, b: &str) -> bool {
    distance(a, b) <= (a.len().min(b.len()) / 4).clamp(1, 2)
}

fn missing(index: &Index, namespace: &str, name: &str, needs: &[Need], siblings: &Siblings, out: &mut Vec<Finding>) {
    let here = namespace == index.graph.namespace;
    let orphan = here.then(|| orphan(index, name)).flatten();
    let sources: BTreeSet<_> =
        needs.iter().map(|n| (n.name_at.object.kind.as_str(), n.name_at.object.name.as_str())).collect();
    let governed = here && index.graph.workloads.iter().any(|w| w.service_name.as_deref() == Some(name));
    let near = meant_service(index, namespace, name, needs.first());
    let untouched = needs.iter().all(|need| need.client.is_none() && need.edited == Some(false)) && near.is_none();
    if orphan.is_some() || governed || sources.len() > 1 || untouched {
        let all: Vec<&Need> = needs.iter().collect();
        let service = named("v1", "Service", namespace, name);
        let sure = |need: &&Need| need.plain && !need.spare && (need.sure || orphan.is_some() || governed);
        out.push(gone(&service, &all, orphan, near, all.iter().any(sure)));
        return;
    }
    let mut by_source: BTreeMap<(&str, &str, &str), Vec<&Need>> = BTreeMap::new();
    for need in needs {
        let at = &need.name_at;
        by_source.entry((&at.object.kind, &at.object.name, &at.path)).or_default().push(need);
    }
    for needs in by_source.values() {
        out.extend(misnamed(index, namespace, name, needs, siblings));
    }
}

/// The Service is gone: workloads and routes agree on its name.
fn gone(service: &ObjectRef, needs: &[&Need], orphan: Option<&Workload>, near: Option<&str>, sure: bool) -> Finding {
    let route = needs.iter().find(|need| need.client.is_none());
    let plain = needs.iter().find(|need| need.plain).or(needs.first());
    let behind = orphan.map(|w| format!("; the pods of {} have no Service", called(&w.object))).unwrap_or_default();
    let statement = format!(
        "Service {} does not exist, but {} {} it{behind}{}",
        service.name,
        somebody(needs),
        if concerned(needs.iter().copied()).len() > 1 { "need" } else { "needs" },
        meant(near.filter(|_| orphan.is_none())),
    );
    let confidence = if sure { 0.93 } else { 0.6 };
    let mut cause = cause(service, CauseClass::MissingReference, "metadata.name", "(absent)", statement, confidence);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(service, "metadata.name", "(absent)", "no Service of this name exists in the namespace"));
    if let Some(workload) = orphan {
        cause.proof.push(fact(&workload.object, "metadata.name", &workload.object.name, "no Service selects its pods"));
    }
    let rule = if route.is_some() { Rule::RouteBroken } else { Rule::ServiceBroken };
    let standing = if sure { Standing::Outage } else { Standing::Suspect };
    let about = route.or(plain).map_or(service, |need| &need.by);
    Finding {
        concerns: concerned(needs.iter().copied()),
        words: words(&service.name, needs),
        recommendations: vec![format!(
            "Create Service {} again{}, or let those who need it use another one.",
            service.name,
            orphan.map(|w| format!(" in front of {}", called(&w.object))).unwrap_or_default()
        )],
        ..finding(rule, standing, about, cause)
    }
}

/// One place names a Service that does not exist.
fn misnamed(index: &Index, namespace: &str, name: &str, needs: &[&Need], siblings: &Siblings) -> Option<Finding> {
    let need = needs.iter().find(|need| need.plain).or(needs.first())?;
    let here = namespace == index.graph.namespace;
    let sibling = sibling(need, siblings);
    let near = sibling.map(|(service, _)| service).or_else(|| meant_service(index, namespace, name, Some(need)));
    let route = need.client.is_none();
    // The name is right, and the namespace is missing from it.
    let port = need.port.as_ref().filter(|_| !need.usual);
    let fitting = |(_, service): &Placed| port.is_none_or(|port| offers(service, port));
    let moved =
        Some(name).filter(|_| here && !need.sure && sibling.is_none()).and_then(|name| index.only_elsewhere(name));
    let moved = moved.filter(fitting);
    let written = |(namespace, _): Placed| format!("{name}.{namespace}");
    let full = moved.map(written);
    let only = index.only_in(name).filter(fitting).map(written);
    let near = full.as_deref().or(near).or(only.as_deref());
    // A short name without a port is near to many.
    let tells = need.port.is_some() || name.len() >= 6;
    let slipped =
        near.is_some_and(|near| tells && slip(name, near) && fits(index, namespace, near, need.port.as_ref()));
    // What an init container waits for, or a probe asks, keeps the pod from being ready.
    let waits = needs.iter().any(|need| need.waits && need.plain && waits(index, need));
    let known = need.sure || sibling.is_some() || slipped || waits || (moved.is_some() && port.is_some());
    let sure = route || (need.plain && !need.spare && known);
    let source = &need.name_at.object;
    let place = if here { String::new() } else { format!(" of namespace {namespace}") };
    let statement = if route {
        format!(
            "{} sends {} to Service {name}{place}, which does not exist{}",
            called(source),
            clip(&need.words, 80),
            meant(near)
        )
    } else {
        format!("{} refers to Service {name}{place}, which does not exist{}", setting(need), meant(near))
    };
    let class = if route { CauseClass::RouteMisconfigured } else { CauseClass::DependencyUnavailable };
    let confidence = match (route || need.sure || sibling.is_some(), sure) {
        (true, true) => 0.93,
        (false, true) => 0.87,
        _ => 0.6,
    };
    let mut cause = cause(source, class, &need.name_at.path, &clip(&need.value, 120), statement, confidence);
    cause.proof = needed(needs.iter().copied());
    let service = named("v1", "Service", namespace, name);
    cause.proof.push(fact(&service, "metadata.name", "(absent)", "no Service of this name exists in the namespace"));
    if let Some((right, workload)) = sibling {
        cause.proof.push(fact(&workload.object, &need.variable, right, "the same variable names this Service here"));
    }
    let mut found = asked((need, needs), (route, sure), cause);
    if waits {
        // It may be made a little later.
        found.hold = 20;
    }
    found.words = words(name, needs);
    if let Some(right) = near {
        found.candidates.extend(corrected(need, name, right).filter(|_| sure));
        found.recommendations.push(format!("Let it name Service {right}, if that is meant."));
    } else {
        found.recommendations.push(format!("Create Service {name}, or let it name one that exists."));
    }
    Some(found)
}

/// Whether a workload has a pod that is not ready.
fn waits(index: &Index, need: &Need) -> bool {
    let mut pods = index.graph.pods.iter().filter(|pod| same(&pod.workload, &need.by));
    pods.any(|pod| !pod.ready && pod.terminating.is_none())
}

/// Names of namespaces that do not exist, in hosts that can only be of the cluster.
fn no_namespace(index: &Index, out: &mut Vec<Finding>) {
    for used in index.uses() {
        let Place::NoNamespace { namespace, name } = &used.place else { continue };
        let mut others: Vec<&str> = index.namespace_names().collect();
        others.sort_by_key(|other| index.service_of(other, name).is_none());
        // Service and namespace in the wrong order, a slip, or the namespace that has such a Service.
        let swapped = index.service_of(name, namespace).map(|_| format!("{namespace}.{name}"));
        let only = || index.only_in(name).map(|(namespace, _)| namespace);
        let near = swapped.as_deref().or_else(|| nearest(namespace, others)).or_else(only);
        let statement = format!(
            "{} of {} names namespace {namespace}, which does not exist{}",
            used.words(),
            called(&used.client.object),
            meant(near)
        );
        let path = &used.spot.path;
        let mut cause =
            cause(&used.spot.object, CauseClass::DependencyUnavailable, path, &clip(&used.value, 120), statement, 0.9);
        cause.proof.push(fact(&used.spot.object, path, used.words(), "the host can only be a name of the cluster"));
        let missing = named("v1", "Namespace", "", namespace);
        cause.proof.push(fact(&missing, "metadata.name", "(absent)", "no namespace of this name exists"));
        let sure = used.plain && used.asks && !names::spare(&used.variable);
        let standing = if sure { Standing::Outage } else { Standing::Suspect };
        out.push(Finding {
            signal: SignalType::ServiceError,
            concerns: vec![used.client.object.clone()],
            words: vec![used.mention.host.clone(), name.clone(), namespace.clone()],
            ..finding(Rule::Configuration, standing, &used.client.object, cause)
        });
    }
}

/// Names of the cluster's domain without a namespace, which nothing resolves.
fn incomplete(index: &Index, out: &mut Vec<Finding>) {
    for used in index.uses() {
        let Place::Incomplete { name } = &used.place else { continue };
        let (host, path) = (&used.mention.host, &used.spot.path);
        let only = index.front(name).map(|_| index.graph.namespace.as_str());
        let only = only.or_else(|| index.only_in(name).map(|(namespace, _)| namespace));
        let right = only.map(|namespace| host.replacen(name.as_str(), &format!("{name}.{namespace}"), 1));
        let statement = format!(
            "{} of {} names host {host}, which has no namespace and cannot be resolved{}",
            used.words(),
            called(&used.client.object),
            meant(right.as_deref())
        );
        let value = clip(&used.value, 120);
        let mut cause = cause(&used.spot.object, CauseClass::DependencyUnavailable, path, &value, statement, 0.9);
        cause.proof.push(fact(&used.spot.object, path, used.words(), "a name of the cluster is SERVICE.NAMESPACE.svc"));
        let sure = used.plain && used.asks && !names::spare(&used.variable);
        let standing = if sure { Standing::Outage } else { Standing::Suspect };
        out.push(Finding {
            signal: SignalType::ServiceError,
            concerns: vec![used.client.object.clone()],
            words: vec![host.clone(), name.clone()],
            recommendations: right.map(|right| format!("Let it name host {right}.")).into_iter().collect(),
            ..finding(Rule::Configuration, standing, &used.client.object, cause)
        });
    }
}

/// A setting with where it stands, for sentences.
pub(super) fn setting(need: &Need) -> String {
    match need.name_at.object.kind.as_str() {
        "ConfigMap" => {
            format!("{} in ConfigMap {} for {}", need.words, need.name_at.object.name, called(&need.by))
        }
        _ => format!("{} of {}", need.words, called(&need.by)),
    }
}

/// What a log line about a missing or deaf Service would have.
pub(super) fn words(name: &str, needs: &[&Need]) -> Vec<String> {
    let mut found = BTreeSet::from([name.to_owned()]);
    for need in needs {
        found.insert(need.host.clone());
        found.extend((!need.variable.is_empty()).then(|| need.variable.clone()));
        found.insert(clip(&need.value, 120));
        found.extend(need.port.as_ref().map(|port| format!("{}:{}", need.host, super::port_text(port))));
    }
    found.retain(|word| !word.is_empty());
    found.into_iter().take(32).collect()
}

/// A workload that has the name of a Service, and no Service in front of it.
fn orphan<'g>(index: &Index<'g>, name: &str) -> Option<&'g Workload> {
    let called = |workload: &&Workload| {
        workload.object.name == name || APP.iter().any(|key| workload.pod_labels.get(*key).is_some_and(|v| v == name))
    };
    let serves = |workload: &&Workload| !matches!(workload.object.kind.as_str(), "Job" | "CronJob");
    let found = index.graph.workloads.iter().filter(called).find(serves)?;
    (!index.covered(&found.object)).then_some(found)
}

/// The Service that is probably meant: near in name, and best with the port that is wanted.
fn meant_service<'g>(index: &Index<'g>, namespace: &str, name: &str, need: Option<&Need>) -> Option<&'g str> {
    let names = index.service_names(namespace);
    let port = need.and_then(|need| need.port.as_ref());
    let fitting = names.iter().copied().filter(|other| port.is_some() && fits(index, namespace, other, port));
    nearest(name, fitting).or_else(|| nearest(name, names.iter().copied()))
}

fn fits(index: &Index, namespace: &str, service: &str, port: Option<&IntOrString>) -> bool {
    let Some(service) = index.service_of(namespace, service) else { return false };
    port.is_none_or(|port| offers(service, port))
}

fn siblings<'a>(index: &'a Index) -> Siblings<'a> {
    let mut found = Siblings::new();
    for used in index.uses().iter().filter(|used| used.plain && !used.variable.is_empty()) {
        if let Place::Service { service, .. } = &used.place {
            let name = service.metadata.name.as_deref().unwrap_or_default();
            found.entry(names::normal(&used.variable)).or_default().push((name, used.client));
        }
    }
    found
}

fn sibling<'a>(need: &Need, siblings: &Siblings<'a>) -> Option<(&'a str, &'a Workload)> {
    let same = siblings.get(&names::normal(&need.variable)).filter(|_| !need.variable.is_empty())?;
    let (first, rest) = same.split_first()?;
    // Where the others do not agree among each other, nobody is right.
    rest.iter().all(|(name, _)| *name == first.0).then_some(*first)
}

/// The value of a ConfigMap with the right name in place of the wrong one.
fn corrected(need: &Need, wrong: &str, right: &str) -> Option<AIInsightSuggestedAction> {
    let map = Some(&need.name_at.object).filter(|object| object.kind == "ConfigMap" && need.by.kind == "Deployment")?;
    let key = need.name_at.path.strip_prefix("data.").filter(|key| *key == need.variable)?;
    let value = need.value.replacen(wrong, right, 1);
    let params = [("configmap", map.name.as_str()), ("key", key), ("value", value.as_str())];
    Some(AIInsightSuggestedAction {
        action: "PatchConfig".into(),
        description: Some(format!("Service {wrong} does not exist; Service {right} does.")),
        name: format!("Set {key} of ConfigMap {} to {value}", map.name),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}
