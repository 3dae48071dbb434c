//! The `IncidentSLA` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::shared::{Severity};

/// Observed state of IncidentSLA.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSLAStatus {
    /// Only ever incremented
    #[serde(default)]
    pub active_violations: i32,
    /// Mean until resolvedAt
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_resolution_time: Option<String>,
    /// Mean until Analyzing condition
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_response_time: Option<String>,
    /// (tracked minus violations)/tracked, floored at zero
    #[serde(default)]
    pub compliance_percentage: f64,
    /// SLAViolation condition
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Latest breach
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_violation_at: Option<Time>,
    /// Last 50 breaches
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_violations: Vec<IncidentSLARecentViolation>,
    /// Issues that reached an end state
    #[serde(default)]
    pub total_issues_tracked: i64,
    /// Breaches so far
    #[serde(default)]
    pub total_violations: i64,
}

/// Last 50 breaches.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSLARecentViolation {
    /// Measured duration text
    #[serde(default)]
    pub elapsed: String,
    /// Breaching Issue
    #[serde(default)]
    pub issue_name: String,
    /// Limit text
    #[serde(default)]
    pub threshold: String,
    /// Response or resolution
    #[serde(rename = "type", default)]
    pub type_: String,
    /// Breach time
    pub violated_at: Time,
}

/// Desired state of IncidentSLA.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "IncidentSLA",
    plural = "incidentslas",
    namespaced,
    status = "IncidentSLAStatus",
    shortname = "sla",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "ResponseTime", type_ = "string", json_path = ".spec.responseTime"),
    printcolumn(name = "ResolutionTime", type_ = "string", json_path = ".spec.resolutionTime"),
    printcolumn(name = "Compliance%", type_ = "number", json_path = ".status.compliancePercentage"),
    printcolumn(name = "Violations", type_ = "integer", json_path = ".status.totalViolations"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSLASpec {
    /// Calendar for that
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_hours: Option<IncidentSLABusinessHours>,
    /// Count only business time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_hours_only: Option<bool>,
    /// Escalation on breach; not implemented
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation_policy_ref: Option<String>,
    /// Notification on breach; not implemented
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_policy_ref: Option<String>,
    /// Go duration until resolved
    pub resolution_time: String,
    /// Go duration until analysis starts
    pub response_time: String,
    /// Issue severity covered; first match wins
    pub severity: Severity,
}

/// Calendar for that.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSLABusinessHours {
    /// Closing hour
    // contract default: 18
    #[schemars(range(min = 0, max = 23))]
    pub end_hour: i32,
    /// Opening hour
    // contract default: 9
    #[schemars(range(min = 0, max = 23))]
    pub start_hour: i32,
    /// IANA zone; invalid falls back to UTC
    // contract default: "UTC"
    pub timezone: String,
    /// English weekday names, exact case
    // contract default: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    pub work_days: Vec<String>,
}
