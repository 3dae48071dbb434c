//! The `AIInsight` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, RootCause};

/// Observed state of AIInsight.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AIInsightStatus {
    /// Root-cause text; empty means still to do
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<String>,
    /// Meant for predicted impact; nothing fills it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius_prediction: Option<String>,
    /// Summary of cross-service cascade fed to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade_analysis: Option<String>,
    /// Model confidence between 0 and 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// When the analysis arrived
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<Time>,
    /// Summary of Helm/Argo/Flux state fed to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ops_context: Option<String>,
    /// Summary of pod-log findings fed to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_analysis: Option<String>,
    /// Summary of Prometheus data fed to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_context: Option<String>,
    /// Advice lines for humans; reused as post-mortem lessons
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<String>,
    /// Summary of repository correlation fed to the model
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_code_context: Option<String>,
    /// Concrete steps; become Runbook steps
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_actions: Vec<AIInsightSuggestedAction>,
    /// The cause, in the one form that the platform knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<RootCause>,
    /// Attempt that the analysis was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzed_attempt: Option<i32>,
    /// Provider that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// Latest observations of this object, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Concrete steps; become Runbook steps.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AIInsightSuggestedAction {
    /// Action type name, free text
    #[serde(default)]
    pub action: String,
    /// Reason for the step
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Step title
    #[serde(default)]
    pub name: String,
    /// Action arguments
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// Desired state of AIInsight.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "AIInsight",
    plural = "aiinsights",
    namespaced,
    status = "AIInsightStatus",
    shortname = "ai",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Issue", type_ = "string", json_path = ".spec.issueRef.name"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Confidence", type_ = "number", json_path = ".status.confidence"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AIInsightSpec {
    /// Issue to analyse
    pub issue_ref: IssueRef,
    /// LLM model sent with the request; may be empty
    pub model: String,
    /// LLM provider sent with the request; may be empty
    pub provider: String,
    /// Attempt that this analysis is for; raising it asks for a new analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
}
