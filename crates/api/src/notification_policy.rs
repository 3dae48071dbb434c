//! The `NotificationPolicy` resource: who is told about which change of an Issue, and through which channel.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueState, LocalObjectRef, Severity};
use crate::{formats, references};

/// What receives the messages of a channel.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChannelType {
    /// Incoming webhook of Slack.
    #[serde(rename = "slack")]
    Slack,
    /// Events API v2 of PagerDuty.
    #[serde(rename = "pagerduty")]
    Pagerduty,
    /// Alert API of OpsGenie.
    #[serde(rename = "opsgenie")]
    Opsgenie,
    /// Mail through an SMTP server.
    #[serde(rename = "email")]
    Email,
    /// JSON, posted to a URL and signed.
    #[serde(rename = "webhook")]
    Webhook,
    /// Incoming webhook of Microsoft Teams.
    #[serde(rename = "teams")]
    Teams,
}

/// What the policy has delivered.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPolicyStatus {
    /// Channels of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_count: Option<i32>,
    /// `Ready`: whether the last delivery of each channel succeeded, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Deliveries that were given up, since the policy exists.
    #[serde(default)]
    pub failed_count: i64,
    /// When a message was last delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notified_at: Option<Time>,
    /// The last 20 attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_deliveries: Vec<RecentDelivery>,
    /// Messages delivered, since the policy exists.
    #[serde(default)]
    pub total_sent: i64,
}

/// One attempt to deliver a message.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RecentDelivery {
    /// Name of the channel.
    #[serde(default)]
    pub channel: String,
    /// Why the attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the attempt was made.
    pub sent_at: Time,
    /// Whether the receiver accepted the message.
    #[serde(default)]
    pub success: bool,
}

/// Sends a message through the channels of each rule that a change of an Issue matches.
///
/// In the operator's own namespace the policy governs the Issues of every namespace; elsewhere those of its own namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "NotificationPolicy",
    plural = "notificationpolicies",
    doc = "Says who is told about which change of an Issue, through which channel, and how often. In the operator's own namespace it governs every namespace; elsewhere its own.",
    namespaced,
    status = "NotificationPolicyStatus",
    shortname = "np",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Channels", type_ = "integer", json_path = ".status.channelCount"),
    printcolumn(name = "FirstChannel", type_ = "string", json_path = ".spec.channels[0].name"),
    printcolumn(name = "Sent", type_ = "integer", json_path = ".status.totalSent"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failedCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = known_channels())]
pub struct NotificationPolicySpec {
    /// Where messages can go. At least one; names are unique, rules and EscalationPolicies refer to them.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub channels: Vec<NotificationChannel>,
    /// Whether the policy takes part; `false` keeps it without sending anything. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which changes go to which channels. Every rule that matches sends; a channel that several rules name gets one message.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<NotificationRule>,
    /// Text of the message per event: `issue_created`, `issue_detected`, `issue_analyzing`, `issue_contained`, `issue_resolved`,
    /// `issue_escalated`, `issue_failed`, `remediation_started`, `remediation_completed`, `remediation_failed`,
    /// `approval_requested`, `slo_alert`, `sla_breached`. In it, `{{.Name}}`, `{{.Namespace}}`, `{{.Severity}}`, `{{.State}}`,
    /// `{{.Resource}}`, `{{.Description}}`, `{{.Source}}`, `{{.SignalType}}` and `{{.RiskScore}}` are replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "templates")]
    pub templates: BTreeMap<String, String>,
    /// How often the same thing may be said. A message that an Issue is resolved is never held back from whoever was told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<NotificationThrottle>,
}

/// Limits that hold per Issue and channel.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationThrottle {
    /// Duration during which the same state of the same Issue is told to a channel once. `0s` switches it off, 7 days are the most. Default `5m`.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "throttle_window")]
    pub deduplication_window: String,
    /// Duration that messages for one channel are held to be sent as one; critical ones are never held. `0s` switches it off,
    /// 7 days are the most. Default `1m`.
    #[serde(default = "one_minute")]
    #[schemars(schema_with = "throttle_window")]
    pub grouping_window: String,
    /// Most messages per Issue and channel in any hour, at least 1. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_per_hour: i32,
}

/// Which changes of which Issues go to which channels. All filters must match; an empty one matches everything.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRule {
    /// Names of channels of this policy that get the message; at least one.
    #[schemars(schema_with = "rule_channels")]
    pub channels: Vec<String>,
    /// Name of the rule, unique in the policy.
    #[schemars(schema_with = "formats::label_text")]
    pub name: String,
    /// Namespaces of the affected object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::namespaces")]
    pub namespaces: Vec<String>,
    /// Kinds of the affected object, such as `Deployment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "formats::kinds")]
    pub resource_kinds: Vec<String>,
    /// Severities of the Issue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub severities: Vec<Severity>,
    /// Signals that opened the Issue, such as `oom_kill`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "signal_types")]
    pub signal_types: Vec<String>,
    /// States of the Issue that are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub states: Vec<IssueState>,
}

