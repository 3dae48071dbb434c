//! On a real API server: kinds that it has or not, with definitions of our own in the form of the real ones.

use std::time::Duration;

use api::shared::SignalType;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kit::clock::SystemClock;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};

use super::*;
use crate::Settings;

/// Definitions that are there for as long as a test.
struct Definitions {
    api: Api<CustomResourceDefinition>,
    names: Vec<String>,
}

impl Definitions {
    fn new(client: &Client) -> Self {
        Self { api: Api::all(client.clone()), names: Vec::new() }
    }

    /// Defines a kind of any form, with its status as part of the object.
    async fn define(&mut self, group: &str, version: &str, kind: &str, plural: &str, scope: &str) {
        let name = format!("{plural}.{group}");
        let any = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let mut definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{"name": version, "served": true, "storage": true, "schema": any}]},
        });
        if group.ends_with(".k8s.io") {
            let approved =
                json!({"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/1"});
            definition["metadata"]["annotations"] = approved;
        }
        self.api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.unwrap();
        self.names.push(name);
    }

    async fn remove(self) {
        for name in &self.names {
            self.api.delete(name, &DeleteParams::default()).await.unwrap();
        }
    }
}

async fn create(client: &Client, namespace: &str, version: &str, kind: &str, plural: &str, object: Value) {
    let (group, version) = version.split_once('/').unwrap();
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let mut whole = object;
    whole["apiVersion"] = json!(format!("{group}/{version}"));
    whole["kind"] = json!(kind);
    let object: DynamicObject = serde_json::from_value(whole).unwrap();
    // A kind is served a moment after it is defined.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < deadline, "{kind}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits for an alert of a namespace about an object.
async fn alert(detector: &Detector, namespace: &str, kind: &str, name: &str) -> Alert {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let found = detector.alerts().into_iter().find(|alert| {
            let about = &alert.workload;
            about.namespace.as_deref() == Some(namespace) && about.kind == kind && about.name == name
        });
        if let Some(alert) = found {
            return alert;
        }
        assert!(Instant::now() < deadline, "no alert about {kind} {name}: {:?}", detector.alerts());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn ago(minutes: i64) -> String {
    (SystemClock.now() - SignedDuration::from_mins(minutes)).to_string()
}

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": ago(30)}]})
}

fn record(name: &str, status: &str) -> Secret {
    let written = (SystemClock.now() - SignedDuration::from_hours(2)).as_second().to_string();
    serde_json::from_value(json!({
        "metadata": {"name": format!("sh.helm.release.v1.{name}.v1"), "labels": {"owner": "helm", "name": name, "status": status, "version": "1", "modifiedAt": written}},
        "type": "helm.sh/release.v1", "stringData": {"release": "never-read"},
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tools_say_of_their_objects_becomes_alerts_and_what_is_well_does_not() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let client = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "kinds");
    let namespace = space.name.as_str();
    let mut definitions = Definitions::new(&client);
    let (argo, flux, certificates) = ("argoproj.io", "helm.toolkit.fluxcd.io", "cert-manager.io");
    let gateway = "gateway.networking.k8s.io";
    definitions.define(argo, "v1alpha1", "Application", "applications", "Namespaced").await;
    definitions.define(flux, "v2", "HelmRelease", "helmreleases", "Namespaced").await;
    definitions.define(certificates, "v1", "Certificate", "certificates", "Namespaced").await;
    definitions.define(gateway, "v1", "Gateway", "gateways", "Namespaced").await;
    definitions.define(gateway, "v1", "GatewayClass", "gatewayclasses", "Cluster").await;

    let env = env(Arc::new(SystemClock));
    let detector = Detector::start(client.clone(), Settings::new(Scope::All), &env);
    until(|| detector.first_look_pending().is_none()).await;

    let application = |name: &str, phase: &str, sync: &str| {
        json!({"metadata": {"name": name}, "spec": {"project": "default", "destination": {"namespace": namespace}}, "status": {
            "sync": {"status": sync, "revision": "abc"}, "health": {"status": "Healthy"},
            "operationState": {"phase": phase, "finishedAt": ago(1), "message": "one or more objects failed to apply", "syncResult": {"revision": "abc", "resources": [
                {"version": "v1", "kind": "ConfigMap", "name": "settings", "namespace": namespace, "status": if phase == "Failed" { "SyncFailed" } else { "Synced" }, "message": "metadata.annotations: Too long"},
            ]}},
        }})
    };
    let make = |version: &'static str, kind: &'static str, plural: &'static str, object: Value| {
        create(&client, namespace, version, kind, plural, object)
    };
    make("argoproj.io/v1alpha1", "Application", "applications", application("bad", "Failed", "OutOfSync")).await;
    make("argoproj.io/v1alpha1", "Application", "applications", application("good", "Succeeded", "Synced")).await;
    let release = |name: &str, status: Value| json!({"metadata": {"name": name}, "spec": {"values": {"password": "never-read"}}, "status": status});
    let failed = ready("False", "InstallFailed", "Helm install failed: timed out waiting for the condition");
    make("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", release("bad", failed)).await;
    make(
        "helm.toolkit.fluxcd.io/v2",
        "HelmRelease",
        "helmreleases",
        release("good", ready("True", "InstallSucceeded", "")),
    )
    .await;
    let expired = json!({"metadata": {"name": "bad"}, "spec": {"secretName": "tls"}, "status": {"notAfter": ago(60), "renewalTime": ago(9000), "conditions": []}});
    make("cert-manager.io/v1", "Certificate", "certificates", expired).await;
    let listeners =
        json!({"gatewayClassName": "nobody", "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]});
    make(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        "gateways",
        json!({"metadata": {"name": "bad"}, "spec": listeners}),
    )
    .await;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    for (name, status) in [("left", "pending-upgrade"), ("well", "deployed")] {
        secrets.create(&PostParams::default(), &record(name, status)).await.unwrap();
    }

    for (kind, name, signal, root) in [
        ("Gateway", "bad", SignalType::IngressError, "Gateway"),
        ("Application", "bad", SignalType::ArgocdDegraded, "ConfigMap"),
        ("HelmRelease", "bad", SignalType::HelmReleaseFailed, "HelmRelease"),
        ("Certificate", "bad", SignalType::CertificateExpiring, "Certificate"),
        ("Secret", "sh.helm.release.v1.left.v1", SignalType::HelmReleaseFailed, "Secret"),
    ] {
        let alert = alert(&detector, namespace, kind, name).await;
        println!("{kind} {name}: {}", alert.message);
        assert_eq!((alert.signal, alert.root.kind.as_str()), (signal, root), "{}", alert.message);
    }
    let here = |alert: &Alert| alert.workload.namespace.as_deref() == Some(namespace);
    assert_eq!(detector.alerts().iter().filter(|alert| here(alert)).count(), 5, "{:?}", detector.alerts());
    let kept = format!("{:?}", detector.eyes.graph(namespace).others);
    assert!(!kept.contains("never-read") && kept.contains("pending-upgrade"), "{kept}");
    definitions.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_defined_later_is_seen_and_one_that_goes_is_forgotten() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let client = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "later");
    let namespace = space.name.as_str();
    let env = env(Arc::new(SystemClock));
    let scope = Scope::Targets(vec![crate::Target::namespace(namespace)]);
    let detector = Detector::start(client.clone(), Settings::new(scope), &env);
    until(|| detector.first_look_pending().is_none()).await;
    assert!(detector.eyes.graph(namespace).others.is_empty());

    let mut definitions = Definitions::new(&client);
    definitions.define("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", "Namespaced").await;
    let object = |least: i64| json!({"metadata": {"name": format!("least-{least}")}, "spec": {"scaleTargetRef": {"apiVersion": "example.com/v1", "kind": "Thing", "name": "a"}, "minReplicaCount": least, "maxReplicaCount": 3}});
    for least in [5, 2] {
        create(&client, namespace, "keda.sh/v1alpha1", "ScaledObject", "scaledobjects", object(least)).await;
    }
    let alert = alert(&detector, namespace, "ScaledObject", "least-5").await;
    assert!(alert.message.contains("minReplicaCount 5"), "{}", alert.message);
    assert_eq!((alert.signal, detector.alerts().len()), (SignalType::AutoscalerError, 1), "{:?}", detector.alerts());

    definitions.remove().await;
    until(|| detector.eyes.graph(namespace).others.is_empty()).await;
    let deadline = Instant::now() + Duration::from_mins(3);
    while !detector.alerts().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", detector.alerts());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_is_not_known_and_holds_nobody_up() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let admin = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "refused");
    let namespace = space.name.as_str();
    let mut definitions = Definitions::new(&admin);
    definitions.define("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", "Namespaced").await;
    // Somebody who may see definitions and nothing else.
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": namespace},
        "rules": [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get", "list", "watch"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": namespace}]});
    let roles: Api<k8s_openapi::api::rbac::v1::ClusterRole> = Api::all(admin.clone());
    let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> = Api::all(admin.clone());
    let force = PatchParams::apply("test").force();
    roles.patch(namespace, &force, &Patch::Apply(&role)).await.unwrap();
    bindings.patch(namespace, &force, &Patch::Apply(&binding)).await.unwrap();

    let file = kube::config::Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let of = |name: &str| {
        config.auth_info.impersonate = Some(name.to_owned());
        Client::try_from(config.clone()).unwrap()
    };
    let env = env(Arc::new(SystemClock));
    let [some, none] = [namespace, "nobody"].map(of).map(|client| {
        let hubs = Hubs::new(&Scope::All, || kit::cache::Hub::new(&env.supervisor, &env.metrics));
        (crate::optional::Optional::start(&client, &hubs, true, &env.supervisor), hubs)
    });
    let patience = Duration::from_secs(30);
    for (kinds, hubs) in [&some, &none] {
        tokio::time::timeout(patience, hubs.all_settled()).await.expect("definitions");
        tokio::time::timeout(patience, kinds.settled()).await.expect("kinds");
    }
    let unreadable = some.0.unreadable(namespace);
    assert!(unreadable.contains("Kustomization") && !unreadable.contains("Bucket"), "{unreadable:?}");
    assert_eq!(none.0.unreadable(namespace).len(), domain::graph::OPTIONAL.len());
    let said = none.1.not_ready().join("; ");
    assert!(said.contains("customresourcedefinitions") && said.contains("remedy: grant"), "{said}");
    roles.delete(namespace, &DeleteParams::default()).await.unwrap();
    bindings.delete(namespace, &DeleteParams::default()).await.unwrap();
    definitions.remove().await;
}
