//! The `ClusterRegistration` resource.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{LocalObjectRef};

/// ClusterRegistrationEnvironment
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterRegistrationEnvironment {
    /// `prod`.
    #[serde(rename = "prod")]
    Prod,
    /// `staging`.
    #[serde(rename = "staging")]
    Staging,
    /// `dev`.
    #[serde(rename = "dev")]
    Dev,
}

/// ClusterRegistrationTier
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterRegistrationTier {
    /// `critical`.
    #[serde(rename = "critical")]
    Critical,
    /// `standard`.
    #[serde(rename = "standard")]
    Standard,
    /// `non-critical`.
    #[serde(rename = "non-critical")]
    NonCritical,
}

/// Observed state of ClusterRegistration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistrationStatus {
    /// Non-terminal Issues on the remote cluster
    #[serde(default)]
    pub active_issues: i32,
    /// Plans Pending, Executing or Verifying remotely
    #[serde(default)]
    pub active_remediations: i32,
    /// Never set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Nodes and namespaces could be listed
    #[serde(default)]
    pub connected: bool,
    /// Kubelet version of the first node
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// Last check time
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health_check: Option<Time>,
    /// Namespaces seen
    #[serde(default)]
    pub namespace_count: i32,
    /// Nodes seen
    #[serde(default)]
    pub node_count: i32,
}

/// Desired state of ClusterRegistration.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ClusterRegistration",
    plural = "clusterregistrations",
    namespaced,
    status = "ClusterRegistrationStatus",
    shortname = "cr",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "DisplayName", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment"),
    printcolumn(name = "Connected", type_ = "boolean", json_path = ".status.connected"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodeCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistrationSpec {
    /// Feature list, unused
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Label shown by the dashboard
    pub display_name: String,
    /// Shown; cascade check on it is unreachable
    // contract default: "dev"
    pub environment: ClusterRegistrationEnvironment,
    /// Re-check period, Go duration
    // contract default: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_interval: Option<String>,
    /// Secret whose key "kubeconfig" reaches the cluster
    pub kubeconfig_secret_ref: LocalObjectRef,
    /// Free metadata, unused
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Limit, not enforced anywhere
    // contract default: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_remediations: Option<i32>,
    /// Shown by the dashboard
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Shown and filterable; approval mode by tier is unreachable
    // contract default: "standard"
    pub tier: ClusterRegistrationTier,
}
