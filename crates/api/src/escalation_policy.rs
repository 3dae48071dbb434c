//! The `EscalationPolicy` resource: whom to call, in which order, when an Issue needs people.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::Severity;
use crate::{formats, notification_policy};

/// What the name of a target stands for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EscalationTargetType {
    /// A channel of a NotificationPolicy.
    #[serde(rename = "channel")]
    Channel,
    /// A person, by e-mail address or user name.
    #[serde(rename = "user")]
    User,
    /// A team.
    #[serde(rename = "team")]
    Team,
    /// Whoever is on call in that rotation.
    #[serde(rename = "oncall")]
    Oncall,
}

/// Escalations under way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicyStatus {
    /// One entry per Issue that is escalated now; it goes when the Issue is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_escalations: Vec<ActiveEscalation>,
    /// `Ready`: whether the channels of every level exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Levels of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_count: Option<i32>,
    /// Issues that this policy has escalated, since it exists.
    #[serde(default)]
    pub total_escalations: i64,
}

/// An Issue that is escalated now.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ActiveEscalation {
    /// When somebody took the Issue on; no further level is called after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Time>,
    /// Verified identity of whoever took it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// Level that was called last, counted from 0.
    #[serde(default)]
    pub current_level: i32,
    /// When that level was called.
    pub escalated_at: Time,
    /// Name of the Issue.
    #[serde(default)]
    pub issue_name: String,
}

/// Calls one level after the other until somebody takes the Issue on.
///
/// In the operator's own namespace the policy governs the Issues of every namespace; elsewhere those of its own namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "EscalationPolicy",
    plural = "escalationpolicies",
    doc = "Says whom to call, in which order, when an Issue needs people, until somebody takes it on. In the operator's own namespace it governs every namespace; elsewhere its own.",
    namespaced,
    status = "EscalationPolicyStatus",
    shortname = "ep",
    shortname = "escpol",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Levels", type_ = "integer", json_path = ".status.levelCount"),
    printcolumn(name = "FirstLevel", type_ = "string", json_path = ".spec.levels[0].name"),
    printcolumn(name = "Default", type_ = "boolean", json_path = ".spec.defaultPolicy"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EscalationPolicySpec {
    /// Use this policy for Issues that no other policy covers by severity. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<bool>,
    /// Whether the policy takes part; `false` keeps it without calling anybody. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whom to call, in this order; the first level at once, each other one when the level before it stayed silent for its
    /// `timeoutMinutes`. One to twenty levels with unique names.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub levels: Vec<EscalationLevel>,
    /// Severities that the policy covers; empty covers all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub severities: Vec<Severity>,
}

/// One step of the chain.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EscalationLevel {
    /// Name of the level, unique in the policy; it stands in messages and metrics.
    #[schemars(schema_with = "formats::label_text")]
    pub name: String,
    /// Channels, by name, of the NotificationPolicies that govern the Issue; the level's message goes to each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "channels")]
    pub notify_channels: Vec<String>,
    /// Minutes after which the level is called again while it is the current one; 0 calls it once. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10080))]
    pub repeat_interval_minutes: i32,
    /// Who is asked to act; at least one. Messages name them, and channels that can address people do so.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into(), "name".into()]))]
    pub targets: Vec<EscalationTarget>,
    /// Minutes until the next level is called, 1 to 10080 (a week). Default 15.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 1, max = 10080))]
    pub timeout_minutes: i32,
}

/// Who is asked to act.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = user_name())]
pub struct EscalationTarget {
    /// E-mail address or user name, team, rotation or channel, as `type` says.
    #[schemars(schema_with = "formats::label_text")]
    pub name: String,
    /// What `name` stands for.
    #[serde(rename = "type")]
    pub type_: EscalationTargetType,
}

fn yes() -> bool {
    true
}

fn fifteen() -> i32 {
    15
}

fn channels(generator: &mut SchemaGenerator) -> Schema {
    formats::set_of(&notification_policy::channel_name(generator), 0, 32)
}

fn user_name() -> Rule {
    formats::rule(
        "name",
        format!(
            "self.type != 'user' || !self.name.contains('@') || self.name.matches('^@[^@ ]+$') || {}",
            formats::cel_email("self.name")
        ),
        "name of a user must be a user name or a whole e-mail address, such as lead@example.com",
    )
}
