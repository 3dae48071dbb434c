//! Services without a selector: somebody writes their addresses down.

use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef, RootCause};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use serde_json::Value;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::dependency::slip;
use super::index::{Index, selector};
use super::needs::{Need, later};
use super::offer::{external, list};
use super::wanted::{Wanted, wanted};
use super::{clip, concerned, finding, needed, somebody};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{name, nearest, of_service, reference};

/// Label of an EndpointSlice with the name of its Service.
const OF_SERVICE: &str = "kubernetes.io/service-name";
/// Label with who keeps an EndpointSlice.
const KEPT_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The controller that writes down the pods that a selector finds.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";

type Slice = Arc<EndpointSlice>;

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if !index.graph.knows("EndpointSlice") {
        return;
    }
    for service in index.graph.services.iter().filter(|s| !external(s) && selector(s).is_none()) {
        let of = name(&service.metadata);
        let needs: Vec<&Need> = index.needs(of).iter().filter(|need| need.plain && !need.spare).collect();
        let slices: Vec<&Slice> =
            index.graph.slices.iter().filter(|slice| label(slice, OF_SERVICE) == Some(of)).collect();
        let mut found = None;
        if !needs.is_empty() {
            found = nowhere(index, service, &slices, &needs).or_else(|| ports(service, &slices, &needs));
        }
        out.extend(found.or_else(|| left(index, service, &slices, &needs)));
    }
}

fn label<'a>(slice: &'a EndpointSlice, key: &str) -> Option<&'a str> {
    slice.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn object(slice: &EndpointSlice) -> ObjectRef {
    reference("discovery.k8s.io/v1", "EndpointSlice", &slice.metadata)
}

/// Whether an endpoint gets requests.
fn serves(endpoint: &Endpoint) -> bool {
    !endpoint.addresses.is_empty() && endpoint.conditions.as_ref().is_none_or(|c| c.ready != Some(false))
}

fn found(service: &ObjectRef, needs: &[&Need], standing: Standing, cause: RootCause) -> Finding {
    Finding {
        concerns: concerned(needs.iter().copied()),
        words: super::dependency::words(&service.name, needs),
        recommendations: vec![format!(
            "Let EndpointSlices say where Service {} leads, or give it a selector.",
            service.name
        )],
        ..finding(Rule::ServiceBroken, standing, service, cause)
    }
}

fn cut_off(needs: &[&Need]) -> String {
    let verb = if concerned(needs.iter().copied()).len() > 1 { "are" } else { "is" };
    format!("{} {verb} cut off", somebody(needs))
}

/// Nobody has written an address down, or none that may be used.
fn nowhere(index: &Index, service: &Service, slices: &[&Slice], needs: &[&Need]) -> Option<Finding> {
    let endpoints = || slices.iter().flat_map(|slice| &slice.endpoints);
    let of = name(&service.metadata);
    let old = index.graph.others.iter().any(|object| {
        object.get("kind").and_then(Value::as_str) == Some("Endpoints")
            && object.pointer("/metadata/name").and_then(Value::as_str) == Some(of)
    });
    if endpoints().any(serves) || old {
        return None;
    }
    let by = of_service(service);
    let stray = stray(index, of).filter(|_| slices.is_empty());
    let idle = slices.iter().find(|slice| slice.endpoints.iter().any(|endpoint| !endpoint.addresses.is_empty()));
    let who = cut_off(needs);
    let mut cause = if let Some((slice, value)) = stray {
        let statement = format!(
            "EndpointSlice {} belongs to Service {value} by its label {OF_SERVICE}, which does not exist, so Service {of} has no endpoints; did you mean {of}?",
            name(&slice.metadata)
        );
        let path = format!("metadata.labels[{OF_SERVICE}]");
        cause(&object(slice), CauseClass::ServiceMisconfigured, &path, value, statement, 0.88)
    } else if let Some(slice) = idle {
        let statement =
            format!("EndpointSlice {} says that no endpoint of Service {of} is ready, so {who}", name(&slice.metadata));
        let path = "endpoints[*].conditions.ready";
        cause(&object(slice), CauseClass::ServiceMisconfigured, path, "false", statement, 0.88)
    } else {
        let statement = format!("Service {of} has no selector and no EndpointSlice with addresses, so {who}");
        cause(&by, CauseClass::ServiceMisconfigured, "spec.selector", "(absent)", statement, 0.88)
    };
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&by, "spec.selector", "(absent)", "its addresses are written down by somebody"));
    let shown = match (slices, idle) {
        ([], _) => "no EndpointSlice",
        (_, Some(_)) => "EndpointSlices without ready endpoints",
        _ => "EndpointSlices without addresses",
    };
    cause.proof.push(fact(&by, "endpoints", shown, "no addresses are written down for it"));
    Some(found(&by, needs, Standing::Outage, cause))
}

