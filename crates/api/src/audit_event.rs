//! The `AuditEvent` resource: who did what to which object, written once and never changed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::cel::{Reason, Rule};
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{formats, references};

/// Who did what to which object, and when. It cannot be changed.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "AuditEvent",
    plural = "auditevents",
    doc = "The record that something was done: who, what, to which object, when. It is written once, in the namespace of the object, and cannot be changed.",
    namespaced,
    shortname = "ae",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "EventType", type_ = "string", json_path = ".spec.eventType"),
    printcolumn(name = "Actor", type_ = "string", json_path = ".spec.actor.name"),
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.resource.name"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = never_changes())]
pub struct AuditEventSpec {
    /// Who did it.
    pub actor: AuditEventActor,
    /// What ties events together, as a rule the name of the Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub correlation_id: Option<String>,
    /// Further facts, by name; at most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "details")]
    pub details: BTreeMap<String, String>,
    /// What was done, in small letters with `_`, such as `issue_created` or `remediation_completed`.
    #[schemars(schema_with = "event_type")]
    pub event_type: String,
    /// Object that it was done to.
    pub resource: AuditEventResource,
    /// How much it matters: `info`, `warning` or `critical`. Default `info`.
    #[serde(default = "info")]
    #[schemars(schema_with = "severity")]
    pub severity: String,
    /// When it was done.
    pub timestamp: Time,
}

/// Object that something was done to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventResource {
    /// Kind of the object, such as `Issue`.
    #[schemars(schema_with = "formats::kind")]
    pub kind: String,
    /// Name of the object.
    #[schemars(schema_with = "object")]
    pub name: String,
    /// Namespace of the object; empty for an object that has none, such as a node.
    #[schemars(schema_with = "references::namespace_or_none")]
    pub namespace: String,
    /// UID of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::uid")]
    pub uid: Option<String>,
}

/// Who did something.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventActor {
    /// Controller that acted, in short, such as `issue`; absent when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub controller: Option<String>,
    /// Name of the controller or verified identity of the person, such as `jane@example.com`.
    #[schemars(schema_with = "actor")]
    pub name: String,
    /// What kind of actor it is, such as `controller`, `user` or `policy`.
    #[serde(rename = "type")]
    #[schemars(schema_with = "actor_type")]
    pub type_: String,
}

fn info() -> String {
    "info".to_owned()
}

fn severity(_: &mut SchemaGenerator) -> Schema {
    formats::or(formats::one_of(&["info", "warning", "critical"]), json!("info"))
}

fn event_type(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        "^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        63,
        "must be words in small letters joined by _, such as issue_created",
    )
}

fn actor(_: &mut SchemaGenerator) -> Schema {
    formats::worded(formats::ONE_LINE, 253, "must be the name of whoever acted, on one line")
}

fn actor_type(_: &mut SchemaGenerator) -> Schema {
    formats::worded("^[a-zA-Z][a-zA-Z0-9_-]*$", 63, "must be one word, such as controller, user or policy")
}

fn object(_: &mut SchemaGenerator) -> Schema {
    formats::worded(r"^[^/%\s]+$", 253, "must be the name of an object, such as api-gateway")
}

fn details(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 32_768},
        "x-kubernetes-validations": [{"rule": "!('' in self)", "message": "a detail must have a name"}],
    })
}

/// Without a field path: the rule is about all of it.
fn never_changes() -> Rule {
    Rule::new("self == oldSelf")
        .message("an AuditEvent cannot be changed: write another one that says what is different")
        .reason(Reason::FieldValueForbidden)
}
