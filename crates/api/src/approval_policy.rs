//! The `ApprovalPolicy` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{ActionType, Severity};

/// ApprovalMode
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalMode {
    /// `auto`.
    #[serde(rename = "auto")]
    Auto,
    /// `manual`.
    #[serde(rename = "manual")]
    Manual,
    /// `quorum`.
    #[serde(rename = "quorum")]
    Quorum,
}

/// Observed state of ApprovalPolicy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyStatus {
    /// Never set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Counter, grows at every reconcile of an approved request
    #[serde(default)]
    pub total_approved: i64,
    /// Counter of auto-approved requests
    #[serde(default)]
    pub total_auto_approved: i64,
    /// Counter of expired requests, same over-count
    #[serde(default)]
    pub total_expired: i64,
    /// Counter of rejected requests, same over-count
    #[serde(default)]
    pub total_rejected: i64,
    /// UIDs of requests whose decision is in the counters while the request does not say so yet. It is what makes each
    /// request count once, whenever the process ends in between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counting: Vec<String>,
}

/// Desired state of ApprovalPolicy.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ApprovalPolicy",
    plural = "approvalpolicies",
    namespaced,
    status = "ApprovalPolicyStatus",
    shortname = "ap",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "DefaultMode", type_ = "string", json_path = ".spec.defaultMode"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Approved", type_ = "integer", json_path = ".status.totalApproved"),
    printcolumn(name = "Rejected", type_ = "integer", json_path = ".status.totalRejected"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicySpec {
    /// Mode when nothing matches; free string, unused
    // contract default: "manual"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<String>,
    /// Disabled policies are skipped
    // contract default: true
    pub enabled: bool,
    /// Ordered rules; first match over all policies wins
    pub rules: Vec<ApprovalPolicyRule>,
}

/// Ordered rules; first match over all policies wins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRule {
    /// Thresholds for auto mode; effectively unreachable for plans
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve_conditions: Option<ApprovalPolicyRuleAutoApproveConditions>,
    /// Time window outside which the request is left waiting
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_window: Option<ApprovalPolicyRuleChangeWindow>,
    /// Selection criteria, all must hold
    #[serde(rename = "match")]
    pub match_: ApprovalPolicyRuleMatch,
    /// Auto creates no request; manual and quorum do
    // contract default: "manual"
    pub mode: ApprovalMode,
    /// Rule id stored in the request
    pub name: String,
    /// Copied to request; quorum size
    // contract default: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_approvers: Option<i32>,
    /// Copied to request; expiry
    // contract default: 30
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<i32>,
}

/// Selection criteria, all must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRuleMatch {
    /// Any planned action type; agentic plans never match
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_types: Vec<ActionType>,
    /// Workload namespaces; empty matches all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Workload kinds, case-insensitive; empty matches all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_kinds: Vec<String>,
    /// Issue severities; empty matches all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
}

/// Time window outside which the request is left waiting.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRuleChangeWindow {
    /// English weekday names, case-insensitive
    // contract default: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    pub allowed_days: Vec<String>,
    /// Last hour, exclusive; below start means overnight
    #[schemars(range(min = 0, max = 23))]
    pub end_hour: i32,
    /// First hour, inclusive
    #[schemars(range(min = 0, max = 23))]
    pub start_hour: i32,
    /// IANA zone of the window
    // contract default: "UTC"
    pub timezone: String,
}

/// Thresholds for auto mode; effectively unreachable for plans.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRuleAutoApproveConditions {
    /// Lowest past success rate to auto-approve
    pub historical_success_rate: f64,
    /// Severity ceiling; comparison is constant, so no effect
    pub max_severity: Severity,
    /// Lowest AI confidence to auto-approve
    pub min_confidence: f64,
}