/// Where messages can go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = needs("['slack', 'teams']", "webhook_url", &formats::cel_http_url("self.config['webhook_url']"), "a URL with http:// or https://"))]
#[x_kube(validation = needs("['pagerduty']", "routing_key", &word("routing_key"), "the integration key of the PagerDuty service"))]
#[x_kube(validation = needs("['opsgenie']", "api_key", &word("api_key"), "the key of the OpsGenie integration"))]
#[x_kube(validation = needs("['email']", "smtp_host", &formats::cel_host("self.config['smtp_host']"), "the name or address of the mail server, without a port"))]
#[x_kube(validation = needs("['email']", "smtp_port", &formats::cel_whole_number("self.config['smtp_port']", 1, 65535), "a port from 1 to 65535, in quotes"))]
#[x_kube(validation = needs("['email']", "from", &formats::cel_email("self.config['from']"), "one e-mail address"))]
#[x_kube(validation = needs("['email']", "to", &formats::cel_emails("self.config['to']"), "one or more e-mail addresses separated by commas"))]
#[x_kube(validation = needs("['webhook']", "url", &formats::cel_http_url("self.config['url']"), "a URL with http:// or https://"))]
#[x_kube(validation = optional("['webhook']", "method", "self.config['method'].matches('^(?i:post|put|patch|get)$')", "POST, PUT, PATCH or GET"))]
#[x_kube(validation = optional("['webhook']", "headers", r"self.config['headers'].matches(r'^\s*\{[\s\S]*\}\s*$')", "a JSON object of header names and values, as text"))]
#[x_kube(validation = optional("['opsgenie']", "responders", r"self.config['responders'].matches(r'^\s*\[[\s\S]*\]\s*$')", "a JSON list, as text"))]
#[x_kube(validation = optional("['email']", "tls_skip_verify", "self.config['tls_skip_verify'] in ['true', 'false']", "\"true\" or \"false\""))]
#[x_kube(validation = optional("['slack']", "channel", r"self.config['channel'].matches(r'^[#@]?[^\s#@]+$')", "the name or id of one Slack channel, such as \"#incidents\""))]
pub struct NotificationChannel {
    /// Settings of the channel. `slack`: `webhook_url`*, `channel`, `username`. `teams`: `webhook_url`*. `pagerduty`: `routing_key`*.
    /// `opsgenie`: `api_key`*, `tags`, `responders`. `email`: `smtp_host`*, `smtp_port`*, `from`*, `to`* (separated by commas),
    /// `smtp_user`, `smtp_password`, `tls_skip_verify`. `webhook`: `url`*, `method`, `headers` (JSON), `secret` (signs the body).
    /// Those with * must be given here or in the Secret; secrets belong there.
    #[serde(default)]
    #[schemars(schema_with = "config")]
    pub config: BTreeMap<String, String>,
    /// Name of the channel, unique in the policy.
    #[schemars(schema_with = "channel_name")]
    pub name: String,
    /// Secret in the policy's namespace; each of its keys replaces the setting of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::local")]
    pub secret_ref: Option<LocalObjectRef>,
    /// What receives the messages.
    #[serde(rename = "type")]
    pub type_: ChannelType,
}

fn yes() -> bool {
    true
}

fn five_minutes() -> String {
    "5m".to_owned()
}

fn one_minute() -> String {
    "1m".to_owned()
}

fn ten() -> i32 {
    10
}

/// Name of a channel, as policies refer to it.
pub(crate) fn channel_name(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        63,
        "must be a name without spaces: letters, digits, -, _ and ., such as slack-incidents",
    )
}

fn rule_channels(generator: &mut SchemaGenerator) -> Schema {
    formats::set_of(&channel_name(generator), 1, 32)
}

fn throttle_window(_: &mut SchemaGenerator) -> Schema {
    formats::duration_or_zero(7 * 86_400, "from 0s (off) to 7d")
}

fn signal_types(_: &mut SchemaGenerator) -> Schema {
    let signal = formats::worded("^[a-z][a-z0-9_]*$", 63, "must be a signal in small letters, such as oom_kill");
    formats::set_of(&signal, 0, 64)
}

fn config(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 2048},
    })
}

fn templates(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 8192},
        "x-kubernetes-validations": [{
            "rule": "self.all(k, k in ['issue_created', 'issue_detected', 'issue_analyzing', 'issue_contained', 'issue_resolved', 'issue_escalated', 'issue_failed', 'remediation_started', 'remediation_completed', 'remediation_failed', 'approval_requested', 'slo_alert', 'sla_breached'])",
            "message": "must have only these keys: issue_created, issue_detected, issue_analyzing, issue_contained, issue_resolved, issue_escalated, issue_failed, remediation_started, remediation_completed, remediation_failed, approval_requested, slo_alert, sla_breached",
        }],
    })
}

fn known_channels() -> Rule {
    formats::rule(
        "rules",
        "self.rules.all(r, r.channels.all(c, self.channels.exists(x, x.name == c)))",
        "channels of each rule must be names of spec.channels of this policy",
    )
}

fn word(key: &str) -> String {
    format!(r"self.config['{key}'].matches(r'^\S+$')")
}

/// A setting that channels of these types must have, here or in the Secret.
fn needs(types: &str, key: &str, check: &str, what: &str) -> Rule {
    formats::rule(
        "config",
        format!("!(self.type in {types}) || (('{key}' in self.config) ? ({check}) : has(self.secretRef))"),
        &format!("config.{key} must be {what}; it may be left out only when secretRef names the Secret that has it"),
    )
}

/// A setting that channels of these types may have.
fn optional(types: &str, key: &str, check: &str, what: &str) -> Rule {
    formats::rule(
        "config",
        format!("!(self.type in {types}) || !('{key}' in self.config) || {check}"),
        &format!("config.{key} must be {what}"),
    )
}
