//! The `Instance` resource: one AI server, what it watches and how the operator reaches it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, PodSecurityContext, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::shared::{LocalObjectRef, ProviderName, SecretKeyRef};
use crate::{formats, pod_fields};

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

/// Kinds of workloads that are watched by name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum WatchedKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
}

/// How the server is doing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// `Available`: whether enough replicas are ready. `Connected`: whether the operator reaches the server, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Generation of the Instance that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether as many replicas are ready as wanted, and at least one.
    #[serde(default)]
    pub ready: bool,
    /// Replicas that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Replicas that exist.
    #[serde(default)]
    pub replicas: i32,
}

/// One AI server: it watches workloads, finds faults and their causes, and talks to the language model.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Instance",
    plural = "instances",
    namespaced,
    status = "InstanceStatus",
    shortname = "inst",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSpec {
    /// ConfigMaps with agents and skills for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<InstanceAgents>,
    /// How the incident pipeline treats what this server reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aiops: Option<InstanceAiops>,
    /// Secret in the same namespace with the keys of the providers, such as `ANTHROPIC_API_KEY`; each key becomes an environment
    /// variable. A change of it restarts the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::local_ref")]
    pub api_keys: Option<LocalObjectRef>,
    /// Further environment variables of the server, with unique names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "pod_fields::env")]
    pub extra_env: Vec<EnvVar>,
    /// Providers to turn to when the first one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<InstanceFallback>,
    /// Container image of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<InstanceImage>,
    /// MCP servers whose tools an analysis may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<InstanceMcp>,
    /// Language model, by the name that the provider gives it; without it, the provider's default of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "model")]
    pub model: Option<String>,
    /// Volume that keeps the server's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<InstancePersistence>,
    /// Where plugins of the server come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<InstancePlugins>,
    /// Provider of the language model: `BUILTIN` analyses by rules alone and needs no key; else one of `OPENAI`,
    /// `OPENAI_ASSISTANT`, `CLAUDEAI`, `BEDROCK`, `GOOGLEAI`, `XAI`, `ZAI`, `MINIMAX`, `MOONSHOT`, `STACKSPOT`, `OLLAMA`,
    /// `COPILOT`, `GITHUB_MODELS`, `OPENROUTER`, `DEVIN`.
    #[schemars(schema_with = "provider")]
    pub provider: String,
    /// Replicas of the server, 0 to 100. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// CPU and memory of the server's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod_fields::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the pod, in place of the default one (not root, default seccomp profile).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod_fields::security_context")]
    pub security_context: Option<PodSecurityContext>,
    /// How the server listens and how the operator reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<InstanceServer>,
    /// What the server watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher: Option<InstanceWatcher>,
}

/// What the server watches.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = interval_within_window())]
#[x_kube(validation = formats::rule("deployment", "!has(self.deployment) || !has(self.targets) || self.targets.size() == 0", "deployment and targets exclude each other; name every workload in targets"))]
#[x_kube(validation = formats::rule("namespace", "!has(self.namespace) || has(self.deployment)", "namespace goes with deployment; targets have namespaces of their own"))]
#[x_kube(validation = formats::rule("targets", "!has(self.enabled) || !self.enabled || has(self.deployment) || has(self.targets) && self.targets.size() > 0", "targets must name at least one workload when enabled is true"))]
pub struct InstanceWatcher {
    /// Name of the only Deployment to watch; `targets` is the form for any number of workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub deployment: Option<String>,
    /// Watch the workloads, and let the server read them. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Duration between two readings of metrics, from `1s` to `24h`; changes of objects are seen at once. Default `30s`.
    #[serde(default = "thirty_seconds")]
    #[schemars(schema_with = "formats::interval")]
    pub interval: String,
    /// Most characters of context that a request to the language model carries, 1 to 10000000. Default 32000.
    #[serde(default = "context_chars")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_context_chars: i32,
    /// Most lines of log per container that an analysis reads, 0 to 100000; 0 reads none. Default 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_log_lines: i32,
    /// Namespace of `deployment`; default is the Instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::namespace")]
    pub namespace: Option<String>,
    /// Workloads to watch, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "kind".into(), "name".into(), "deployment".into()]))]
    pub targets: Vec<WatchTarget>,
    /// Duration for which observations are kept, from `1m` to `30d`; at least `interval`. Default `2h`.
    #[serde(default = "two_hours")]
    #[schemars(schema_with = "window")]
    pub window: String,
}

