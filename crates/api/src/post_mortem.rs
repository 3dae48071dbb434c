//! The `PostMortem` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, ResourceRef, RootCause, Severity};

/// PostMortemState
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostMortemState {
    /// `Open`.
    Open,
    /// `InReview`.
    InReview,
    /// `Closed`.
    Closed,
}

/// Observed state of PostMortem.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemStatus {
    /// Actions and outcomes
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions_executed: Vec<PostMortemAction>,
    /// Unused
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blast_radius: Vec<PostMortemBlastRadius>,
    /// Namespace/service(role) chain
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascade_chain: Vec<String>,
    /// Detection to generation
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget_burned: Option<f64>,
    /// Human feedback through REST
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<PostMortemFeedback>,
    /// Generation time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<Time>,
    /// Suspected commit
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_correlation: Option<PostMortemGitCorrelation>,
    /// Helm/Argo/Flux summary
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ops_context: Option<String>,
    /// Impact from plan annotation or generated sentence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// Lessons
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons_learned: Vec<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_analysis_summary: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_snapshots: Vec<PostMortemMetricSnapshot>,
    /// Prevention steps
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prevention_actions: Vec<String>,
    /// Follow-up sentence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_action: Option<String>,
    /// Blocks closing until acknowledged
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_human_action: Option<bool>,
    /// REST review or close time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<Time>,
    /// Cause from plan annotation or insight
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sli_impact: Option<String>,
    /// Review state
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PostMortemState>,
    /// Narrative from plan annotation or insight
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Event list
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<PostMortemTimeline>,
    /// Recurrence on the same workload name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trending: Option<PostMortemTrending>,
    /// The cause in structured form, with its proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RootCause>,
    /// Latest observations of this object, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Recurrence on the same workload name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemTrending {
    /// Related post-mortems plus one
    #[serde(default)]
    pub occurrence_count: i32,
    /// Sentence about the recurrence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Their names
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_post_mortems: Vec<String>,
    /// Constant 30
    #[serde(default)]
    pub window_days: i32,
}

/// Event list.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemTimeline {
    /// Event text
    #[serde(default)]
    pub detail: String,
    /// Event time
    pub timestamp: Time,
    /// Detected, action_executed, action_failed or resolved
    #[serde(rename = "type", default)]
    pub type_: String,
}

/// Unused.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemMetricSnapshot {
    /// Unused
    #[serde(default)]
    pub name: String,
    /// Unused
    #[serde(default)]
    pub phase: String,
    /// Unused
    pub timestamp: Time,
    /// Unused
    #[serde(default)]
    pub value: String,
}

/// Suspected commit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemGitCorrelation {
    /// Commit author
    #[serde(default)]
    pub author: String,
    /// Commit subject
    #[serde(default)]
    pub commit_message: String,
    /// Commit id
    #[serde(rename = "commitSHA", default)]
    pub commit_sha: String,
    /// Constant 0.7
    #[serde(default)]
    pub confidence: f64,
    /// Touched files
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// Commit time
    pub timestamp: Time,
}

/// Human feedback through REST.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemFeedback {
    /// Free text
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// Human root cause
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_root_cause: Option<String>,
    /// Time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided_at: Option<Time>,
    /// Author
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided_by: Option<String>,
    /// Score one to five
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub remediation_accuracy: Option<i32>,
}

/// Unused.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemBlastRadius {
    /// Unused
    #[serde(default)]
    pub impact: String,
    /// Unused
    pub resource: ResourceRef,
    /// Unused
    #[serde(default)]
    pub severity: String,
}

/// Actions and outcomes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemAction {
    /// Action type
    #[serde(default)]
    pub action: String,
    /// Outcome text
    #[serde(default)]
    pub detail: String,
    /// Arguments
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Success or failed
    #[serde(default)]
    pub result: String,
    /// Execution time
    pub timestamp: Time,
}

/// Desired state of PostMortem.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "PostMortem",
    plural = "postmortems",
    namespaced,
    status = "PostMortemStatus",
    shortname = "pm",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Issue", type_ = "string", json_path = ".spec.issueRef.name"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemSpec {
    /// Parent Issue
    pub issue_ref: IssueRef,
    /// Affected workload
    pub resource: ResourceRef,
    /// Issue severity
    pub severity: Severity,
}
