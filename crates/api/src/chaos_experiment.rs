//! The `ChaosExperiment` resource: a fault that is caused on purpose, to see whether the service stands it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, ResourceRef};
use crate::{formats, references};

/// Fault to cause.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChaosExperimentType {
    /// Deletes pods at once.
    #[serde(rename = "pod_kill")]
    PodKill,
    /// Deletes pods and gives them time to end.
    #[serde(rename = "pod_failure")]
    PodFailure,
    /// Keeps CPUs busy beside the target.
    #[serde(rename = "cpu_stress")]
    CpuStress,
    /// Fills memory beside the target.
    #[serde(rename = "memory_stress")]
    MemoryStress,
    /// Delays the target's packets.
    #[serde(rename = "network_delay")]
    NetworkDelay,
    /// Drops some of the target's packets.
    #[serde(rename = "network_loss")]
    NetworkLoss,
    /// Writes to disk beside the target.
    #[serde(rename = "disk_stress")]
    DiskStress,
}

/// Where an experiment is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChaosExperimentState {
    /// It waits: for its time, for approval, or for another experiment to end.
    Pending,
    /// The fault is there.
    Running,
    /// It is over and the target was seen to recover, as far as that was asked for.
    Completed,
    /// It could not be carried out, or the target did not recover.
    Failed,
    /// It was broken off: a guard said so, or it was disabled.
    Aborted,
}

/// Course of the experiment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ChaosExperimentStatus {
    /// When the fault was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// `Ready`: whether the experiment can be carried out, and what forbids it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Pods that the fault hit.
    #[serde(default)]
    pub pods_affected: i32,
    /// The target afterwards, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_experiment_snapshot: Option<String>,
    /// The target before, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_experiment_snapshot: Option<String>,
    /// Time from the end of the fault until the target was healthy, as a duration, or `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_time: Option<String>,
    /// Whether the target was seen healthy afterwards.
    #[serde(default)]
    pub recovery_verified: bool,
    /// What came of it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// When the fault was caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Where the experiment is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ChaosExperimentState>,
}

/// A fault that is caused on purpose.
///
/// In the operator's own namespace an experiment may aim at every namespace; elsewhere only at its own.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ChaosExperiment",
    plural = "chaosexperiments",
    doc = "A fault that is caused on purpose, within guards, to see whether a service stands it and whether the platform heals it. In the operator's own namespace it may aim at every namespace; elsewhere only at its own.",
    namespaced,
    status = "ChaosExperimentStatus",
    shortname = "chaos",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.experimentType"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".spec.duration"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = known_parameters())]
#[x_kube(validation = number("count", 1, 1000))]
#[x_kube(validation = number("gracePeriodSeconds", 0, 3600))]
#[x_kube(validation = number("cores", 1, 256))]
#[x_kube(validation = number("loadPercent", 1, 100))]
#[x_kube(validation = number("workers", 1, 256))]
#[x_kube(validation = number("latencyMs", 1, 600_000))]
#[x_kube(validation = number("jitterMs", 0, 600_000))]
#[x_kube(validation = percent("percent", true))]
#[x_kube(validation = percent("correlation", false))]
#[x_kube(validation = size("bytes"))]
#[x_kube(validation = size("size"))]
#[x_kube(validation = pods_or_sets())]
#[x_kube(validation = target_not_blocked())]
#[x_kube(validation = target_allowed())]
pub struct ChaosExperimentSpec {
    /// Check everything, say what would be done, and touch nothing. Set it to `false` afterwards to run the experiment.
    /// Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// How long the fault stays, as a duration of at most 7 days, such as `2m`.
    #[schemars(schema_with = "fault_duration")]
    pub duration: String,
    /// Whether the experiment runs; `false` keeps it from starting, breaks it off and takes the fault away. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Fault to cause.
    pub experiment_type: ChaosExperimentType,
    /// Issue whose remediation is tried out; it is shown in the request for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::local")]
    pub linked_issue_ref: Option<IssueRef>,
    /// Settings of the fault, as text. `pod_kill`: `count` (1). `pod_failure`: `count` (1), `gracePeriodSeconds` (30).
    /// `cpu_stress`: `cores` (1), `loadPercent` (80). `memory_stress`: `bytes` (256M), `workers` (1). `disk_stress`: `size` (1G),
    /// `workers` (1). `network_delay`: `latencyMs` (100), `jitterMs` (10). `network_loss`: `percent` (10), `correlation` (25).
    /// Others are refused.
    #[serde(default)]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
    /// What to check when the fault is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_experiment: Option<PostExperiment>,
    /// What must hold for the experiment to start and to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_checks: Option<SafetyChecks>,
    /// When to run it again and again, as a cron line of five fields in UTC, or a word such as `@daily`. Without it, it runs once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::cron")]
    pub schedule: Option<String>,
    /// Deployment or StatefulSet whose pods are hit.
    #[schemars(schema_with = "references::workload")]
    pub target: ResourceRef,
}

