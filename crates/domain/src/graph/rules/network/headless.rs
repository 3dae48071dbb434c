//! Headless Services: their name leads to the pods themselves, so that nothing maps ports, and each pod has a name.

use api::shared::{CauseClass, SignalType};
use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact};
use super::dependency::setting;
use super::index::{Front, Index};
use super::needs::{Need, later};
use super::offer::{self, headless};
use super::ports::{declared, hinted, undeclared};
use super::{asked, called, concerned, finding, needed, somebody};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::{of_service, ports, same, target};

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if !index.sees_pods() {
        return;
    }
    for front in &index.fronts {
        let service = front.service.metadata.name.as_deref().unwrap_or_default();
        let needs: Vec<&Need> = index.needs(service).iter().filter(|need| need.client.is_some()).collect();
        if headless(front.service) && !needs.is_empty() {
            unmapped(front, &needs, out);
        }
        out.extend(needs.iter().filter_map(|need| absent(index, front, need)));
    }
}

/// Whether no pod behind a Service serves a port, as far as their specs say.
fn deaf(front: &Front, number: i32) -> bool {
    let serves = |workload: &&Workload| {
        undeclared(&workload.spec)
            || hinted(&workload.spec, number)
            || ports(&workload.spec).any(|(_, declared)| declared.container_port == number)
    };
    // Pods of an older template, and those that were changed at their admission, may serve it too.
    let still = front.pods.iter().any(|pod| ports(&pod.spec).any(|(_, declared)| declared.container_port == number));
    !front.workloads.is_empty() && !still && !front.workloads.iter().any(serves)
}

/// A port of the Service that its pods serve under another number: only an address of the Service's own would map it.
fn unmapped(front: &Front, needs: &[&Need], out: &mut Vec<Finding>) {
    for (at, port) in offer::list(front.service).iter().enumerate() {
        let asks = |need: &&&Need| need.port == Some(IntOrString::Int(port.port)) && need.plain && !need.spare;
        let asking: Vec<&Need> = needs.iter().filter(asks).copied().collect();
        let Some(behind) = front.workloads.first().filter(|_| !asking.is_empty() && deaf(front, port.port)) else {
            continue;
        };
        if let Some(number) = target(port, &behind.spec).filter(|number| *number != port.port) {
            out.push(explain(front, behind, &asking, (at, port, number)));
        }
    }
}

fn explain(
    front: &Front,
    behind: &Workload,
    needs: &[&Need],
    (at, port, number): (usize, &ServicePort, i32),
) -> Finding {
    let object = of_service(front.service);
    let (of, asked_for) = (&object.name, port.port);
    let touched = Touch::of(&front.service.metadata);
    // Who began to ask after the Service was as it is asks wrongly.
    let new = needs.iter().find(|need| later(need.port_at.touched.as_ref(), touched.as_ref()));
    let mut cause = if let Some(need) = new {
        let statement = format!(
            "{} asks the pods of headless Service {of} for port {asked_for}, which nothing maps to targetPort {number}; did you mean {number}?",
            setting(need)
        );
        let class = CauseClass::DependencyUnavailable;
        cause(&need.port_at.object, class, &need.port_at.path, &need.value, statement, 0.88)
    } else {
        let statement = format!(
            "Service {of} is headless (clusterIP None), so nothing maps its port {asked_for} to targetPort {number}, while {} asks for port {asked_for}",
            somebody(needs)
        );
        cause(&object, CauseClass::ServiceMisconfigured, "spec.clusterIP", "None", statement, 0.88)
    };
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.clusterIP", "None", "its name leads to the pods themselves"));
    let path = format!("spec.ports[{at}].targetPort");
    cause.proof.push(fact(&object, &path, number.to_string(), "only an address of the Service would map its port"));
    cause.proof.push(fact(&behind.object, "ports", declared(&behind.spec), "its containers have these ports"));
    let mut words = super::dependency::words(of, needs);
    words.push(asked_for.to_string());
    let mut found = Finding {
        concerns: concerned(needs.iter().copied()),
        words,
        recommendations: vec![format!("Ask for port {number}, or give Service {of} an address of its own.")],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    };
    if let Some(need) = new {
        (found.about, found.rule) = (need.by.clone(), Rule::Configuration);
    }
    found
}

/// A pod of a StatefulSet that somebody calls by its name, and that the set does not make.
fn absent(index: &Index, front: &Front, need: &Need) -> Option<Finding> {
    let pod = need.pod.then(|| need.host.split('.').next()).flatten()?;
    let [set] = front.workloads.as_slice() else { return None };
    let governs =
        set.object.kind == "StatefulSet" && set.service_name.as_deref() == front.service.metadata.name.as_deref();
    let own = |name: &str| Some(name.strip_prefix(&set.object.name)?.strip_prefix('-')?.parse::<i32>().ok());
    if !governs || set.desired == 0 || set.spec.hostname.is_some() {
        return None;
    }
    // One whose ordinals begin elsewhere has other names.
    let mut all = index.graph.pods.iter().filter(|member| same(&member.workload, &set.object));
    let from_zero = all.clone().all(|member| own(&member.object.name).flatten().is_some_and(|n| n < set.desired));
    let known = all.any(|member| member.object.name == pod) || own(pod).flatten().is_some_and(|n| n < set.desired);
    if known || !from_zero {
        return None;
    }
    let (source, path) = (&need.name_at.object, &need.name_at.path);
    let names = match set.desired {
        1 => format!("{}-0 only", set.object.name),
        more => format!("{0}-0 to {0}-{1} only", set.object.name, more - 1),
    };
    let shrunk = later(set.touched.as_ref(), need.name_at.touched.as_ref()) && own(pod).flatten().is_some();
    let who = need.who();
    let mut cause = if shrunk {
        let statement = format!(
            "{} has {} replicas, so pod {pod}, which {who} needs, does not exist: there is {names}",
            called(&set.object),
            set.desired
        );
        let class = CauseClass::ScaledToZero;
        cause(&set.object, class, "spec.replicas", &set.desired.to_string(), statement, 0.85)
    } else {
        let statement =
            format!("{who} names pod {pod} of {}, which does not exist: there is {names}", called(&set.object));
        cause(source, CauseClass::DependencyUnavailable, path, &need.value, statement, 0.88)
    };
    cause.proof = needed([need]);
    cause.proof.push(fact(&set.object, "spec.replicas", set.desired.to_string(), "it makes pods of these numbers"));
    // In a list of several one may be missing.
    let several = need.value.matches('.').count() > need.host.matches('.').count();
    let sure = need.plain && !need.spare && !several;
    let mut found = asked((need, &[need]), (false, sure), cause);
    found.concerns.push(set.object.clone());
    found.words = vec![need.host.clone(), pod.to_owned(), need.variable.clone()];
    found.words.retain(|word| !word.is_empty());
    found.recommendations = vec![format!("Name a pod that {} makes: {names}.", called(&set.object))];
    found.signal = SignalType::ServiceError;
    Some(found)
}
