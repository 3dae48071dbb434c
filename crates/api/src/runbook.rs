//! The `Runbook` resource.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::shared::{Severity, SignalType};

/// Desired state of Runbook.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Runbook",
    plural = "runbooks",
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
    /// Text shown to the model and in strategy
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Replaces the Issue's attempt limit
    // contract default: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i32>,
    /// Steps turned into plan actions
    pub steps: Vec<RunbookStep>,
    /// Matching key
    pub trigger: RunbookTrigger,
}

/// Matching key.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunbookTrigger {
    /// Must equal workload kind
    pub resource_kind: String,
    /// Must equal Issue severity
    pub severity: Severity,
    /// Preferred match; mismatch only lowers the tier
    pub signal_type: SignalType,
}

/// Steps turned into plan actions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunbookStep {
    /// Action type name; unknown becomes Custom
    pub action: String,
    /// Reason shown to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Step title
    pub name: String,
    /// Action arguments
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}
