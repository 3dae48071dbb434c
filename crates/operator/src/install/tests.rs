use api::Instance;
use domain::instance::{FINALIZER, OWNER};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use serde_json::json;
use testkit::fake_api::FakeApi;

use super::*;

fn instance(name: &str, finalizers: &[&str]) -> serde_json::Value {
    json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": name, "namespace": "team", "finalizers": finalizers},
        "spec": {"provider": "BUILTIN"},
    })
}

fn binding(kind: &str, namespace: Option<&str>, name: &str, owner: &str) -> serde_json::Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "chatcli-operator"}, "annotations": {OWNER: owner},
        },
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
    })
}

#[tokio::test(start_paused = true)]
async fn only_our_finalizer_goes_and_the_instance_stays() {
    let fake = FakeApi::new();
    fake.put_json::<Instance>(instance("ours", &["somebody/else", FINALIZER]));
    fake.put_json::<Instance>(instance("bare", &[]));
    fake.put_json::<ClusterRoleBinding>(binding("ClusterRoleBinding", None, "team.ours-watcher-nodes", "team/ours"));
    let released = release(&fake.client(), None).await.unwrap();
    assert_eq!(released, Released { instances: vec!["team/ours".into()], roles: Vec::new() });
    assert_eq!(fake.get::<Instance>("team", "ours").unwrap().finalizers(), ["somebody/else"]);
    assert_eq!(fake.list::<ClusterRoleBinding>().len(), 1, "its pods run on and need it");
    assert!(release(&fake.client(), None).await.unwrap().instances.is_empty(), "a second run finds nothing to do");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_being_deleted_takes_its_bindings_along() {
    let fake = FakeApi::new();
    let mut going = instance("going", &[FINALIZER]);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    fake.put_json::<Instance>(going);
    fake.put_json::<RoleBinding>(binding("RoleBinding", Some("shop"), "team.going-watcher", "team/going"));
    fake.put_json::<RoleBinding>(binding("RoleBinding", Some("shop"), "team.other-watcher", "team/other"));
    fake.put_json::<ClusterRoleBinding>(binding("ClusterRoleBinding", None, "team.going-watcher-nodes", "team/going"));
    fake.fail("delete", "rolebindings", 503, 1);
    let released = release(&fake.client(), None).await.unwrap();
    assert_eq!(released.instances, ["team/going"]);
    assert_eq!(released.roles.len(), 2, "{released:?}");
    assert!(fake.get::<Instance>("team", "going").is_none(), "nothing holds it any more");
    let left: Vec<String> = fake.list::<RoleBinding>().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["team.other-watcher"]);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_operator_to_end_and_not_for_ever() {
    let fake = FakeApi::new();
    fake.put_json::<Instance>(instance("ours", &[FINALIZER]));
    fake.put_json::<Pod>(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "operator-1", "namespace": "chatcli-system", "labels": {"app": "operator"}},
        "spec": {"containers": []},
    }));
    let client = fake.client();
    let ending = async {
        sleep(Duration::from_secs(7)).await;
        assert_eq!(fake.get::<Instance>("team", "ours").unwrap().finalizers().len(), 1, "not while it runs");
        fake.remove::<Pod>("chatcli-system", "operator-1");
    };
    let began = Instant::now();
    let (released, ()) = tokio::join!(release(&client, Some(("chatcli-system", "app=operator"))), ending);
    assert_eq!(released.unwrap().instances.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_named_at_once_with_the_remedy() {
    let fake = FakeApi::new();
    fake.fail("get", "customresourcedefinitions", 403, 1);
    let began = Instant::now();
    let error = apply(&fake.client()).await.unwrap_err().to_string();
    assert!(error.contains("aiinsights.platform.chatcli.io cannot be applied"), "{error}");
    assert!(error.contains("remedy: give the account the rights"), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(fake.list::<CustomResourceDefinition>().is_empty());
}
