//! The `ApprovalRequest` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval_policy::ApprovalMode;
use crate::shared::{IssueRef, RemediationAction};

/// ApprovalRequestState
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalRequestState {
    /// `Pending`.
    Pending,
    /// `Approved`.
    Approved,
    /// `Rejected`.
    Rejected,
    /// `Expired`.
    Expired,
}

/// Observed state of ApprovalRequest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestStatus {
    /// Approval time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// True when auto mode decided
    #[serde(default)]
    pub auto_approved: bool,
    /// Never set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// List of individual votes
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<ApprovalRequestDecision>,
    /// Expiry time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Time>,
    /// Rejection time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<Time>,
    /// Lifecycle; gates the plan
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ApprovalRequestState>,
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// List of individual votes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestDecision {
    /// Text before ":" in the annotation, or auto-policy
    #[serde(default)]
    pub approver: String,
    /// Literal approved or rejected
    #[serde(default)]
    pub decision: String,
    /// Text after ":" in the annotation
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Vote time
    pub timestamp: Time,
}

/// Desired state of ApprovalRequest.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ApprovalRequest",
    plural = "approvalrequests",
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
    /// Impact estimate for the human reader
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<ApprovalRequestBlastRadius>,
    /// Numbers backing the decision
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ApprovalRequestEvidence>,
    /// Issue behind the request
    pub issue_ref: IssueRef,
    /// ApprovalPolicy name, same namespace
    pub policy_ref: String,
    /// Plan awaiting approval (chaos: experiment name)
    pub remediation_plan_ref: String,
    /// Copy of plan actions; nil list is rejected by API
    pub requested_actions: Vec<RemediationAction>,
    /// Constant: chatcli-operator or chaos-controller
    pub requester: String,
    /// Approvals needed in quorum mode
    // contract default: 1
    pub required_approvers: i32,
    /// Rule of that policy
    pub rule_name: String,
    /// Minutes from creation to expiry
    // contract default: 30
    pub timeout_minutes: i32,
    /// Hash of what is to be approved: actions, target UIDs, policy generation. A change asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_hash: Option<String>,
    /// Namespace of the policy, when it is not that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_namespace: Option<String>,
    /// How the decision is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ApprovalMode>,
}

/// Numbers backing the decision.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestEvidence {
    /// Insight text copy
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_analysis: Option<String>,
    /// Insight confidence at request time
    pub ai_confidence: f64,
    /// Share of similar finished plans that completed
    pub historical_success_rate: f64,
    /// Unused
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight_snapshot: Option<String>,
    /// Count of similar finished plan actions
    pub previous_attempts: i32,
}

/// Impact estimate for the human reader.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestBlastRadius {
    /// Only the workload namespace
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected_namespaces: Vec<String>,
    /// Pods counted under the workload
    pub affected_pods: i32,
    /// Services selecting those pods
    pub affected_services: i32,
    /// Sentence explaining the level
    pub description: String,
    /// Low/medium/high/critical/unknown by pod count and action
    pub risk_level: String,
}
