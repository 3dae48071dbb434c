//! The `NotificationPolicy` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{IssueState, LocalObjectRef, Severity};

/// NotificationPolicyType
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationPolicyType {
    /// `slack`.
    #[serde(rename = "slack")]
    Slack,
    /// `pagerduty`.
    #[serde(rename = "pagerduty")]
    Pagerduty,
    /// `opsgenie`.
    #[serde(rename = "opsgenie")]
    Opsgenie,
    /// `email`.
    #[serde(rename = "email")]
    Email,
    /// `webhook`.
    #[serde(rename = "webhook")]
    Webhook,
    /// `teams`.
    #[serde(rename = "teams")]
    Teams,
}

/// Observed state of NotificationPolicy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyStatus {
    /// Ready condition
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Failures
    #[serde(default)]
    pub failed_count: i64,
    /// Last success
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notified_at: Option<Time>,
    /// Last 20 attempts
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_deliveries: Vec<NotificationPolicyRecentDelivery>,
    /// Successes
    #[serde(default)]
    pub total_sent: i64,
}

/// Last 20 attempts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyRecentDelivery {
    /// Channel name
    #[serde(default)]
    pub channel: String,
    /// Error text
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Attempt time
    pub sent_at: Time,
    /// Delivered or not
    #[serde(default)]
    pub success: bool,
}

/// Desired state of NotificationPolicy.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "NotificationPolicy",
    plural = "notificationpolicies",
    namespaced,
    status = "NotificationPolicyStatus",
    shortname = "np",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Channels", type_ = "integer", json_path = ".spec.channels"),
    printcolumn(name = "Sent", type_ = "integer", json_path = ".status.totalSent"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failedCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicySpec {
    /// Delivery endpoints
    pub channels: Vec<NotificationPolicyChannel>,
    /// Disabled policies are skipped
    // contract default: true
    pub enabled: bool,
    /// Which Issue transitions go where
    pub rules: Vec<NotificationPolicyRule>,
    /// Body text per event key, simple replacement
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, String>,
    /// In-memory rate limits
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<NotificationPolicyThrottle>,
}

/// In-memory rate limits.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyThrottle {
    /// Minimum gap per Issue and channel
    // contract default: "5m"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication_window: Option<String>,
    /// Grouping of messages; not implemented
    // contract default: "1m"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping_window: Option<String>,
    /// Limit per Issue and channel per clock hour
    // contract default: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_hour: Option<i32>,
}

/// Which Issue transitions go where.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyRule {
    /// Channel names to use
    pub channels: Vec<String>,
    /// Rule id, logged only
    pub name: String,
    /// Workload namespace filter
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Workload kind filter, exact case
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_kinds: Vec<String>,
    /// Severity filter
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
    /// Signal filter, exact
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signal_types: Vec<String>,
    /// Issue state filter
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<IssueState>,
}

/// Delivery endpoints.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyChannel {
    /// Sender settings, see channel keys
    pub config: BTreeMap<String, String>,
    /// Channel id used by rules and escalation
    pub name: String,
    /// All keys overlay config
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectRef>,
    /// Sender implementation
    #[serde(rename = "type")]
    pub type_: NotificationPolicyType,
}
