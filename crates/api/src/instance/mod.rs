//! The `Instance` resource: one AI server, what it watches and how the operator reaches it.

mod model;
mod placement;
mod pod;
mod server;
mod watcher;

pub use model::{FallbackProvider, InstanceFallback, InstanceMcp, McpServer, McpTransport};
pub use placement::{
    InstanceBudget, InstanceProbe, InstanceProbes, InstanceScheduling, InstanceService, InstanceServiceAccount,
    ServiceType,
};
pub use server::{InstanceServer, InstanceServerSecurity, InstanceServerTls};
pub use watcher::{InstanceWatcher, WatchTarget, WatchThresholds, WatchedKind};

use k8s_openapi::api::core::v1::{EnvVar, PodSecurityContext, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use std::collections::BTreeMap;

use kube::core::cel::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::LocalObjectRef;
use crate::{formats, references};

/// How the server is doing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// `SecretsReady`: the Secrets and ConfigMaps that it refers to are there. `TLSReady`: the certificate can be used.
    /// `ProviderReady`: the language model can be asked. `Connected`: the operator has a stream to every replica.
    /// `WatcherReady`: everything to watch was looked at. `Available`: all of these, and all replicas are ready.
    /// `Valid`: every field of the spec has its effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Generation of the Instance that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether it is Available: all replicas are ready, and nothing else is wrong.
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
    doc = "One AI server: what it watches, which language model it asks, and how the operator reaches it. The operator runs it as a Deployment of the same name.",
    namespaced,
    status = "InstanceStatus",
    shortname = "inst",
    category = "chatcli",
    derive = "PartialEq",
    validation = name_fits(),
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
    #[schemars(schema_with = "references::local")]
    pub api_keys: Option<LocalObjectRef>,
    /// What one incident may cost at the provider of the language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<InstanceBudget>,
    /// Further environment variables of the server, with unique names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "pod::env")]
    pub extra_env: Vec<EnvVar>,
    /// Providers to turn to when the first one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<InstanceFallback>,
    /// Container image of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<InstanceImage>,
    /// Secrets in the same namespace with which the images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "pull_secrets")]
    pub image_pull_secrets: Vec<LocalObjectRef>,
    /// MCP servers whose tools an analysis may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<InstanceMcp>,
    /// Language model, by the name that the provider gives it; without it, the provider's default of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "model::model")]
    pub model: Option<String>,
    /// Volume that keeps the server's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<InstancePersistence>,
    /// Where plugins of the server come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<InstancePlugins>,
    /// Further annotations of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "placement::annotations")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Further labels of the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "placement::pod_labels")]
    pub pod_labels: BTreeMap<String, String>,
    /// Times of the pods' probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<InstanceProbes>,
    /// Provider of the language model: `BUILTIN` analyses by rules alone and needs no key; else one of `OPENAI`,
    /// `OPENAI_ASSISTANT`, `CLAUDEAI`, `BEDROCK`, `GOOGLEAI`, `XAI`, `ZAI`, `MINIMAX`, `MOONSHOT`, `STACKSPOT`, `OLLAMA`,
    /// `COPILOT`, `GITHUB_MODELS`, `OPENROUTER`, `DEVIN`.
    #[schemars(schema_with = "model::provider")]
    pub provider: String,
    /// Replicas of the server, 0 to 100. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// CPU and memory of the server's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Where the pods run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<InstanceScheduling>,
    /// Security context of the pod, in place of the default one (not root, default seccomp profile).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod::security_context")]
    pub security_context: Option<PodSecurityContext>,
    /// How the server listens and how the operator reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<InstanceServer>,
    /// The Service in front of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<InstanceService>,
    /// The ServiceAccount of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<InstanceServiceAccount>,
    /// What the server watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watcher: Option<InstanceWatcher>,
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

/// The Service, the pods and their label are named after the Instance; a StatefulSet needs room for a suffix.
fn name_fits() -> Rule {
    Rule::new(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= (has(self.spec.persistence) && has(self.spec.persistence.enabled) && self.spec.persistence.enabled ? 52 : 63)",
    )
    .message("metadata.name must begin with a small letter, hold small letters, digits and - only, and have at most 63 characters, with persistence 52: Service and pods have that name")
}

fn pull_secrets(generator: &mut SchemaGenerator) -> Schema {
    let mut one = references::local(generator);
    one.insert("description".to_owned(), "A Secret of type `kubernetes.io/dockerconfigjson`.".into());
    schemars::json_schema!({"type": "array", "maxItems": 32, "items": one, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
}

fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
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

fn one_gibibyte() -> String {
    "1Gi".to_owned()
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn repository() -> String {
    "ghcr.io/diillson/chatcli".to_owned()
}

fn pull_policy(_: &mut SchemaGenerator) -> Schema {
    formats::checked(16, "self in ['Always', 'IfNotPresent', 'Never']", "must be Always, IfNotPresent or Never")
}

fn plugin_image(_: &mut SchemaGenerator) -> Schema {
    formats::worded(formats::IMAGE, 512, "must be a container image, such as ghcr.io/team/plugins:1.0")
}

fn image_repository(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        formats::IMAGE_REPOSITORY,
        255,
        "must be registry and path of an image in small letters, without scheme and tag, such as ghcr.io/team/chatcli",
    )
}

fn image_tag(_: &mut SchemaGenerator) -> Schema {
    formats::worded(formats::IMAGE_TAG, 128, "must be the tag of an image: letters, digits, -, _ and ., such as v1.2.3")
}

fn storage_class(_: &mut SchemaGenerator) -> Schema {
    let rule = format!("self == '' || self.matches(r'{}')", formats::DNS_SUBDOMAIN);
    formats::checked(
        253,
        &rule,
        "must be the name of a storage class: small letters, digits, - and ., such as fast-ssd",
    )
}