/// One workload to watch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("name", "self.name != '' || self.deployment != ''", "name must be given"))]
#[x_kube(validation = formats::rule("deployment", "self.name == '' || self.deployment == '' || self.name == self.deployment", "deployment is an old word for name: give only one of them"))]
#[x_kube(validation = formats::rule("deployment", "self.deployment == '' || self.kind == 'Deployment' || self.name != ''", "deployment goes with kind Deployment; use name for other kinds"))]
pub struct WatchTarget {
    /// Older word for `name`.
    #[serde(default)]
    #[schemars(schema_with = "name_or_empty")]
    pub deployment: String,
    /// Kind of the workload. Default `Deployment`.
    #[serde(default)]
    pub kind: WatchedKind,
    /// Names of metrics to read, with `*` for any characters; empty reads all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "metric_names")]
    pub metrics_filter: Vec<String>,
    /// Path of the pods' metrics, starting with `/`. Default `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "http_path")]
    pub metrics_path: Option<String>,
    /// Port of the pods' metrics, 1 to 65535; 0 or none reads no metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::port_or_zero")]
    pub metrics_port: Option<i32>,
    /// Name of the workload.
    #[serde(default)]
    #[schemars(schema_with = "name_or_empty")]
    pub name: String,
    /// Namespace of the workload.
    #[schemars(schema_with = "formats::namespace")]
    pub namespace: String,
}

impl WatchTarget {
    /// Name of the workload, whichever word it was given with.
    #[must_use]
    pub fn workload(&self) -> &str {
        if self.name.is_empty() { &self.deployment } else { &self.name }
    }
}

/// How the server listens and how the operator reaches it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("metricsPort", "self.port != self.metricsPort", "metricsPort must differ from port"))]
pub struct InstanceServer {
    /// Address that the operator dials, `host` or `host:port`; default is the Service of this Instance. With TLS, the certificate
    /// must be valid for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::dial_address")]
    pub address: Option<String>,
    /// Port of the server's metrics and probes, 1 to 65535; 0 serves no metrics. Default 9090.
    #[serde(default = "metrics_port")]
    #[schemars(schema_with = "formats::port_or_zero")]
    pub metrics_port: i32,
    /// Port of gRPC, 1 to 65535. Default 50051.
    #[serde(default = "grpc_port")]
    #[schemars(schema_with = "formats::port")]
    pub port: i32,
    /// Limits and hardening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<InstanceServerSecurity>,
    /// Encryption between operator and server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<InstanceServerTls>,
    /// Key of a Secret in the same namespace with the token that callers must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::secret_key")]
    pub token: Option<SecretKeyRef>,
}

/// Encryption between operator and server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerTls {
    /// Serve and dial with TLS. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Secret in the same namespace with `tls.crt`, `tls.key` and, when the issuer is not publicly trusted, `ca.crt`. Without it the
    /// operator issues a certificate of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub secret_name: Option<String>,
}

/// Limits and hardening of the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerSecurity {
    /// File in the container to which the server writes one line per call, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "absolute_path")]
    pub audit_log_path: Option<String>,
    /// IP address that the server listens on. Default: all of them in a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bind_address")]
    pub bind_address: Option<String>,
    /// Log in detail. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Let gRPC clients ask which calls there are. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_reflection: Option<bool>,
    /// Key of a Secret in the same namespace with the secret that signs the callers' JWTs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::secret_key")]
    pub jwt_secret_ref: Option<SecretKeyRef>,
    /// Most calls at a time per connection, at least 1. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent_streams: Option<i32>,
    /// Largest message that the server accepts, in bytes, at least 1024. Default 52428800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub max_recv_msg_size: Option<i32>,
    /// Largest message that the server sends, in bytes, at least 1024. Default 52428800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub max_send_msg_size: Option<i32>,
    /// Calls that one caller may make at once, at least 1. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate_limit_burst: Option<i32>,
    /// Calls per second that one caller may make on average, at least 1. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate_limit_rps: Option<i32>,
}

