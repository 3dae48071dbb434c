//! The `Runbook` resource: what to do about a signal, written down beforehand.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::{ActionType, Severity, SignalType};
use crate::{formats, references};

/// When the Runbook is used, and what it does.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Runbook",
    plural = "runbooks",
    doc = "Says beforehand what to do about a signal: the actions of a RemediationPlan, in their order. In the operator's own namespace it is for every namespace; elsewhere for its own. Its plans are approved like all others.",
    namespaced,
    shortname = "rb",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Signal", type_ = "string", json_path = ".spec.trigger.signalType"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.trigger.severity"),
    printcolumn(name = "ResourceKind", type_ = "string", json_path = ".spec.trigger.resourceKind"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RunbookSpec {
    /// What the Runbook is for; plans and the language model show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// Remediation attempts before people are asked, 1 to 100; replaces the limit of the Instance. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "attempts")]
    pub max_attempts: Option<i32>,
    /// Actions in the order in which they are carried out; 1 to 64.
    #[schemars(length(min = 1, max = 64))]
    pub steps: Vec<RunbookStep>,
    /// Which Issues the Runbook is for.
    pub trigger: RunbookTrigger,
}

/// Which Issues a Runbook is for; all three must match.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunbookTrigger {
    /// Kind of the affected workload, such as `Deployment`.
    #[schemars(schema_with = "formats::kind")]
    pub resource_kind: String,
    /// Severity of the Issue.
    pub severity: Severity,
    /// Signal that opened the Issue, such as `crashloop_backoff`.
    pub signal_type: SignalType,
}

/// One action.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunbookStep {
    /// Type of the action, such as `RollbackDeployment`.
    #[schemars(with = "ActionType")]
    pub action: String,
    /// Why the step is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// Title of the step, for people.
    #[schemars(schema_with = "title")]
    pub name: String,
    /// Arguments of the action, by name, such as `replicas: "3"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "references::params")]
    pub params: BTreeMap<String, String>,
}

fn attempts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 3})
}

fn title(_: &mut SchemaGenerator) -> Schema {
    formats::prose(512)
}
