//! Exactly which fields an action changes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::guards::{array, controlled_by, place};
use super::{Change, Effect, LargestNode, Refusal, TargetKind, target, text};
use crate::remediation::actions::{
    MAX_CONFIG_VALUE, MAX_REPLICA_FACTOR, MAX_RESOURCE_FACTOR, Quantity, Resources, ToRevision,
};
use crate::remediation::fields::{self, Fields};

const TEMPLATE: &str = "/spec/template";
const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

fn set(object: &Value, kind: TargetKind, wanted: Fields, describe: String) -> Result<Effect, Refusal> {
    let before = fields::read_like(object, &wanted);
    Ok(Effect { target: target(object, kind)?, change: Change::Set { before, wanted }, describe })
}

fn one(pointer: impl Into<String>, value: Value) -> Fields {
    Fields::from([(pointer.into(), value)])
}

pub(super) fn rollback(deployment: &Value, world: &super::World, to: &ToRevision) -> Result<Effect, Refusal> {
    let uid = text(deployment, "/metadata/uid");
    let current = revision(deployment);
    let mut owned: Vec<(i64, &Value)> = world
        .replica_sets
        .iter()
        .filter(|rs| controlled_by(rs, uid))
        .filter_map(|rs| Some((revision(rs)?, rs)))
        .collect();
    owned.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let Some(current) = current.or_else(|| owned.first().map(|(n, _)| *n)) else {
        return Err(Refusal::new("NoRevision", format!("Deployment {} has no recorded revision", place(deployment))));
    };
    let found = match to {
        ToRevision::Number(n) => owned.iter().find(|(r, _)| r == n),
        ToRevision::Previous => owned.iter().find(|(r, _)| *r < current),
        ToRevision::Healthy => owned.iter().find(|(r, rs)| *r != current && available(rs) > 0),
    };
    let Some((revision, replica_set)) = found else {
        return Err(Refusal::new("NoRevision", no_revision(deployment, to, current, &owned)));
    };
    let mut template = replica_set.pointer(TEMPLATE).cloned().unwrap_or(Value::Null);
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    if !template.is_object() {
        return Err(Refusal::new(
            "NoRevision",
            format!("revision {revision} of {} has no template", place(deployment)),
        ));
    }
    let describe =
        format!("pod template of Deployment {} from revision {current} back to {revision}", place(deployment));
    set(deployment, TargetKind::Deployment, one(TEMPLATE, template), describe)
}

fn no_revision(deployment: &Value, to: &ToRevision, current: i64, owned: &[(i64, &Value)]) -> String {
    let has: Vec<String> = owned.iter().map(|(n, _)| n.to_string()).collect();
    let wanted = match to {
        ToRevision::Number(n) => format!("no revision {n}"),
        ToRevision::Previous => format!("no revision before {current}"),
        ToRevision::Healthy => "no other revision with available pods".to_owned(),
    };
    format!("Deployment {} has {wanted}; its revisions are {}", place(deployment), has.join(", "))
}

fn revision(object: &Value) -> Option<i64> {
    object.pointer(REVISION)?.as_str()?.parse().ok()
}

