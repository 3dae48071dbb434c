//! The `ServiceLevelObjective` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{ResourceRef, Severity};

/// ServiceLevelObjectiveMetricSource
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceLevelObjectiveMetricSource {
    /// `prometheus`.
    #[serde(rename = "prometheus")]
    Prometheus,
    /// `watcher`.
    #[serde(rename = "watcher")]
    Watcher,
    /// `issues`.
    #[serde(rename = "issues")]
    Issues,
}

/// ServiceLevelObjectiveType
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceLevelObjectiveType {
    /// `availability`.
    #[serde(rename = "availability")]
    Availability,
    /// `latency`.
    #[serde(rename = "latency")]
    Latency,
    /// `error_rate`.
    #[serde(rename = "error_rate")]
    ErrorRate,
    /// `throughput`.
    #[serde(rename = "throughput")]
    Throughput,
}

/// Observed state of ServiceLevelObjective.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveStatus {
    /// Firing alerts
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_alerts: Vec<ServiceLevelObjectiveActiveAlert>,
    /// Burn rate, 1 hour
    #[serde(default)]
    pub burn_rate1h: f64,
    /// Burn rate, 6 hours
    #[serde(default)]
    pub burn_rate6h: f64,
    /// Burn rate, 24 hours
    #[serde(default)]
    pub burn_rate24h: f64,
    /// Burn rate, 72 hours
    #[serde(default)]
    pub burn_rate72h: f64,
    /// Ready condition
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// SLI as a fraction
    #[serde(default)]
    pub current_value: f64,
    /// Spent percent, may exceed 100
    #[serde(default)]
    pub error_budget_consumed_percentage: f64,
    /// Unspent share, floored at zero
    #[serde(default)]
    pub error_budget_remaining: f64,
    /// One minus target
    #[serde(default)]
    pub error_budget_total: f64,
    /// Last computation
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_calculated_at: Option<Time>,
    /// Fraction at or above target
    #[serde(default)]
    pub target_met: bool,
}

/// Firing alerts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveActiveAlert {
    /// Rate when fired
    #[serde(default)]
    pub burn_rate: f64,
    /// Fire time
    pub fired_at: Time,
    /// Alert severity
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// "short/long" or "budget-exhausted"
    #[serde(default)]
    pub window: String,
}

/// Desired state of ServiceLevelObjective.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ServiceLevelObjective",
    plural = "servicelevelobjectives",
    namespaced,
    status = "ServiceLevelObjectiveStatus",
    shortname = "slo",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.serviceName"),
    printcolumn(name = "Target%", type_ = "number", json_path = ".spec.target.percentage"),
    printcolumn(name = "Current", type_ = "number", json_path = ".status.currentValue"),
    printcolumn(name = "BudgetRemaining%", type_ = "number", json_path = ".status.errorBudgetConsumedPercentage"),
    printcolumn(name = "BurnRate1h", type_ = "number", json_path = ".status.burnRate1h"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveSpec {
    /// Burn-rate alerts
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_policy: Option<ServiceLevelObjectiveAlertPolicy>,
    /// Free text, unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// False: skipped, re-queued
    // contract default: true
    pub enabled: bool,
    /// What is measured
    pub indicator: ServiceLevelObjectiveIndicator,
    /// Issue label or resource name to count
    pub service_name: String,
    /// Objective
    pub target: ServiceLevelObjectiveTarget,
}

/// Objective.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveTarget {
    /// Objective percent
    pub percentage: f64,
    /// Nd or Go duration; bad text means zero
    // contract default: "30d"
    pub window: String,
}

/// What is measured.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveIndicator {
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_percentile: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_threshold_ms: Option<i64>,
    /// Looked at for latency only; no effect
    // contract default: "issues"
    pub metric_source: ServiceLevelObjectiveMetricSource,
    /// Placeholder; value discarded
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus_query: Option<String>,
    /// Anomaly filter by name; copied into alert Issue
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceRef>,
    /// Formula selector
    #[serde(rename = "type")]
    pub type_: ServiceLevelObjectiveType,
}

/// Burn-rate alerts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveAlertPolicy {
    /// Two-window alert rules
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub burn_rate_windows: Vec<ServiceLevelObjectiveAlertPolicyBurnRateWindow>,
    /// Notification choice; not implemented
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_policy_ref: Option<String>,
    /// Critical Issue when budget is gone
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_on_budget_exhausted: Option<bool>,
}

/// Two-window alert rules.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveAlertPolicyBurnRateWindow {
    /// Both windows must reach it
    pub burn_rate_threshold: f64,
    /// Slow window
    pub long_window: String,
    /// Severity of the created Issue
    pub severity: Severity,
    /// Fast window
    pub short_window: String,
}
