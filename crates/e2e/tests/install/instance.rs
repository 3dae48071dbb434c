//! An Instance of the installed operator, from its creation to a fault that is mended: every right that operator and
//! servers need on the way is one that the chart gives.

use std::time::Instant;

use api::Instance;
use e2e::chart::{self, NAMESPACE};
use e2e::shop::Shop;
use e2e::{build, look};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::World;

/// Created, Available, a fault seen and mended, deleted.
pub async fn mends_a_fault(world: World) {
    build::load_service(world.cluster);
    let policy = format!("{}/tests/e2e/policy.yaml", env!("CARGO_MANIFEST_DIR"));
    world.cluster.run_kubectl(&["apply", "-f", &policy]).unwrap();
    let shop = Shop::deploy(&world.client, world.cluster, "install", "user-service").await;

    let instances: Api<Instance> = Api::namespaced(world.client.clone(), NAMESPACE);
    let instance: Instance = serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": "chatcli-prod", "namespace": NAMESPACE},
        "spec": {
            "provider": "BUILTIN", "replicas": 2, "server": {"tls": {"enabled": true}},
            "watcher": {"enabled": true, "targets": [{"deployment": shop.workload, "namespace": shop.name()}]},
        },
    }))
    .unwrap();
    let began = Instant::now();
    instances.create(&PostParams::default(), &instance).await.unwrap();
    // Before the condition there is nothing that could be waited for by kubectl.
    let available = ["-n", NAMESPACE, "wait", "--for=condition=Available", "instance/chatcli-prod", "--timeout=120s"];
    world.cluster.run_kubectl(&available).unwrap();
    println!("    Instance created → Available {:.1} s (2 replicas, image on the node)", began.elapsed().as_secs_f64());

    shop.break_image().await;
    shop.approve(120).await;
    shop.was_rolled_back_once(2).await;

    let operator = chart::log(world.cluster);
    assert!(chart::refused(&operator).is_empty(), "{:#?}", chart::refused(&operator));
    let servers = ["-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/instance=chatcli-prod", "--tail=-1"];
    let servers = world.cluster.run_kubectl(&servers).unwrap();
    assert!(!servers.is_empty());
    assert!(chart::refused(&servers).is_empty(), "{:#?}", chart::refused(&servers));

    instances.delete("chatcli-prod", &DeleteParams::default()).await.unwrap();
    look::until("the Instance and what it had elsewhere are gone", 60, || async {
        let there = instances.get_opt("chatcli-prod").await.ok()?;
        let roles =
            Api::<Role>::namespaced(world.client.clone(), shop.name()).list(&ListParams::default()).await.ok()?;
        let bindings = Api::<ClusterRoleBinding>::all(world.client.clone()).list(&ListParams::default()).await.ok()?;
        let bound = bindings.items.iter().any(|binding| binding.name_any().contains("chatcli-prod"));
        (there.is_none() && roles.items.is_empty() && !bound).then_some(())
    })
    .await;
}
