//! Clients that speak TLS to a port that answers without, or the other way round. The probes of ready pods tell what a port
//! speaks: the kubelet asks it so, and is answered.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::Finding;
use super::super::{cause, fact};
use super::index::{Front, Index};
use super::needs::Need;
use super::wanted::wanted;
use super::{asked, called, dependency};
use crate::graph::Workload;
use crate::graph::query::{ports, same};

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    for front in &index.fronts {
        let service = front.service.metadata.name.as_deref().unwrap_or_default();
        out.extend(index.needs(service).iter().filter_map(|need| differs(front, need)));
    }
}

/// What a readiness probe says of a port of a pod: whether it answers with TLS.
fn speaks(spec: &PodSpec, number: i32) -> Option<bool> {
    spec.containers.iter().find_map(|container| {
        let http = container.readiness_probe.as_ref()?.http_get.as_ref()?;
        let asked = match &http.port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named = |(of, port): &(&Container, &ContainerPort)| {
                    of.name == container.name && port.name.as_deref() == Some(name.as_str())
                };
                ports(spec).find(named).map(|(_, port)| port.container_port)
            }
        };
        // A probe with a host of its own asks something else.
        (asked == Some(number) && http.host.is_none()).then(|| http.scheme.as_deref() == Some("HTTPS"))
    })
}

fn differs(front: &Front, need: &Need) -> Option<Finding> {
    let wants = need.secure?;
    let port = wanted(front.service, need).into_iter().next().filter(|_| need.port.is_some())?;
    let ready = |workload: &&&Workload| front.pods.iter().any(|pod| pod.ready && same(&pod.workload, &workload.object));
    let server = front.workloads.iter().find(ready)?;
    let number = port.of_pod(server)?;
    let mut said = front.pods.iter().filter(|pod| pod.ready).map(|pod| speaks(&pod.spec, number));
    let has = said.next()??;
    if has == wants || said.any(|other| other != Some(has)) {
        return None;
    }
    let (route, of) = (need.client.is_none(), front.service.metadata.name.as_deref().unwrap_or_default());
    let (mine, theirs) = if wants { ("https", "plain HTTP") } else { ("http", "HTTPS") };
    let who = if route { called(&need.by) } else { dependency::setting(need) };
    let right = if wants { "http" } else { "https" };
    let statement = format!(
        "{who} speaks {mine} to port {number} of {} (Service {of}), which answers {theirs} only; did you mean {right}?",
        called(&server.object)
    );
    let (object, path) = match &need.secure_at {
        Some((object, path)) => (object, path),
        None => (&need.name_at.object, &need.name_at.path),
    };
    let class = if route { CauseClass::RouteMisconfigured } else { CauseClass::DependencyUnavailable };
    let value = if route { mine.to_uppercase() } else { need.value.clone() };
    let mut cause = cause(object, class, path, &super::clip(&value, 120), statement, 0.88);
    let probe = format!("{}.containers[*].readinessProbe.httpGet.scheme", server.spec_path);
    let scheme = if has { "HTTPS" } else { "HTTP" };
    cause.proof = vec![
        fact(object, path, need.words.clone(), "it is told to speak so"),
        fact(&server.object, &probe, scheme, "the kubelet asks this port so, and its pods are ready"),
    ];
    let sure = need.plain && !need.spare;
    let mut found = asked((need, &[need]), (route, sure), cause);
    found.words = dependency::words(of, &[need]);
    found.words.push(number.to_string());
    found.recommendations = vec![format!("Speak {right} to Service {of}, or let its pods answer {mine}.")];
    // A rollout may be about to change what the port speaks.
    found.hold = 20;
    Some(found)
}