/// What must hold for the experiment to start and to go on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = lists_apart())]
pub struct SafetyChecks {
    /// Break off and take the fault away when an Issue of the target appears that the experiment did not cause. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_on_issue_detected: Option<bool>,
    /// Namespaces in which experiments may run; empty means all. The target's must be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::namespaces")]
    pub allowed_namespaces: Vec<String>,
    /// Namespaces in which experiments may not run. Neither the target's nor an allowed one can be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::namespaces")]
    pub blocked_namespaces: Vec<String>,
    /// Most experiments that may run in the cluster at a time, this one included; it waits for its turn. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_experiments: i32,
    /// Healthy pods of the target that must be left; the experiment is refused when fewer would be. 0 switches the check off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub min_healthy_pods: Option<i32>,
    /// Ask for approval and wait for it before anything is touched; a dry run asks for none. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
}

/// What to check when the fault is gone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostExperiment {
    /// Longest wait for the recovery, as a duration of at most 1 day; the experiment has failed when it passes. Default `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "recovery_timeout")]
    pub recovery_timeout: Option<String>,
    /// Leave the recovery to the incident pipeline and require that it healed the target. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_remediation_test: Option<bool>,
    /// Wait until the target is healthy again. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_recovery: Option<bool>,
}

fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
}

fn fault_duration(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(1, 7 * 86_400, "from 1s to 7d")
}

fn recovery_timeout(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(1, 86_400, "from 1s to 24h")
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 8,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 32},
    })
}

fn known_parameters() -> Rule {
    let keys = [
        ("pod_kill", "['count']"),
        ("pod_failure", "['count', 'gracePeriodSeconds']"),
        ("cpu_stress", "['cores', 'loadPercent']"),
        ("memory_stress", "['bytes', 'workers']"),
        ("disk_stress", "['size', 'workers']"),
        ("network_delay", "['latencyMs', 'jitterMs']"),
        ("network_loss", "['percent', 'correlation']"),
    ];
    let table: Vec<String> = keys.iter().map(|(kind, keys)| format!("'{kind}': {keys}")).collect();
    let known: Vec<String> = keys.iter().map(|(kind, keys)| format!("{kind} {}", keys.replace('\'', ""))).collect();
    formats::rule(
        "parameters",
        format!("self.parameters.all(k, k in {{{}}}[self.experimentType])", table.join(", ")),
        &format!("parameters has a key that the experimentType does not know; known are: {}", known.join(", ")),
    )
}

fn parameter(key: &str, check: &str, what: &str) -> Rule {
    formats::rule(
        "parameters",
        format!("!('{key}' in self.parameters) || {check}"),
        &format!("parameters.{key} must be {what}, in quotes"),
    )
}

fn number(key: &str, min: i64, max: i64) -> Rule {
    let check = formats::cel_whole_number(&format!("self.parameters['{key}']"), min, max);
    parameter(key, &format!("({check})"), &format!("a whole number from {min} to {max}"))
}

fn percent(key: &str, positive: bool) -> Rule {
    let value = format!("self.parameters['{key}']");
    let bound = if positive { ">" } else { ">=" };
    parameter(
        key,
        &format!(
            r"({value}.matches(r'^[0-9]{{1,3}}(\.[0-9]{{1,6}})?$') && double({value}) {bound} 0.0 && double({value}) <= 100.0)"
        ),
        if positive {
            "a percentage above 0 and up to 100, without %"
        } else {
            "a percentage from 0 to 100, without %"
        },
    )
}

fn size(key: &str) -> Rule {
    let value = format!("self.parameters['{key}']");
    parameter(
        key,
        &format!("{value}.matches('^[1-9][0-9]{{0,14}}([bBkKmMgGtT]|[KMGT]i)?$')"),
        "a size in bytes above 0, such as 256M or 1G",
    )
}

fn pods_or_sets() -> Rule {
    formats::rule(
        "target.kind",
        "self.target.kind in ['Deployment', 'StatefulSet']",
        "target.kind must be Deployment or StatefulSet",
    )
}

fn target_not_blocked() -> Rule {
    formats::rule(
        "target.namespace",
        "!has(self.safetyChecks) || !has(self.safetyChecks.blockedNamespaces) || !(self.target.namespace in self.safetyChecks.blockedNamespaces)",
        "target.namespace is one of safetyChecks.blockedNamespaces",
    )
}

fn target_allowed() -> Rule {
    formats::rule(
        "target.namespace",
        "!has(self.safetyChecks) || !has(self.safetyChecks.allowedNamespaces) || self.safetyChecks.allowedNamespaces.size() == 0 || self.target.namespace in self.safetyChecks.allowedNamespaces",
        "target.namespace is not one of safetyChecks.allowedNamespaces",
    )
}

fn lists_apart() -> Rule {
    formats::rule(
        "allowedNamespaces",
        "!has(self.allowedNamespaces) || !has(self.blockedNamespaces) || !self.allowedNamespaces.exists(n, n in self.blockedNamespaces)",
        "allowedNamespaces and blockedNamespaces must not name the same namespace",
    )
}