/// An EndpointSlice that by a slip belongs to no Service.
fn stray<'g>(index: &Index<'g>, service: &str) -> Option<(&'g EndpointSlice, &'g str)> {
    index.graph.slices.iter().find_map(|slice| {
        let of = label(slice, OF_SERVICE).filter(|of| index.front(of).is_none())?;
        let meant = slip(of, service) || nearest(of, [service]).is_some();
        meant.then_some((&**slice, of))
    })
}

/// Addresses are written down for ports that the Service does not have: they belong together by name.
fn ports(service: &Service, slices: &[&Slice], needs: &[&Need]) -> Option<Finding> {
    let called = |port: &Option<String>| port.clone().unwrap_or_default();
    let kind = |protocol: &Option<String>| protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    let serving: Vec<&Slice> = slices.iter().copied().filter(|slice| slice.endpoints.iter().any(serves)).collect();
    let offered = || serving.iter().flat_map(|slice| slice.ports.iter().flatten());
    // One without any port says too little.
    offered().next()?;
    let fits = |port: &ServicePort| {
        offered()
            .any(|other| called(&other.name) == called(&port.name) && kind(&other.protocol) == kind(&port.protocol))
    };
    let (need, port) = needs.iter().find_map(|need| {
        let of = wanted(service, need).into_iter().find_map(|wanted| match wanted {
            Wanted::Of(port) => Some(port),
            Wanted::Pod(_) => None,
        })?;
        (!fits(&of)).then_some((*need, of))
    })?;
    let slice = serving.first()?;
    let by = of_service(service);
    let of = &by.name;
    let text = |port: &Option<String>| match called(port) {
        name if name.is_empty() => "without a name".to_owned(),
        name => name,
    };
    let all = clip(&offered().map(|port| text(&port.name)).collect::<Vec<_>>().join(", "), 60);
    let (its, wrong) = (object(slice), text(&port.name));
    let same = offered().find(|other| called(&other.name) == called(&port.name));
    let (mine, theirs) = (kind(&port.protocol), same.map(|other| kind(&other.protocol)));
    let (field, shown, clause) = match &theirs {
        Some(protocol) => (
            "protocol",
            protocol.clone(),
            format!("offers port {wrong} over {protocol}, while Service {of} has it over {mine}"),
        ),
        None => ("name", all.clone(), format!("has port {all}, while the port of Service {of} is called {wrong}")),
    };
    let moved = later(Touch::of(&service.metadata).as_ref(), Touch::of(&slice.metadata).as_ref());
    let statement = format!("EndpointSlice {} {clause}, so {}", its.name, cut_off(&[need]));
    let position = list(service).iter().position(|other| *other == port).unwrap_or_default();
    let class = CauseClass::ServiceMisconfigured;
    let mut cause = if moved {
        let value = if theirs.is_some() { &mine } else { &wrong };
        cause(&by, class, &format!("spec.ports[{position}].{field}"), value, statement, 0.88)
    } else {
        cause(&its, class, &format!("ports[0].{field}"), &shown, statement, 0.88)
    };
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&by, &format!("spec.ports[{position}].name"), wrong, "ports belong together by name"));
    cause.proof.push(fact(&its, "ports", all, "addresses are written down for these ports"));
    Some(found(&by, needs, Standing::Outage, cause))
}

/// A selector once found the pods, and is gone: nobody keeps the addresses any more.
fn left(index: &Index, service: &Service, slices: &[&Slice], needs: &[&Need]) -> Option<Finding> {
    let slice = slices.iter().find(|slice| label(slice, KEPT_BY) == Some(CONTROLLER) && !slice.endpoints.is_empty())?;
    let by = of_service(service);
    let of = &by.name;
    let gone = slice.endpoints.iter().any(|endpoint| {
        let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
        let pod = pod.and_then(|target| target.name.as_deref());
        pod.is_some_and(|pod| !index.graph.pods.iter().any(|member| member.object.name == pod))
    });
    let standing = if gone && index.sees_pods() { Standing::Outage } else { Standing::Latent };
    let statement =
        format!("Service {of} has no selector any more, so nobody keeps its endpoints: they stay as they were");
    let class = CauseClass::ServiceMisconfigured;
    let mut cause = cause(&by, class, "spec.selector", "(absent)", statement, 0.88);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&by, "spec.selector", "(absent)", "no selector finds pods for it"));
    cause.proof.push(fact(&object(slice), "metadata.labels", CONTROLLER, "a selector found these once"));
    Some(Finding {
        recommendations: vec![format!("Give Service {of} its selector again.")],
        hold: 10,
        ..found(&by, needs, standing, cause)
    })
}
