//! Servers that a rollout moved to another port while their Service stayed: they look well, and who asks them is refused.
//!
//! Nothing tells this by itself: a number is a port only by what it is used for. It explains those who are refused.

use api::shared::CauseClass;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, Probe, ServicePort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::super::{Before, Finding, Standing, Workload};
use super::super::{cause, fact};
use super::index::{Front, Index};
use super::needs::Need;
use super::{called, concerned, finding, names, needed, offer, port_text, ports};
use crate::detection::Rule;
use crate::diagnosis::{Change, changes};
use crate::graph::query::{of_service, same, target};

/// For how long a rollout can be why somebody is refused: what it breaks is refused at once.
const LATELY: SignedDuration = SignedDuration::from_mins(60);
/// Times have whole seconds.
const SLACK: SignedDuration = SignedDuration::from_secs(2);
/// Words in names of variables that hold another number than a port.
const AMOUNTS: [&str; 8] = ["TIMEOUT", "SECONDS", "INTERVAL", "TTL", "SIZE", "LIMIT", "COUNT", "MAX"];

/// Looks at all Services.
pub(super) fn examine(index: &Index, now: Timestamp, out: &mut Vec<Finding>) {
    if !index.sees_pods() {
        return;
    }
    for front in index.fronts.iter().filter(|front| !offer::external(front.service)) {
        let [workload] = front.workloads.as_slice() else { continue };
        let Some(before) = workload.before.as_ref().filter(|before| now.duration_since(before.at) < LATELY) else {
            continue;
        };
        // The pods of now serve and no others; what is wrong with those that do not is told of them.
        let fresh = |at: Option<Timestamp>| at.is_some_and(|at| before.at.duration_since(at) <= SLACK);
        let mut ready = front.pods.iter().filter(|pod| pod.ready).peekable();
        if workload.troubled || ready.peek().is_none() || !ready.all(|pod| fresh(pod.made)) {
            continue;
        }
        let changed = changes(&before.template, &template(workload));
        for (at, port) in offer::list(front.service).iter().enumerate() {
            out.extend(moved(index, front, (workload, before), &changed, (at, port)));
        }
    }
}

fn template(workload: &Workload) -> PodTemplateSpec {
    PodTemplateSpec { metadata: None, spec: Some((*workload.spec).clone()) }
}

/// The number that a change has instead of another one.
fn instead(change: &Change, number: i32) -> Option<u16> {
    let (before, after) = (change.before.as_deref()?, change.after.as_deref()?);
    let (was, is) = (numbers(before), numbers(after));
    let at = was.iter().position(|found| *found == number)?;
    if is.contains(&number) || was.len() != is.len() || change.is_secret() {
        return None;
    }
    // The port of something else that it asks, or a number of another kind.
    let elsewhere = names::mentions(before).iter().any(|mention| mention.port.map(i32::from) == Some(number));
    let name = change.variable.as_deref().map(names::normal).unwrap_or_default();
    let amount = name.split('_').any(|word| AMOUNTS.contains(&word));
    let set = [".command", ".args"].iter().any(|end| change.path.ends_with(end)) || change.variable.is_some();
    let new = is.get(at).and_then(|number| u16::try_from(*number).ok()).filter(|new| *new > 0)?;
    (set && !elsewhere && !amount).then_some(new)
}

/// Numbers that stand alone in a text.
fn numbers(text: &str) -> Vec<i32> {
    let words = names::head(text).split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.bytes().all(|b| b.is_ascii_digit())).filter_map(|word| word.parse().ok()).collect()
}

/// Whether a probe of a ready pod shows that a port is served.
fn proven(spec: &PodSpec, number: i32, target: Option<&IntOrString>) -> bool {
    let asks = |probe: &Probe| {
        let port = probe.http_get.as_ref().map(|http| &http.port).or(probe.tcp_socket.as_ref().map(|tcp| &tcp.port));
        port.is_some_and(|port| *port == IntOrString::Int(number) || Some(port) == target)
    };
    spec.containers.iter().filter_map(|container| container.readiness_probe.as_ref()).any(asks)
}

fn moved(
    index: &Index,
    front: &Front,
    (workload, before): (&Workload, &Before),
    changed: &[Change],
    (at, port): (usize, &ServicePort),
) -> Option<Finding> {
    let spec = &*workload.spec;
    let number = target(port, spec)?;
    // A Service that follows a name moves along with it.
    let followed = before.template.spec.as_ref().and_then(|spec| target(port, spec)) == Some(number);
    if !followed || ports::hinted(spec, number) || proven(spec, number, port.target_port.as_ref()) {
        return None;
    }
    let mut found = changed.iter().filter_map(|change| Some((change, instead(change, number)?)));
    let (change, new) = found.next()?;
    let object = of_service(front.service);
    let offered = |wanted: &IntOrString| {
        *wanted == IntOrString::Int(port.port) || port.name.as_deref() == Some(port_text(wanted).as_str())
    };
    let asks = |need: &&Need| {
        need.client.is_some()
            && !need.spare
            && !same(&need.by, &workload.object)
            && need.port.as_ref().is_none_or(offered)
    };
    let needs: Vec<&Need> = index.needs(&object.name).iter().filter(asks).collect();
    let first = needs.first()?;
    let what = change.variable.as_deref().map_or_else(|| change.name().to_owned(), |name| format!("env {name}"));
    let statement = format!(
        "Revision {} of {} changed {what} from {number} to {new}, while Service {} still sends to port {number} of its pods",
        before.number,
        called(&workload.object),
        object.name
    );
    let path = change.path.replacen("spec.template.spec", workload.spec_path, 1);
    let value = super::clip(change.after.as_deref().unwrap_or_default(), 120);
    let mut cause = cause(&workload.object, CauseClass::ServiceMisconfigured, &path, &value, statement, 0.88);
    let mut turned = fact(&workload.object, &path, value, "the last revision changed this");
    turned.time = Some(Time(before.at));
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(turned);
    let target_path = format!("spec.ports[{at}].targetPort");
    cause.proof.push(fact(
        &object,
        &target_path,
        number.to_string(),
        "requests to the Service go to this port of its pods",
    ));
    let mut words = super::dependency::words(&object.name, &needs);
    words.push(port.port.to_string());
    Some(Finding {
        concerns: concerned(needs.iter().copied()),
        words,
        recommendations: vec![format!(
            "Set {what} of {} back to {number}, or let targetPort of Service {} be {new}.",
            called(&workload.object),
            object.name
        )],
        ..finding(Rule::ServiceBroken, Standing::Suspect, &first.by, cause)
    })
}
