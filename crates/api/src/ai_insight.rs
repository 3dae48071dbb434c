//! The `AIInsight` resource: what an analysis found out about an Issue, and what it proposes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, RootCause};
use crate::{formats, references};

/// Result of the analysis.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AIInsightStatus {
    /// The cause in words, rendered from `rootCause` and the model's explanation. Empty means that the analysis is still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<String>,
    /// What else is likely to be affected when nothing is done, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius_prediction: Option<String>,
    /// How the fault spread from one service to others, in order, as far as the dependencies show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade_analysis: Option<String>,
    /// How sure the analysis is, from 0 (a guess) to 1 (proven). ApprovalPolicies compare it with `minConfidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// When the analysis was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<Time>,
    /// State of the Helm release, Argo CD application or Flux object that owns the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ops_context: Option<String>,
    /// What the logs of the failing containers show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_analysis: Option<String>,
    /// What the metrics of the workload show around the time of the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_context: Option<String>,
    /// Advice for people, one sentence each. The post-mortem takes it over as lessons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<String>,
    /// Commits and code of the workload's SourceRepository that may explain the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_code_context: Option<String>,
    /// Actions that the analysis proposes, in this order. The next RemediationPlan is made of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggested_actions: Vec<AIInsightSuggestedAction>,
    /// The cause, in the one form that the platform knows: object, field, value, class and proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<RootCause>,
    /// Remediation attempt that the analysis was made for; compare it with `spec.attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzed_attempt: Option<i32>,
    /// Provider that answered, such as `BUILTIN` or `CLAUDEAI`; another than `spec.provider` when that one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// Why another provider answered than the one that was asked for, such as a wrong key or a used-up budget. Absent when
    /// the one that was asked for has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    /// What the analyses of this Issue have cost so far, failed calls included. Budgets of the Instance count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<LlmUsage>,
    /// `Analyzed`: whether the analysis is there, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the AIInsight that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What calls of language models have taken.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LlmUsage {
    /// Tokens that were sent.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub input_tokens: i64,
    /// Tokens that came back.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub output_tokens: i64,
    /// Cost in US dollars by the price list of the server; a model without a known price counts as nothing.
    #[serde(default, rename = "costUSD")]
    #[schemars(range(min = 0.0))]
    pub cost_usd: f64,
    /// Calls that were made.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub calls: i32,
}

/// An action that the analysis proposes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AIInsightSuggestedAction {
    /// Type of the action, such as `RollbackDeployment`. One that the action registry does not know is shown and never carried out.
    #[serde(default)]
    pub action: String,
    /// Why the action should help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Title of the action, for people.
    #[serde(default)]
    pub name: String,
    /// Arguments of the action, by name, such as `toRevision`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// Which Issue to analyse, and with what.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "AIInsight",
    plural = "aiinsights",
    doc = "What an analysis found out about an Issue: the cause with its proof, and the actions that it proposes. The operator makes one per Issue, in the Issue's namespace.",
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
    /// Issue to analyse.
    #[schemars(schema_with = "references::local")]
    pub issue_ref: IssueRef,
    /// Language model that is asked, by the name that its provider gives it. Empty takes the provider's default.
    #[schemars(schema_with = "model")]
    pub model: String,
    /// Provider that is asked, such as `CLAUDEAI`; `BUILTIN` analyses by rules alone. Empty takes that of the Instance.
    #[schemars(schema_with = "provider")]
    pub provider: String,
    /// Remediation attempt that the analysis is for, 0 or more. Raising it asks for a new analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub attempt: Option<i32>,
}

fn model(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        256,
        r"self == '' || self.matches(r'^[A-Za-z0-9@~][A-Za-z0-9._:/@+-]*$')",
        "must be the name of a language model without spaces, such as claude-sonnet-4-20250514, or empty",
    )
}

fn provider(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        64,
        "self == '' || self.matches(r'^[A-Za-z][A-Za-z0-9_-]*$')",
        "must be the name of a provider, such as CLAUDEAI or BUILTIN, or empty",
    )
}
