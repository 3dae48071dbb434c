//! Autoscalers that cannot work, or that may not go as far as they would.
//!
//! No pod fails for that, so none of it is offered as the cause of a symptom of the workload.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerSpec,
};
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::admission::Defaults;
use super::shape::{self, ago, finding, proven, who};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::graph::query::{named, reference};
use crate::graph::{Finding, Graph, Standing, Workload, nearest};

/// Metrics of new pods come late.
const SETTLED: SignedDuration = SignedDuration::from_secs(60);
/// Kinds of targets that a graph knows.
const TARGETS: [&str; 2] = ["Deployment", "StatefulSet"];
/// Most of a message that a sentence repeats.
const SAID: usize = 160;

fn object(scaler: &HorizontalPodAutoscaler) -> ObjectRef {
    reference("autoscaling/v2", "HorizontalPodAutoscaler", &scaler.metadata)
}

fn clip(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    if text.chars().count() <= SAID {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(SAID).collect::<String>())
    }
}

/// What is wrong with each autoscaler; the most telling thing only.
pub(super) fn autoscalers(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let pods = shape::pods(graph);
    let defaults = Defaults::of(graph);
    let mut first: BTreeMap<(&str, &str), &HorizontalPodAutoscaler> = BTreeMap::new();
    let mut scalers: Vec<_> = graph.autoscalers.iter().filter(|s| s.metadata.deletion_timestamp.is_none()).collect();
    let mut of_target: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for spec in scalers.iter().filter_map(|scaler| scaler.spec.as_ref()) {
        *of_target.entry((&spec.scale_target_ref.kind, &spec.scale_target_ref.name)).or_default() += 1;
    }
    // The older one was right as long as it was alone.
    scalers.sort_by_key(|s| (s.metadata.creation_timestamp.as_ref().map(|t| t.0), s.metadata.name.clone()));
    for scaler in scalers {
        let Some(spec) = &scaler.spec else { continue };
        let target = (spec.scale_target_ref.kind.as_str(), spec.scale_target_ref.name.as_str());
        let known = graph.workloads.iter().find(|w| (w.object.kind.as_str(), w.object.name.as_str()) == target);
        if known.is_none() && TARGETS.contains(&target.0) && graph.knows(target.0) {
            out.push(no_target(graph, scaler, spec));
            continue;
        }
        if let Some(other) = first.get(&target) {
            out.push(two(scaler, other, spec));
            continue;
        }
        first.insert(target, scaler);
        if let Some(workload) = known.filter(|w| w.desired > 0) {
            let live: Vec<&PodSpec> = shape::of(&pods, &workload.object).iter().map(|pod| &*pod.spec).collect();
            if let Some(found) = no_requests(scaler, spec, workload, &live, &defaults) {
                out.push(found);
                continue;
            }
        }
        // What two autoscalers on one target say of themselves is that they are two.
        if of_target.get(&target).is_some_and(|count| *count > 1) {
            continue;
        }
        if let Some(found) = refused(scaler, spec, known, now) {
            out.push(found);
        } else {
            out.extend(maxed(scaler, spec, now));
        }
    }
}

/// When a condition has lasted long enough to count.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    let conditions = graph.autoscalers.iter().flat_map(|s| &s.status).flat_map(|s| s.conditions.iter().flatten());
    for time in conditions.filter_map(|c| c.last_transition_time.as_ref()) {
        time.0.checked_add(SETTLED).into_iter().for_each(&mut *at);
    }
}

fn no_target(graph: &Graph, scaler: &HorizontalPodAutoscaler, spec: &HorizontalPodAutoscalerSpec) -> Finding {
    let object = object(scaler);
    let target = &spec.scale_target_ref;
    let of_kind = graph.workloads.iter().filter(|w| w.object.kind == target.kind).map(|w| w.object.name.as_str());
    let near = nearest(&target.name, of_kind);
    // The same name of another kind is a mistake of the kind.
    let other =
        graph.workloads.iter().find(|w| w.object.name == target.name && TARGETS.contains(&w.object.kind.as_str()));
    let hint = other
        .map_or_else(|| meant(near), |other| format!("; did you mean {} {}?", other.object.kind, other.object.name));
    let statement = format!(
        "HorizontalPodAutoscaler {} refers in scaleTargetRef to {} {}, which does not exist{hint}",
        object.name, target.kind, target.name
    );
    let missing =
        named(target.api_version.as_deref().unwrap_or("apps/v1"), &target.kind, &graph.namespace, &target.name);
    let cause = proven(
        cause(&object, CauseClass::AutoscalerMisconfigured, "spec.scaleTargetRef.name", &target.name, statement, 0.95),
        vec![
            fact(&object, "spec.scaleTargetRef.name", &target.name, "this is to be scaled"),
            fact(&missing, "metadata.name", "(absent)", "no such object exists"),
        ],
    );
    Finding {
        words: vec!["FailedGetScale".into()],
        recommendations: vec![format!("Let scaleTargetRef name the workload that is meant, or delete the autoscaler.")],
        ..finding(Rule::Autoscaler, Standing::Outage, Severity::High, &object, cause)
    }
}

