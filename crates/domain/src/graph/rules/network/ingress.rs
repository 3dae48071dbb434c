//! Ingresses that no controller takes, and requests that two of them claim.
//!
//! What lives here: classes and claims. What does not: Services behind (`dependency`, `offer`), certificates (`tls`).

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::networking::v1::Ingress;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact, meant};
use super::backend;
use super::index::Index;
use super::needs::later;
use super::{called, clip, finding};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{name, named, nearest, reference};

const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const OLD_CLASS: &str = "kubernetes.io/ingress.class";

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let graph = index.graph;
    for ingress in &graph.ingresses {
        if graph.knows("IngressClass") {
            out.extend(class(index, ingress));
        }
    }
    claims(index, out);
}

/// A reference to an Ingress.
pub(super) fn object(ingress: &Ingress) -> ObjectRef {
    reference("networking.k8s.io/v1", "Ingress", &ingress.metadata)
}

/// The value of an annotation.
pub(super) fn annotation<'a>(ingress: &'a Ingress, key: &str) -> Option<&'a str> {
    ingress.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Services behind an Ingress that exist, as what a fault of it cuts off.
pub(super) fn leads_to(index: &Index, ingress: &Ingress) -> Vec<ObjectRef> {
    let mut found: Vec<ObjectRef> = Vec::new();
    for backend in backend::of_ingress(ingress) {
        let Some(front) = index.front(&backend.service) else { continue };
        for workload in &front.workloads {
            if !found.contains(&workload.object) {
                found.push(workload.object.clone());
            }
        }
    }
    found
}

fn class(index: &Index, ingress: &Ingress) -> Option<Finding> {
    let classes = &index.graph.cluster.ingress_classes;
    let names = || classes.iter().map(|class| name(&class.metadata));
    let object = object(ingress);
    let wanted =
        ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref()).filter(|class| !class.is_empty());
    if let Some(wanted) = wanted {
        if names().any(|known| known == wanted) {
            return None;
        }
        let only = match classes.as_slice() {
            [only] => Some(name(&only.metadata)),
            _ => None,
        };
        let near = nearest(wanted, names()).or(only);
        let statement = format!(
            "{} refers to IngressClass {wanted}, which does not exist, so no controller serves it{}",
            called(&object),
            meant(near)
        );
        let mut cause =
            cause(&object, CauseClass::RouteMisconfigured, "spec.ingressClassName", wanted, statement, 0.95);
        let missing = named("networking.k8s.io/v1", "IngressClass", "", wanted);
        let all =
            if classes.is_empty() { "none".to_owned() } else { clip(&names().collect::<Vec<_>>().join(", "), 120) };
        cause.proof = vec![
            fact(&object, "spec.ingressClassName", wanted, "only a controller of this class serves it"),
            fact(&missing, "metadata.name", "(absent)", "no IngressClass of this name exists"),
            fact(&missing, "metadata.name", all, "these exist"),
        ];
        let advice = near.map_or_else(
            || format!("Create IngressClass {wanted}, or name one that exists."),
            |near| format!("Set spec.ingressClassName to {near}."),
        );
        return Some(Finding {
            concerns: leads_to(index, ingress),
            words: vec![object.name.clone(), wanted.to_owned()],
            recommendations: vec![advice],
            ..finding(Rule::RouteBroken, Standing::Outage, &object, cause)
        });
    }
    let default = classes.iter().any(|class| {
        class.metadata.annotations.as_ref().and_then(|notes| notes.get(DEFAULT)).is_some_and(|value| value == "true")
    });
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let served = status.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|list| !list.is_empty()));
    if default || served || annotation(ingress, OLD_CLASS).is_some() {
        return None;
    }
    let all = clip(&names().collect::<Vec<_>>().join(", "), 80);
    let statement = if classes.is_empty() {
        format!("{} names no IngressClass, and the cluster has none", called(&object))
    } else {
        format!(
            "{} names no IngressClass, and none is the default, so no controller serves it; did you mean {all}?",
            called(&object)
        )
    };
    let mut cause = cause(&object, CauseClass::RouteMisconfigured, "spec.ingressClassName", "(absent)", statement, 0.7);
    cause.proof = vec![
        fact(&object, "spec.ingressClassName", "(absent)", "a controller serves it only when its class is the default"),
        fact(&object, "status.loadBalancer", "(absent)", "no controller has given it an address"),
    ];
    // Some controllers take what has no class; nobody can see that from here.
    let others = index
        .graph
        .ingresses
        .iter()
        .any(|other| other.spec.as_ref().is_some_and(|spec| spec.ingress_class_name.is_some()));
    let standing = if others && !classes.is_empty() { Standing::Latent } else { Standing::Suspect };
    Some(Finding {
        concerns: leads_to(index, ingress),
        words: vec![object.name.clone()],
        recommendations: vec!["Set spec.ingressClassName.".into()],
        hold: 15,
        ..finding(Rule::RouteBroken, standing, &object, cause)
    })
}

