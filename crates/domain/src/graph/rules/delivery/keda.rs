//! ScaledObjects of KEDA: targets that do not exist, bounds that contradict each other, triggers that do not work.

use api::shared::{CauseClass, ObjectRef, RootCause, Severity, SignalType};
use jiff::Timestamp;
use serde_json::Value;

use super::super::shape::{proven, who};
use super::super::{fact, meant};
use super::links::{Link, missing};
use super::object::{because, condition, reference, text};
use super::{Finding, Graph, Standing, cause, finding, of};
use crate::detection::Rule;
use crate::graph::nearest;

/// Triggers fail for a moment when what they measure is away.
const TRIED: i64 = 90;

/// ScaledObjects that scale nothing. The autoscaler that KEDA makes of one says the same, and is not at fault.
pub(in super::super) fn scaled(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    for object in of(graph, "keda.sh", &["ScaledObject"]) {
        let paused = object.pointer("/metadata/annotations").and_then(Value::as_object);
        if paused.is_some_and(|notes| notes.keys().any(|key| key.starts_with("autoscaling.keda.sh/paused"))) {
            continue;
        }
        let about = reference(object);
        let Some(found) = target(graph, object, &about)
            .or_else(|| container(graph, object, &about))
            .or_else(|| bounds(object, &about))
            .or_else(|| refused(object, &about))
        else {
            continue;
        };
        let made = text(object, "/status/hpaName")
            .or_else(|| text(object, "/spec/advanced/horizontalPodAutoscalerConfig/name"))
            .map_or_else(|| format!("keda-hpa-{}", about.name), str::to_owned);
        out.retain(|other| !(other.about.kind == "HorizontalPodAutoscaler" && other.about.name == made));
        out.push(Finding { rule: Rule::Autoscaler, ..found });
    }
}

fn aimed(object: &Value) -> (&str, Option<&str>) {
    (text(object, "/spec/scaleTargetRef/kind").unwrap_or("Deployment"), text(object, "/spec/scaleTargetRef/name"))
}

fn target(graph: &Graph, object: &Value, about: &ObjectRef) -> Option<Finding> {
    let (kind, name) = aimed(object);
    let group = text(object, "/spec/scaleTargetRef/apiVersion").and_then(|version| Some(version.split_once('/')?.0));
    let ours = match kind {
        "Deployment" | "StatefulSet" => group.is_none_or(|group| group == "apps"),
        "Rollout" => group == Some("argoproj.io"),
        _ => false,
    };
    let link = Link { by: about, path: "spec.scaleTargetRef.name".to_owned(), kind, name: name.filter(|_| ours)? };
    let found = missing(graph, &link, SignalType::AutoscalerError)?;
    Some(Finding { cause: RootCause { class: CauseClass::AutoscalerMisconfigured, ..found.cause }, ..found })
}

/// The container whose environment the triggers use.
fn container(graph: &Graph, object: &Value, about: &ObjectRef) -> Option<Finding> {
    let path = "spec.scaleTargetRef.envSourceContainerName";
    let wanted = text(object, "/spec/scaleTargetRef/envSourceContainerName")?;
    let (kind, target) = aimed(object);
    let workload = graph.workloads.iter().find(|w| w.object.kind == kind && Some(w.object.name.as_str()) == target)?;
    let names = || workload.spec.containers.iter().map(|container| container.name.as_str());
    if names().any(|name| name == wanted) {
        return None;
    }
    let statement = format!(
        "ScaledObject {} refers in {path} to container {wanted}, which does not exist in {}{}",
        about.name,
        who(&workload.object),
        meant(nearest(wanted, names()))
    );
    let facts = vec![
        fact(about, path, wanted, "the triggers take their environment from it"),
        fact(
            &workload.object,
            "spec.template.spec.containers[*].name",
            names().collect::<Vec<_>>().join(", "),
            "it has these",
        ),
    ];
    Some(wrong(about, proven(cause((about, path), wanted, statement, 0.92), facts), "Name a container of the target."))
}

fn bounds(object: &Value, about: &ObjectRef) -> Option<Finding> {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let (least, most) = (number("/spec/minReplicaCount")?, number("/spec/maxReplicaCount").unwrap_or(100));
    if least <= most {
        return None;
    }
    let path = "spec.minReplicaCount";
    let statement = format!(
        "ScaledObject {} has minReplicaCount {least}, which is more than its maxReplicaCount {most}, so KEDA does not scale by it",
        about.name
    );
    let facts = vec![
        fact(about, path, least.to_string(), "at least so many replicas are wanted"),
        fact(about, "spec.maxReplicaCount", most.to_string(), "and at most so many"),
    ];
    let advice = "Set minReplicaCount to no more than maxReplicaCount.";
    Some(wrong(about, proven(cause((about, path), &least.to_string(), statement, 0.95), facts), advice))
}

fn refused(object: &Value, about: &ObjectRef) -> Option<Finding> {
    let said = condition(object, "Ready").filter(|condition| condition.status == "False")?;
    let path = match said.reason {
        "TriggerError" | "PartialTriggerError" => "spec.triggers",
        _ if said.message.contains("scaleTargetRef") => "spec.scaleTargetRef",
        _ => "spec",
    };
    let statement =
        format!("ScaledObject {} is not Ready ({}){}", about.name, reason(said.reason), because(said.message));
    let facts = vec![fact(about, "status.conditions", format!("Ready=False {}", said.reason), "KEDA says so")];
    let proven = proven(cause((about, path), said.reason, statement, 0.8), facts);
    let found = wrong(about, proven, "Look at the log of keda-operator, and at what the triggers name.");
    Some(Finding { hold: TRIED, ..found })
}

fn reason(reason: &str) -> &str {
    if reason.is_empty() { "no reason given" } else { reason }
}

fn wrong(about: &ObjectRef, cause: RootCause, advice: &str) -> Finding {
    let cause = RootCause { class: CauseClass::AutoscalerMisconfigured, ..cause };
    Finding {
        recommendations: vec![advice.to_owned()],
        ..finding(SignalType::AutoscalerError, (Standing::Outage, Severity::Medium), about, cause)
    }
}
