//! The `PostMortem` resource: the report on an Issue that is over.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::references;
use crate::shared::{IssueRef, ResourceRef, RootCause, Severity};

/// Where the review of a report is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostMortemState {
    /// Nobody has looked at it yet.
    Open,
    /// Somebody is at it.
    InReview,
    /// The review is over.
    Closed,
}

/// The report.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemStatus {
    /// Actions that were carried out, in this order, and what came of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions_executed: Vec<PostMortemAction>,
    /// What else was affected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blast_radius: Vec<PostMortemBlastRadius>,
    /// How the fault spread, as `namespace/service(role)`, from the root on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascade_chain: Vec<String>,
    /// Time from detection to resolution, as a duration such as `4m12s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Share of the error budget of the affected objectives that the incident spent, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget_burned: Option<f64>,
    /// What people said about the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<PostMortemFeedback>,
    /// When the report was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<Time>,
    /// Commit that probably brought the fault in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_correlation: Option<PostMortemGitCorrelation>,
    /// State of the Helm release, Argo CD application or Flux object that owns the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ops_context: Option<String>,
    /// What users of the service noticed, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// What can be learnt from the incident, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons_learned: Vec<String>,
    /// What the logs showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_analysis_summary: Option<String>,
    /// Metrics before, during and after the incident.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_snapshots: Vec<PostMortemMetricSnapshot>,
    /// What would keep the incident from coming back, one step each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prevention_actions: Vec<String>,
    /// What a person must still do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_action: Option<String>,
    /// Whether a person must still act; the report cannot be closed before that is acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_human_action: Option<bool>,
    /// When the report was last reviewed or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<Time>,
    /// The cause in words; `cause` has it in structured form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// What the incident did to the indicators of the affected objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sli_impact: Option<String>,
    /// Where the review is: `Open`, `InReview` or `Closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PostMortemState>,
    /// The incident in a few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What happened when, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<PostMortemTimeline>,
    /// How often the same workload had incidents lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trending: Option<PostMortemTrending>,
    /// The cause in structured form: object, field, value, class and proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RootCause>,
    /// `RequiresHumanAction`: whether somebody must still act, and on what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the PostMortem that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// How often the same workload had incidents lately.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemTrending {
    /// Incidents of the workload in the window, this one included.
    #[serde(default)]
    pub occurrence_count: i32,
    /// What they have in common, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Names of the reports on the other ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_post_mortems: Vec<String>,
    /// Length of the window, in days.
    #[serde(default)]
    pub window_days: i32,
}

/// Something that happened.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemTimeline {
    /// What happened.
    #[serde(default)]
    pub detail: String,
    /// When it happened.
    pub timestamp: Time,
    /// What kind of event it is: `detected`, `action_executed`, `action_failed` or `resolved`.
    #[serde(rename = "type", default)]
    pub type_: String,
}

/// One value of a metric.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemMetricSnapshot {
    /// Name of the metric.
    #[serde(default)]
    pub name: String,
    /// When in the incident it was taken: `before`, `during` or `after`.
    #[serde(default)]
    pub phase: String,
    /// When it was taken.
    pub timestamp: Time,
    /// Its value, as text.
    #[serde(default)]
    pub value: String,
}

/// A commit that probably brought the fault in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemGitCorrelation {
    /// Name of its author.
    #[serde(default)]
    pub author: String,
    /// First line of its message.
    #[serde(default)]
    pub commit_message: String,
    /// Id of the commit, 40 hex digits.
    #[serde(rename = "commitSHA", default)]
    pub commit_sha: String,
    /// How sure it is that the commit is to blame, as a fraction from 0 to 1.
    #[serde(default)]
    pub confidence: f64,
    /// Files that it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
    /// When it was written.
    pub timestamp: Time,
}

/// What people said about a report.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemFeedback {
    /// Remarks, in the words of whoever gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// The true cause, where the report has the wrong one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_root_cause: Option<String>,
    /// When the feedback was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided_at: Option<Time>,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided_by: Option<String>,
    /// How well the remediation worked, from 1 (harmful) to 5 (right).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub remediation_accuracy: Option<i32>,
}

/// Something else that was affected.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemBlastRadius {
    /// How it was affected, in a sentence.
    #[serde(default)]
    pub impact: String,
    /// Workload that was affected.
    pub resource: ResourceRef,
    /// How badly it was affected: `critical`, `high`, `medium` or `low`.
    #[serde(default)]
    pub severity: String,
}

/// An action that was carried out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PostMortemAction {
    /// Type of the action, such as `RollbackDeployment`.
    #[serde(default)]
    pub action: String,
    /// What came of it, in a sentence.
    #[serde(default)]
    pub detail: String,
    /// Arguments of the action, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Whether it helped: `success` or `failed`.
    #[serde(default)]
    pub result: String,
    /// When it was carried out.
    pub timestamp: Time,
}

/// What the report is about.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "PostMortem",
    plural = "postmortems",
    doc = "The report on an Issue that is over: what happened, why, what was done, what can be learnt. The operator writes it; people review it, correct it and close it.",
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
    /// Issue that the report is about.
    #[schemars(schema_with = "references::local")]
    pub issue_ref: IssueRef,
    /// Workload that was affected.
    #[schemars(schema_with = "references::affected")]
    pub resource: ResourceRef,
    /// Severity of the Issue.
    pub severity: Severity,
}
