//! Instances on a real API server: their objects, repairs, certificates, what is said of wrong ones, and their end.

mod certificates;
mod life;
mod wrong;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use api::Instance;
use domain::instance::Settings as Facts;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kit::cache::{Hub, config};
use kit::clock::ManualClock;
use kit::controller::Env;
use kit::events::Events;
use kit::metrics::Metrics;
use kit::supervisor::{Supervisor, Watch};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, CustomResourceExt, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::cluster::{Namespace, client, control_plane};
use testkit::until;
use tokio::time::Instant;

use super::{Caches, Settings, start};
use crate::servers::Servers;

/// What Instances get in tests.
pub(crate) fn settings() -> Settings {
    let facts = Facts {
        default_image: "chatcli:test".to_owned(),
        app_version: Some("test".to_owned()),
        cluster_domain: "cluster.local".to_owned(),
        prometheus_url: None,
    };
    Settings { facts, shared_ca: None }
}

fn t0() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// An operator that looks after the Instances of one namespace of the shared API server, and a namespace to be watched.
struct World<'a> {
    client: Client,
    ns: Namespace<'a>,
    watched: Namespace<'a>,
    clock: Arc<ManualClock>,
    servers: Servers,
    running: Option<(Supervisor, Watch)>,
}

async fn world<'a>() -> Option<World<'a>> {
    let cluster = control_plane()?;
    let client = client(cluster).await;
    install(&client).await;
    let world = World {
        ns: Namespace::new(cluster, "instance"),
        watched: Namespace::new(cluster, "watched"),
        clock: Arc::new(ManualClock::new(t0())),
        servers: Servers::new(Vec::new()),
        client,
        running: None,
    };
    Some(world)
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = Instance::crd();
    let params = PatchParams::apply("tests").force();
    api.patch(&crd.name_any(), &params, &Patch::Apply(&crd)).await.expect("definition");
    let instances: Api<Instance> = Api::all(client.clone());
    until("Instances are served", async || instances.list(&kube::api::ListParams::default()).await.ok()).await;
}

impl World<'_> {
    /// Starts the operator.
    async fn start(&mut self) {
        let (supervisor, watch) = Supervisor::new();
        let metrics = Metrics::new("test");
        let hub = Hub::new(&supervisor, &metrics);
        let all = Caches::start(&hub, &self.client);
        // Others have Instances on this API server, and operators of their own.
        let own = hub.cache(Api::namespaced(self.client.clone(), &self.ns.name), config(), |_| {});
        let caches = Caches { instances: own, ..all };
        tokio::time::timeout(Duration::from_mins(1), hub.ready()).await.expect("caches");
        let env = Env { supervisor: supervisor.clone(), metrics, clock: self.clock.clone() };
        let events = Events::new(self.client.clone(), "test");
        start(self.client.clone(), settings(), &caches, &self.servers, events, &env);
        self.running = Some((supervisor, watch));
    }

    /// Ends the operator.
    async fn stop(&mut self) {
        if let Some((supervisor, watch)) = self.running.take() {
            supervisor.token().cancel();
            watch.run(Duration::from_secs(20)).await;
        }
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.ns.name)
    }

    async fn instance(&self, name: &str, spec: Value) -> Instance {
        let instance = json!({"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance", "metadata": {"name": name}, "spec": spec});
        let instance: Instance = serde_json::from_value(instance).expect("an Instance");
        self.api().create(&PostParams::default(), &instance).await.expect("accepted")
    }

    async fn secret(&self, name: &str, keys: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> =
            keys.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let api: Api<Secret> = self.api();
        let _ = api.delete(name, &kube::api::DeleteParams::default()).await;
        let secret: Secret = serde_json::from_value(body).unwrap();
        api.create(&PostParams::default(), &secret).await.expect("a Secret");
    }

    async fn get<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>().get_opt(name).await.expect("readable")
    }

    async fn there<K>(&self, name: &str) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        until(&format!("{} {name} is there", K::kind(&())), async || self.get::<K>(name).await).await
    }

    async fn patch<K>(&self, name: &str, body: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let params = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
        self.api::<K>().patch(name, &params, &Patch::Merge(&body)).await.expect("patched");
    }

    /// Waits until a condition is as it is expected; returns its message.
    async fn condition(&self, name: &str, type_: &str, status: &str, reason: &str) -> String {
        let mut last = String::new();
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let instance: Option<Instance> = self.get(name).await;
            let found = instance.and_then(|instance| of_type(&instance, type_));
            if let Some(condition) = &found {
                if condition.status == status && condition.reason == reason {
                    return condition.message.clone();
                }
                last = format!("{} {}: {}", condition.status, condition.reason, condition.message);
            }
            assert!(Instant::now() < end, "{name}: {type_} is not {status} {reason} but {last}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Has the operator look again, as any change would.
    async fn touch(&self, name: &str) {
        let note = format!("{:?}", Instant::now());
        self.patch::<Instance>(name, json!({"metadata": {"annotations": {"touched": note}}})).await;
    }
}

fn of_type(instance: &Instance, type_: &str) -> Option<Condition> {
    instance.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_).cloned()
}

/// As the cookbook writes it, for other namespaces.
fn cookbook(watched: &str) -> Value {
    json!({
        "replicas": 2, "provider": "CLAUDEAI", "model": "claude-sonnet-4-20250514",
        "server": {
            "port": 50051, "metricsPort": 9090,
            "tls": {"enabled": true, "secretName": "chatcli-tls"}, "token": {"name": "chatcli-auth", "key": "token"},
        },
        "apiKeys": {"name": "chatcli-api-keys"},
        "watcher": {"enabled": true, "interval": "30s", "window": "2h", "targets": [
            {"deployment": "api-gateway", "namespace": watched, "metricsPort": 8080, "metricsPath": "/metrics"},
            {"deployment": "user-service", "namespace": watched},
        ]},
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "1024Mi"}},
        "persistence": {"enabled": true, "size": "5Gi"},
    })
}

/// Certificate, key and CA for an Instance.
fn certificate(name: &str, namespace: &str) -> (String, String, String) {
    let ca = pki::issue_ca("test CA", t0(), jiff::SignedDuration::from_hours(24 * 365)).expect("CA");
    let names = [format!("{name}.{namespace}.svc.cluster.local"), format!("{name}.{namespace}.svc")];
    let authority = pki::Authority { certificate: &ca.certificate, key: &ca.key };
    let leaf = pki::issue_leaf(&names, authority, t0(), jiff::SignedDuration::from_hours(24 * 90)).expect("leaf");
    (leaf.certificate, leaf.key, ca.certificate)
}

impl World<'_> {
    /// Everything that the cookbook has the user make.
    async fn secrets(&self, instance: &str) {
        self.secret("chatcli-auth", &[("token", "t0ken")]).await;
        self.secret("chatcli-api-keys", &[("ANTHROPIC_API_KEY", "sk-ant-xxx")]).await;
        let (certificate, key, ca) = certificate(instance, &self.ns.name);
        self.secret("chatcli-tls", &[("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &ca)]).await;
    }
}