fn two(
    scaler: &HorizontalPodAutoscaler,
    other: &HorizontalPodAutoscaler,
    spec: &HorizontalPodAutoscalerSpec,
) -> Finding {
    let (object, other) = (object(scaler), object(other));
    let target = format!("{} {}", spec.scale_target_ref.kind, spec.scale_target_ref.name);
    let statement = format!(
        "HorizontalPodAutoscalers {} and {} both scale {target} and work against each other",
        other.name, object.name
    );
    let path = "spec.scaleTargetRef.name";
    let cause = proven(
        cause(&object, CauseClass::AutoscalerMisconfigured, path, &spec.scale_target_ref.name, statement, 0.9),
        vec![fact(&other, path, &target, "this one scales it"), fact(&object, path, &target, "and so does this one")],
    );
    Finding {
        words: vec!["AmbiguousSelector".into()],
        recommendations: vec![format!("Delete one of {} and {}.", other.name, object.name)],
        ..finding(Rule::Autoscaler, Standing::Outage, Severity::Medium, &object, cause)
    }
}

/// Containers of a spec that count for a share of the requests; sidecars among the init containers do.
fn counted(spec: &PodSpec) -> impl Iterator<Item = (String, &Container)> {
    let sidecars = spec.init_containers.iter().flatten().enumerate();
    let sidecars = sidecars
        .filter(|(_, c)| c.restart_policy.as_deref() == Some("Always"))
        .map(|(at, c)| (format!("initContainers[{at}]"), c));
    spec.containers.iter().enumerate().map(|(at, c)| (format!("containers[{at}]"), c)).chain(sidecars)
}

/// A share of the requests cannot be computed where a container requests nothing.
fn no_requests(
    scaler: &HorizontalPodAutoscaler,
    spec: &HorizontalPodAutoscalerSpec,
    workload: &Workload,
    pods: &[&PodSpec],
    defaults: &Defaults,
) -> Option<Finding> {
    let object = object(scaler);
    for metric in spec.metrics.iter().flatten() {
        let (resource, only, share) = match (&metric.resource, &metric.container_resource) {
            (Some(source), _) => (&source.name, None, source.target.average_utilization),
            (_, Some(source)) => (&source.name, Some(&source.container), source.target.average_utilization),
            _ => continue,
        };
        if share.is_none() {
            continue;
        }
        if let Some(wanted) = only.filter(|wanted| !counted(&workload.spec).any(|(_, c)| c.name == **wanted)) {
            // A webhook may have put it into the pods.
            if pods.iter().any(|pod| counted(pod).any(|(_, c)| c.name == *wanted)) {
                continue;
            }
            let near = nearest(wanted, workload.spec.containers.iter().map(|c| c.name.as_str()));
            let statement = format!(
                "HorizontalPodAutoscaler {} scales by {resource} of container {wanted}, which does not exist in {}{}",
                object.name,
                who(&workload.object),
                meant(near)
            );
            let path = "spec.metrics.containerResource.container";
            let cause = proven(
                cause(&object, CauseClass::AutoscalerMisconfigured, path, wanted, statement, 0.95),
                vec![fact(&object, path, wanted, "this container is measured")],
            );
            return Some(Finding {
                recommendations: vec!["Name a container of the target.".into()],
                ..finding(Rule::Autoscaler, Standing::Outage, Severity::Medium, &object, cause)
            });
        }
        let lacks = |spec: &PodSpec| {
            spec.resources.is_none()
                && counted(spec)
                    .any(|(_, c)| only.is_none_or(|o| *o == c.name) && defaults.of_container(c, resource).0.is_none())
        };
        if !lacks(&workload.spec) || pods.iter().any(|pod| !lacks(pod)) {
            continue;
        }
        let (base, container) = counted(&workload.spec)
            .find(|(_, c)| only.is_none_or(|o| *o == c.name) && defaults.of_container(c, resource).0.is_none())?;
        let path = format!("{}.{base}.resources.requests.{resource}", workload.spec_path);
        let statement = format!(
            "HorizontalPodAutoscaler {} cannot scale {} by {resource} utilization: container {} has no {resource} request",
            object.name,
            who(&workload.object),
            container.name
        );
        let cause = proven(
            cause(&workload.object, CauseClass::AutoscalerMisconfigured, &path, "(absent)", statement, 0.95),
            vec![
                fact(
                    &object,
                    "spec.metrics.resource.target.averageUtilization",
                    share.unwrap_or_default().to_string(),
                    "a share of the request is wanted",
                ),
                fact(&workload.object, &path, "(absent)", "there is no request to take a share of"),
            ],
        );
        return Some(Finding {
            words: vec![format!("missing request for {resource}"), "FailedGetResourceMetric".into()],
            recommendations: vec![format!(
                "Set a {resource} request for container {}, or scale by averageValue.",
                container.name
            )],
            ..finding(Rule::Autoscaler, Standing::Outage, Severity::Medium, &object, cause)
        });
    }
    None
}

