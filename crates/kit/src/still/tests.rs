use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{DynamicObject, ListParams, LogParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt, discovery};
use serde_json::json;

use super::*;
use crate::cache::{Hub, config};
use crate::metrics::Metrics;
use crate::supervisor::Supervisor;

fn kind(group: &str, version: &str, plural: &str, kind: &str) -> StillKind {
    StillKind {
        group: group.into(),
        version: version.into(),
        plural: plural.into(),
        kind: kind.into(),
        namespaced: true,
    }
}

fn still() -> Still {
    let mut still = Still::new();
    let pods = kind("", "v1", "pods", "Pod");
    for (name, phase) in [("a", "Running"), ("b", "Succeeded"), ("c", "Pending")] {
        let metadata = json!({"name": name, "namespace": "shop", "labels": {"app": name}});
        still.put(&pods, json!({"metadata": metadata, "spec": {"containers": []}, "status": {"phase": phase}}));
    }
    still.kind(kind("apps", "v1", "deployments", "Deployment"));
    still.kind(kind("", "v1", "secrets", "Secret"));
    still.refuse(&kind("", "v1", "secrets", "Secret"), "not part of it");
    still.put(
        &kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
        json!({"metadata": {"name": "s", "namespace": "shop"}}),
    );
    still.log(("shop".into(), "a".into(), "app".into(), true), vec!["one".into(), "two".into(), "three".into()]);
    still
}

#[tokio::test]
async fn it_answers_what_it_has_and_says_what_it_has_not() {
    let client = still().client();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
    assert_eq!(pods.get("a").await.unwrap().name_any(), "a");
    assert!(pods.get_opt("x").await.unwrap().is_none());
    let running = ListParams::default().fields("status.phase!=Succeeded,metadata.namespace!=other").labels("app!=c");
    let names: Vec<String> = pods.list(&running).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(pods.list_metadata(&ListParams::default()).await.unwrap().items.len(), 3);
    assert!(
        Api::<Pod>::namespaced(client.clone(), "bank").list(&ListParams::default()).await.unwrap().items.is_empty()
    );
    assert!(Api::<Deployment>::all(client.clone()).list(&ListParams::default()).await.unwrap().items.is_empty());
    let params =
        LogParams { container: Some("app".into()), previous: true, tail_lines: Some(2), ..LogParams::default() };
    assert_eq!(pods.logs("a", &params).await.unwrap(), "two\nthree\n");
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        other => panic!("{other}"),
    };
    assert_eq!(code(pods.logs("a", &LogParams { previous: false, ..params }).await.unwrap_err()).0, 404);
    let secrets = Api::<Secret>::all(client.clone()).list(&ListParams::default()).await.unwrap_err();
    assert_eq!(code(secrets), (403, "not part of it".to_owned()));
    let maps = Api::<ConfigMap>::all(client.clone()).list(&ListParams::default()).await.unwrap_err();
    assert_eq!(code(maps).0, 404);
    let written = pods.create(&PostParams::default(), &Pod::default()).await.unwrap_err();
    assert_eq!(code(written).0, 405);
}

#[tokio::test]
async fn kinds_are_found_by_discovery() {
    let client = still().client();
    let (resource, _) =
        discovery::pinned_kind(&client, &GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject")).await.unwrap();
    assert_eq!(resource.plural, "scaledobjects");
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), "shop", &resource);
    assert_eq!(objects.get("s").await.unwrap().name_any(), "s");
    let all = discovery::Discovery::new(client).run().await.unwrap();
    assert!(all.has_group("apps") && all.has_group("keda.sh") && !all.has_group("argoproj.io"));
}

#[tokio::test(start_paused = true)]
async fn caches_fill_from_it_and_stay_as_they_are() {
    let (supervisor, _watch) = Supervisor::new();
    let hub = Hub::new(&supervisor, &Metrics::new("test"));
    let client = still().client();
    let pods = hub.cache::<Pod>(Api::all(client.clone()), config().fields("status.phase!=Succeeded"), |_| {});
    let secrets = hub.cache::<Secret>(Api::all(client), config(), |_| {});
    hub.all_settled().await;
    assert_eq!((pods.len(), secrets.len()), (2, 0));
    assert!(hub.not_ready().iter().any(|(kind, why)| kind == "Secret" && why.contains("not part of it")));
    tokio::time::sleep(std::time::Duration::from_mins(30)).await;
    assert_eq!(pods.len(), 2);
    supervisor.token().cancel();
}
