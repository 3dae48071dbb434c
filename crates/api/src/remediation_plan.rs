//! The `RemediationPlan` resource: one attempt to solve an Issue, and the log of its execution.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::{
    ActionType, IssueRef, RemediationAction, RemediationState, ResourceRef, ResourceSnapshot, Severity,
};
use crate::{formats, references};

/// How far the plan has come.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanStatus {
    /// What came of each action, in the order of the actions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_checkpoints: Vec<RemediationPlanActionCheckpoint>,
    /// When the last action was done and the verification began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_completed_at: Option<Time>,
    /// When the language model began to choose steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_started_at: Option<Time>,
    /// Steps that the language model has chosen so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_step_count: Option<i32>,
    /// When the plan ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Facts that were gathered while the plan ran, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<RemediationPlanEvidence>,
    /// Whether the workload was healthy after the plan had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_failure_healthy: Option<bool>,
    /// State of the workload before the plan; what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_snapshot: Option<ResourceSnapshot>,
    /// How the plan ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Whether the actions were undone, or that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_performed: Option<bool>,
    /// What came of undoing the actions, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_result: Option<String>,
    /// When the first action was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Where the plan is: `Pending`, `WaitingApproval`, `Executing`, `Verifying`, `Completed`, `Failed` or `RolledBack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RemediationState>,
    /// Write-ahead log of the execution, one entry per action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<ExecutionStep>,
    /// How the plan was or will be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<PlanApproval>,
    /// How the verification stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// `Approved`, `Executed` and `Verified`: whether the plan may run, has run and has helped, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the RemediationPlan that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A fact that was gathered while the plan ran.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanEvidence {
    /// The fact.
    #[serde(default)]
    pub data: String,
    /// When it was gathered.
    pub timestamp: Time,
    /// What kind of fact it is, such as `verification`.
    #[serde(rename = "type", default)]
    pub type_: String,
}

/// What came of an action.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanActionCheckpoint {
    /// Place of the action in `spec.actions`, counted from 0.
    #[serde(default)]
    pub action_index: i32,
    /// Type of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_type: Option<ActionType>,
    /// State of the workload before the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_before: Option<ResourceSnapshot>,
    /// Whether the action was carried out; the post-mortem shows it.
    #[serde(default)]
    pub success: bool,
    /// When the action ended.
    pub timestamp: Time,
}

/// What is to be done about an Issue, and why.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "RemediationPlan",
    plural = "remediationplans",
    doc = "One attempt to solve an Issue: the actions, how they are approved, the log of their execution and whether they helped. The operator makes the plans; nothing in them runs without an approval.",
    namespaced,
    status = "RemediationPlanStatus",
    shortname = "rp",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Issue", type_ = "string", json_path = ".spec.issueRef.name"),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".spec.attempt"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanSpec {
    /// Actions in the order in which they are carried out; at most 64. Empty when the language model chooses step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "references::actions")]
    pub actions: Vec<RemediationAction>,
    /// Steps that the language model has chosen so far, and what came of them, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub agentic_history: Vec<RemediationPlanAgenticHistory>,
    /// Most steps that the language model may choose, 1 to 100. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "steps")]
    pub agentic_max_steps: Option<i32>,
    /// Whether the language model chooses the actions one by one, each under the policies, instead of `actions`. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_mode: Option<bool>,
    /// Number of the attempt, from 1 on.
    #[schemars(range(min = 1, max = 1000))]
    pub attempt: i32,
    /// Issue that the plan is to solve.
    #[schemars(schema_with = "references::local")]
    pub issue_ref: IssueRef,
    /// What the language model must respect when it chooses steps, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "constraints")]
    pub safety_constraints: Vec<String>,
    /// What the plan does and why it should help, in words.
    #[schemars(schema_with = "strategy")]
    pub strategy: String,
    /// Workload that the actions concern; it is in the namespace of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::affected")]
    pub resource: Option<ResourceRef>,
    /// UID of that workload when the plan was made; the actions refuse another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::uid")]
    pub resource_uid: Option<String>,
    /// Severity of the Issue when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Confidence of the analysis that the plan rests on, as a fraction from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: Option<f64>,
}

/// A step that the language model has chosen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanAgenticHistory {
    /// Action of the step; absent when the model only looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RemediationAction>,
    /// What the model said about the step.
    pub ai_message: String,
    /// What came of it; begins with `SUCCESS`, `FAILED` or `REJECTED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<String>,
    /// Number of the step.
    #[schemars(range(min = 0))]
    pub step_number: i32,
    /// When the step was taken.
    pub timestamp: Time,
}

/// One action in the write-ahead log. It is written before the next thing is done, so that a process that starts
/// again after a crash knows what has happened and repeats no side effect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionStep {
    /// Index in `spec.actions`.
    pub index: i32,
    /// The action.
    pub action: RemediationAction,
    /// How far it came.
    pub phase: StepPhase,
    /// Key that marks the side effect on the target, so that it can be recognised after a crash.
    pub idempotency_key: String,
    /// State before the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<ResourceSnapshot>,
    /// Fingerprint of the changed fields after the action; a rollback touches them only while they are still that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_after: Option<String>,
    /// When the intent was recorded.
    pub intended_at: Time,
    /// When the action was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Time>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far an action came.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepPhase {
    /// It is about to be done; the snapshot is recorded.
    Intended,
    /// The side effect is on the cluster.
    Done,
    /// It was refused or failed; nothing changed.
    Failed,
    /// It is about to be undone.
    RollingBack,
    /// It was undone.
    RolledBack,
    /// It could not be undone; the message says why.
    RollbackFailed,
}

/// How a plan was or will be approved.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanApproval {
    /// ApprovalRequest that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Hash of what was approved: actions, target UIDs, policy generation.
    pub hash: String,
    /// ApprovalPolicy that governs, as `namespace/name`; absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Rule of that policy; absent when its default applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why this way of approval applies.
    pub reason: String,
}

/// How the verification stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// When the actions were done and the watch began.
    pub started_at: Time,
    /// Deadline: a signal that is still there then has not been helped.
    pub deadline: Time,
    /// Since when everything that must hold has held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Time>,
    /// What does not hold yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

fn steps(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 10})
}

fn constraints(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 64, "items": formats::prose(2048)})
}

fn strategy(_: &mut SchemaGenerator) -> Schema {
    formats::prose(65536)
}