/// A host and a path that an Ingress wants for a Service.
struct Claim<'g> {
    ingress: &'g Ingress,
    /// Where it is claimed.
    at: String,
    service: String,
}

/// What two claims are the same in: class, host and path, type of the path.
type Spot = (String, String, String);

fn claimed(ingress: &Ingress) -> Vec<(Spot, Claim<'_>)> {
    // What one controller merges on purpose is marked so.
    let mut notes = ingress.metadata.annotations.iter().flatten();
    if notes.any(|(key, _)| ["canary", "group.name", "mergeable"].iter().any(|word| key.contains(word))) {
        return Vec::new();
    }
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let class = spec.ingress_class_name.as_deref().or(annotation(ingress, OLD_CLASS)).unwrap_or_default();
    let mut found = Vec::new();
    for (rule_at, rule) in spec.rules.iter().flatten().enumerate() {
        for (path_at, path) in rule.http.iter().flat_map(|http| &http.paths).enumerate() {
            let host = rule.host.as_deref().unwrap_or("*");
            let shown = format!("{host}{}", path.path.as_deref().unwrap_or("/"));
            let at = format!("spec.rules[{rule_at}].http.paths[{path_at}].path");
            let service = path.backend.service.as_ref().map(|s| s.name.clone()).unwrap_or_default();
            found.push(((class.to_owned(), shown, path.path_type.clone()), Claim { ingress, at, service }));
        }
    }
    found
}

/// Namespace and name.
fn place(ingress: &Ingress) -> (&str, &str) {
    (ingress.metadata.namespace.as_deref().unwrap_or_default(), name(&ingress.metadata))
}

/// The same host and path in two Ingresses of a class: which one is served is up to the controller.
fn claims(index: &Index, out: &mut Vec<Finding>) {
    let mut seen: BTreeMap<Spot, Claim> = BTreeMap::new();
    for ingress in &index.graph.ingresses {
        for (spot, claim) in claimed(ingress) {
            let Some(other) = seen.get(&spot) else {
                seen.insert(spot, claim);
                continue;
            };
            if other.service != claim.service && place(other.ingress) != place(ingress) {
                out.push(twice(index, &spot.1, &claim, other));
            }
        }
    }
    // A claim without a host or a class may be for another controller, or for nobody.
    let classes = &index.graph.cluster.ingress_classes;
    let known = |class: &String| classes.iter().any(|known| name(&known.metadata) == class);
    let ours = seen.iter().filter(|((class, shown, _), _)| known(class) && !shown.starts_with('*'));
    let ours: BTreeMap<&Spot, &Claim> = ours.collect();
    let elsewhere = index.graph.cluster.ingresses.iter().filter(|(namespace, _)| **namespace != index.graph.namespace);
    for ingress in elsewhere.flat_map(|(_, all)| all) {
        for (spot, other) in claimed(ingress) {
            let Some(claim) = ours.get(&spot) else { continue };
            let last = |claim: &Claim| Touch::of(&claim.ingress.metadata);
            // One of the two namespaces tells it: that of the Ingress which came in between.
            let (mine, theirs) = (last(claim), last(&other));
            let first = later(theirs.as_ref(), mine.as_ref());
            let level = !first && !later(mine.as_ref(), theirs.as_ref());
            let after = place(claim.ingress) > place(ingress);
            if !first && (after || !level) {
                out.push(twice(index, &spot.1, claim, &other));
            }
        }
    }
}

fn twice(index: &Index, shown: &str, one: &Claim, two: &Claim) -> Finding {
    let here = |claim: &Claim| place(claim.ingress).0 == index.graph.namespace;
    let last = |claim: &Claim| Touch::of(&claim.ingress.metadata);
    // The one that was changed last came in between.
    let turned = here(two) && later(last(two).as_ref(), last(one).as_ref());
    let (this, that) = if turned { (two, one) } else { (one, two) };
    let (by, other, at) = (object(this.ingress), object(that.ingress), &this.at);
    let of = if here(that) { String::new() } else { format!(" of namespace {}", place(that.ingress).0) };
    let statement = format!(
        "{} claims {} for Service {}, which {}{of} already claims for Service {}: who gets the requests is up to the controller",
        called(&by),
        clip(shown, 80),
        this.service,
        called(&other),
        that.service,
    );
    let mut cause = cause(&by, CauseClass::RouteMisconfigured, at, shown, statement, 0.8);
    cause.proof = vec![fact(&by, at, shown, "this is one claim"), fact(&other, &that.at, shown, "this is the other")];
    let behind = |claim: &Claim| if here(claim) { leads_to(index, claim.ingress) } else { Vec::new() };
    Finding {
        concerns: behind(this).into_iter().chain(behind(that)).collect(),
        words: vec![shown.split('/').next().unwrap_or(shown).to_owned()],
        recommendations: vec!["Let one Ingress have this host and path.".into()],
        // One may be on its way to take over from the other.
        hold: 30,
        ..finding(Rule::RouteBroken, Standing::Latent, &by, cause)
    }
}
