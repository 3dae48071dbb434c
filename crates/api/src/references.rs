//! Schema pieces for references to objects: names in the same namespace, keys of Secrets, workloads, arguments of actions.
//!
//! What lives here: what may stand in a reference. What does not: whether the object exists (the controllers look).

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::formats;
use crate::shared::ActionType;

/// Kinds of which every object has a namespace, so that a reference without one cannot be meant.
const NAMESPACED: [&str; 16] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Endpoints",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "ReplicaSet",
    "Secret",
    "Service",
    "StatefulSet",
];

fn described(schema: Schema, description: &str) -> Value {
    let mut value = schema.to_value();
    if let Value::Object(map) = &mut value {
        map.insert("description".to_owned(), Value::String(description.to_owned()));
    }
    value
}

fn key() -> Schema {
    formats::worded(formats::DATA_KEY, 253, "must be a key: letters, digits, -, _ and ., such as token")
}

/// Reference to an object in the same namespace, by name.
#[must_use]
pub fn local(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["name"],
        "properties": {
            "name": described(formats::object_name(generator), "Name of the object, in the namespace of the object that refers to it."),
        },
    })
}

/// Reference to one key of a Secret in the same namespace.
#[must_use]
pub fn secret_key(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["key", "name"],
        "properties": {
            "key": described(key(), "Key inside the Secret."),
            "name": described(formats::object_name(generator), "Name of the Secret, in the same namespace."),
        },
    })
}

/// Reference to a workload in any namespace.
#[must_use]
pub fn workload(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["kind", "name", "namespace"],
        "properties": {
            "kind": described(formats::kind(generator), "Kind of the workload, such as `Deployment`."),
            "name": described(formats::object_name(generator), "Name of the workload."),
            "namespace": described(formats::namespace(generator), "Namespace of the workload."),
        },
    })
}

/// Reference to whatever an incident is about: a workload as a rule, a node or another object without a namespace too.
#[must_use]
pub fn affected(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["kind", "name", "namespace"],
        "properties": {
            "kind": described(formats::kind(generator), "Kind of the object, such as `Deployment` or `Node`."),
            "name": described(formats::object_name(generator), "Name of the object."),
            "namespace": described(namespace_or_none(generator), "Namespace of the object; empty for an object that has none, such as a node."),
        },
        "x-kubernetes-validations": [{
            "rule": format!("self.namespace != '' || !(self.kind in {NAMESPACED:?})"),
            "message": "namespace must be given: objects of this kind have one", "fieldPath": ".namespace",
        }],
    })
}

/// Reference to any object by its coordinates, with the UID where it is known.
#[must_use]
pub fn object(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "required": ["kind", "name"],
        "properties": {
            "apiVersion": described(formats::worded("^([a-z0-9.-]+/)?v[0-9][a-z0-9]*$", 253, "must be an API version, such as v1 or apps/v1"), "API group and version, such as `apps/v1`."),
            "kind": described(formats::kind(generator), "Kind of the object."),
            "name": described(formats::worded(r"^[^/%\s]+$", 253, "must be the name of an object, such as api-gateway"), "Name of the object."),
            "namespace": described(namespace_or_none(generator), "Namespace of the object; absent for an object that has none, such as a node."),
            "uid": described(uid(generator), "UID of the object; absent when the object does not exist."),
        },
    })
}

/// Name of a namespace, or nothing for objects that have none.
#[must_use]
pub fn namespace_or_none(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        63,
        &format!("self == '' || self.matches(r'{}')", formats::DNS_LABEL),
        "must be the name of a namespace: small letters, digits and -, such as production",
    )
}

/// UID of an object.
#[must_use]
pub fn uid(_: &mut SchemaGenerator) -> Schema {
    formats::worded("^[A-Za-z0-9][-A-Za-z0-9_.:]*$", 128, "must be the UID of an object, as its metadata shows it")
}

/// Arguments of an action, by name.
#[must_use]
pub fn params(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 131_072},
        "x-kubernetes-validations": [
            {"rule": "!('' in self)", "message": "an argument must have a name"},
            {"rule": "!('replicas' in self) || self['replicas'].matches('^[0-9]+$')", "message": "replicas must be a whole number that is not negative, in quotes, such as \"3\""},
        ],
    })
}

/// Actions that somebody asks for, at most 64.
#[must_use]
pub fn actions(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 64,
        "items": {
            "type": "object", "required": ["type"], "description": "One action.",
            "properties": {
                "type": described(generator.subschema_for::<ActionType>(), "Type of the action, such as `RollbackDeployment`."),
                "params": described(params(generator), "Arguments of the action, by name, such as `toRevision: \"4\"`."),
            },
        },
    })
}
