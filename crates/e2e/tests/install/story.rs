//! Install and upgrade.

use std::time::Instant;

use e2e::chart::{self, NAMESPACE, RELEASE, helm};
use e2e::look;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::World;

/// The cookbook's lines, and what they promise.
pub async fn install(world: World) {
    chart::clean(world.cluster);
    let began = Instant::now();
    let line = format!("install {RELEASE} CHART --namespace {NAMESPACE} --create-namespace");
    let notes = helm(&world.cluster.kubeconfig, &line).expect("helm install");
    let returned = began.elapsed();
    chart::ready(&world.client).await;
    println!(
        "    helm install → returned {:.1} s, Ready {:.1} s",
        returned.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(chart::definitions(world.cluster).len(), 17);
    for promised in [
        "kubectl create secret generic chatcli-api-keys",
        "kind: Instance",
        "port-forward svc/chatcli-operator 8090:8090",
    ] {
        assert!(notes.contains(promised), "{notes}");
    }
    // What ran before the operator is gone, and the Service never knew it.
    let jobs = Api::<Job>::namespaced(world.client.clone(), NAMESPACE).list(&ListParams::default()).await.unwrap();
    assert!(jobs.items.is_empty(), "{jobs:#?}");
    let pods = pods(&world).await;
    assert_eq!(pods.len(), 1, "{pods:#?}");
    let uid = pods[0].spec.as_ref().and_then(|spec| spec.containers[0].security_context.clone()).unwrap();
    assert_eq!(uid.read_only_root_filesystem, Some(true));
    let namespace = ["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted", "--overwrite"];
    let warned = world.cluster.kubectl().unwrap().args(namespace).output().unwrap();
    let warnings = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(!warnings.contains("violate"), "its pods hold to the restricted standard: {warnings}");
}

/// Nothing is refused, and the account may do what its role says and no more.
pub async fn rights(world: World) {
    // The caches of all kinds are filled when it is ready; then it leads.
    look::until("it holds the lease", 40, || async { holder(&world).await }).await;
    let log = chart::log(world.cluster);
    assert!(!log.is_empty());
    assert!(chart::refused(&log).is_empty(), "{:#?}", chart::refused(&log));
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let may = |verb: &str, what: &str| {
        world.cluster.run_kubectl(&["auth", "can-i", verb, what, &account, "-n", "default"]).is_ok()
    };
    for (verb, what) in [
        ("watch", "anomalies.platform.chatcli.io"),
        ("patch", "deployments.apps"),
        ("delete", "pods"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("get", "secrets"),
    ] {
        assert!(may(verb, what), "{verb} {what}");
    }
    for (verb, what) in [
        ("delete", "namespaces"),
        ("delete", "nodes"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("create", "pods"),
        ("impersonate", "users"),
        ("delete", "customresourcedefinitions.apiextensions.k8s.io"),
    ] {
        assert!(!may(verb, what), "{verb} {what}");
    }
}

/// A dry run on the API server, with strict validation, of everything that can be switched on.
pub async fn every_option(world: World) {
    let values = format!("{}/tests/install/every-option.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = helm(&world.cluster.kubeconfig, &format!("template other CHART -n {NAMESPACE} -f {values}")).unwrap();
    // Its resource belongs to another project, and is not installed here.
    let ours: Vec<&str> = text.split("\n---\n").filter(|object| !object.contains("kind: ServiceMonitor")).collect();
    assert!(ours.len() >= 12, "{text}");
    let file = world.cluster.kubeconfig.with_file_name("every-option.yaml");
    std::fs::write(&file, ours.join("\n---\n")).unwrap();
    let applied = world
        .cluster
        .run_kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", &file.display().to_string()])
        .unwrap();
    for kind in ["networkpolicy", "ingress", "poddisruptionbudget", "secret", "clusterrole"] {
        assert!(applied.contains(kind), "{applied}");
    }
}

/// The cookbook's second line: with the namespace, without it where the context names it, and what helm says otherwise.
pub async fn upgrade(world: World) {
    let url = "http://prometheus-server.monitoring.svc:9090";
    let kubeconfig = &world.cluster.kubeconfig;
    let line = format!("upgrade {RELEASE} CHART --set prometheusUrl={url}");
    let error = helm(kubeconfig, &line).unwrap_err();
    assert!(error.contains("has no deployed releases"), "helm looks in the context's namespace only: {error}");

    helm(kubeconfig, &format!("{line} --namespace {NAMESPACE}")).unwrap();
    let deployment = chart::ready(&world.client).await;
    assert_eq!(env(&deployment, "PROMETHEUS_URL").as_deref(), Some(url));

    // A context that names the namespace: the line works as it is written.
    let there = kubeconfig.with_file_name("kubeconfig-system");
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["contexts"][0]["context"]["namespace"] = json!(NAMESPACE);
    std::fs::write(&there, config.to_string()).unwrap();
    helm(&there, &format!("{line}/second")).unwrap();
    let deployment = chart::ready(&world.client).await;
    assert_eq!(env(&deployment, "PROMETHEUS_URL"), Some(format!("{url}/second")));
    std::fs::remove_file(there).unwrap();

    let error =
        helm(kubeconfig, &format!("upgrade {RELEASE} CHART -n {NAMESPACE} --set prometheusUrll=x")).unwrap_err();
    assert!(error.contains("prometheusUrll"), "{error}");
}

/// Helm itself never changes what is in the crds folder; the hook does.
pub async fn definitions_are_upgraded(world: World) {
    let api: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let name = "anomalies.platform.chatcli.io";
    let remove =
        r#"[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/state"}]"#;
    world.cluster.run_kubectl(&["patch", "crd", name, "--type=json", "-p", remove]).unwrap();
    world.cluster.run_kubectl(&["delete", "crd", "runbooks.platform.chatcli.io", "--timeout=60s"]).unwrap();
    helm(&world.cluster.kubeconfig, &format!("upgrade {RELEASE} CHART -n {NAMESPACE} --reuse-values")).unwrap();
    let crd = api.get(name).await.unwrap();
    let text = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
    assert!(text.pointer("/openAPIV3Schema/properties/status/properties/state").is_some(), "the field is back");
    assert_eq!(chart::definitions(world.cluster).len(), 17);
    let deployment = chart::ready(&world.client).await;
    assert!(env(&deployment, "PROMETHEUS_URL").is_some(), "--reuse-values keeps what was set");
}

/// Two replicas are both ready; the Lease has one holder, and a drain takes one at a time.
pub async fn two_replicas(world: World) {
    let line = format!("upgrade {RELEASE} CHART -n {NAMESPACE} --reuse-values --set replicaCount=2");
    helm(&world.cluster.kubeconfig, &line).unwrap();
    chart::ready(&world.client).await;
    assert!(holder(&world).await.is_some());
    let budget = world
        .cluster
        .run_kubectl(&["-n", NAMESPACE, "get", "pdb", RELEASE, "-o", "jsonpath={.spec.maxUnavailable}"])
        .unwrap();
    assert_eq!(budget, "1");
    let refused = helm(&world.cluster.kubeconfig, &format!("{line} --set leaderElect=false")).unwrap_err();
    assert!(refused.contains("remedy: leaderElect: true"), "{refused}");
    let log = chart::log(world.cluster);
    assert!(chart::refused(&log).is_empty(), "{:#?}", chart::refused(&log));
}

async fn holder(world: &World) -> Option<String> {
    let api: Api<Lease> = Api::namespaced(world.client.clone(), NAMESPACE);
    api.get("chatcli-operator-lock").await.ok()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// The pods that the operator's Service finds.
async fn pods(world: &World) -> Vec<Pod> {
    let selector = "app.kubernetes.io/name=chatcli-operator,app.kubernetes.io/instance=chatcli-operator";
    let api: Api<Pod> = Api::namespaced(world.client.clone(), NAMESPACE);
    api.list(&ListParams::default().labels(selector)).await.unwrap().items
}

fn env(deployment: &Deployment, name: &str) -> Option<String> {
    let containers = &deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.first()?.env.as_ref()?.iter().find(|env| env.name == name)?.value.clone()
}
