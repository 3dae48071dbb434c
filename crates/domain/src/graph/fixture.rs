//! Graphs from YAML, for tests.

use serde_json::Value;

use super::Graph;

/// Kinds without a namespace.
const CLUSTER: [&str; 10] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "Node",
    "StorageClass",
    "PersistentVolume",
    "IngressClass",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

/// A graph of namespace `shop` from YAML documents. Objects without a namespace lie in it.
pub(crate) fn graph(yaml: &str) -> Graph {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    for object in &mut objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        if !CLUSTER.contains(&kind) && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = "shop".into();
        }
    }
    Graph::load("shop", &objects).expect("objects")
}

/// A Deployment with one ready pod of it, both with label `app: NAME`.
pub(crate) fn running(name: &str, spec: &str) -> String {
    let spec = spec.lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n");
    let pod_spec = spec.replace("\n      ", "\n  ");
    let pod_spec = pod_spec.trim_start();
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
{spec}
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}-5d8c9f-x2x4z
  labels: {{app: {name}}}
  ownerReferences:
  - {{apiVersion: apps/v1, kind: Deployment, name: {name}, uid: u, controller: true}}
spec:
  {pod_spec}
status:
  phase: Running
  conditions: [{{type: Ready, status: 'True'}}]
"
    )
}
