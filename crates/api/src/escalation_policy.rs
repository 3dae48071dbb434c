//! The `EscalationPolicy` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{Severity};

/// EscalationPolicyType
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EscalationPolicyType {
    /// `channel`.
    #[serde(rename = "channel")]
    Channel,
    /// `user`.
    #[serde(rename = "user")]
    User,
    /// `team`.
    #[serde(rename = "team")]
    Team,
    /// `oncall`.
    #[serde(rename = "oncall")]
    Oncall,
}

/// Observed state of EscalationPolicy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyStatus {
    /// One entry per escalated Issue; never removed
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_escalations: Vec<EscalationPolicyActiveEscalation>,
    /// Never set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Counts first escalation of each Issue
    #[serde(default)]
    pub total_escalations: i64,
}

/// One entry per escalated Issue; never removed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyActiveEscalation {
    /// Unused; REST acknowledge writes an Issue annotation
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Time>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// Zero-based level
    #[serde(default)]
    pub current_level: i32,
    /// Time the level was reached
    pub escalated_at: Time,
    /// Escalated Issue
    #[serde(default)]
    pub issue_name: String,
}

/// Desired state of EscalationPolicy.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "EscalationPolicy",
    plural = "escalationpolicies",
    namespaced,
    status = "EscalationPolicyStatus",
    shortname = "ep",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Levels", type_ = "integer", json_path = ".spec.levels"),
    printcolumn(name = "Default", type_ = "boolean", json_path = ".spec.defaultPolicy"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicySpec {
    /// Fallback when no policy matches the severity
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<bool>,
    /// Disabled policies are skipped
    // contract default: true
    pub enabled: bool,
    /// Ordered chain, index 0 first
    pub levels: Vec<EscalationPolicyLevel>,
    /// Severities covered; empty means all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
}

/// Ordered chain, index 0 first.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyLevel {
    /// Level label in messages and metric
    pub name: String,
    /// Channel names looked up in all enabled NotificationPolicies
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify_channels: Vec<String>,
    /// Reminder period; not implemented
    // contract default: 0
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_interval_minutes: Option<i32>,
    /// People or teams; only printed in the message
    pub targets: Vec<EscalationPolicyLevelTarget>,
    /// Minutes before the next level
    // contract default: 15
    pub timeout_minutes: i32,
}

/// People or teams; only printed in the message.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyLevelTarget {
    /// Printed as type:name
    pub name: String,
    /// Printed as type:name
    #[serde(rename = "type")]
    pub type_: EscalationPolicyType,
}
