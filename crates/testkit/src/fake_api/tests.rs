use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams};
use serde_json::json;

use super::*;

fn deployment() -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [{"name": "web", "image": "a"}, {"name": "side", "image": "s"}]}}},
        "status": {"replicas": 2},
    }))
    .unwrap()
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn patches_bump_the_generation_and_a_status_does_not() {
    let fake = FakeApi::new().with(deployment());
    let api: Api<Deployment> = Api::namespaced(fake.client(), "shop");
    let before = api.get("web").await.unwrap();
    assert_eq!((before.metadata.generation, before.metadata.resource_version.as_deref()), (Some(1), Some("1")));

    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "b"}]}}}, "status": {"replicas": 9}});
    let after = api.patch("web", &PatchParams::default(), &Patch::Strategic(&image)).await.unwrap();
    assert_eq!(after.metadata.generation, Some(2));
    assert_eq!(after.status.unwrap().replicas, Some(2));
    let containers = after.spec.unwrap().template.spec.unwrap().containers;
    assert_eq!(containers.iter().map(|c| c.image.as_deref().unwrap()).collect::<Vec<_>>(), ["b", "s"]);

    let stale = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"resourceVersion": "1"}, "status": {"replicas": 3}});
    let apply = PatchParams::apply("me").force();
    assert_eq!(code(api.patch_status("web", &apply, &Patch::Apply(&stale)).await.unwrap_err()), 409);
    let fresh = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"resourceVersion": "2"}, "status": {"replicas": 3, "readyReplicas": 1}});
    let after = api.patch_status("web", &apply, &Patch::Apply(&fresh)).await.unwrap();
    assert_eq!(after.metadata.generation, Some(2));
    // What an owner leaves out goes away; what is the same makes no new version.
    let less = json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 3}});
    let after = api.patch_status("web", &apply, &Patch::Apply(&less)).await.unwrap();
    assert_eq!(after.status.unwrap().ready_replicas, None);
    let same = api.patch_status("web", &apply, &Patch::Apply(&less)).await.unwrap();
    assert_eq!(same.metadata.resource_version, after.metadata.resource_version);

    let scaled =
        api.patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 5}}))).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(5));
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    api.patch("web", &dry, &Patch::Merge(json!({"spec": {"replicas": 7}}))).await.unwrap();
    assert_eq!(fake.get::<Deployment>("shop", "web").unwrap().spec.unwrap().replicas, Some(5));
    assert_eq!(fake.writes().len(), 5);
}

#[tokio::test]
async fn create_delete_and_preconditions() {
    let fake = FakeApi::new().with(deployment());
    let api: Api<Deployment> = Api::namespaced(fake.client(), "shop");
    assert_eq!(code(api.create(&PostParams::default(), &deployment()).await.unwrap_err()), 409);
    let wrong = DeleteParams {
        preconditions: Some(Preconditions { uid: Some("x".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert_eq!(code(api.delete("web", &wrong).await.unwrap_err()), 409);
    fake.edit::<Deployment>("shop", "web", |object| object["metadata"]["finalizers"] = json!(["a/b"]));
    api.delete("web", &DeleteParams::default()).await.unwrap();
    assert!(fake.get::<Deployment>("shop", "web").unwrap().metadata.deletion_timestamp.is_some());
    api.patch("web", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": []}}))).await.unwrap();
    assert!(fake.get::<Deployment>("shop", "web").is_none());
    assert_eq!(code(api.get("web").await.unwrap_err()), 404);
    let mut applied = deployment();
    applied.metadata.name = Some("new".into());
    let applied = api.patch("new", &PatchParams::apply("me").force(), &Patch::Apply(&applied)).await.unwrap();
    assert_eq!(applied.status, None);
    assert_eq!(api.list(&kube::api::ListParams::default().labels("app=web")).await.unwrap().items.len(), 1);
    assert_eq!(api.list(&kube::api::ListParams::default().labels("app!=web")).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn a_watch_tells_everything_and_can_be_cut() {
    let fake = FakeApi::new().with(deployment());
    let api: Api<Deployment> = Api::all(fake.client());
    let mut watch = api.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    fake.edit::<Deployment>("shop", "web", |object| object["spec"]["replicas"] = json!(4));
    fake.put(ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("m".into()),
            namespace: Some("shop".into()),
            ..Default::default()
        },
        ..Default::default()
    });
    fake.remove::<Deployment>("shop", "web");
    assert!(
        matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Modified(d) if d.metadata.generation == Some(2))
    );
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Deleted(_)));
    fake.expire_watches();
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Error(status) if status.code == 410));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn faults_come_as_ordered_and_only_so_often() {
    let fake = FakeApi::new().with(deployment());
    let api: Api<Deployment> = Api::namespaced(fake.client(), "shop");
    fake.fail("get", "deployments/web", 500, 2);
    for expected in [500, 500] {
        assert_eq!(code(api.get("web").await.unwrap_err()), expected);
    }
    api.get("web").await.unwrap();
    fake.lose_answer("patch", "", 1);
    api.patch("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 7}}))).await.unwrap_err();
    assert_eq!(fake.get::<Deployment>("shop", "web").unwrap().spec.unwrap().replicas, Some(7));
    fake.stall("get", "", 1);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(20), api.get("web")).await.is_err());
    assert_eq!(api.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 1);
    let pods: Api<Pod> = Api::namespaced(fake.client(), "shop");
    assert!(pods.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn every_crash_point_is_visited() {
    let run = |fake: FakeApi| async move {
        let api: Api<ConfigMap> = Api::namespaced(fake.client(), "shop");
        for name in ["a", "b", "c"] {
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            if api.patch(name, &PatchParams::apply("me").force(), &Patch::Apply(&body)).await.is_err() {
                return;
            }
        }
    };
    let points = crash_everywhere(FakeApi::new, run, |_, fake| assert_eq!(fake.list::<ConfigMap>().len(), 3)).await;
    assert_eq!(points, 3);
}
