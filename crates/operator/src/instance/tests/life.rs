//! From the manifest to the objects, through repairs, to the end.

use api::Instance;
use domain::instance::FINALIZER;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{World, cookbook, until, world};

/// Version of every object of an Instance, by kind and name.
async fn versions(world: &World<'_>) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    macro_rules! of {
        ($($kind:ty),*) => {$(
            for object in world.api::<$kind>().list(&ListParams::default()).await.unwrap() {
                all.push((format!("{} {}", stringify!($kind), object.name_any()), object.resource_version()));
            }
        )*};
    }
    of!(
        ServiceAccount,
        ConfigMap,
        Service,
        StatefulSet,
        Deployment,
        PodDisruptionBudget,
        Role,
        RoleBinding,
        Secret,
        Instance
    );
    all
}

#[tokio::test]
async fn the_cookbooks_instance_is_made_kept_repaired_and_removed() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    world.secrets("chatcli-prod").await;
    world.instance("chatcli-prod", cookbook(&world.watched.name)).await;
    let set: StatefulSet = world.there("chatcli-prod").await;
    assert_eq!(set.spec.as_ref().unwrap().replicas, Some(2));
    let foreign = format!("{}.chatcli-prod-watcher", world.ns.name);
    let watched: Api<Role> = Api::namespaced(world.client.clone(), &world.watched.name);
    until("the Role where it watches", async || watched.get_opt(&foreign).await.unwrap()).await;
    let bindings: Api<ClusterRoleBinding> = Api::all(world.client.clone());
    let nodes = format!("{foreign}-nodes");
    until("the binding for nodes", async || bindings.get_opt(&nodes).await.unwrap()).await;
    world.there::<ServiceAccount>("chatcli-prod").await;
    world.there::<PodDisruptionBudget>("chatcli-prod").await;
    world.there::<ConfigMap>("chatcli-prod-watch-config").await;
    world.condition("chatcli-prod", "SecretsReady", "True", "AllThere").await;
    world.condition("chatcli-prod", "TLSReady", "True", "CertificateValid").await;
    let text = world.condition("chatcli-prod", "Available", "False", "DeploymentNotReady").await;
    assert!(text.starts_with("0/2 replicas ready"), "{text}");
    let instance: Instance = world.there("chatcli-prod").await;
    let status = instance.status.clone().unwrap();
    assert_eq!((status.ready, status.observed_generation), (false, instance.metadata.generation));
    assert_eq!(instance.finalizers(), [FINALIZER]);

    // At rest, nothing is written, however often it is looked at.
    let settled = until("the StatefulSet's own status has settled", async || {
        let before = versions(&world).await;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        (versions(&world).await == before).then_some(before)
    })
    .await;
    world.patch::<Service>("chatcli-prod", json!({"metadata": {"annotations": {"somebody": "was here"}}})).await;
    world.touch("chatcli-prod").await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let after = versions(&world).await;
    let moved: Vec<_> = after.iter().filter(|one| !settled.contains(one)).map(|(what, _)| what.as_str()).collect();
    assert_eq!(moved, ["Service chatcli-prod", "Instance chatcli-prod"], "only what somebody else wrote");

    repairs(&world).await;

    // Features that are switched off leave nothing behind, and volumes or not is one workload or the other.
    let changed = json!({"spec": {"persistence": {"enabled": false}, "watcher": {"enabled": false}, "replicas": 1}});
    world.patch::<Instance>("chatcli-prod", changed).await;
    world.there::<Deployment>("chatcli-prod").await;
    until("the StatefulSet is gone", async || world.get::<StatefulSet>("chatcli-prod").await.is_none().then_some(()))
        .await;
    until("the budget is gone", async || {
        world.get::<PodDisruptionBudget>("chatcli-prod").await.is_none().then_some(())
    })
    .await;
    until("the watch config is gone", async || {
        world.get::<ConfigMap>("chatcli-prod-watch-config").await.is_none().then_some(())
    })
    .await;
    until("the foreign Role is gone", async || watched.get_opt(&foreign).await.unwrap().is_none().then_some(())).await;
    until("nothing of it is elsewhere", async || {
        world.get::<Instance>("chatcli-prod").await.unwrap().finalizers().is_empty().then_some(())
    })
    .await;

    // On again, and the operator dies before it can see the end.
    let again = json!({"spec": {"watcher": {"enabled": true}}});
    world.patch::<Instance>("chatcli-prod", again).await;
    until("the Role is back", async || watched.get_opt(&foreign).await.unwrap()).await;
    world.stop().await;
    world.api::<Instance>().delete("chatcli-prod", &DeleteParams::default()).await.unwrap();
    assert!(world.get::<Instance>("chatcli-prod").await.is_some(), "it waits for the operator");
    world.start().await;
    until("the Instance is gone", async || world.get::<Instance>("chatcli-prod").await.is_none().then_some(())).await;
    assert!(watched.get_opt(&foreign).await.unwrap().is_none());
    assert!(bindings.get_opt(&nodes).await.unwrap().is_none());
    until("the rest is collected", async || world.get::<Deployment>("chatcli-prod").await.is_none().then_some(()))
        .await;

    // And recreated under its name.
    world.instance("chatcli-prod", cookbook(&world.watched.name)).await;
    world.there::<StatefulSet>("chatcli-prod").await;
    world.api::<Instance>().delete("chatcli-prod", &DeleteParams::default()).await.unwrap();
    until("the second is gone", async || world.get::<Instance>("chatcli-prod").await.is_none().then_some(())).await;
    world.stop().await;
}

