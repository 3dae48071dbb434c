//! The `ServiceLevelObjective` resource: how good a service must be, and when to speak up.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::{ResourceRef, Severity};
use crate::{formats, references};

/// Where the measurements come from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum MetricSource {
    /// A query to Prometheus.
    #[serde(rename = "prometheus")]
    Prometheus,
    /// Signals that the servers report.
    #[serde(rename = "watcher")]
    Watcher,
    /// Time during which an Issue of the service was open.
    #[default]
    #[serde(rename = "issues")]
    Issues,
}

/// What is measured.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IndicatorType {
    /// Share of the time, or of the requests, in which the service works.
    #[serde(rename = "availability")]
    Availability,
    /// Share of the requests that are answered within a time.
    #[serde(rename = "latency")]
    Latency,
    /// Share of the requests that do not fail.
    #[serde(rename = "error_rate")]
    ErrorRate,
    /// Share of the time in which the service does the work expected of it.
    #[serde(rename = "throughput")]
    Throughput,
}

/// How the objective is met.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLevelObjectiveStatus {
    /// Alerts that are firing now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_alerts: Vec<SloAlert>,
    /// Speed at which the error budget was spent in the last hour; 1 spends exactly all of it by the end of the window.
    #[serde(default)]
    pub burn_rate1h: f64,
    /// The same over the last 6 hours.
    #[serde(default)]
    pub burn_rate6h: f64,
    /// The same over the last 24 hours.
    #[serde(default)]
    pub burn_rate24h: f64,
    /// The same over the last 72 hours.
    #[serde(default)]
    pub burn_rate72h: f64,
    /// `Ready`: whether the indicator can be measured; without data it is `Unknown`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The indicator over the window, as a fraction from 0 to 1.
    #[serde(default)]
    pub current_value: f64,
    /// Share of the error budget that is spent, in percent; over 100 when more than all of it is.
    #[serde(default)]
    pub error_budget_consumed_percentage: f64,
    /// Share of the error budget that is left, as a fraction; not below 0.
    #[serde(default)]
    pub error_budget_remaining: f64,
    /// Share of the error budget that is left, in percent; below 0 when more than all of it is spent.
    #[serde(default)]
    pub error_budget_remaining_percentage: f64,
    /// The error budget: one minus the target, as a fraction.
    #[serde(default)]
    pub error_budget_total: f64,
    /// When these figures were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_calculated_at: Option<Time>,
    /// Whether the indicator is at or above the target.
    #[serde(default)]
    pub target_met: bool,
}

/// An alert that is firing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SloAlert {
    /// Burn rate when it fired.
    #[serde(default)]
    pub burn_rate: f64,
    /// When it fired.
    pub fired_at: Time,
    /// Its severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// `short/long`, or `budget-exhausted`.
    #[serde(default)]
    pub window: String,
}

/// An objective for one service.
///
/// In the operator's own namespace it may look at every namespace; elsewhere only at its own. Issues that its alerts raise are
/// never counted against it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ServiceLevelObjective",
    plural = "servicelevelobjectives",
    doc = "How good a service must be over a window of time, and at which speed of spending the error budget an Issue is raised. Issues that its alerts raise are never counted against it.",
    namespaced,
    status = "ServiceLevelObjectiveStatus",
    shortname = "slo",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.serviceName"),
    printcolumn(name = "Target%", type_ = "number", json_path = ".spec.target.percentage"),
    printcolumn(name = "Current", type_ = "number", json_path = ".status.currentValue"),
    printcolumn(name = "BudgetRemaining%", type_ = "number", json_path = ".status.errorBudgetRemainingPercentage"),
    printcolumn(name = "BurnRate1h", type_ = "number", json_path = ".status.burnRate1h"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = alert_windows_fit())]
pub struct ServiceLevelObjectiveSpec {
    /// When to raise an Issue about the objective. Without it the objective is only measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_policy: Option<SloAlertPolicy>,
    /// What the objective is for; shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub description: Option<String>,
    /// Whether the objective is measured. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is measured.
    pub indicator: SloIndicator,
    /// Name of the service: the label `platform.chatcli.io/service` of its Issues, or the name of its workload.
    #[schemars(schema_with = "service_name")]
    pub service_name: String,
    /// How good the service must be.
    pub target: SloTarget,
}

/// How good the service must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SloTarget {
    /// Wanted share of good time or requests, in percent: above 0 and below 100, such as 99.9. With 100 there would be no error
    /// budget.
    #[schemars(schema_with = "percentage")]
    pub percentage: f64,
    /// Duration over which it must hold, up to now, from `1h` to `366d`. Default `30d`.
    #[serde(default = "thirty_days")]
    #[schemars(schema_with = "window")]
    pub window: String,
}

