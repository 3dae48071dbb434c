//! The `Issue` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueState, ObjectRef, RemediationAction, ResourceRef, RootCause, Severity, Source};

/// Observed state of Issue.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IssueStatus {
    /// See condition list
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// First reconcile time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Time>,
    /// Limit from Instance or Runbook
    // contract default: 3
    #[serde(default)]
    pub max_remediation_attempts: i32,
    /// Attempt number in progress
    #[serde(default)]
    pub remediation_attempts: i32,
    /// Follow-up sentence for the human
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_action: Option<String>,
    /// Set while Contained
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_human_action: Option<bool>,
    /// How it ended
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// End time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// State machine; Detected and Failed are never assigned
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<IssueState>,
    /// The cause, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<RootCause>,
    /// Workloads that the incident affects.
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
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Desired state of Issue.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Issue",
    plural = "issues",
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
    /// Shown in notifications; operator never fills it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Incident text
    pub description: String,
    /// Affected workload
    pub resource: ResourceRef,
    /// 0-100 weight sum of related anomalies
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub risk_score: Option<i32>,
    /// Incident severity
    pub severity: Severity,
    /// Signal class, free text here
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_type: Option<String>,
    /// Signal origin
    pub source: Source,
    /// Object that the signals point to; anomalies with the same root join this Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<ObjectRef>,
    /// UID of the resource when the Issue was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
