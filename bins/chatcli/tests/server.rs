//! `chatcli server` as processes on a real API server: two replicas, a crash, a rotated certificate, a changed token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // The helpers of a test are a test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use proto::v1::alert_event::Kind;
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use proto::v1::{AlertEvent, GetAlertsRequest, WatchAlertsRequest};
use serde_json::json;
use testkit::until;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

const PATIENCE: Duration = Duration::from_mins(1);

/// A folder that goes in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chatcli-server-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a certificate and its key; returns what trusts it.
    fn certificate(&self) -> String {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write("tls.crt", &pair.cert.pem());
        self.write("tls.key", &pair.signing_key.serialize_pem());
        pair.cert.pem()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a replica with the arguments and the environment that the operator gives it.
fn start(pod: &str, namespace: &str, kubeconfig: &Path, folder: &Folder) -> Server {
    let port = free_port();
    let log = std::fs::File::create(folder.0.join(format!("{pod}.log"))).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_chatcli"))
        .args(["server", "--kubeconfig", &kubeconfig.display().to_string()])
        .args(["--port", &port.to_string(), "--metrics-port", "0", "--provider", "BUILTIN"])
        .args(["--tls-cert", &folder.path("tls.crt"), "--tls-key", &folder.path("tls.key")])
        .args(["--watch-config", &folder.path("watch.yaml")])
        .env("CHATCLI_SERVER_TOKEN_FILE", folder.path("token"))
        .env("CHATCLI_INSTANCE", "prod")
        .env("CHATCLI_TLS_REQUIRED", "true")
        .env("POD_NAME", pod)
        .env("POD_NAMESPACE", namespace)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    Server { child, port }
}

async fn dial(port: u16, trusted: &str) -> Option<ChatCliServiceClient<Channel>> {
    let trust = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted)).domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap().tls_config(trust).unwrap();
    endpoint.connect().await.ok().map(ChatCliServiceClient::new)
}

fn with<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

async fn stream(port: u16, trusted: &str, token: &str) -> Streaming<AlertEvent> {
    let mut client = until("the server answers", async || dial(port, trusted).await).await;
    client.watch_alerts(with(WatchAlertsRequest::default(), token)).await.unwrap().into_inner()
}

/// What the stream tells until an event of this kind; the ids of the alerts on the way.
async fn up_to(stream: &mut Streaming<AlertEvent>, wanted: impl Fn(&AlertEvent) -> bool) -> Vec<String> {
    let mut ids = Vec::new();
    let read = async {
        loop {
            let event: Result<Option<AlertEvent>, Status> = stream.message().await;
            let event = event.unwrap().expect("the stream has ended");
            ids.extend(event.alert.iter().map(|alert| alert.id.clone()));
            if wanted(&event) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it is never told");
    ids
}

fn synced(event: &AlertEvent) -> bool {
    event.kind() == Kind::Synced
}

fn takes_over(event: &AlertEvent) -> bool {
    event.state.as_ref().is_some_and(|state| !state.standby)
}

/// A Deployment whose pod cannot pull its image.
async fn broken(client: &Client, namespace: &str, node: &str, name: &str) {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}, "spec": {"nodeName": node, "containers": [{"name": "app", "image": "registry.invalid/web:9.9"}]}}},
    }))
    .unwrap();
    Api::<Deployment>::namespaced(client.clone(), namespace).create(&PostParams::default(), &deployment).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of = ListParams::default().labels(&format!("app={name}"));
    let pod = until("the pod is there", async || pods.list(&of).await.unwrap().items.pop()).await;
    let status = json!({"phase": "Pending", "containerStatuses": [{
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": "registry.invalid/web:9.9: not found"}},
    }]});
    let patch = Patch::Merge(json!({"status": status}));
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_killed_the_certificate_and_the_token_change_and_no_alert_is_lost() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let client = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "server");
    let namespace = space.name.as_str();
    let node = testkit::cluster::PaperNode::new(cluster, &space);
    broken(&client, namespace, &node.name, "web").await;
    broken(&client, namespace, &node.name, "other").await;

    let folder = Folder::new();
    let trusted = folder.certificate();
    folder.write("token", "first\n");
    folder.write("watch.yaml", &format!("targets:\n- deployment: web\n  namespace: {namespace}\n"));
    let mut first = start("prod-0", namespace, &cluster.kubeconfig, &folder);
    let mut told = stream(first.port, &trusted, "first").await;
    up_to(&mut told, takes_over).await;
    let alerts = up_to(&mut told, synced).await;
    // Only the named one.
    assert_eq!(alerts.len(), 1, "{alerts:?}");

    let second = start("prod-1", namespace, &cluster.kubeconfig, &folder);
    let mut waits = stream(second.port, &trusted, "first").await;
    let quiet = up_to(&mut waits, |event| {
        event.state.as_ref().is_some_and(|s| s.standby && s.targets.iter().all(|target| target.looked_at))
    })
    .await;
    assert!(quiet.is_empty());

    first.child.kill().unwrap();
    let killed = Instant::now();
    up_to(&mut waits, takes_over).await;
    let again = up_to(&mut waits, synced).await;
    println!("killed to full account of the other replica: {:?}", killed.elapsed());
    assert_eq!(again, alerts);

    let renewed = folder.certificate();
    let mut fresh = until("the new certificate holds", async || dial(second.port, &renewed).await).await;
    folder.write("token", "second");
    // Whoever tries the new one before it holds only fails, which counts.
    let refused = until("the old token holds no more", async || {
        fresh.get_alerts(with(GetAlertsRequest::default(), "first")).await.err()
    })
    .await;
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let answer = fresh.get_alerts(with(GetAlertsRequest::default(), "second")).await.unwrap();
    assert_eq!(answer.into_inner().alerts.len(), 1);

    // The stream that was open all the while hears of what is watched from now on.
    folder.write(
        "watch.yaml",
        &format!("targets:\n- deployment: web\n  namespace: {namespace}\n- name: other\n  namespace: {namespace}\n"),
    );
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match waits.message().await {
                Ok(event) => assert!(event.is_some(), "the stream has ended without a word"),
                Err(status) => return status,
            }
        }
    });
    let ended = ended.await.expect("it goes on");
    assert!(ended.message().contains("connect again"), "{ended}");
    let mut both = stream(second.port, &renewed, "second").await;
    let ids = up_to(&mut both, synced).await;
    assert_eq!((ids.len(), ids.contains(&alerts[0])), (2, true));
}
