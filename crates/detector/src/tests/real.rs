//! On a real API server: selectors that it must know, streamed lists, and an alert from a status that somebody writes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace as Space;
use kit::clock::SystemClock;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};

use super::*;
use crate::Settings;

async fn pod_of(client: &Client, namespace: &str) -> Pod {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(pod) = api.list(&kube::api::ListParams::default()).await.unwrap().into_iter().next() {
            return pod;
        }
        assert!(Instant::now() < deadline, "the controllers made no pod");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_is_written_becomes_an_alert_and_its_workload_is_the_deployment() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let client = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "detector");
    let namespace = space.name.as_str();
    assert!(Api::<Space>::all(client.clone()).get_opt(namespace).await.unwrap().is_some());

    let env = env(Arc::new(SystemClock));
    let detector = Detector::start(client.clone(), Settings::new(Scope::All), &env);
    until(|| detector.first_look_pending().is_none()).await;
    let all = crate::TargetState { looked_at: true, ..crate::TargetState::default() };
    assert_eq!((detector.missing(), detector.targets()), (Vec::new(), vec![all]));
    let (_, mut news) = detector.watch();

    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeName": "no-kubelet", "containers": [{"name": "app", "image": "registry.invalid/web:9.9"}]}}},
    }))
    .unwrap();
    Api::<Deployment>::namespaced(client.clone(), namespace).create(&PostParams::default(), &deployment).await.unwrap();
    let pod = pod_of(&client, namespace).await;

    let status = waiting(&SystemClock.now().to_string(), "ErrImagePull", "registry.invalid/web:9.9: not found");
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let began = std::time::Instant::now();
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&json!({"status": status})))
        .await
        .unwrap();
    let alert = loop {
        let told = tokio::time::timeout(Duration::from_secs(20), news.recv()).await.expect("no alert").unwrap();
        if told.alert().workload.namespace.as_deref() == Some(namespace) {
            break told.alert().clone();
        }
    };
    println!("status write to alert, the write included: {:?}", began.elapsed());
    assert_eq!((alert.workload.kind.as_str(), alert.workload.name.as_str()), ("Deployment", "web"));
    assert_eq!(alert.pod.unwrap().name, pod.name_any());
}
