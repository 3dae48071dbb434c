//! Where the server's pods run, what they carry, how they are probed, and how the Service and the ServiceAccount look.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::formats;

/// Where the server's pods run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceScheduling {
    /// Which nodes and which other pods the pods want near or far, as in a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "spoken::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub node_selector: BTreeMap<String, String>,
    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub priority_class_name: Option<String>,
    /// Taints of nodes that do not keep the pods away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tolerations")]
    pub tolerations: Vec<Toleration>,
    /// How the pods are spread, as in a pod. Default with several replicas: over the nodes, where that is possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "spreads")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

/// The ServiceAccount of the pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServiceAccount {
    /// Annotations of the ServiceAccount, such as the role of a cloud that its pods take.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// How a Service is reached.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// By a port of every node too.
    NodePort,
    /// By a load balancer too.
    LoadBalancer,
}

/// The Service in front of the pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceService {
    /// Annotations of the Service, such as those that a load balancer reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
    /// How it is reached: `ClusterIP`, `NodePort` or `LoadBalancer`. Default `ClusterIP`.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,
}

/// Times of the pods' probes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceProbes {
    /// Whether the server lives; a failure restarts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<InstanceProbe>,
    /// Whether the server answers; a failure takes it out of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<InstanceProbe>,
    /// Whether the server has started; the other probes wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<InstanceProbe>,
}

/// Times of one probe; what is not given keeps its default.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceProbe {
    /// Failures in a row after which it counts as failed, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
    /// Seconds before the first attempt, 0 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between attempts, 1 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,
    /// Seconds that an attempt may take, 1 to 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: Option<i32>,
}

/// What one incident may cost at the provider of the language model. Beyond it, rules alone analyse.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstanceBudget {
    /// Most US dollars per incident, by the server's price list; none is no limit.
    #[serde(rename = "maxCostUSDPerIncident", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub max_cost_usd_per_incident: Option<f64>,
    /// Most tokens per incident, in and out; none is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub max_tokens_per_incident: Option<i64>,
}

/// The schema that Kubernetes has for a part of a pod, with sentences that begin like sentences.
fn spoken<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    if let Some(map) = schema.as_object_mut() {
        map.values_mut().for_each(capitalise);
    }
    schema
}

fn capitalise(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(capitalise),
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::String(text)) = map.get_mut("description") {
                let first = text.chars().next().map(char::len_utf8).unwrap_or_default();
                if let Some(head) = text.get_mut(..first) {
                    head.make_ascii_uppercase();
                }
            }
            map.values_mut().for_each(capitalise);
        }
        _ => {}
    }
}

fn spreads(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 16, "items": spoken::<TopologySpreadConstraint>(generator)})
}

fn keyed(max: u32, value: u32, message: &str, values: bool) -> Schema {
    let mut rules = vec![json!({
        "rule": format!("self.all(k, k.size() <= 317 && k.matches(r'{}'))", formats::LABEL_KEY), "message": message,
    })];
    if values {
        rules.push(json!({
            "rule": format!("self.all(k, self[k] == '' || self[k].matches(r'{}'))", formats::LABEL_VALUE),
            "message": "values must be those of labels: letters, digits, -, _ and ., such as gold",
        }));
    }
    json_schema!({
        "type": "object", "maxProperties": max,
        "additionalProperties": {"type": "string", "maxLength": value},
        "x-kubernetes-validations": rules,
    })
}

/// Labels by key.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    keyed(64, 63, "keys must be those of labels, such as team or example.com/team", true)
}

/// Labels of pods: those that select them are the operator's.
pub(super) fn pod_labels(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = labels(generator);
    let own = json!({
        "rule": "self.all(k, !(k in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/managed-by']))",
        "message": "app.kubernetes.io/name, app.kubernetes.io/instance and app.kubernetes.io/managed-by are set by the operator",
    });
    if let Some(rules) = schema.get_mut("x-kubernetes-validations").and_then(serde_json::Value::as_array_mut) {
        rules.push(own);
    }
    schema
}

/// Annotations by key.
pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
    keyed(64, 16_384, "keys must be those of annotations, such as example.com/role", false)
}

fn tolerations(_: &mut SchemaGenerator) -> Schema {
    let rule = |rule: &str, message: &str, field: &str| json!({"rule": rule, "message": message, "fieldPath": field});
    json_schema!({
        "type": "array", "maxItems": 64,
        "items": {
            "type": "object", "description": "One taint, or several, that do not keep the pods away.",
            "x-kubernetes-validations": [
                rule("has(self.key) && self.key != '' || has(self.operator) && self.operator == 'Exists'", "key must be given unless operator is Exists", ".key"),
                rule("!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''", "value must not be given with operator Exists", ".value"),
                rule("!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'", "tolerationSeconds goes with effect NoExecute", ".tolerationSeconds"),
            ],
            "properties": {
                "effect": described("Effect of the taint: `NoSchedule`, `PreferNoSchedule` or `NoExecute`; without it all of them.", &formats::checked(32, "self in ['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute']", "must be NoSchedule, PreferNoSchedule or NoExecute")),
                "key": {"type": "string", "maxLength": 317, "description": "Key of the taint; without it every key."},
                "operator": described("How the value is compared: `Equal` or `Exists`. Default `Equal`.", &formats::checked(16, "self in ['', 'Equal', 'Exists']", "must be Equal or Exists")),
                "tolerationSeconds": {"type": "integer", "format": "int64", "description": "Seconds after which a pod that runs is evicted all the same."},
                "value": {"type": "string", "maxLength": 63, "description": "Value of the taint."},
            },
        },
    })
}

fn described(description: &str, schema: &Schema) -> serde_json::Value {
    let mut value = schema.clone().to_value();
    if let serde_json::Value::Object(map) = &mut value {
        map.insert("description".to_owned(), json!(description));
    }
    value
}
