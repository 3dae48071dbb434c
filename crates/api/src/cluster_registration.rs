//! The `ClusterRegistration` resource: another cluster that this installation looks after.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shared::LocalObjectRef;
use crate::{formats, references};

/// What a cluster is used for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ClusterEnvironment {
    /// Serves users.
    #[serde(rename = "prod")]
    Prod,
    /// Rehearses what goes to production.
    #[serde(rename = "staging")]
    Staging,
    /// For development and tests.
    #[default]
    #[serde(rename = "dev")]
    Dev,
}

/// How much depends on a cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ClusterTier {
    /// Nothing happens there without a person's approval.
    #[serde(rename = "critical")]
    Critical,
    /// The policies decide.
    #[default]
    #[serde(rename = "standard")]
    Standard,
    /// The policies decide; losing it hurts nobody.
    #[serde(rename = "non-critical")]
    NonCritical,
}

/// What was last seen of the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistrationStatus {
    /// Issues there that are not over.
    #[serde(default)]
    pub active_issues: i32,
    /// RemediationPlans there that are not over.
    #[serde(default)]
    pub active_remediations: i32,
    /// `Connected`: whether the cluster answers, and what it said when it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Whether the last check reached the cluster.
    #[serde(default)]
    pub connected: bool,
    /// Version of its API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// When the last check ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health_check: Option<Time>,
    /// Number of its namespaces.
    #[serde(default)]
    pub namespace_count: i32,
    /// Number of its nodes.
    #[serde(default)]
    pub node_count: i32,
}

/// Another cluster, reached with the kubeconfig of a Secret.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "ClusterRegistration",
    plural = "clusterregistrations",
    doc = "Another cluster that this installation looks after, reached with the kubeconfig of a Secret.",
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
    /// What the cluster may be used for, such as `remediation`; empty means everything. Shown and filterable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "capabilities")]
    pub capabilities: Vec<String>,
    /// Name that people see, one line of up to 128 characters.
    #[schemars(schema_with = "formats::label_text")]
    pub display_name: String,
    /// What the cluster is used for. A fault seen in `staging` first is pointed out when it appears in `prod`. Default `dev`.
    #[serde(default)]
    pub environment: ClusterEnvironment,
    /// Duration between two checks of the cluster, from `1s` to `24h`. Default `30s`.
    #[serde(default = "thirty_seconds")]
    #[schemars(schema_with = "formats::interval")]
    pub health_check_interval: String,
    /// Secret in the same namespace whose key `kubeconfig` reaches the cluster. Certificates and tokens must be in the text;
    /// commands and file names in it are refused.
    #[schemars(schema_with = "references::local")]
    pub kubeconfig_secret_ref: LocalObjectRef,
    /// Labels of the cluster, to group and select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Most RemediationPlans that may run on the cluster at a time; 0 lets none run, so the cluster is only watched. Default 3.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_concurrent_remediations: i32,
    /// Where the cluster is, such as `sa-east-1`. Shown and filterable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::label_text")]
    pub region: Option<String>,
    /// How much depends on the cluster; `critical` asks a person before every action. Default `standard`.
    #[serde(default)]
    pub tier: ClusterTier,
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn three() -> i32 {
    3
}

fn capabilities(_: &mut SchemaGenerator) -> Schema {
    let word =
        formats::worded(formats::LABEL_VALUE, 63, "must be a word: letters, digits, -, _ and ., such as remediation");
    formats::set_of(&word, 0, 64)
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 64,
        "additionalProperties": formats::checked(63, &format!("self == '' || self.matches(r'{}')", formats::LABEL_VALUE), "must be the value of a label: up to 63 letters, digits, -, _ and ., such as sre"),
        "x-kubernetes-validations": [{
            "rule": format!("self.all(k, k.size() <= 317 && k.matches(r'{}'))", formats::LABEL_KEY),
            "message": "keys must be label keys, such as team or example.com/team",
        }],
    })
}
