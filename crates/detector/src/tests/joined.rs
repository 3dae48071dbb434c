//! What one fault stops is one incident: its symptoms have one root from the beginning.

use std::collections::BTreeMap;

use super::*;

/// A Deployment of one pod that takes its environment from a ConfigMap, and its first revision.
fn taking(world: &mut World, name: &str, map: &str) -> Value {
    let spec =
        json!({"containers": [{"name": "app", "image": "shop:1", "envFrom": [{"configMapRef": {"name": map}}]}]});
    let meta = world.meta(name, None, &json!({}));
    world.objects.deployments.apply(read(json!({
        "metadata": meta, "spec": {"replicas": 1, "selector": {}, "template": {"spec": spec}}
    })));
    world.set(name, 1, 1, 0, spec.clone());
    spec
}

fn map(world: &mut World, name: &str) {
    let meta = world.meta(name, None, &json!({}));
    world.objects.config_maps.apply(read(json!({"metadata": meta, "data": {"REGION": "a"}})));
}

/// The roots of the next alerts, by workload.
async fn roots(world: &mut World, count: usize) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while found.len() < count {
        if let Transition::Firing(alert) = world.next().await {
            found.insert(alert.workload.name, format!("{}/{}", alert.root.kind, alert.root.name));
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn workloads_that_miss_the_same_config_map_share_a_root_and_others_do_not() {
    let mut world = World::new().await;
    map(&mut world, "other");
    let names = ["rent", "sale", "keys", "tour"];
    let specs: Vec<Value> = names.iter().map(|name| taking(&mut world, name, "region")).collect();
    let lone = taking(&mut world, "lone", "othr");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for (name, spec) in names.iter().zip(specs) {
        let status = waiting(&world.now(), "CreateContainerConfigError", "configmap \"region\" not found");
        world.pod(name, 1, 0, spec, status);
    }
    let status = waiting(&world.now(), "CreateContainerConfigError", "configmap \"othr\" not found");
    world.pod("lone", 1, 0, lone, status);
    let found = roots(&mut world, 5).await;
    for name in names {
        assert_eq!(found[name], "ConfigMap/region", "{found:?}");
    }
    assert_eq!(found["lone"], "Deployment/lone");
}

#[tokio::test(start_paused = true)]
async fn workloads_that_one_quota_refuses_share_a_root() {
    let mut world = World::new().await;
    for name in ["a", "b"] {
        taking(&mut world, name, "none");
        let message = format!(
            "pods \"{name}-1-x\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3"
        );
        let mut meta = world.meta(name, None, &json!({}));
        meta["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
        let now = world.now();
        world.objects.deployments.apply(read(json!({
            "metadata": meta, "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message, "lastTransitionTime": now}]},
        })));
    }
    let found = roots(&mut world, 2).await;
    assert!(found.values().all(|root| root == "ResourceQuota/team"), "{found:?}");
}
