//! Only what was named is told, with the nodes under it; what is refused or missing is said.

use std::time::Duration;

use api::instance::WatchedKind;
use domain::detection::{Rule, Transition};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kit::clock::SystemClock;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::*;
use crate::{Settings, Target, TargetState};

const MISSING: &str = "failed to resolve reference \"shop:9.9\": shop:9.9: not found";

fn target(namespace: &str, kind: WatchedKind, name: &str) -> Target {
    Target { namespace: namespace.into(), workload: Some((kind, name.into())) }
}

fn broken(world: &mut World, name: &str, node: Option<&str>) {
    world.deployment(name, 1, 1);
    world.set(name, 1, 1, 0, spec("shop:9.9"));
    let mut placed = spec("shop:9.9");
    placed["nodeName"] = json!(node);
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    world.pod(name, 1, 0, placed, status);
}

#[tokio::test(start_paused = true)]
async fn only_the_named_workload_and_the_nodes_under_it_are_told() {
    let mut world = World::of(Scope::Targets(vec![target("shop", WatchedKind::Deployment, "web")])).await;
    world.node("n1", "True", "2026-01-01T00:00:00Z");
    world.node("n2", "True", "2026-01-01T00:00:00Z");
    broken(&mut world, "other", Some("n2"));
    world.quiet(60).await;
    broken(&mut world, "web", Some("n1"));
    let alert = world.firing().await;
    assert_eq!((alert.rule, alert.workload.name.as_str()), (Rule::ImagePull, "web"));
    assert_eq!(world.detector.counts(), crate::Counts { workloads: 1, pods: 1, alerts: 1 });
    let fleet = world.detector.fleet();
    assert_eq!(fleet.len(), 1);
    assert_eq!((fleet[0].kind, fleet[0].name.as_str(), fleet[0].desired, fleet[0].ready), ("Deployment", "web", 1, 0));

    // The node of the other one may die; that of this one is told.
    let now = world.now();
    world.node("n2", "Unknown", &now);
    world.node("n1", "Unknown", &now);
    loop {
        match world.next().await {
            Transition::Firing(alert) if alert.workload.kind == "Node" => {
                assert_eq!(alert.workload.name, "n1");
                break;
            }
            told => assert_eq!(told.alert().workload.name, "web", "{told:?}"),
        }
    }
    // Nothing of the target is on it any more: it is no matter of ours.
    world.delete_pod("web-1-0");
    loop {
        match world.next().await {
            Transition::Resolved(alert) if alert.workload.kind == "Node" => break,
            told => assert!(!matches!(told, Transition::Firing(_)), "{told:?}"),
        }
    }
    assert!(world.detector.alerts().iter().all(|alert| alert.workload.kind != "Node"));
}

#[tokio::test(start_paused = true)]
async fn each_target_says_whether_it_was_looked_at_and_what_is_wrong() {
    let scope = Scope::Targets(vec![
        target("shop", WatchedKind::Deployment, "web"),
        target("shop", WatchedKind::StatefulSet, "db"),
        target("shop", WatchedKind::CronJob, "nightly"),
        Target::namespace("shop"),
    ]);
    let mut world = World::of(scope).await;
    world.healthy_web();
    world.quiet(1).await;
    let states = world.detector.targets();
    let of = |name: &str| states.iter().find(|state| state.name == name).unwrap();
    assert!(of("web").looked_at && of("web").problem.is_none(), "{states:?}");
    assert!(of("db").looked_at && of("db").problem.as_ref().unwrap().contains("StatefulSet shop/db does not exist"));
    assert!(of("nightly").problem.as_ref().unwrap().contains("CronJob shop/nightly does not exist"));
    assert_eq!(of(""), &TargetState { namespace: "shop".into(), looked_at: true, ..TargetState::default() });
}

/// A client with the rights of a ServiceAccount that may read one namespace.
async fn reader(kubeconfig: &std::path::Path, client: &kube::Client, namespace: &str) -> kube::Client {
    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "watcher"},
        "rules": [
            {"apiGroups": [""], "resources": ["pods", "events", "configmaps"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"], "verbs": ["get", "list", "watch"]},
        ],
    }))
    .unwrap();
    let user = format!("reader-of-{namespace}");
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "watcher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watcher"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }))
    .unwrap();
    Api::<Role>::namespaced(client.clone(), namespace).create(&PostParams::default(), &role).await.unwrap();
    Api::<RoleBinding>::namespaced(client.clone(), namespace).create(&PostParams::default(), &binding).await.unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = Some(user);
    kube::Client::try_from(config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_in_one_namespace_is_enough_and_a_namespace_that_refuses_is_named() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let client = testkit::cluster::client(cluster).await;
    let ours = testkit::cluster::Namespace::new(cluster, "scope-ours");
    let theirs = testkit::cluster::Namespace::new(cluster, "scope-theirs");
    let limited = reader(&cluster.kubeconfig, &client, &ours.name).await;
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}},
    }))
    .unwrap();
    Api::<Deployment>::namespaced(client.clone(), &ours.name)
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();

    let env = env(Arc::new(SystemClock));
    let alone = Scope::Targets(vec![target(&ours.name, WatchedKind::Deployment, "web")]);
    let detector = Detector::start(limited.clone(), Settings::new(alone), &env);
    until(|| detector.missing().is_empty()).await;
    assert!(
        detector.targets().iter().all(|state| state.looked_at && state.problem.is_none()),
        "{:?}",
        detector.targets()
    );

    let both = Scope::Targets(vec![
        target(&ours.name, WatchedKind::Deployment, "web"),
        target(&theirs.name, WatchedKind::Deployment, "web"),
    ]);
    let detector = Detector::start(limited, Settings::new(both), &env);
    let problem = |name: &str| detector.targets().into_iter().find(|state| state.namespace == name).unwrap();
    until(|| problem(&theirs.name).problem.is_some() && problem(&ours.name).looked_at).await;
    let refused = problem(&theirs.name);
    let said = refused.problem.unwrap();
    assert!(!refused.looked_at && said.contains(&theirs.name) && said.contains("remedy"), "{said}");
    assert_eq!(problem(&ours.name).problem, None);
    // What is refused cannot be told from what is well.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(detector.missing().iter().all(|why| why.contains(&theirs.name)), "{:?}", detector.missing());
    env.supervisor.token().cancel();
}
