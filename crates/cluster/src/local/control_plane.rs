//! etcd, API server, controllers.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use super::{Local, pki};
use crate::Mode;
use crate::tools::ControlPlane;

/// Range of Service addresses; its first address is the API server's, its tenth the DNS server's.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// Address of the API server inside the cluster.
const API_SERVICE: &str = "10.96.0.1";

pub fn start(local: &mut Local, binaries: &ControlPlane, address: &str) -> anyhow::Result<()> {
    let node = local.state.mode == Mode::Node;
    // In a network namespace of its own a cluster may use the usual ports.
    let (etcd, peer, api) = if node { (2379, 2380, 6443) } else { free_ports()? };
    let token = pki::write(&local.dir, &[address, "127.0.0.1", API_SERVICE])?;
    write_kubeconfig(&local.dir, &format!("https://{address}:{api}"), &token)?;
    let file = |name: &str| local.dir.join(name).display().to_string();

    let etcd_url = format!("http://127.0.0.1:{etcd}");
    let etcd_args = [
        format!("--data-dir={}", file("etcd")),
        format!("--listen-client-urls={etcd_url}"),
        format!("--advertise-client-urls={etcd_url}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        "--quota-backend-bytes=4294967296".to_owned(),
        // The cluster ends with its machine; speed is worth more than its data.
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let mut api_args = vec![
        format!("--etcd-servers={etcd_url}"),
        format!("--secure-port={api}"),
        format!("--bind-address={}", if node { "0.0.0.0" } else { "127.0.0.1" }),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        format!("--requestheader-client-ca-file={}", file("ca.crt")),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", file("client.crt")),
        format!("--proxy-client-key-file={}", file("client.key")),
        format!("--kubelet-client-certificate={}", file("client.crt")),
        format!("--kubelet-client-key={}", file("client.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ];
    // Nobody reaches a Service where nothing runs, and a loopback address is no endpoint.
    api_args.push(if node {
        format!("--advertise-address={address}")
    } else {
        "--endpoint-reconciler-type=none".to_owned()
    });
    let controller_args = [
        format!("--kubeconfig={}", file("kubeconfig")),
        format!("--service-account-private-key-file={}", file("sa.key")),
        format!("--root-ca-file={}", file("ca.crt")),
        "--controllers=*,-nodeipam,-cloud-node-lifecycle".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--concurrent-deployment-syncs=20".to_owned(),
        "--concurrent-replicaset-syncs=20".to_owned(),
    ];

    local.spawn("etcd", &binaries.etcd, &etcd_args)?;
    local.spawn("kube-apiserver", &binaries.kubernetes.join("kube-apiserver"), &api_args)?;
    local.wait_for("the API server", 60, || local.kubectl(&["get", "--raw", "/readyz"]).is_ok())?;
    local.spawn("kube-controller-manager", &binaries.kubernetes.join("kube-controller-manager"), &controller_args)?;
    // Pods are refused until their namespace has its ServiceAccount.
    local.wait_for("the default ServiceAccount", 30, || local.kubectl(&["get", "serviceaccount", "default"]).is_ok())
}

fn write_kubeconfig(dir: &Path, server: &str, token: &str) -> anyhow::Result<()> {
    // JSON is YAML.
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "local",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority": dir.join("ca.crt")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
    });
    std::fs::write(dir.join("kubeconfig"), serde_json::to_vec_pretty(&config)?)?;
    Ok(())
}

fn free_ports() -> anyhow::Result<(u16, u16, u16)> {
    // Held together, so that they differ.
    let held =
        [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [etcd, peer, api] = held.map(|listener| listener.local_addr().map(|address| address.port()));
    Ok((etcd?, peer?, api?))
}
