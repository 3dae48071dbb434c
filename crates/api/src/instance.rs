//! The `Instance` resource.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, PodSecurityContext, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{LocalObjectRef, ProviderName, SecretKeyRef};

/// InstanceTransport
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceTransport {
    /// `stdio`.
    #[serde(rename = "stdio")]
    Stdio,
    /// `sse`.
    #[serde(rename = "sse")]
    Sse,
}

/// InstanceKind
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceKind {
    /// `Deployment`.
    Deployment,
    /// `StatefulSet`.
    StatefulSet,
    /// `DaemonSet`.
    DaemonSet,
    /// `Job`.
    Job,
    /// `CronJob`.
    CronJob,
}

/// Observed state of Instance.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Available condition
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation last reconciled
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready replicas reached the wanted number
    #[serde(default)]
    pub ready: bool,
    /// Deployment ready replicas
    #[serde(default)]
    pub ready_replicas: i32,
    /// Deployment status replicas
    #[serde(default)]
    pub replicas: i32,
}

/// Desired state of Instance.
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
    /// Agent and skill ConfigMaps
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<InstanceAgents>,
    /// Pipeline tuning; first Instance in list wins
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aiops: Option<InstanceAiops>,
    /// Secret loaded as environment
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<LocalObjectRef>,
    /// Extra container env vars
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_env: Vec<EnvVar>,
    /// Provider failover chain
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<InstanceFallback>,
    /// Container image
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<InstanceImage>,
    /// MCP servers
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<InstanceMcp>,
    /// LLM model flag and env
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// PVC for sessions
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<InstancePersistence>,
    /// Plugin binaries source
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<InstancePlugins>,
    /// LLM provider flag and env; no enum here
    pub provider: String,
    /// Server pods; above 1 makes the Service headless
    // contract default: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Container requests and limits
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Pod security context; non-root default when absent
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// GRPC server settings
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<InstanceServer>,
    /// Workload watcher settings
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher: Option<InstanceWatcher>,
}

/// Workload watcher settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceWatcher {
    /// Legacy single target
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Turn the watcher on and create RBAC
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Poll period
    // contract default: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Prompt budget; only written in multi-target mode
    // contract default: 32000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context_chars: Option<i32>,
    /// Log lines per pod
    // contract default: 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_log_lines: Option<i32>,
    /// Legacy single target namespace
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Multi-target list; overrides legacy pair
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<InstanceWatcherTarget>,
    /// Look-back window
    // contract default: "2h"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
}

/// Multi-target list; overrides legacy pair.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceWatcherTarget {
    /// Deprecated alias of name, still accepted
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Workload kind
    // contract default: "Deployment"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<InstanceKind>,
    /// Metric name globs
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics_filter: Vec<String>,
    /// App metrics path
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_path: Option<String>,
    /// App metrics port, 0 off
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_port: Option<i32>,
    /// Workload name; wins over deployment
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Workload namespace
    pub namespace: String,
}

/// GRPC server settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServer {
    /// Metrics port; 0 does not disable it
    // contract default: 9090
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_port: Option<i32>,
    /// GRPC port
    // contract default: 50051
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Hardening knobs
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<InstanceServerSecurity>,
    /// Server TLS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<InstanceServerTls>,
    /// Bearer token Secret key
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKeyRef>,
    /// Address that the operator dials, `host` or `host:port`; default is the Service of this Instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Server TLS.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerTls {
    /// Mount Secret and dial with TLS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Secret with tls.crt, tls.key and optional ca.crt
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// Hardening knobs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerSecurity {
    /// Env CHATCLI_AUDIT_LOG_PATH
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_log_path: Option<String>,
    /// Env CHATCLI_BIND_ADDRESS; server uses 0.0.0.0 in pods
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_address: Option<String>,
    /// Env CHATCLI_DEBUG
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Env CHATCLI_GRPC_REFLECTION
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_reflection: Option<bool>,
    /// Env CHATCLI_JWT_SECRET
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_secret_ref: Option<SecretKeyRef>,
    /// Env CHATCLI_MAX_CONCURRENT_STREAMS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_streams: Option<i32>,
    /// Env CHATCLI_MAX_RECV_MSG_SIZE
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recv_msg_size: Option<i32>,
    /// Env CHATCLI_MAX_SEND_MSG_SIZE
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_send_msg_size: Option<i32>,
    /// Env CHATCLI_RATE_LIMIT_BURST
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_burst: Option<i32>,
    /// Env CHATCLI_RATE_LIMIT_RPS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_rps: Option<i32>,
}

/// Plugin binaries source.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstancePlugins {
    /// Init container copying /plugins
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// PVC mounted as plugins directory; wins over image
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pvc_name: Option<String>,
}

/// PVC for sessions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstancePersistence {
    /// Create and mount the PVC
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// PVC size; never resized later
    // contract default: "1Gi"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Storage class
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

/// MCP servers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceMcp {
    /// Mount MCP config and pass flag
    // contract default: false
    pub enabled: bool,
    /// Use this ConfigMap instead of rendering
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_config_map: Option<String>,
    /// Rendered into mcp_servers.json
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<InstanceMcpServer>,
}

/// Rendered into mcp_servers.json.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceMcpServer {
    /// Arguments for stdio
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Executable for stdio
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Server on or off
    // contract default: true
    pub enabled: bool,
    /// Environment for stdio
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Server id
    pub name: String,
    /// Built-in plugin names it replaces
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Stdio or sse
    pub transport: InstanceTransport,
    /// Endpoint for sse
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Container image.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceImage {
    /// Pull policy, no enum
    // contract default: "IfNotPresent"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<String>,
    /// Image repository
    // contract default: "ghcr.io/diillson/chatcli"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Tag; empty: CHATCLI_OPERATOR_APP_VERSION, then latest
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Provider failover chain.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceFallback {
    /// First back-off
    // contract default: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_base: Option<String>,
    /// Back-off ceiling
    // contract default: "5m"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_max: Option<String>,
    /// Write fallback env vars
    pub enabled: bool,
    /// Retries per provider
    // contract default: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_retries: Option<i32>,
    /// Ordered fallback list
    pub providers: Vec<InstanceFallbackProvider>,
}

/// Ordered fallback list.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceFallbackProvider {
    /// Model for it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Provider id
    pub name: ProviderName,
}

/// Pipeline tuning; first Instance in list wins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAiops {
    /// Step limit of agentic plans
    // contract default: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 30))]
    pub agentic_max_steps: Option<i32>,
    /// Memory of seen alerts
    // contract default: 30
    #[serde(rename = "dedupTTLMinutes", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 1440))]
    pub dedup_ttl_minutes: Option<i32>,
    /// Resolve Escalated/Contained Issues when the workload recovers
    // contract default: true
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_auto_resolve: Option<bool>,
    /// Attempts before escalation
    // contract default: 5
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub max_remediation_attempts: Option<i32>,
    /// Quiet time after resolve; 0 behaves as 10
    // contract default: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 120))]
    pub resolution_cooldown_minutes: Option<i32>,
}

/// Agent and skill ConfigMaps.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAgents {
    /// ConfigMap mounted as agents directory
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<String>,
    /// ConfigMap mounted as skills directory
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills_config_map_ref: Option<String>,
}
