//! Language model: providers, what happens when one fails, and tools over MCP.

use std::collections::BTreeMap;

use kube::KubeSchema;
use kube::core::cel::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::formats;
use crate::shared::ProviderName;

/// How the server talks to an MCP server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum McpTransport {
    /// It starts `command` and uses its input and output.
    #[serde(rename = "stdio")]
    Stdio,
    /// It connects to `url` and receives server-sent events.
    #[serde(rename = "sse")]
    Sse,
}

/// MCP servers whose tools an analysis may use.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("existingConfigMap", "!has(self.existingConfigMap) || !has(self.servers) || self.servers.size() == 0", "existingConfigMap and servers exclude each other"))]
#[x_kube(validation = formats::rule("servers", "!self.enabled || has(self.existingConfigMap) || has(self.servers) && self.servers.size() > 0", "servers or existingConfigMap must be given when enabled is true"))]
pub struct InstanceMcp {
    /// Use MCP servers. Default `false`.
    #[serde(default)]
    pub enabled: bool,
    /// ConfigMap in the same namespace with a file `mcp_servers.json`, instead of `servers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub existing_config_map: Option<String>,
    /// The MCP servers, with unique names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub servers: Vec<McpServer>,
}

/// One MCP server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("command", "(self.transport == 'stdio') == has(self.command)", "command must be given with transport stdio, and only then"))]
#[x_kube(validation = formats::rule("url", "(self.transport == 'sse') == has(self.url)", "url must be given with transport sse, and only then"))]
#[x_kube(validation = formats::rule("args", "self.transport == 'stdio' || !has(self.args) || self.args.size() == 0", "args go with transport stdio"))]
pub struct McpServer {
    /// Arguments of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "arguments")]
    pub args: Vec<String>,
    /// Program to start, for `stdio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "command")]
    pub command: Option<String>,
    /// Use this server. Default `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Environment variables of the command.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "mcp_env")]
    pub env: BTreeMap<String, String>,
    /// Name of the server, unique in the list.
    #[schemars(schema_with = "mcp_name")]
    pub name: String,
    /// Built-in tools that this server's tools replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "overrides")]
    pub overrides: Vec<String>,
    /// How to talk to it.
    pub transport: McpTransport,
    /// Address to connect to, for `sse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::http_url")]
    pub url: Option<String>,
}

/// Providers to turn to when the first one fails.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("providers", "!self.enabled || self.providers.size() > 0", "providers must name at least one provider when enabled is true"))]
#[x_kube(validation = cooldown_grows())]
pub struct InstanceFallback {
    /// Duration for which a provider that failed is left alone; it doubles with each failure in a row, up to
    /// `cooldownMax`. Default `30s`.
    #[serde(default = "thirty_seconds")]
    #[schemars(schema_with = "cooldown")]
    pub cooldown_base: String,
    /// Longest such duration, at least `cooldownBase` and at most 1 day. Default `5m`.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "cooldown")]
    pub cooldown_max: String,
    /// Turn to other providers.
    pub enabled: bool,
    /// Further tries with a provider before the next one, 0 to 20. Default 2.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 20))]
    pub max_retries: i32,
    /// The providers, in this order, each once.
    #[schemars(length(max = 15))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub providers: Vec<FallbackProvider>,
}

/// One provider to turn to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FallbackProvider {
    /// Language model; without it, the provider's default of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "model")]
    pub model: Option<String>,
    /// Provider.
    pub name: ProviderName,
}

fn yes() -> bool {
    true
}

fn two() -> i32 {
    2
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn five_minutes() -> String {
    "5m".to_owned()
}

pub(super) fn model(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        r"^[A-Za-z0-9@~][A-Za-z0-9._:/@+-]*$",
        256,
        "must be the name of a language model without spaces, such as claude-sonnet-4-20250514",
    )
}

fn cooldown(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(0, 86_400, "longer than 0 and at most 24h")
}

fn mcp_name(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        63,
        "must be a name without spaces: letters, digits, -, _ and ., such as files",
    )
}

fn command(_: &mut SchemaGenerator) -> Schema {
    formats::worded(r"^\S([^\r\n]*\S)?$", 4096, "must be the program to start, on one line, such as npx")
}

fn arguments(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 256, "items": {"type": "string", "maxLength": 4096}})
}

fn overrides(_: &mut SchemaGenerator) -> Schema {
    formats::set_of(&formats::worded(r"^\S+$", 128, "must be the name of a tool, without spaces"), 0, 256)
}

fn mcp_env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 128,
        "additionalProperties": {"type": "string", "maxLength": 32768},
        "x-kubernetes-validations": [{
            "rule": format!("self.all(k, k.size() <= 256 && k.matches(r'{}'))", formats::ENV_NAME),
            "message": "keys must be names of environment variables: letters, digits and _ . -, not starting with a digit",
        }],
    })
}

fn cooldown_grows() -> Rule {
    formats::rule(
        "cooldownBase",
        format!("{} <= {}", formats::cel_seconds("self.cooldownBase"), formats::cel_seconds("self.cooldownMax")),
        "cooldownBase must not be longer than cooldownMax",
    )
}

pub(super) fn provider(_: &mut SchemaGenerator) -> Schema {
    let names = [
        "BUILTIN",
        "OPENAI",
        "OPENAI_ASSISTANT",
        "CLAUDEAI",
        "BEDROCK",
        "GOOGLEAI",
        "XAI",
        "ZAI",
        "MINIMAX",
        "MOONSHOT",
        "STACKSPOT",
        "OLLAMA",
        "COPILOT",
        "GITHUB_MODELS",
        "OPENROUTER",
        "DEVIN",
    ];
    formats::checked(64, &format!("self in {names:?}"), &format!("must be one of {}", names.join(", ")))
}