/// What is measured.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = query_for_prometheus())]
#[x_kube(validation = prometheus_for_query())]
#[x_kube(validation = threshold_for_latency())]
pub struct SloIndicator {
    /// Percentile that is compared with `latencyThresholdMs`, such as `p99` or `p99.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percentile")]
    pub latency_percentile: Option<String>,
    /// Time within which a request counts as good, in milliseconds, 1 to 3600000. Needed for `latency` without a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub latency_threshold_ms: Option<i64>,
    /// Where the measurements come from. Default `issues`.
    #[serde(default)]
    pub metric_source: MetricSource,
    /// Query whose result is the share of good events, from 0 to 1; required with `metricSource: prometheus`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "query")]
    pub prometheus_query: Option<String>,
    /// Workload that provides the service. Issues of other workloads with the same name do not count then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::workload")]
    pub resource: Option<ResourceRef>,
    /// What is measured.
    #[serde(rename = "type")]
    pub type_: IndicatorType,
}

/// When to raise an Issue about the objective.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SloAlertPolicy {
    /// Alerts on the speed at which the error budget is spent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["shortWindow".into(), "longWindow".into(), "severity".into()]))]
    pub burn_rate_windows: Vec<BurnRateWindow>,
    /// Name of the NotificationPolicy, in the same namespace, whose channels are told; without it the rules of all policies decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub notification_policy_ref: Option<String>,
    /// Raise one critical Issue when the error budget is spent. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_on_budget_exhausted: Option<bool>,
}

/// An alert that fires while both windows burn faster than the threshold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = short_before_long())]
pub struct BurnRateWindow {
    /// Burn rate that both windows must reach; 1 spends exactly the whole budget over the target's window. Above 0.
    #[schemars(schema_with = "burn_rate")]
    pub burn_rate_threshold: f64,
    /// Duration of the slow window, which shows that it matters; longer than `shortWindow`, at most the target's window.
    #[schemars(schema_with = "formats::duration")]
    pub long_window: String,
    /// Severity of the Issue.
    pub severity: Severity,
    /// Duration of the fast window, which shows that it goes on.
    #[schemars(schema_with = "formats::duration")]
    pub short_window: String,
}

fn yes() -> bool {
    true
}

fn thirty_days() -> String {
    "30d".to_owned()
}

fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "number", "format": "double",
        "minimum": 0.0, "exclusiveMinimum": true, "maximum": 100.0, "exclusiveMaximum": true,
    })
}

fn burn_rate(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "number", "format": "double", "minimum": 0.0, "exclusiveMinimum": true, "maximum": 1_000_000.0})
}

fn window(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(3600, 366 * 86_400, "from 1h to 366d")
}

fn percentile(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        8,
        r"self.matches(r'^p([1-9][0-9]?)(\.[0-9]{1,3})?$')",
        "must be a percentile above p0 and below p100, such as p50, p95, p99 or p99.9",
    )
}

fn query(_: &mut SchemaGenerator) -> Schema {
    formats::prose(8192)
}

fn service_name(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        formats::LABEL_VALUE,
        63,
        "must be the name of a service: up to 63 letters, digits, -, _ and ., such as api-gateway",
    )
}

fn alert_windows_fit() -> Rule {
    formats::rule(
        "alertPolicy",
        format!(
            "!has(self.alertPolicy) || !has(self.alertPolicy.burnRateWindows) || self.alertPolicy.burnRateWindows.all(w, {} <= {})",
            formats::cel_seconds("w.longWindow"),
            formats::cel_seconds("self.target.window")
        ),
        "longWindow of each of alertPolicy.burnRateWindows must not be longer than target.window",
    )
}

fn short_before_long() -> Rule {
    formats::rule(
        "shortWindow",
        format!("{} < {}", formats::cel_seconds("self.shortWindow"), formats::cel_seconds("self.longWindow")),
        "shortWindow must be shorter than longWindow",
    )
}

fn query_for_prometheus() -> Rule {
    formats::rule(
        "prometheusQuery",
        "self.metricSource != 'prometheus' || has(self.prometheusQuery)",
        "prometheusQuery must be given with metricSource: prometheus",
    )
}

fn prometheus_for_query() -> Rule {
    formats::rule(
        "metricSource",
        "!has(self.prometheusQuery) || self.metricSource == 'prometheus'",
        "metricSource must be prometheus when prometheusQuery is given",
    )
}

fn threshold_for_latency() -> Rule {
    formats::rule(
        "latencyThresholdMs",
        "self.type != 'latency' || has(self.latencyThresholdMs) || has(self.prometheusQuery)",
        "latencyThresholdMs must be given for an indicator of type latency that has no prometheusQuery",
    )
}
