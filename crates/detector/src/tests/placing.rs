//! Nodes that fall or are closed, pods that lose their place, namespaces that do not go: from the caches to the words.

use std::time::Duration;

use api::shared::{ResourceRef, RootCause};
use domain::detection::Rule;

use super::*;
use crate::Question;

impl World {
    fn raw_node(&mut self, spec: &Value, ready: &str, made: &str) {
        self.version += 1;
        self.objects.nodes.apply(
            serde_json::from_value(json!({
                "metadata": {"name": "n1", "uid": "uid-n1", "resourceVersion": self.version.to_string(), "creationTimestamp": made},
                "spec": spec,
                "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "30"}, "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": made}]},
            }))
            .unwrap(),
        );
    }

    /// A pod that wants 3 CPUs.
    fn wanting(&mut self, deployment: &str, index: usize, priority: i32, node: Option<&str>) {
        let spec = json!({"priority": priority, "priorityClassName": format!("p{priority}"), "nodeName": node,
            "containers": [{"name": "app", "image": "shop:1", "resources": {"requests": {"cpu": "3"}}}]});
        let now = self.now();
        let status = if node.is_some() {
            running(&now, true)
        } else {
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available: 1 Insufficient cpu.", "lastTransitionTime": now}]})
        };
        self.pod(deployment, 1, index, spec, status);
    }

    async fn why(&self, deployment: &str) -> RootCause {
        let resource = ResourceRef { kind: "Deployment".into(), name: deployment.into(), namespace: "shop".into() };
        let question = Question { resource, root: None, signal: "pod_not_ready".into(), failed: Vec::new() };
        self.detector.analyze(&question).await.diagnosis.cause
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_seen_ready_is_not_new_whatever_its_condition_says() {
    let mut world = World::new().await;
    let made = world.now();
    world.raw_node(&json!({}), "True", &made);
    world.quiet(30).await;
    // Who writes this leaves the old time in the condition.
    world.raw_node(&json!({}), "False", &made);
    world.quiet(18).await;
    let alert = tokio::time::timeout(Duration::from_secs(4), world.firing()).await.unwrap();
    assert_eq!((alert.rule, alert.root.name.as_str()), (Rule::NodeNotReady, "n1"));
    world.raw_node(&json!({}), "True", &made);
    assert!(matches!(world.next().await, Transition::Resolved(_)));
}

#[tokio::test(start_paused = true)]
async fn a_taint_that_came_after_the_pods_is_the_nodes_fault() {
    let mut world = World::new().await;
    let made = world.now();
    world.raw_node(&json!({}), "True", &made);
    world.deployment("web", 2, 1);
    world.set("web", 1, 2, 1, spec("shop:1"));
    world.wanting("web", 0, 0, Some("n1"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.raw_node(&json!({"taints": [{"key": "disk", "value": "swap", "effect": "NoSchedule"}]}), "True", &made);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.objects.pods.delete(&Place::new("shop", "web-1-0"));
    world.wanting("web", 1, 0, None);
    world.firing().await;
    let cause = world.why("web").await;
    assert_eq!(
        (cause.object.kind.as_str(), cause.path.as_deref()),
        ("Node", Some("spec.taints")),
        "{}",
        cause.statement
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_preempted() {
    let mut world = World::new().await;
    let made = world.now();
    world.raw_node(&json!({}), "True", &made);
    world.deployment("web", 1, 1);
    let wants = json!({"containers": [{"name": "app", "image": "shop:1", "resources": {"requests": {"cpu": "3"}}}]});
    world.set("web", 1, 1, 1, wants);
    world.wanting("web", 0, 0, Some("n1"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.deployment("billing", 1, 1);
    world.set("billing", 1, 1, 0, spec("shop:1"));
    world.wanting("billing", 0, 1000, None);
    world.objects.pods.delete(&Place::new("shop", "web-1-0"));
    world.wanting("web", 1, 0, None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.wanting("billing", 0, 1000, Some("n1"));
    let alert = world.firing().await;
    assert_eq!(alert.workload.name, "web");
    let cause = world.why("web").await;
    assert_eq!((cause.object.name.as_str(), cause.value.as_deref()), ("billing", Some("p1000")), "{}", cause.statement);
    assert!(cause.statement.contains("was preempted on node n1 by Deployment billing"), "{}", cause.statement);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_stays_is_an_incident_of_the_cluster_until_it_is_gone() {
    let mut world = World::new().await;
    let since = world.now();
    let space: Seen<Namespace> = read(json!({
        "metadata": {"name": "old", "uid": "uid-old", "resourceVersion": "1", "deletionTimestamp": since},
        "status": {"phase": "Terminating", "conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
            "message": "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances"}]},
    }));
    world.objects.namespaces.apply(space);
    world.quiet(58).await;
    let alert = tokio::time::timeout(Duration::from_secs(8), world.firing()).await.unwrap();
    assert_eq!((alert.workload.kind.as_str(), alert.workload.namespace.as_deref()), ("Namespace", None));
    let resource = ResourceRef { kind: "Namespace".into(), name: "old".into(), namespace: "chatcli-system".into() };
    let question = Question { resource, root: None, signal: "deletion_stuck".into(), failed: Vec::new() };
    let cause = world.detector.analyze(&question).await.diagnosis.cause;
    assert!(cause.statement.contains("finalizers remaining: example.com/x"), "{}", cause.statement);
    world.objects.namespaces.delete(&Place::new("", "old"));
    assert!(matches!(world.next().await, Transition::Resolved(_)));
}
