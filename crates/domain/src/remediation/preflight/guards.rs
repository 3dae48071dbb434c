//! What stands in the way of an action.

use serde_json::Value;

use super::{Refusal, World, text};

/// Annotation with which the owner of a workload allows changes that a GitOps tool may undo.
pub const ALLOW_GITOPS_DRIFT: &str = "platform.chatcli.io/allow-gitops-drift";

pub(super) fn target<'a>(world: &'a World, uid: Option<&str>) -> Result<&'a Value, Refusal> {
    let Some(deployment) = &world.deployment else {
        return Err(Refusal::new("TargetNotFound", "the Deployment does not exist any more"));
    };
    let name = place(deployment);
    if deployment.pointer("/metadata/deletionTimestamp").is_some_and(|t| !t.is_null()) {
        return Err(Refusal::new("TargetDeleting", format!("Deployment {name} is being deleted")));
    }
    let has = text(deployment, "/metadata/uid");
    match uid {
        Some(uid) if uid != has => Err(Refusal::new(
            "TargetReplaced",
            format!(
                "Deployment {name} has UID {has}; the plan was made for {uid}. It was deleted and made again: a new plan is needed"
            ),
        )),
        _ => Ok(deployment),
    }
}

pub(super) fn not_paused(deployment: &Value) -> Result<(), Refusal> {
    if deployment.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return Err(Refusal::new(
            "TargetPaused",
            format!(
                "Deployment {} is paused (spec.paused), so no change would roll out; resume it with kubectl rollout resume",
                place(deployment)
            ),
        ));
    }
    Ok(())
}

/// Name of the GitOps tool that owns an object; none when no mark of one is on it.
pub fn gitops_owner(object: &Value) -> Option<&'static str> {
    let annotation = |key: &str| object.pointer("/metadata/annotations").and_then(|a| a.get(key)).is_some();
    let label = |key: &str| object.pointer("/metadata/labels").and_then(|a| a.get(key)).is_some();
    if annotation("argocd.argoproj.io/tracking-id")
        || annotation("argocd.argoproj.io/installation-id")
        || label("argocd.argoproj.io/instance")
        || annotation("argocd.argoproj.io/instance")
    {
        return Some("Argo CD");
    }
    if label("kustomize.toolkit.fluxcd.io/name") || label("helm.toolkit.fluxcd.io/name") {
        return Some("Flux");
    }
    None
}

