//! Uninstall, and an installation after it.

use std::time::Instant;

use api::Instance;
use e2e::chart::{self, NAMESPACE, RELEASE, helm};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::World;

/// The finalizer that an operator leaves on Instances.
const FINALIZER: &str = "platform.chatcli.io/finalizer";

fn instance(name: &str) -> Instance {
    serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": name, "namespace": "default", "finalizers": [FINALIZER]},
        "spec": {"provider": "BUILTIN", "replicas": 0},
    }))
    .unwrap()
}

/// An Instance that is there, and one whose deletion began, both with the finalizer: neither hangs afterwards.
pub async fn uninstall(world: World) {
    let api: Api<Instance> = Api::namespaced(world.client.clone(), "default");
    api.create(&PostParams::default(), &instance("stays")).await.unwrap();
    let began = Instant::now();
    helm(&world.cluster.kubeconfig, &format!("uninstall {RELEASE} --namespace {NAMESPACE} --wait --timeout 180s"))
        .unwrap();
    println!("    helm uninstall took {:.1} s", began.elapsed().as_secs_f64());
    let stays = api.get("stays").await.unwrap();
    assert!(stays.finalizers().iter().all(|finalizer| finalizer != FINALIZER), "{:?}", stays.finalizers());
    assert!(stays.metadata.deletion_timestamp.is_none(), "an uninstall deletes no Instance");

    let pods = Api::<Pod>::namespaced(world.client.clone(), NAMESPACE).list(&ListParams::default()).await.unwrap();
    assert!(pods.items.iter().all(|pod| !pod.name_any().starts_with(RELEASE)), "{pods:#?}");
    // Roles that Instances share are theirs; everything of the release is gone, the hooks' too.
    let ours = |name: String| name.starts_with("chatcli-operator");
    let roles = Api::<ClusterRole>::all(world.client.clone()).list(&ListParams::default()).await.unwrap();
    assert!(roles.items.iter().all(|role| !ours(role.name_any())));
    let bindings = Api::<ClusterRoleBinding>::all(world.client.clone()).list(&ListParams::default()).await.unwrap();
    assert!(bindings.items.iter().all(|binding| !ours(binding.name_any())));
    assert_eq!(chart::definitions(world.cluster).len(), 17, "definitions and what is in them stay");

    api.delete("stays", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("stays").await.unwrap().is_none(), "it is gone at once");
}

/// What an uninstall leaves, and an Instance stuck from a time before the hook, is no obstacle.
pub async fn again(world: World) {
    let api: Api<Instance> = Api::namespaced(world.client.clone(), "default");
    api.create(&PostParams::default(), &instance("stuck")).await.unwrap();
    api.delete("stuck", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("stuck").await.unwrap().is_some(), "the finalizer holds it");
    let line = format!("install {RELEASE} CHART --namespace {NAMESPACE} --create-namespace");
    helm(&world.cluster.kubeconfig, &line).unwrap();
    chart::ready(&world.client).await;
    helm(&world.cluster.kubeconfig, &format!("uninstall {RELEASE} -n {NAMESPACE} --wait --timeout 180s")).unwrap();
    assert!(api.get_opt("stuck").await.unwrap().is_none(), "it went with the release");
    let ((), took) = chart::timed(|| chart::delete_definitions(world.cluster));
    assert!(chart::definitions(world.cluster).is_empty());
    println!("    the definitions were deleted within {:.1} s", took.as_secs_f64());
}
