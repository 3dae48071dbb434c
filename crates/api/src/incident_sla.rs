//! The `IncidentSLA` resource: how quickly Issues of a severity must be answered and solved.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::formats;
use crate::shared::Severity;

/// How the agreement is kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSLAStatus {
    /// Issues that are past one of their deadlines now.
    #[serde(default)]
    pub active_violations: i32,
    /// Mean time until Issues were resolved, counted in business time when `businessHoursOnly` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_resolution_time: Option<String>,
    /// Mean time until Issues were answered, counted likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_response_time: Option<String>,
    /// Percentage of the tracked Issues that met both deadlines, 0 to 100.
    #[serde(default)]
    pub compliance_percentage: f64,
    /// `SLAViolation`: whether an Issue is past a deadline now, and which one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// When a deadline was last missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_violation_at: Option<Time>,
    /// The last 50 missed deadlines, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_violations: Vec<SlaViolation>,
    /// Issues measured, since the agreement exists.
    #[serde(default)]
    pub total_issues_tracked: i64,
    /// Deadlines missed, since the agreement exists.
    #[serde(default)]
    pub total_violations: i64,
}

/// A missed deadline.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SlaViolation {
    /// Time that had passed, as a duration.
    #[serde(default)]
    pub elapsed: String,
    /// Name of the Issue.
    #[serde(default)]
    pub issue_name: String,
    /// Time that was allowed, as a duration.
    #[serde(default)]
    pub threshold: String,
    /// `response` or `resolution`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// When the deadline passed.
    pub violated_at: Time,
}

/// Deadlines for the Issues of one severity.
///
/// In the operator's own namespace the agreement holds for every namespace; elsewhere for its own namespace, where it goes first.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "IncidentSLA",
    plural = "incidentslas",
    doc = "How quickly the Issues of one severity must be answered and solved, and who is told when they are not. In the operator's own namespace it holds for every namespace; elsewhere for its own, where it goes first.",
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
#[x_kube(validation = response_before_resolution())]
#[x_kube(validation = calendar_for_business_hours())]
pub struct IncidentSLASpec {
    /// The hours that count when `businessHoursOnly` is set; required then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_hours: Option<BusinessHours>,
    /// Count only the time inside `businessHours`. Default `false`: every hour counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_hours_only: Option<bool>,
    /// Name of the EscalationPolicy, in the same namespace, that is started when a deadline passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub escalation_policy_ref: Option<String>,
    /// Name of the NotificationPolicy, in the same namespace, whose channels are told when a deadline is near or passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub notification_policy_ref: Option<String>,
    /// Duration from detection until the Issue must be resolved, such as `4h` or `3d`.
    #[schemars(schema_with = "formats::duration")]
    pub resolution_time: String,
    /// Duration from detection until somebody or something must be at work on the Issue, such as `15m`; not longer than
    /// `resolutionTime`.
    #[schemars(schema_with = "formats::duration")]
    pub response_time: String,
    /// Severity of the Issues that the deadlines hold for.
    pub severity: Severity,
}

/// The hours of the week that count.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = hours_differ())]
pub struct BusinessHours {
    /// Hour of the day at which they end, 0 to 23, not included; before `startHour` means on the next day. Default 18.
    #[serde(default = "eighteen")]
    #[schemars(range(min = 0, max = 23))]
    pub end_hour: i32,
    /// Hour of the day at which they begin, 0 to 23. Default 9.
    #[serde(default = "nine")]
    #[schemars(range(min = 0, max = 23))]
    pub start_hour: i32,
    /// IANA time zone of the hours, such as `America/Sao_Paulo`. Default `UTC`.
    #[serde(default = "utc")]
    #[schemars(schema_with = "formats::time_zone")]
    pub timezone: String,
    /// English names of the days on which they begin, in any case; at least one. Default Monday to Friday.
    #[serde(default = "monday_to_friday")]
    #[schemars(schema_with = "formats::weekdays")]
    pub work_days: Vec<String>,
}

fn nine() -> i32 {
    9
}

fn eighteen() -> i32 {
    18
}

fn utc() -> String {
    "UTC".to_owned()
}

fn monday_to_friday() -> Vec<String> {
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"].map(str::to_owned).to_vec()
}

fn response_before_resolution() -> Rule {
    formats::rule(
        "responseTime",
        format!("{} <= {}", formats::cel_seconds("self.responseTime"), formats::cel_seconds("self.resolutionTime")),
        "responseTime must not be longer than resolutionTime",
    )
}

fn calendar_for_business_hours() -> Rule {
    formats::rule(
        "businessHours",
        "!has(self.businessHoursOnly) || !self.businessHoursOnly || has(self.businessHours)",
        "businessHours must be given when businessHoursOnly is true",
    )
}

fn hours_differ() -> Rule {
    formats::rule(
        "endHour",
        "self.startHour != self.endHour",
        "endHour must differ from startHour, else no hour counts",
    )
}