async fn repairs(world: &World<'_>) {
    world.patch::<ConfigMap>("chatcli-prod", json!({"data": {"LLM_PROVIDER": "SKYNET"}})).await;
    until("the ConfigMap is put right", async || {
        let map: ConfigMap = world.get("chatcli-prod").await?;
        (map.data?.get("LLM_PROVIDER")? == "CLAUDEAI").then_some(())
    })
    .await;
    world.patch::<StatefulSet>("chatcli-prod", json!({"spec": {"replicas": 5}})).await;
    until("the replicas are put right", async || {
        let set: StatefulSet = world.get("chatcli-prod").await?;
        (set.spec?.replicas? == 2).then_some(())
    })
    .await;
    world.api::<Service>().delete("chatcli-prod", &DeleteParams::default()).await.unwrap();
    world.there::<Service>("chatcli-prod").await;
    let off = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    world.patch::<Service>("chatcli-prod", off).await;
    until("the label is back", async || {
        let service: Service = world.get("chatcli-prod").await?;
        service.labels().get("app.kubernetes.io/managed-by").cloned()
    })
    .await;
}

#[tokio::test]
async fn a_restart_of_the_pods_by_hand_and_labels_of_others_stay() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    world.instance("plain", json!({"provider": "BUILTIN"})).await;
    world.there::<Deployment>("plain").await;
    let restarted = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}, "metadata": {"labels": {"team": "sre"}}});
    world.patch::<Deployment>("plain", restarted).await;
    world.touch("plain").await;
    world.condition("plain", "Valid", "True", "Accepted").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let deployment: Deployment = world.there("plain").await;
    assert_eq!(deployment.labels()["team"], "sre");
    let annotations = deployment.spec.unwrap().template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["kubectl.kubernetes.io/restartedAt"], "now");
    // Without a token in the spec there is one all the same.
    let token: Secret = world.there("plain-token").await;
    assert_eq!(token.data.unwrap()["token"].0.len(), 64);
    world.stop().await;
}