/// Where plugins of the server come from; one of the two.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("image", "!has(self.image) || !has(self.pvcName)", "image and pvcName exclude each other"))]
pub struct InstancePlugins {
    /// Container image whose folder `/plugins` is copied before the server starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "plugin_image")]
    pub image: Option<String>,
    /// PersistentVolumeClaim in the same namespace that is mounted as folder of the plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub pvc_name: Option<String>,
}

/// Volume that keeps the server's sessions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstancePersistence {
    /// Keep sessions on a volume; without it they end with the pod. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Size of the volume, as a quantity from `1Mi` to `1Pi`. A larger one grows the volume where its class allows that. Default `1Gi`.
    #[serde(default = "one_gibibyte")]
    #[schemars(schema_with = "formats::volume_size")]
    pub size: String,
    /// Storage class of the volume; without it the cluster's default one, empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "storage_class")]
    pub storage_class_name: Option<String>,
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

/// Container image of the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceImage {
    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`. Default `IfNotPresent`.
    #[serde(default = "if_not_present")]
    #[schemars(schema_with = "pull_policy")]
    pub pull_policy: String,
    /// Registry and path of the image, without a tag. Default `ghcr.io/diillson/chatcli`.
    #[serde(default = "repository")]
    #[schemars(schema_with = "image_repository")]
    pub repository: String,
    /// Tag of the image; empty or none takes the operator's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "image_tag")]
    pub tag: Option<String>,
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

/// How the incident pipeline treats what this server reports.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAiops {
    /// Most steps of a plan that the language model decides step by step, 3 to 30. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 3, max = 30))]
    pub agentic_max_steps: i32,
    /// Minutes for which a signal that was told is not told again unless it had cleared, 5 to 1440. Default 30.
    #[serde(rename = "dedupTTLMinutes", default = "thirty")]
    #[schemars(range(min = 5, max = 1440))]
    pub dedup_ttl_minutes: i32,
    /// Resolve Issues that people were asked to look at when their workload has recovered by itself. Default `true`.
    #[serde(default = "yes")]
    pub enable_auto_resolve: bool,
    /// Remediation attempts before people are asked, 1 to 10. Default 5.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 10))]
    pub max_remediation_attempts: i32,
    /// Minutes after a resolution in which the same fault reopens the Issue instead of raising a new one, 0 to 120; 0 never does.
    /// Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 120))]
    pub resolution_cooldown_minutes: i32,
}

/// ConfigMaps with agents and skills.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAgents {
    /// ConfigMap in the same namespace that is mounted as folder of the agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub config_map_ref: Option<String>,
    /// ConfigMap in the same namespace that is mounted as folder of the skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub skills_config_map_ref: Option<String>,
}

fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
}

fn two() -> i32 {
    2
}

fn five() -> i32 {
    5
}

fn ten() -> i32 {
    10
}

fn thirty() -> i32 {
    30
}

fn hundred() -> i32 {
    100
}

fn context_chars() -> i32 {
    32000
}

fn grpc_port() -> i32 {
    50051
}

fn metrics_port() -> i32 {
    9090
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn five_minutes() -> String {
    "5m".to_owned()
}

fn two_hours() -> String {
    "2h".to_owned()
}

fn one_gibibyte() -> String {
    "1Gi".to_owned()
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn repository() -> String {
    "ghcr.io/diillson/chatcli".to_owned()
}

fn provider(_: &mut SchemaGenerator) -> Schema {
    let names = [
        "BUILTIN", "OPENAI", "OPENAI_ASSISTANT", "CLAUDEAI", "BEDROCK", "GOOGLEAI", "XAI", "ZAI", "MINIMAX", "MOONSHOT", "STACKSPOT",
        "OLLAMA", "COPILOT", "GITHUB_MODELS", "OPENROUTER", "DEVIN",
    ];
    formats::checked(64, &format!("self in {names:?}"), &format!("must be one of {}", names.join(", ")))
}

fn pull_policy(_: &mut SchemaGenerator) -> Schema {
    formats::checked(16, "self in ['Always', 'IfNotPresent', 'Never']", "must be Always, IfNotPresent or Never")
}

fn model(_: &mut SchemaGenerator) -> Schema {
    formats::pattern(r"^[A-Za-z0-9@~][A-Za-z0-9._:/@+-]*$", 1, 256)
}

fn window(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(60, 30 * 86_400, "from 1m to 30d")
}

fn name_or_empty(_: &mut SchemaGenerator) -> Schema {
    let pattern = formats::DNS_SUBDOMAIN.trim_start_matches('^').trim_end_matches('$');
    formats::or(formats::pattern(&format!("^({pattern})?$"), 0, 253), json!(""))
}

fn cooldown(_: &mut SchemaGenerator) -> Schema {
    formats::duration_between(0, 86_400, "longer than 0 and at most 24h")
}

fn metric_names(_: &mut SchemaGenerator) -> Schema {
    formats::set_of(formats::pattern(r"^[A-Za-z0-9_:*?.\[\]{},-]+$", 1, 256), 0, 256)
}

fn http_path(_: &mut SchemaGenerator) -> Schema {
    formats::checked(1024, r"self.matches(r'^/[^\s#]*$')", "must be a path that starts with /, such as /metrics")
}

fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        4096,
        r"self.matches(r'^/[^\r\n]*[^/\r\n]$') && !self.matches(r'(^|/)\.\.(/|$)')",
        "must be the absolute path of a file, without .., such as /tmp/audit.log",
    )
}

fn bind_address(_: &mut SchemaGenerator) -> Schema {
    formats::checked(64, "isIP(self) || self == 'localhost'", "must be an IP address without a port, such as 0.0.0.0")
}

fn plugin_image(_: &mut SchemaGenerator) -> Schema {
    formats::pattern(formats::IMAGE, 1, 512)
}

fn image_repository(_: &mut SchemaGenerator) -> Schema {
    formats::pattern(formats::IMAGE_REPOSITORY, 1, 255)
}

fn image_tag(_: &mut SchemaGenerator) -> Schema {
    formats::pattern(formats::IMAGE_TAG, 0, 128)
}

fn storage_class(_: &mut SchemaGenerator) -> Schema {
    let pattern = formats::DNS_SUBDOMAIN.trim_start_matches('^').trim_end_matches('$');
    formats::pattern(&format!("^({pattern})?$"), 0, 253)
}

fn mcp_name(_: &mut SchemaGenerator) -> Schema {
    formats::pattern("^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", 1, 63)
}

fn command(_: &mut SchemaGenerator) -> Schema {
    formats::pattern(r"^\S([^\r\n]*\S)?$", 1, 4096)
}

fn arguments(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 256, "items": {"type": "string", "maxLength": 4096}})
}

fn overrides(_: &mut SchemaGenerator) -> Schema {
    formats::set_of(formats::pattern(r"^\S+$", 1, 128), 0, 256)
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

fn interval_within_window() -> Rule {
    formats::rule(
        "interval",
        format!("{} <= {}", formats::cel_seconds("self.interval"), formats::cel_seconds("self.window")),
        "interval must not be longer than window",
    )
}

fn cooldown_grows() -> Rule {
    formats::rule(
        "cooldownBase",
        format!("{} <= {}", formats::cel_seconds("self.cooldownBase"), formats::cel_seconds("self.cooldownMax")),
        "cooldownBase must not be longer than cooldownMax",
    )
}