fn condition<'a>(
    scaler: &'a HorizontalPodAutoscaler,
    type_: &str,
    status: &str,
) -> Option<&'a HorizontalPodAutoscalerCondition> {
    let all = scaler.status.iter().flat_map(|s| s.conditions.iter().flatten());
    all.into_iter().find(|c| c.type_ == type_ && c.status == status)
}

fn old(condition: &HorizontalPodAutoscalerCondition, now: Timestamp) -> bool {
    condition.last_transition_time.as_ref().is_some_and(|time| ago(time.0, now) > SETTLED)
}

/// The autoscaler itself says that it cannot work.
fn refused(
    scaler: &HorizontalPodAutoscaler,
    spec: &HorizontalPodAutoscalerSpec,
    workload: Option<&Workload>,
    now: Timestamp,
) -> Option<Finding> {
    let failed = ["AbleToScale", "ScalingActive"].into_iter().filter_map(|type_| condition(scaler, type_, "False"));
    // At zero replicas it rests.
    let bad = failed.into_iter().find(|c| old(c, now) && c.reason.as_deref() != Some("ScalingDisabled"))?;
    let object = object(scaler);
    let reason = bad.reason.clone().unwrap_or_default();
    let message = bad.message.clone().unwrap_or_default();
    let path = format!("status.conditions[{}]", bad.type_);
    let statement = format!("HorizontalPodAutoscaler {} cannot scale ({reason}): {}", object.name, clip(&message));
    // Without a metrics API nobody ever promised that it works; with one that is gone, it did.
    let absent =
        message.contains("could not find the requested resource") || message.contains("the server is currently unable");
    let worked = scaler.status.as_ref().is_some_and(|status| {
        status.last_scale_time.is_some() || status.current_metrics.as_ref().is_some_and(|metrics| !metrics.is_empty())
    });
    // Pods that are in trouble give no metrics.
    let follows = workload.is_some_and(|w| w.troubled);
    let standing = if follows || (absent && !worked) { Standing::Suspect } else { Standing::Outage };
    let mut root = proven(
        cause(&object, CauseClass::AutoscalerMisconfigured, &path, &reason, statement, 0.7),
        vec![fact(
            &object,
            &path,
            format!("{}={} {reason}: {}", bad.type_, bad.status, clip(&message)),
            "the autoscaler says so itself",
        )],
    );
    if let Some(target) = workload {
        root.proof.push(fact(&object, "spec.scaleTargetRef.name", &spec.scale_target_ref.name, "this is to be scaled"));
        root.ruled_out.push(shape::not("A target that does not exist", format!("{} exists", who(&target.object))));
    }
    let advice = if absent {
        "Install or repair the API that serves these metrics, such as metrics-server."
    } else {
        "Correct what the condition names."
    };
    Some(Finding {
        recommendations: vec![advice.into()],
        ..finding(Rule::Autoscaler, standing, Severity::Medium, &object, root)
    })
}

/// It would have more pods than it may.
fn maxed(scaler: &HorizontalPodAutoscaler, spec: &HorizontalPodAutoscalerSpec, now: Timestamp) -> Option<Finding> {
    let limited =
        condition(scaler, "ScalingLimited", "True").filter(|c| c.reason.as_deref() == Some("TooManyReplicas"))?;
    let status = scaler.status.as_ref()?;
    let current = status.current_replicas.unwrap_or_default();
    if !old(limited, now) || current < spec.max_replicas {
        return None;
    }
    let object = object(scaler);
    let mut seen = BTreeSet::new();
    for metric in status.current_metrics.iter().flatten() {
        let Some(source) = &metric.resource else { continue };
        let wanted = spec.metrics.iter().flatten().filter_map(|m| m.resource.as_ref()).find(|m| m.name == source.name);
        if let (Some(now), Some(target)) =
            (source.current.average_utilization, wanted.and_then(|w| w.target.average_utilization))
            && now > target
        {
            seen.insert(format!("{} is at {now}% of a target of {target}%", source.name));
        }
    }
    let load = if seen.is_empty() {
        String::new()
    } else {
        format!("; {}", seen.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    let statement = format!(
        "HorizontalPodAutoscaler {} is at its maxReplicas of {} and would have more{load}",
        object.name, spec.max_replicas
    );
    let max = spec.max_replicas.to_string();
    let cause = proven(
        cause(&object, CauseClass::AutoscalerMisconfigured, "spec.maxReplicas", &max, statement, 0.85),
        vec![
            fact(
                &object,
                "status.conditions[ScalingLimited]",
                "True TooManyReplicas",
                "it wants more than it may have",
            ),
            fact(&object, "status.currentReplicas", current.to_string(), "it has all that it may have"),
        ],
    );
    Some(Finding {
        signal: SignalType::HpaMaxed,
        words: vec!["TooManyReplicas".into()],
        recommendations: vec![format!(
            "Raise maxReplicas above {max} if the cluster has room, or find what makes the load."
        )],
        ..finding(Rule::Autoscaler, Standing::Outage, Severity::Medium, &object, cause)
    })
}
