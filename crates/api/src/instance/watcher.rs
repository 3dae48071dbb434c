//! What the server watches.

use kube::KubeSchema;
use kube::core::cel::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::formats;

/// Kinds of workloads that are watched by name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum WatchedKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
}

/// What the server watches.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = interval_within_window())]
#[x_kube(validation = formats::rule("deployment", "!has(self.deployment) || !has(self.targets) || self.targets.size() == 0", "deployment and targets exclude each other; name every workload in targets"))]
#[x_kube(validation = formats::rule("namespace", "!has(self.namespace) || has(self.deployment)", "namespace goes with deployment; targets have namespaces of their own"))]
#[x_kube(validation = formats::rule("targets", "!has(self.enabled) || !self.enabled || has(self.deployment) || has(self.targets) && self.targets.size() > 0", "targets must name at least one workload when enabled is true"))]
pub struct InstanceWatcher {
    /// Name of the only Deployment to watch; `targets` is the form for any number of workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub deployment: Option<String>,
    /// Watch the workloads, and let the server read them. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Duration between two readings of metrics, from `1s` to `24h`; changes of objects are seen at once. Default `30s`.
    #[serde(default = "thirty_seconds")]
    #[schemars(schema_with = "formats::interval")]
    pub interval: String,
    /// Most characters of context that a request to the language model carries, 1 to 10000000. Default 32000.
    #[serde(default = "context_chars")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_context_chars: i32,
    /// Most lines of log per container that an analysis reads, 0 to 100000; 0 reads none. Default 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_log_lines: i32,
    /// Namespace of `deployment`; default is the Instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::namespace")]
    pub namespace: Option<String>,
    /// Workloads to watch, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "kind".into(), "name".into(), "deployment".into()]))]
    pub targets: Vec<WatchTarget>,
    /// Duration for which observations are kept, from `1m` to `30d`; at least `interval`. Default `2h`.
    #[serde(default = "two_hours")]
    #[schemars(schema_with = "window")]
    pub window: String,
}

/// One workload to watch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("name", "self.name != '' || self.deployment != ''", "name must be given"))]
#[x_kube(validation = formats::rule("deployment", "self.name == '' || self.deployment == '' || self.name == self.deployment", "deployment is an old word for name: give only one of them"))]
#[x_kube(validation = formats::rule("deployment", "self.deployment == '' || self.kind == 'Deployment' || self.name != ''", "deployment goes with kind Deployment; use name for other kinds"))]
pub struct WatchTarget {
    /// Older word for `name`.
    #[serde(default)]
    #[schemars(schema_with = "name_or_empty")]
    pub deployment: String,
    /// Kind of the workload. Default `Deployment`.
    #[serde(default)]
    pub kind: WatchedKind,
    /// Names of metrics that are judged, with `*` for any characters; empty judges all that count requests or their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "metric_names")]
    pub metrics_filter: Vec<String>,
    /// Path of the pods' metrics, starting with `/`. Default `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "http_path")]
    pub metrics_path: Option<String>,
    /// Port of the pods' metrics in Prometheus' text format, 1 to 65535, read once per `interval`: signals `error_rate` and
    /// `latency`. 0 or none reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::port_or_zero")]
    pub metrics_port: Option<i32>,
    /// Name of the workload.
    #[serde(default)]
    #[schemars(schema_with = "name_or_empty")]
    pub name: String,
    /// Namespace of the workload.
    #[schemars(schema_with = "formats::namespace")]
    pub namespace: String,
    /// From which values on numbers of this workload are a symptom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<WatchThresholds>,
}

/// From which values on numbers are a symptom. What is left out has its usual value.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WatchThresholds {
    /// Percent of its CPU limit that a container uses, 1 to 100: signal `cpu_high`. Default 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: Option<i32>,
    /// Percent of the requests that fail, 1 to 100, of at least 5: signal `error_rate`. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub error_percent: Option<i32>,
    /// Seconds for which a value must be beyond its threshold, 0 to 86400. Default 60 for errors and latency, 300 for CPU
    /// and memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub hold_seconds: Option<i32>,
    /// Milliseconds within which 99 % of the requests are answered, 1 to 3600000: signal `latency`. Without it, one second
    /// or three times the usual, whichever is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub latency_millis: Option<i32>,
    /// Percent of its memory limit that a container's working set has, 1 to 100: signal `memory_high`. Default 90
    /// while it grows, 97 where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub memory_percent: Option<i32>,
}

impl WatchTarget {
    /// Name of the workload, whichever word it was given with.
    #[must_use]
    pub fn workload(&self) -> &str {
        if self.name.is_empty() { &self.deployment } else { &self.name }
    }
}

fn hundred() -> i32 {
    100
}

fn context_chars() -> i32 {
    32000
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn two_hours() -> String {
    "2h".to_owned()
}

fn window(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(60, 30 * 86_400, "from 1m to 30d")
}

fn name_or_empty(_: &mut SchemaGenerator) -> Schema {
    let rule = format!("self == '' || self.matches(r'{}')", formats::DNS_SUBDOMAIN);
    let message = "must be the name of a workload: small letters, digits, - and ., such as api-gateway";
    formats::or(formats::checked(253, &rule, message), json!(""))
}

/// The limits keep the rule cheap enough for the API server, for thousands of targets.
fn metric_names(_: &mut SchemaGenerator) -> Schema {
    let name = formats::worded(
        r"^\S+$",
        128,
        "must be the name of a metric without spaces, with * for any characters, such as http_*",
    );
    formats::set_of(&name, 0, 40)
}

fn http_path(_: &mut SchemaGenerator) -> Schema {
    formats::checked(1024, r"self.matches(r'^/[^\s#]*$')", "must be a path that starts with /, such as /metrics")
}

fn interval_within_window() -> Rule {
    formats::rule(
        "interval",
        format!("{} <= {}", formats::cel_seconds("self.interval"), formats::cel_seconds("self.window")),
        "interval must not be longer than window",
    )
}
