//! The `AuditEvent` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Desired state of AuditEvent.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "AuditEvent",
    plural = "auditevents",
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
pub struct AuditEventSpec {
    /// Who acted
    pub actor: AuditEventActor,
    /// Issue name tying events together
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Extra key/value facts
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Snake_case event name, free text
    pub event_type: String,
    /// Object acted upon
    pub resource: AuditEventResource,
    /// Info, warning or critical as free text
    // contract default: "info"
    pub severity: String,
    /// Event time
    pub timestamp: Time,
}

/// Object acted upon.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventResource {
    /// Kind of the object
    pub kind: String,
    /// Name of the object
    pub name: String,
    /// Namespace; also where the event is stored
    pub namespace: String,
    /// Uid of the object
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Who acted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventActor {
    /// Short controller id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Go reconciler name
    pub name: String,
    /// Always "controller" in practice
    #[serde(rename = "type")]
    pub type_: String,
}
