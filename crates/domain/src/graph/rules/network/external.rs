//! Services that lead elsewhere: by another name, or to addresses that somebody writes down.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::Service;
use serde_json::Value;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact, meant};
use super::index::Index;
use super::needs::Need;
use super::offer::external;
use super::place::{Place, place};
use super::{concerned, finding, needed, somebody};
use crate::detection::Rule;
use crate::graph::query::{name, named, nearest, of_service};

/// Label of an EndpointSlice with the name of its Service.
const OF_SERVICE: &str = "kubernetes.io/service-name";

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    for service in &index.graph.services {
        let found = if external(service) { alias(index, service) } else { by_hand(index, service) };
        out.extend(found);
    }
}

/// Another name for a Service of the cluster that does not exist.
fn alias(index: &Index, service: &Service) -> Option<Finding> {
    let host = service.spec.as_ref()?.external_name.as_deref()?.trim_end_matches('.');
    let (what, missing, near) = match place(index, &host.to_ascii_lowercase()) {
        Place::Missing { namespace, name, sure: true } => {
            let near = nearest(&name, index.service_names(&namespace));
            (format!("Service {name} of namespace {namespace}"), named("v1", "Service", &namespace, &name), near)
        }
        Place::NoNamespace { namespace, .. } => {
            let near = nearest(&namespace, index.namespace_names());
            (format!("namespace {namespace}"), named("v1", "Namespace", "", &namespace), near)
        }
        _ => return None,
    };
    let object = of_service(service);
    let needs: Vec<&Need> = index.needs(&object.name).iter().collect();
    let statement =
        format!("Service {} is another name for {host}, but {what} does not exist{}", object.name, meant(near));
    let mut cause = cause(&object, CauseClass::ServiceMisconfigured, "spec.externalName", host, statement, 0.92);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.externalName", host, "its name leads to this host"));
    cause.proof.push(fact(&missing, "metadata.name", "(absent)", "the host can only be a name of the cluster"));
    let mut words = super::dependency::words(&object.name, &needs);
    words.push(host.to_owned());
    Some(Finding {
        concerns: concerned(needs.iter().copied()),
        words,
        recommendations: vec![format!("Let externalName of Service {} be a host that exists.", object.name)],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    })
}

/// A Service without a selector, for which nobody has written addresses down.
fn by_hand(index: &Index, service: &Service) -> Option<Finding> {
    let spec = service.spec.as_ref()?;
    let selects = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    if selects || !index.graph.knows("EndpointSlice") {
        return None;
    }
    let of = name(&service.metadata);
    let slices = index.graph.slices.iter().filter(|slice| {
        slice.metadata.labels.as_ref().and_then(|labels| labels.get(OF_SERVICE)).is_some_and(|service| service == of)
    });
    let addresses = slices.clone().any(|slice| slice.endpoints.iter().any(|endpoint| !endpoint.addresses.is_empty()));
    let old = index.graph.others.iter().any(|object| {
        object.get("kind").and_then(Value::as_str) == Some("Endpoints")
            && object.pointer("/metadata/name").and_then(Value::as_str) == Some(of)
    });
    let needs: Vec<&Need> = index.needs(of).iter().filter(|need| need.plain && !need.spare).collect();
    if addresses || old || needs.is_empty() {
        return None;
    }
    let object = of_service(service);
    let statement = format!(
        "Service {of} has no selector and no EndpointSlice with addresses, so {} {} cut off",
        somebody(&needs),
        if concerned(needs.iter().copied()).len() > 1 { "are" } else { "is" }
    );
    let mut cause = cause(&object, CauseClass::ServiceMisconfigured, "spec.selector", "(absent)", statement, 0.88);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.selector", "(absent)", "its addresses are written down by somebody"));
    let shown = if slices.count() == 0 { "no EndpointSlice" } else { "EndpointSlices without addresses" };
    cause.proof.push(fact(&object, "endpoints", shown, "no addresses are written down for it"));
    Some(Finding {
        concerns: concerned(needs.iter().copied()),
        words: super::dependency::words(of, &needs),
        recommendations: vec![format!("Create an EndpointSlice for Service {of} again, or give it a selector.")],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    })
}
