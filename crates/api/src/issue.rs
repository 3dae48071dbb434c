//! The `Issue` resource: an incident, from the first signal to its end.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueState, ObjectRef, RemediationAction, ResourceRef, RootCause, Severity, Source};
use crate::{formats, references};

/// Where the incident stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IssueStatus {
    /// `Analyzing`, `Remediating`, `Contained`, `RequiresHumanAction`, `Resolved` and `Escalated`: whether each holds now, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When the operator took the Issue up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    /// Remediation attempts before people are asked; from the Runbook that is used, else from the Instance. Default 3.
    #[serde(default = "three")]
    pub max_remediation_attempts: i32,
    /// Number of the remediation attempt that is under way or was the last; 0 before the first.
    #[serde(default)]
    pub remediation_attempts: i32,
    /// What a person must do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_action: Option<String>,
    /// Whether a person must act before the Issue can end: the service is silenced, not fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_human_action: Option<bool>,
    /// How the Issue ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// When the Issue ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// Where the Issue is: `Detected`, `Analyzing`, `Remediating`, `Contained`, `Resolved`, `Escalated` or `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<IssueState>,
    /// The cause, once it is known, as the AIInsight states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<RootCause>,
    /// Workloads that the incident affects; one cause can affect several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected_resources: Vec<ResourceRef>,
    /// Anomalies of this Issue, newest last, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<String>,
    /// How many anomalies joined this Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly_count: Option<i64>,
    /// Incident number, `INC-YYYYMMDD-XXXXXX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    /// When the earliest signal was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// Since when no signal of this Issue is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals_clear_since: Option<Time>,
    /// Why earlier attempts did not help; the next attempt is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<FailedAttempt>,
    /// Generation of the Issue that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What is wrong, with what, and how bad it is.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Issue",
    plural = "issues",
    doc = "An incident: what is wrong with which workload, why, and what is done about it. The operator opens one for Anomalies with the same root, in the namespace of the workload; people and other tools may open Issues too.",
    namespaced,
    status = "IssueStatus",
    shortname = "iss",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Risk", type_ = "integer", json_path = ".spec.riskScore"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct IssueSpec {
    /// What ties the Issue to records of other systems, such as a ticket number. Notifications and audit events show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub correlation_id: Option<String>,
    /// What is wrong, in words.
    #[schemars(schema_with = "description")]
    pub description: String,
    /// Workload that is affected, or the node.
    #[schemars(schema_with = "references::affected")]
    pub resource: ResourceRef,
    /// How much is at risk, from 0 to 100: the weights of the signals together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub risk_score: Option<i32>,
    /// How bad it is. Policies choose by it.
    pub severity: Severity,
    /// Signal that opened the Issue, such as `oom_kill` or `slo_violation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub signal_type: Option<String>,
    /// Where the signal comes from.
    pub source: Source,
    /// Object that the signals point to as their root. Anomalies with the same root join this Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::object")]
    pub root: Option<ObjectRef>,
    /// UID of the resource when the Issue was opened; a resource that was made anew is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::uid")]
    pub resource_uid: Option<String>,
}

/// A remediation attempt that did not help.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Number of the attempt.
    pub attempt: i32,
    /// Plan of the attempt.
    pub plan: String,
    /// Actions of the attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<RemediationAction>,
    /// Why it did not help.
    pub reason: String,
    /// When it ended.
    pub time: Time,
}

fn three() -> i32 {
    3
}

fn description(_: &mut SchemaGenerator) -> Schema {
    formats::prose(65536)
}
