//! The real Alertmanager posts to a real `chatcli server` on a real API server: what fires is told to who listens, as one
//! alert of the workload, and so is its end, also after the server was killed in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // The helpers of a test are a test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kit::clock::{Clock, SystemClock};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use proto::v1::{AlertEvent, WatchAlertsRequest, WatcherAlert};
use serde_json::json;
use testkit::until;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};

const PATIENCE: Duration = Duration::from_mins(1);

/// A folder that goes in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        for log in ["server.log", "alertmanager.log"].into_iter().filter(|_| std::thread::panicking()) {
            eprintln!("--- {log}\n{}", std::fs::read_to_string(self.0.join(log)).unwrap_or_default());
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that goes in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command, log: &Path) -> Running {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let child = command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
    Running(child)
}

fn server(folder: &Path, namespace: &str, kubeconfig: &Path, port: u16) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatcli"));
    command
        .args(["server", "--kubeconfig", &kubeconfig.display().to_string(), "--watch-namespace", namespace])
        .args(["--port", &port.to_string(), "--metrics-port", "0", "--provider", "BUILTIN"])
        .arg("--debug")
        .args(["--token-file", &folder.join("token").display().to_string()]);
    run(&mut command, &folder.join("server.log"))
}

/// As the chart's README shows it, with times that a test can wait for.
fn alertmanager(folder: &Path, program: &Path, port: u16, server: u16) -> Running {
    let config = json!({
        "route": {"receiver": "chatcli", "group_by": ["alertname", "namespace"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1m"},
        "receivers": [{"name": "chatcli", "webhook_configs": [{
            "url": format!("http://127.0.0.1:{server}/api/v1/webhooks/alertmanager"),
            "send_resolved": true,
            "http_config": {"authorization": {"type": "Bearer", "credentials_file": folder.join("token")}},
        }]}],
    });
    let file = folder.join("alertmanager.yml");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    run(&mut command, &folder.join("alertmanager.log"))
}

/// Tells Alertmanager what Prometheus would.
async fn tell(port: u16, alert: &serde_json::Value) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = json!([alert]).to_string();
    let head = format!(
        "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    until("Alertmanager takes the alert", async || {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}

async fn listen(port: u16) -> Streaming<AlertEvent> {
    let mut client = until("the server answers", async || {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        endpoint.connect().await.ok().map(ChatCliServiceClient::new)
    })
    .await;
    let mut request = Request::new(WatchAlertsRequest::default());
    request.metadata_mut().insert("authorization", "Bearer s3cret".parse().unwrap());
    client.watch_alerts(request).await.unwrap().into_inner()
}

/// The next alert of Alertmanager that is told, firing or over. A stream that ends is opened again, as an operator does.
async fn next(port: u16, stream: &mut Streaming<AlertEvent>, resolved: bool) -> WatcherAlert {
    let reading = async {
        loop {
            let Ok(Some(event)) = stream.message().await else {
                *stream = listen(port).await;
                continue;
            };
            let alert = event.alert.filter(|alert| alert.source == "alertmanager" && alert.resolved == resolved);
            if let Some(alert) = alert {
                return alert;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is never told")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alertmanager_sends_is_told_as_an_alert_of_the_workload_until_it_is_over() {
    let Some(cluster) = testkit::cluster::control_plane() else { return };
    let program = testkit::cluster::program("prometheus-alertmanager", "prometheus-alertmanager");
    let client = testkit::cluster::client(cluster).await;
    let space = testkit::cluster::Namespace::new(cluster, "alertmanager");
    let namespace = space.name.as_str();
    let node = testkit::cluster::PaperNode::new(cluster, &space);
    let web: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeName": node.name, "containers": [{"name": "app", "image": "registry.invalid/web:1"}]}}},
    }))
    .unwrap();
    let web =
        Api::<Deployment>::namespaced(client.clone(), namespace).create(&PostParams::default(), &web).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of = ListParams::default().labels("app=web");
    let pod = until("the pod is there", async || pods.list(&of).await.unwrap().items.pop()).await;

    let folder = Folder(std::env::temp_dir().join(format!("chatcli-alertmanager-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("token"), "s3cret").unwrap();
    let (port, alerts) = (free_port(), free_port());
    let first = server(&folder.0, namespace, &cluster.kubeconfig, port);
    let _alertmanager = alertmanager(&folder.0, &program, alerts, port);
    let mut told = listen(port).await;

    let began = SystemClock.now();
    let mut alert = json!({
        "labels": {"alertname": "KubePodCrashLooping", "namespace": namespace, "pod": pod.name_any(), "severity": "critical"},
        "annotations": {"summary": "Pod is crash looping", "description": "password: hunter2"},
        "startsAt": began.to_string(),
    });
    tell(alerts, &alert).await;
    let firing = next(port, &mut told, false).await;
    let resource = firing.resource.clone().unwrap();
    assert_eq!(
        (resource.kind.as_str(), resource.name.as_str(), resource.namespace.as_str()),
        ("Deployment", "web", namespace)
    );
    assert_eq!(Some(&resource.uid), web.metadata.uid.as_ref());
    assert_eq!((firing.signal_type.as_str(), firing.level.as_str()), ("crashloop_backoff", "critical"));
    assert!(
        firing.message.contains("Pod is crash looping") && !firing.message.contains("hunter2"),
        "{}",
        firing.message
    );
    assert_eq!(firing.kept_seconds, 2 * 4 * 3600 + 600);
    println!("Alertmanager to listener: {} ms", SystemClock.now().duration_since(began).as_millis());

    // The server is killed, and knows nothing of the alert when it is back; its end is told all the same, with the same
    // identity. Until somebody listens Alertmanager is told to send it again.
    drop(first);
    drop(told);
    alert["endsAt"] = json!(SystemClock.now().to_string());
    tell(alerts, &alert).await;
    let _second = server(&folder.0, namespace, &cluster.kubeconfig, port);
    let mut told = listen(port).await;
    let over = next(port, &mut told, true).await;
    assert_eq!(over.id, firing.id);
    assert_eq!(over.resource.unwrap().name, "web");
}
