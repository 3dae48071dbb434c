//! The `ApprovalPolicy` resource: what may run by itself, and what waits for whose approval.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::formats;
use crate::shared::{ActionType, Severity};

/// How a plan is approved.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalMode {
    /// By itself, when the conditions of the rule hold; by a person when one does not.
    #[serde(rename = "auto")]
    Auto,
    /// By one person.
    #[serde(rename = "manual")]
    Manual,
    /// By several different people.
    #[serde(rename = "quorum")]
    Quorum,
}

/// What has been decided under the policy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyStatus {
    /// `Valid`: whether every rule can be used as it is, and what is wrong with it when not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Requests that people approved, since the policy exists. Each request counts once.
    #[serde(default)]
    pub total_approved: i64,
    /// Requests that the policy approved by itself (`mode: auto`), since it exists.
    #[serde(default)]
    pub total_auto_approved: i64,
    /// Requests that nobody decided in time, since the policy exists.
    #[serde(default)]
    pub total_expired: i64,
    /// Requests that people rejected, since the policy exists.
    #[serde(default)]
    pub total_rejected: i64,
    /// UIDs of requests whose decision is in the counters while the request does not say so yet. It is what makes each
    /// request count once, whenever the process ends in between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counting: Vec<String>,
}

/// Rules, and what holds where none of them matches.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ApprovalPolicy",
    plural = "approvalpolicies",
    doc = "Says which remediation actions run by themselves and which wait for whose approval. In the operator's own namespace it governs every namespace; elsewhere its own. Where no policy matches, a person must approve.",
    namespaced,
    status = "ApprovalPolicyStatus",
    shortname = "ap",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "DefaultMode", type_ = "string", json_path = ".spec.defaultMode"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Approved", type_ = "integer", json_path = ".status.totalApproved"),
    printcolumn(name = "Rejected", type_ = "integer", json_path = ".status.totalRejected"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicySpec {
    /// Mode for actions that no rule matches: `auto`, `manual` or `quorum` (of two). Without conditions that could hold, `auto`
    /// still asks a person. Default `manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "default_mode")]
    pub default_mode: Option<String>,
    /// Whether the policy takes part; `false` keeps it without letting it decide anything. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Rules in the order in which they are tried; the first that matches an action decides about it. Names are unique, at most 100.
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<ApprovalPolicyRule>,
}

/// Which actions on which workloads are approved how.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = quorum_of_several())]
pub struct ApprovalPolicyRule {
    /// What must hold for `mode: auto` to let an action run; all three are looked at. Without them, `auto` asks a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve_conditions: Option<ApprovalPolicyRuleAutoApproveConditions>,
    /// Hours in which actions may run. Outside of them an approved plan waits; the window is looked at again when the action runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_window: Option<ApprovalPolicyRuleChangeWindow>,
    /// What the rule is about. Every filter that is given must match; without any, the rule matches everything.
    #[serde(rename = "match")]
    pub match_: ApprovalPolicyRuleMatch,
    /// How the action is approved: `auto` by its conditions, `manual` by one person, `quorum` by several. Default `manual`.
    #[serde(default = "manual")]
    pub mode: ApprovalMode,
    /// Name of the rule, unique in the policy; it stands in every ApprovalRequest that the rule causes.
    #[schemars(schema_with = "formats::label_text")]
    pub name: String,
    /// How many different people must approve, 1 to 50; at least 2 for `mode: quorum`. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "approvers")]
    pub required_approvers: Option<i32>,
    /// Minutes after which a request that nobody decided expires and the attempt ends, 1 to 43200 (30 days). Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timeout")]
    pub timeout_minutes: Option<i32>,
}

/// What a rule is about.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRuleMatch {
    /// Types of action, such as `RestartDeployment`; empty matches all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub action_types: Vec<ActionType>,
    /// Namespaces of the workload, such as `production`; empty matches all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::namespaces")]
    pub namespaces: Vec<String>,
    /// Kinds of the workload, in any case, such as `Deployment`; empty matches all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kinds_in_any_case")]
    pub resource_kinds: Vec<String>,
    /// Severities of the Issue; empty matches all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub severities: Vec<Severity>,
}

/// Hours of the week in which actions may run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = hours_differ())]
pub struct ApprovalPolicyRuleChangeWindow {
    /// English names of the days on which the window opens, in any case; at least one. Default Monday to Friday.
    #[serde(default = "monday_to_friday")]
    #[schemars(schema_with = "formats::weekdays")]
    pub allowed_days: Vec<String>,
    /// Hour of the day at which the window closes, 0 to 23, not included; before `startHour` means on the next day.
    #[schemars(range(min = 0, max = 23))]
    pub end_hour: i32,
    /// Hour of the day at which the window opens, 0 to 23.
    #[schemars(range(min = 0, max = 23))]
    pub start_hour: i32,
    /// IANA time zone of the hours, such as `America/Sao_Paulo`. Default `UTC`.
    #[serde(default = "utc")]
    #[schemars(schema_with = "formats::time_zone")]
    pub timezone: String,
}

/// What must hold for an action to run without a person.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyRuleAutoApproveConditions {
    /// Share of earlier plans with the same actions that helped, as a fraction from 0 to 1, such as 0.9. Without earlier plans it
    /// does not hold.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub historical_success_rate: f64,
    /// Worst severity of the Issue for which no person is asked.
    pub max_severity: Severity,
    /// Least confidence of the analysis, as a fraction from 0 to 1, such as 0.95.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
}

fn yes() -> bool {
    true
}

fn manual() -> ApprovalMode {
    ApprovalMode::Manual
}

fn utc() -> String {
    "UTC".to_owned()
}

fn monday_to_friday() -> Vec<String> {
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"].map(str::to_owned).to_vec()
}

fn default_mode(_: &mut SchemaGenerator) -> Schema {
    formats::or(formats::one_of(&["auto", "manual", "quorum"]), json!("manual"))
}

/// Number of people who must approve.
pub(crate) fn approvers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 50, "default": 1})
}

/// Minutes until a request expires.
pub(crate) fn timeout(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 43_200, "default": 30})
}

fn kinds_in_any_case(_: &mut SchemaGenerator) -> Schema {
    let kind = formats::worded("^[A-Za-z][A-Za-z0-9]*$", 63, "must be the kind of a workload, such as Deployment");
    formats::set_of(&kind, 0, 64)
}

fn quorum_of_several() -> Rule {
    formats::rule(
        "requiredApprovers",
        "self.mode != 'quorum' || self.requiredApprovers >= 2",
        "requiredApprovers must be at least 2 with mode quorum; for the approval of one person use mode manual",
    )
}

fn hours_differ() -> Rule {
    formats::rule(
        "endHour",
        "self.startHour != self.endHour",
        "endHour must differ from startHour, which would say neither never nor always; leave changeWindow out to allow every hour",
    )
}
