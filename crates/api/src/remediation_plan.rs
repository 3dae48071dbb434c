//! The `RemediationPlan` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{
    ActionType, IssueRef, RemediationAction, RemediationState, ResourceRef, ResourceSnapshot, Severity,
};

/// Observed state of RemediationPlan.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanStatus {
    /// Per-action outcome
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub action_checkpoints: Vec<RemediationPlanActionCheckpoint>,
    /// Verification start
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_completed_at: Option<Time>,
    /// Ten-minute loop timer start
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_started_at: Option<Time>,
    /// Steps so far
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_step_count: Option<i32>,
    /// End time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Facts gathered on the way
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<RemediationPlanEvidence>,
    /// Workload health after failure
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_failure_healthy: Option<bool>,
    /// State to roll back to
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_snapshot: Option<ResourceSnapshot>,
    /// Outcome sentence
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Rollback was tried
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_performed: Option<bool>,
    /// Rollback outcome
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_result: Option<String>,
    /// Execution start
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// State machine; Pending is never written
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
    /// Latest observations of this object, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Facts gathered on the way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanEvidence {
    /// Evidence text
    #[serde(default)]
    pub data: String,
    /// Time
    pub timestamp: Time,
    /// Evidence class, free text
    #[serde(rename = "type", default)]
    pub type_: String,
}

/// Per-action outcome.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanActionCheckpoint {
    /// Index in actions
    #[serde(default)]
    pub action_index: i32,
    /// Type run
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_type: Option<ActionType>,
    /// State before the action, stored only
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_before: Option<ResourceSnapshot>,
    /// Outcome; feeds the post-mortem
    #[serde(default)]
    pub success: bool,
    /// Time
    pub timestamp: Time,
}

/// Desired state of RemediationPlan.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "RemediationPlan",
    plural = "remediationplans",
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
    /// Ordered steps from the Runbook
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<RemediationAction>,
    /// Conversation log, kept in spec
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agentic_history: Vec<RemediationPlanAgenticHistory>,
    /// Step limit
    // contract default: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_max_steps: Option<i32>,
    /// AI chooses each step
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentic_mode: Option<bool>,
    /// Attempt number, one-based
    pub attempt: i32,
    /// Parent Issue
    pub issue_ref: IssueRef,
    /// Sentences; passed along but never evaluated
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety_constraints: Vec<String>,
    /// Sentence with runbook name and analysis
    pub strategy: String,
    /// Workload that the actions concern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceRef>,
    /// UID of that workload when the plan was made; the actions refuse another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uid: Option<String>,
    /// Severity of the Issue when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Confidence of the analysis that the plan rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// Conversation log, kept in spec.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPlanAgenticHistory {
    /// Action run, absent for observation steps
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RemediationAction>,
    /// Model reasoning
    pub ai_message: String,
    /// SUCCESS:/FAILED:/REJECTED text
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<String>,
    /// Step counter
    pub step_number: i32,
    /// Step time
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
