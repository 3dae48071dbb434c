//! The `ApprovalRequest` resource: the question whether a plan may run, and who answered it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::approval_policy::ApprovalMode;
use crate::shared::{IssueRef, RemediationAction};
use crate::{approval_policy, formats, references};

/// Where a request is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalRequestState {
    /// It waits for a decision.
    Pending,
    /// The plan may run.
    Approved,
    /// The plan may not run; the attempt is over.
    Rejected,
    /// Nobody decided in time; the plan may not run.
    Expired,
}

/// The decision.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestStatus {
    /// When the request was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// Whether a policy approved it by itself, without a person.
    #[serde(default)]
    pub auto_approved: bool,
    /// `Approved`: what the request waits for, or why it was decided as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The votes, oldest first. Each person counts once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<ApprovalRequestDecision>,
    /// When the request expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Time>,
    /// When the request was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<Time>,
    /// Where the request is: `Pending`, `Approved`, `Rejected` or `Expired`. The last three are final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ApprovalRequestState>,
    /// Generation of the ApprovalRequest that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// One vote.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestDecision {
    /// Who voted: a person, or the rule that approved by itself.
    #[serde(default)]
    pub approver: String,
    /// The vote: `approved` or `rejected`.
    #[serde(default)]
    pub decision: String,
    /// Why, in the voter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the vote was counted.
    pub timestamp: Time,
}

/// What is to be approved, by whom and until when.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ApprovalRequest",
    plural = "approvalrequests",
    doc = "The question whether a RemediationPlan may run, and the record of who answered it. Approve with the annotation `platform.chatcli.io/approve: \"who:why\"`, refuse with `platform.chatcli.io/reject`. What policy decides by itself is recorded as a request too.",
    namespaced,
    status = "ApprovalRequestStatus",
    shortname = "ar",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Issue", type_ = "string", json_path = ".spec.issueRef.name"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.remediationPlanRef"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Rule", type_ = "string", json_path = ".spec.ruleName"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestSpec {
    /// What the actions can affect, for whoever decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<ApprovalRequestBlastRadius>,
    /// What speaks for the actions, for whoever decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ApprovalRequestEvidence>,
    /// Issue that the plan is to solve.
    #[schemars(schema_with = "references::local")]
    pub issue_ref: IssueRef,
    /// Name of the ApprovalPolicy that asks, in `policyNamespace`; `none` when no policy matches.
    #[schemars(schema_with = "formats::object_name")]
    pub policy_ref: String,
    /// Name of the RemediationPlan that waits, in the same namespace; for chaos, of the ChaosExperiment.
    #[schemars(schema_with = "formats::object_name")]
    pub remediation_plan_ref: String,
    /// Actions that are to be approved, in the order in which they would run. An approval is for these and no others.
    #[schemars(schema_with = "references::actions")]
    pub requested_actions: Vec<RemediationAction>,
    /// Who asks: `chatcli-operator`, or the controller's name.
    #[schemars(schema_with = "formats::label_text")]
    pub requester: String,
    /// How many different people must approve, 1 to 50. Default 1.
    #[serde(default = "one")]
    #[schemars(schema_with = "approval_policy::approvers")]
    pub required_approvers: i32,
    /// Name of the rule of that policy; `default` when its default mode decides.
    #[schemars(schema_with = "formats::label_text")]
    pub rule_name: String,
    /// Minutes from creation until the request expires, 1 to 43200 (30 days). Default 30.
    #[serde(default = "thirty")]
    #[schemars(schema_with = "approval_policy::timeout")]
    pub timeout_minutes: i32,
    /// Hash of what is to be approved: actions, UIDs of the targets, generation of the policy. When one of them changes, it is asked
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hash")]
    pub actions_hash: Option<String>,
    /// Namespace of the policy; without it, that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::namespace")]
    pub policy_namespace: Option<String>,
    /// How it is decided: `auto` by policy, `manual` by one person, `quorum` by `requiredApprovers` people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ApprovalMode>,
}

/// What speaks for the actions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestEvidence {
    /// The cause, as the analysis states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_analysis: Option<String>,
    /// Confidence of the analysis, as a fraction from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ai_confidence: f64,
    /// Share of earlier plans with the same actions that helped, as a fraction from 0 to 1; 0 when there were none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub historical_success_rate: f64,
    /// State of the target before the actions, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_snapshot: Option<String>,
    /// Earlier plans with the same actions that have ended, 0 or more.
    #[schemars(range(min = 0))]
    pub previous_attempts: i32,
}

/// What the actions can affect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestBlastRadius {
    /// Namespaces in which something can be affected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::namespaces")]
    pub affected_namespaces: Vec<String>,
    /// Pods of the target, 0 or more.
    #[schemars(range(min = 0))]
    pub affected_pods: i32,
    /// Services that lead to those pods, 0 or more.
    #[schemars(range(min = 0))]
    pub affected_services: i32,
    /// The risk in a sentence.
    pub description: String,
    /// How much can go wrong: `low`, `medium`, `high`, `critical`, or `unknown` when it could not be told.
    #[schemars(schema_with = "risk")]
    pub risk_level: String,
}

fn one() -> i32 {
    1
}

fn thirty() -> i32 {
    30
}

fn hash(_: &mut SchemaGenerator) -> Schema {
    formats::worded("^[A-Za-z0-9:_+/=-]+$", 128, "must be a hash, as the operator computes it")
}

fn risk(_: &mut SchemaGenerator) -> Schema {
    formats::one_of(&["low", "medium", "high", "critical", "unknown"])
}
