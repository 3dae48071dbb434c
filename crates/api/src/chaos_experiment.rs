//! The `ChaosExperiment` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, ResourceRef};

/// ChaosExperimentType
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChaosExperimentType {
    /// `pod_kill`.
    #[serde(rename = "pod_kill")]
    PodKill,
    /// `pod_failure`.
    #[serde(rename = "pod_failure")]
    PodFailure,
    /// `cpu_stress`.
    #[serde(rename = "cpu_stress")]
    CpuStress,
    /// `memory_stress`.
    #[serde(rename = "memory_stress")]
    MemoryStress,
    /// `network_delay`.
    #[serde(rename = "network_delay")]
    NetworkDelay,
    /// `network_loss`.
    #[serde(rename = "network_loss")]
    NetworkLoss,
    /// `disk_stress`.
    #[serde(rename = "disk_stress")]
    DiskStress,
}

/// ChaosExperimentState
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChaosExperimentState {
    /// `Pending`.
    Pending,
    /// `Running`.
    Running,
    /// `Completed`.
    Completed,
    /// `Failed`.
    Failed,
    /// `Aborted`.
    Aborted,
}

/// Observed state of ChaosExperiment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ChaosExperimentStatus {
    /// End time; starts the two-minute grace window
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Never set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pods hit; zero means not executed yet
    #[serde(default)]
    pub pods_affected: i32,
    /// One-line workload summary after
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_experiment_snapshot: Option<String>,
    /// One-line workload summary before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_experiment_snapshot: Option<String>,
    /// Measured check time or "timeout"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_time: Option<String>,
    /// Target was healthy again
    #[serde(default)]
    pub recovery_verified: bool,
    /// Outcome sentence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Start time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Lifecycle; Completed and Failed are final
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ChaosExperimentState>,
}

/// Desired state of ChaosExperiment.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ChaosExperiment",
    plural = "chaosexperiments",
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
pub struct ChaosExperimentSpec {
    /// Complete at once without touching anything
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Go duration string; bad value fails the run
    pub duration: String,
    /// False: reconcile does nothing
    // contract default: true
    pub enabled: bool,
    /// Fault to inject
    pub experiment_type: ChaosExperimentType,
    /// Issue for the remediation test and approval
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_issue_ref: Option<IssueRef>,
    /// Per-type knobs, see chaos notes
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Checks after the run
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_experiment: Option<ChaosExperimentPostExperiment>,
    /// Guards evaluated before starting
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_checks: Option<ChaosExperimentSafetyChecks>,
    /// Cron text; recurrence not implemented
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Deployment or StatefulSet only
    pub target: ResourceRef,
}

/// Guards evaluated before starting.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChaosExperimentSafetyChecks {
    /// Abort when a newer Issue hits the target
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_on_issue_detected: Option<bool>,
    /// Allow list, empty means all
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_namespaces: Vec<String>,
    /// Deny list, wins over allow list
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_namespaces: Vec<String>,
    /// Cluster-wide running limit; waits, never fails
    // contract default: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_experiments: Option<i32>,
    /// Fail if ready minus count drops below; 0 disables
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_healthy_pods: Option<i32>,
    /// Ask for approval first; creation is always rejected
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
}

/// Checks after the run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChaosExperimentPostExperiment {
    /// Longest wait; 5m when empty or invalid
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_timeout: Option<String>,
    /// Only changes the result sentence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_remediation_test: Option<bool>,
    /// Wait for target health after the run
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_recovery: Option<bool>,
}