#[tokio::test]
async fn pods_wait_for_a_secret_and_a_change_of_the_keys_takes_new_ones_once() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    world.secrets("chatcli-prod").await;
    world.api::<Secret>().delete("chatcli-auth", &DeleteParams::default()).await.unwrap();
    world.instance("chatcli-prod", cookbook(&world.watched.name)).await;
    let text = world.condition("chatcli-prod", "SecretsReady", "False", "SecretMissing").await;
    let ns = &world.ns.name;
    assert_eq!(
        text,
        format!(
            "Secret chatcli-auth (spec.server.token) does not exist in namespace {ns}; remedy: kubectl -n {ns} create secret generic chatcli-auth --from-literal=token=\"$(openssl rand -hex 32)\""
        )
    );
    world.condition("chatcli-prod", "Available", "False", "SecretsNotReady").await;
    world.there::<ConfigMap>("chatcli-prod").await;
    assert!(world.get::<StatefulSet>("chatcli-prod").await.is_none(), "no pod without a token");
    world.secret("chatcli-auth", &[("token", "t0ken")]).await;
    let before: StatefulSet = world.there("chatcli-prod").await;
    world.condition("chatcli-prod", "SecretsReady", "True", "AllThere").await;

    // Existing pods are left alone when the Secret goes.
    world.api::<Secret>().delete("chatcli-auth", &DeleteParams::default()).await.unwrap();
    world.condition("chatcli-prod", "SecretsReady", "False", "SecretMissing").await;
    assert!(world.get::<StatefulSet>("chatcli-prod").await.is_some());
    world.secret("chatcli-auth", &[("token", "another")]).await;
    world.condition("chatcli-prod", "SecretsReady", "True", "AllThere").await;
    let generation = |set: &StatefulSet| set.metadata.generation;
    assert_eq!(generation(&world.there("chatcli-prod").await), generation(&before), "the token is read while it runs");

    world.secret("chatcli-api-keys", &[("ANTHROPIC_API_KEY", "sk-ant-yyy")]).await;
    let rolled = until("new pods", async || {
        let set: StatefulSet = world.get("chatcli-prod").await?;
        (generation(&set) != generation(&before)).then_some(set)
    })
    .await;
    world.touch("chatcli-prod").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(generation(&world.there("chatcli-prod").await), generation(&rolled), "once");
    world.api::<Instance>().delete("chatcli-prod", &DeleteParams::default()).await.unwrap();
    until("it is gone", async || world.get::<Instance>("chatcli-prod").await.is_none().then_some(())).await;
    world.stop().await;
}

#[tokio::test]
async fn another_size_of_volumes_makes_the_stateful_set_anew_and_says_what_a_volume_cannot_do() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    world.instance("kept", json!({"provider": "BUILTIN", "persistence": {"enabled": true, "size": "2Gi"}})).await;
    let before: StatefulSet = world.there("kept").await;
    world.there::<PersistentVolumeClaim>("sessions-kept-0").await;
    world.patch::<Instance>("kept", json!({"spec": {"persistence": {"size": "4Gi"}}})).await;
    let after = until("another StatefulSet", async || {
        let set: StatefulSet = world.get("kept").await?;
        (set.metadata.uid != before.metadata.uid && set.metadata.deletion_timestamp.is_none()).then_some(set)
    })
    .await;
    let text = serde_json::to_string(&after.spec.unwrap().volume_claim_templates).unwrap();
    assert!(text.contains("4Gi"), "{text}");
    // Nothing here can provide volumes, so none can grow.
    let text = world.condition("kept", "Valid", "False", "VolumeCannotGrow").await;
    assert!(text.contains("sessions-kept-0 stays at 2Gi") && text.contains("allowVolumeExpansion"), "{text}");
    world.patch::<Instance>("kept", json!({"spec": {"persistence": {"size": "1Gi"}}})).await;
    let text = world.condition("kept", "Valid", "False", "VolumeCannotShrink").await;
    assert!(text.contains("set spec.persistence.size to 2Gi"), "{text}");
    world.stop().await;
}
