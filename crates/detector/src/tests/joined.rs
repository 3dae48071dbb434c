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

#[tokio::test(start_paused = true)]
async fn an_event_about_a_cron_job_tells_that_a_quota_refuses_its_jobs() {
    let mut world = World::new().await;
    let meta = world.meta("sweep", None, &json!({}));
    world.objects.cron_jobs.apply(read(json!({
        "metadata": meta, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {}}
    })));
    let meta = world.meta("share", None, &json!({}));
    let amounts = json!({"count/jobs.batch": "2"});
    world.objects.quotas.apply(read(json!({
        "metadata": meta, "spec": {"hard": amounts}, "status": {"hard": amounts, "used": amounts}
    })));
    // A quota that is full is nothing by itself.
    world.quiet(60).await;
    let (meta, now) = (world.meta("sweep.1", None, &json!({})), world.now());
    let message = "Error creating job: jobs.batch \"sweep-1\" is forbidden: exceeded quota: share, requested: count/jobs.batch=1, used: count/jobs.batch=2, limited: count/jobs.batch=2";
    world.objects.events.apply(read(json!({
        "metadata": meta, "type": "Warning", "reason": "FailedCreate", "message": message, "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "involvedObject": {"kind": "CronJob", "namespace": "shop", "name": "sweep", "uid": "uid-sweep"},
    })));
    let alert = world.firing().await;
    assert_eq!((alert.workload.kind.as_str(), alert.workload.name.as_str()), ("CronJob", "sweep"));
    assert_eq!((alert.root.kind.as_str(), alert.root.name.as_str()), ("ResourceQuota", "share"));
}