fn available(replica_set: &Value) -> i64 {
    replica_set.pointer("/status/availableReplicas").and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn restart(deployment: &Value, stamp: Timestamp) -> Result<Effect, Refusal> {
    let describe = format!("restart of the pods of Deployment {}", place(deployment));
    // Whole seconds, as kubectl writes it and as status keeps the instant: computed again, it is the same.
    let stamp = Timestamp::from_second(stamp.as_second()).unwrap_or(stamp);
    set(deployment, TargetKind::Deployment, one(RESTARTED_AT, json!(stamp.to_string())), describe)
}

pub(super) fn scale(deployment: &Value, replicas: i32) -> Result<Effect, Refusal> {
    let current = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let most = current.max(1).saturating_mul(i64::from(MAX_REPLICA_FACTOR));
    if i64::from(replicas) > most {
        return Err(Refusal::new(
            "TooMuch",
            format!(
                "parameter \"replicas\" is {replicas}; Deployment {} has {current}, and {most} is the most at once",
                place(deployment)
            ),
        ));
    }
    let describe = format!("replicas of Deployment {} from {current} to {replicas}", place(deployment));
    set(deployment, TargetKind::Deployment, one("/spec/replicas", json!(replicas)), describe)
}

pub(super) fn resources(
    deployment: &Value,
    container: Option<&str>,
    values: &Resources,
    node: Option<&LargestNode>,
) -> Result<Effect, Refusal> {
    let containers = array(deployment, "/spec/template/spec/containers");
    let names: Vec<&str> = containers.iter().map(|c| text(c, "/name")).collect();
    let index = match container {
        Some(name) => names.iter().position(|n| *n == name),
        None if names.len() == 1 => Some(0),
        None => {
            return Err(Refusal::new(
                "ContainerNotNamed",
                format!(
                    "parameter \"container\" is missing; Deployment {} has {}",
                    place(deployment),
                    names.join(", ")
                ),
            ));
        }
    };
    let Some((index, object)) = index.and_then(|i| Some((i, containers.get(i)?))) else {
        return Err(Refusal::new(
            "ContainerNotFound",
            format!(
                "parameter \"container\" is \"{}\"; Deployment {} has {}",
                container.unwrap_or_default(),
                place(deployment),
                names.join(", ")
            ),
        ));
    };
    let before = object.get("resources").cloned().unwrap_or_else(|| json!({}));
    let mut after = before.clone();
    let mut said = Vec::new();
    let asked = [
        ("limits", "memory", "memory_limit", &values.memory_limit, node.map(|n| &n.memory)),
        ("requests", "memory", "memory_request", &values.memory_request, node.map(|n| &n.memory)),
        ("limits", "cpu", "cpu_limit", &values.cpu_limit, node.map(|n| &n.cpu)),
        ("requests", "cpu", "cpu_request", &values.cpu_request, node.map(|n| &n.cpu)),
    ];
    for (list, resource, param, value, most) in asked {
        let Some(value) = value else { continue };
        let has = current(&before, list, resource);
        within(param, value, has.as_ref(), most)?;
        said.push(format!("{param} {} to {value}", has.map_or_else(|| "none".to_owned(), |h| h.to_string())));
        put(&mut after, list, resource, value);
    }
    request_within_limit(&after)?;
    let at = format!("/spec/template/spec/containers/{index}");
    let name = names.get(index).copied().unwrap_or_default();
    // The name pins the index: a container that has moved is not the one that was read.
    let wanted = Fields::from([(format!("{at}/name"), json!(name)), (format!("{at}/resources"), after)]);
    let describe = format!("container {name} of Deployment {}: {}", place(deployment), said.join(", "));
    set(deployment, TargetKind::Deployment, wanted, describe)
}

fn current(resources: &Value, list: &str, resource: &str) -> Option<Quantity> {
    let value = resources.get(list)?.get(resource)?;
    Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn within(param: &str, value: &Quantity, has: Option<&Quantity>, node: Option<&Quantity>) -> Result<(), Refusal> {
    if let Some(has) = has
        && has.millis() > 0
        && value.millis() > has.millis().saturating_mul(MAX_RESOURCE_FACTOR)
    {
        return Err(Refusal::new(
            "TooMuch",
            format!(
                "parameter \"{param}\" is {value}; the current value is {has}, and {MAX_RESOURCE_FACTOR} times that is the most at once"
            ),
        ));
    }
    match node {
        Some(node) if value.millis() > node.millis() => Err(Refusal::new(
            "TooMuch",
            format!("parameter \"{param}\" is {value}; the largest node has {node}, so no pod could be placed"),
        )),
        _ => Ok(()),
    }
}

fn put(resources: &mut Value, list: &str, resource: &str, value: &Quantity) {
    if let Some(map) = resources.as_object_mut() {
        let list = map.entry(list).or_insert_with(|| Value::Object(Map::new()));
        if let Some(list) = list.as_object_mut() {
            list.insert(resource.to_owned(), json!(value.to_string()));
        }
    }
}

fn request_within_limit(resources: &Value) -> Result<(), Refusal> {
    for resource in ["memory", "cpu"] {
        if let (Some(request), Some(limit)) =
            (current(resources, "requests", resource), current(resources, "limits", resource))
            && request.millis() > limit.millis()
        {
            return Err(Refusal::new(
                "RequestAboveLimit",
                format!(
                    "the {resource} request would be {request}, more than the limit {limit}; set {resource}_request and {resource}_limit together"
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn config(object: &Value, key: &str, value: &str) -> Result<Effect, Refusal> {
    if object.get("binaryData").and_then(|d| d.get(key)).is_some() {
        return Err(Refusal::new(
            "ConfigBinary",
            format!("parameter \"key\" is \"{key}\", which is binary in {}", place(object)),
        ));
    }
    let has = object.get("data").and_then(|d| d.get(key)).and_then(Value::as_str);
    if has.is_some_and(|h| h.len() > MAX_CONFIG_VALUE) {
        return Err(Refusal::new(
            "ConfigTooLarge",
            format!(
                "the current value of \"{key}\" in {} is larger than 128 KiB and could not be saved for a rollback",
                place(object)
            ),
        ));
    }
    let describe = format!("key {key} of ConfigMap {}", place(object));
    set(object, TargetKind::ConfigMap, one(format!("/data/{}", fields::segment(key)), json!(value)), describe)
}

pub(super) fn delete(pod: &Value) -> Result<Effect, Refusal> {
    Ok(Effect {
        target: target(pod, TargetKind::Pod)?,
        change: Change::Delete,
        describe: format!("deletion of pod {}", place(pod)),
    })
}