pub(super) fn not_gitops(object: &Value) -> Result<(), Refusal> {
    let allowed =
        object.pointer("/metadata/annotations").and_then(|a| a.get(ALLOW_GITOPS_DRIFT)).and_then(Value::as_str)
            == Some("true");
    match gitops_owner(object) {
        Some(owner) if !allowed => Err(Refusal::new(
            "OwnedByGitOps",
            format!(
                "{} is managed by {owner}, which would undo the change; make it in Git, or annotate the object {ALLOW_GITOPS_DRIFT}=true",
                place(object)
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn no_autoscaler(deployment: &Value, autoscalers: &[Value]) -> Result<(), Refusal> {
    let name = text(deployment, "/metadata/name");
    let owner = autoscalers
        .iter()
        .find(|h| text(h, "/spec/scaleTargetRef/kind") == "Deployment" && text(h, "/spec/scaleTargetRef/name") == name);
    match owner {
        Some(hpa) => Err(Refusal::new(
            "OwnedByAutoscaler",
            format!(
                "HorizontalPodAutoscaler {} owns the replica count of Deployment {} and would undo the change; change its minReplicas or maxReplicas",
                text(hpa, "/metadata/name"),
                place(deployment)
            ),
        )),
        None => Ok(()),
    }
}

pub(super) fn config_map<'a>(deployment: &Value, world: &'a World, name: &str) -> Result<&'a Value, Refusal> {
    if !config_maps_of(deployment).iter().any(|n| n == name) {
        return Err(Refusal::new(
            "ConfigMapNotUsed",
            format!(
                "Deployment {} does not refer to ConfigMap {name}; only a ConfigMap that the workload uses is changed",
                place(deployment)
            ),
        ));
    }
    let Some(object) = &world.config_map else {
        return Err(Refusal::new("ConfigMapNotFound", format!("ConfigMap {name} does not exist; create it first")));
    };
    if object.get("immutable").and_then(Value::as_bool) == Some(true) {
        return Err(Refusal::new(
            "ConfigMapImmutable",
            format!("ConfigMap {} is immutable; make a new one and refer to it", place(object)),
        ));
    }
    Ok(object)
}

/// Names of the ConfigMaps that the pod template refers to.
fn config_maps_of(deployment: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let spec = deployment.pointer("/spec/template/spec");
    let list = |key: &str| spec.and_then(|s| s.get(key)).and_then(Value::as_array).cloned().unwrap_or_default();
    for container in list("containers").iter().chain(&list("initContainers")) {
        for source in array(container, "/envFrom") {
            names.push(text(source, "/configMapRef/name").to_owned());
        }
        for env in array(container, "/env") {
            names.push(text(env, "/valueFrom/configMapKeyRef/name").to_owned());
        }
    }
    for volume in list("volumes") {
        names.push(text(&volume, "/configMap/name").to_owned());
        for source in array(&volume, "/projected/sources") {
            names.push(text(source, "/configMap/name").to_owned());
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

pub(super) fn pod<'a>(deployment: &Value, world: &'a World, name: &str) -> Result<&'a Value, Refusal> {
    let Some(pod) = world.pods.iter().find(|p| text(p, "/metadata/name") == name) else {
        return Err(Refusal::new(
            "PodNotFound",
            format!("pod {name} is not among the pods of Deployment {}", place(deployment)),
        ));
    };
    let uid = text(deployment, "/metadata/uid");
    let owned: Vec<&str> =
        world.replica_sets.iter().filter(|rs| controlled_by(rs, uid)).map(|rs| text(rs, "/metadata/uid")).collect();
    if !owned.iter().any(|rs| controlled_by(pod, rs)) {
        return Err(Refusal::new(
            "PodNotOwned",
            format!(
                "pod {} does not belong to Deployment {}; only pods of the workload are deleted",
                place(pod),
                place(deployment)
            ),
        ));
    }
    if ready(pod) {
        let others = world
            .pods
            .iter()
            .filter(|p| text(p, "/metadata/name") != name && ready(p) && owned.iter().any(|rs| controlled_by(p, rs)))
            .count();
        if others == 0 {
            return Err(Refusal::new(
                "LastReadyPod",
                format!("pod {} is the last ready one of Deployment {}; scale up first", place(pod), place(deployment)),
            ));
        }
        budget(pod, &world.disruption_budgets)?;
    }
    Ok(pod)
}

/// A pod that is not ready counts in no budget; a ready one may go only when each budget that covers it has room.
fn budget(pod: &Value, budgets: &[Value]) -> Result<(), Refusal> {
    let tight = budgets.iter().find(|b| {
        selects(b.pointer("/spec/selector"), pod)
            && b.pointer("/status/disruptionsAllowed").and_then(Value::as_i64).unwrap_or(0) < 1
    });
    match tight {
        Some(budget) => Err(Refusal::new(
            "DisruptionBudget",
            format!(
                "PodDisruptionBudget {} allows no disruption of pod {} now",
                text(budget, "/metadata/name"),
                place(pod)
            ),
        )),
        None => Ok(()),
    }
}

/// Whether a label selector covers a pod. One that cannot be understood covers it, so that a budget never goes unseen.
fn selects(selector: Option<&Value>, pod: &Value) -> bool {
    let Some(selector) = selector else { return false };
    let label = |key: &str| pod.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
    let by_labels = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(k, v)| label(k) == v.as_str()));
    by_labels
        && array(selector, "/matchExpressions").iter().all(|e| {
            let has = label(text(e, "/key"));
            let listed = || array(e, "/values").iter().any(|v| v.as_str() == has && has.is_some());
            match text(e, "/operator") {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => has.is_some(),
                "DoesNotExist" => has.is_none(),
                _ => true,
            }
        })
}

/// Whether `object` is controlled by the owner with this UID.
pub(super) fn controlled_by(object: &Value, uid: &str) -> bool {
    !uid.is_empty()
        && array(object, "/metadata/ownerReferences")
            .iter()
            .any(|o| text(o, "/uid") == uid && o.get("controller").and_then(Value::as_bool) == Some(true))
}

fn ready(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none_or(Value::is_null)
        && array(pod, "/status/conditions").iter().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

pub(super) fn array<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn place(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}
