//! A node with real containers: containerd, kubelet, kube-proxy, DNS, metrics.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::json;

use super::Local;
use super::control_plane::SERVICE_RANGE;
use super::process::Process;
use crate::images::Image;
use crate::machine::{self, run};
use crate::tools::{self, ControlPlane};

const SANDBOX: &str = "chatcli/sandbox:1";
/// An empty registry, in the network of the cluster.
const REGISTRY: &str = "127.0.0.1:5000";
const CGROUPS: &str = "/sys/fs/cgroup";

fn socket(dir: &Path) -> PathBuf {
    dir.join("containerd.sock")
}

/// Network of the pods; the plugins keep records under this name in a folder that all clusters share.
fn network(name: &str) -> String {
    format!("chatcli_{name}")
}

fn cgroup(name: &str) -> String {
    format!("chatcli-{name}")
}

/// Starts the container runtime and gives it the images, while the control plane comes up elsewhere.
pub fn start_runtime(local: &mut Local, address: &str) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<()>>> {
    let (coredns, metrics_server) = (tools::coredns()?, tools::metrics_server()?);
    let dir = local.dir.clone();
    make_cgroups(&cgroup(&local.name))?;
    write_configs(local, address)?;
    local.spawn(
        "containerd",
        &machine::find("containerd").context("containerd is missing")?,
        &["--config".to_owned(), dir.join("containerd.toml").display().to_string()],
    )?;
    // Whoever pulls an image that is not on the node is told at once that it does not exist, as by any registry.
    let registry = dir.join("registry");
    std::fs::create_dir_all(&registry)?;
    local.spawn(
        "registry",
        &machine::find("busybox").context("busybox is missing")?,
        &["httpd", "-f", "-p", REGISTRY, "-h", &registry.display().to_string()].map(str::to_owned),
    )?;
    let images = [
        (Image::busybox(SANDBOX, &["/bin/sleep", "2147483647"])?, "sandbox.tar"),
        (Image::busybox("busybox:1.36", &["/bin/sh"])?, "busybox.tar"),
        (Image::of_binary("chatcli/coredns:1", &coredns, ""), "coredns.tar"),
        (Image::of_binary("chatcli/metrics-server:1", &metrics_server, "65532:65532"), "metrics-server.tar"),
    ];
    Ok(std::thread::spawn(move || {
        let began = Instant::now();
        while let Err(error) = ctr(&dir, &["version"]) {
            if began.elapsed() > Duration::from_secs(20) {
                return Err(error.context("containerd does not answer; its log is containerd.log"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for (image, file) in images {
            image.write(&dir.join(file))?;
            import(&dir, &dir.join(file))?;
            std::fs::remove_file(dir.join(file))?;
        }
        Ok(())
    }))
}

/// Starts the node, the scheduler and the add-ons.
pub fn start(
    local: &mut Local,
    binaries: &ControlPlane,
    address: &str,
    images: std::thread::JoinHandle<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let dir = local.dir.clone();
    let kubeconfig = format!("--kubeconfig={}", dir.join("kubeconfig").display());
    let kubelet = [
        format!("--config={}", dir.join("kubelet.yaml").display()),
        kubeconfig.clone(),
        format!("--root-dir={}", dir.join("kubelet").display()),
        format!("--cert-dir={}", dir.join("kubelet-pki").display()),
        format!("--hostname-override=node-{}", local.name),
        format!("--node-ip={address}"),
    ];
    // The kubelet gives up where no runtime answers yet.
    local.wait_for("containerd", 20, || ctr(&dir, &["version"]).is_ok())?;
    local.spawn("kubelet", &binaries.kubernetes.join("kubelet"), &kubelet)?;
    local.spawn(
        "kube-scheduler",
        &binaries.kubernetes.join("kube-scheduler"),
        &[kubeconfig, "--leader-elect=false".into(), "--secure-port=0".into()],
    )?;
    local.spawn(
        "kube-proxy",
        &binaries.kubernetes.join("kube-proxy"),
        &[
            format!("--config={}", dir.join("kube-proxy.yaml").display()),
            format!("--hostname-override=node-{}", local.name),
        ],
    )?;
    // A pod whose image is not there yet would wait for its next try.
    images.join().map_err(|_| anyhow::anyhow!("loading the images ended unexpectedly"))??;
    local.kubectl(&["apply", "-f", &dir.join("addons.yaml").display().to_string()])?;
    local.wait_for("the node", 60, || {
        local.kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=1s"]).is_ok()
    })?;
    local.wait_for("DNS", 60, || {
        local
            .kubectl(&["-n", "kube-system", "wait", "--for=condition=Available", "deployment/coredns", "--timeout=1s"])
            .is_ok()
    })
}

fn write_configs(local: &Local, address: &str) -> anyhow::Result<()> {
    let dir = &local.dir;
    let path = |name: &str| dir.join(name).display().to_string();
    std::fs::create_dir_all(dir.join("cni"))?;
    // Each pod has a routed link of its own, so that every packet passes the rules of kube-proxy, also between pods.
    let cni = json!({"cniVersion": "0.4.0", "name": network(&local.name), "plugins": [
        {"type": "ptp", "ipam": {"type": "host-local", "dataDir": path("ipam"), "ranges": [[{"subnet": "10.244.0.0/20"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]});
    std::fs::write(dir.join("cni/10-pods.conflist"), serde_json::to_vec_pretty(&cni)?)?;
    std::fs::write(dir.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
    std::fs::write(dir.join("containerd.toml"), containerd_config(dir))?;
    std::fs::create_dir_all(dir.join("registries/_default"))?;
    let hosts = format!(
        "server = \"http://{REGISTRY}\"\n[host.\"http://{REGISTRY}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    std::fs::write(dir.join("registries/_default/hosts.toml"), hosts)?;
    let kubelet = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", socket(dir).display()),
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": path("ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "address": "0.0.0.0", "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}", cgroup(&local.name)),
        "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": path("resolv.conf"),
        "failCgroupV1": false, "failSwapOn": false, "localStorageCapacityIsolation": false,
        "podLogsDir": path("pod-logs"), "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
        "maxPods": 250, "serializeImagePulls": false, "registryPullQPS": 0, "eventRecordQPS": 0,
        "volumePluginDir": path("volume-plugins"),
    });
    std::fs::write(dir.join("kubelet.yaml"), serde_json::to_vec_pretty(&kubelet)?)?;
    let proxy = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
        "clientConnection": {"kubeconfig": path("kubeconfig")}, "clusterCIDR": "10.244.0.0/20", "conntrack": {"maxPerCore": 0},
        "nodePortAddresses": [format!("{address}/32")],
    });
    std::fs::write(dir.join("kube-proxy.yaml"), serde_json::to_vec_pretty(&proxy)?)?;
    std::fs::write(dir.join("addons.yaml"), include_str!("../../manifests/addons.yaml"))?;
    debug_assert!(SERVICE_RANGE.starts_with("10.96."), "the DNS address is in the Service range");
    Ok(())
}

fn containerd_config(dir: &Path) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    // Without CAP_SYS_RESOURCE no process may lower its OOM score, and every sandbox would fail.
    let restrict = !has_sys_resource();
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX}"
  restrict_oom_score_adj = {restrict}
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "{runc}"
"#,
        runc = path("runc"),
        root = path("containerd-root"),
        state = path("containerd-state"),
        socket = socket(dir).display(),
        cni = path("cni"),
        registries = path("registries"),
        plugins = machine::find("ptp").as_deref().and_then(Path::parent).unwrap_or(Path::new("/usr/lib/cni")).display(),
    )
}

fn has_sys_resource() -> bool {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let caps = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    caps.is_some_and(|caps| caps & CAP_SYS_RESOURCE != 0)
}

fn ctr(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("ctr")
        .arg("--address")
        .arg(socket(dir))
        .args(["--namespace", "k8s.io"])
        .args(args)
        .output()
        .context("cannot start ctr")?;
    if !output.status.success() {
        bail!("ctr {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub fn import(dir: &Path, archive: &Path) -> anyhow::Result<()> {
    ctr(dir, &["images", "import", &archive.display().to_string()]).map(|_| ())
}

/// Ends the kubelet first, or it would start again what is ended next: then containers and their shims.
pub fn stop_pods(dir: &Path, processes: &[Process]) {
    for process in processes.iter().filter(|process| process.name == "kubelet") {
        process.kill();
    }
    if let Ok(tasks) = ctr(dir, &["tasks", "list", "--quiet"]) {
        for task in tasks.lines() {
            let _ = ctr(dir, &["tasks", "kill", "--signal", "SIGKILL", task]);
        }
        for task in tasks.lines() {
            let _ = ctr(dir, &["tasks", "delete", "--force", task]);
        }
    }
    // A shim names the socket of its containerd.
    for pid in pids_that_name(&socket(dir).display().to_string()) {
        if !processes.iter().any(|process| process.pid == pid) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

fn pids_that_name(text: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.retain(|pid| {
        *pid != std::process::id()
            && std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    });
    pids
}

/// Removes mounts, cgroups and links that the node left.
pub fn remove(name: &str, dir: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let prefix = format!("{}/", dir.display());
        let ours: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .filter(|path| path.starts_with(&prefix))
            .collect();
        if ours.is_empty() {
            break;
        }
        for path in ours.iter().rev() {
            let _ = run("umount", &["-l", path]);
        }
        if began.elapsed() > Duration::from_secs(20) {
            bail!("still mounted: {}", ours.join(", "));
        }
    }
    remove_log_links(dir);
    remove_network_records(&network(name));
    remove_shared_folders();
    remove_cgroups(&cgroup(name));
    Ok(())
}

/// The kubelet links every container log below /var/log/containers.
fn remove_log_links(dir: &Path) {
    let Ok(entries) = std::fs::read_dir("/var/log/containers") else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if std::fs::read_link(&path).is_ok_and(|target| target.starts_with(dir)) {
            let _ = std::fs::remove_file(path);
        }
    }
    let _ = std::fs::remove_dir("/var/log/containers");
}

/// Pods that were ended by force leave the records of their addresses.
fn remove_network_records(network: &str) {
    let folder = Path::new("/var/lib/cni/results");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(pod) = name.strip_prefix(&format!("{network}-")).and_then(|rest| rest.strip_suffix("-eth0")) else {
            continue;
        };
        for record in [name.as_str(), &format!("cni-loopback-{pod}-lo")] {
            let _ = std::fs::remove_file(folder.join(record));
        }
    }
}

/// Folders whose place containerd and the kubelet do not let us choose; they go when nothing is in them.
fn remove_shared_folders() {
    // Another kubelet may be using it.
    if pids_that_name("/kubelet").is_empty() {
        let _ = std::fs::remove_file("/var/lib/kubelet/device-plugins/kubelet.sock");
    }
    for folder in [
        "/run/containerd/s",
        "/run/containerd",
        "/var/lib/cni/results",
        "/var/lib/cni",
        "/var/lib/kubelet/device-plugins",
        "/var/lib/kubelet",
    ] {
        let _ = std::fs::remove_dir(folder);
    }
}

fn controllers() -> Vec<PathBuf> {
    if Path::new(CGROUPS).join("cgroup.controllers").exists() {
        return vec![PathBuf::from(CGROUPS)];
    }
    std::fs::read_dir(CGROUPS)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.is_dir() && path.join("cgroup.procs").exists())
                .collect()
        })
        .unwrap_or_default()
}

fn make_cgroups(name: &str) -> anyhow::Result<()> {
    for controller in controllers() {
        let dir = controller.join(name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        // A new cpuset has no processors until it is given some.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if dir.join(file).exists() && controller.join(file).exists() {
                std::fs::write(dir.join(file), std::fs::read(controller.join(file))?)?;
            }
        }
    }
    Ok(())
}

fn remove_cgroups(name: &str) {
    fn remove(dir: &Path) {
        if let Ok(entries) = std::fs::read_dir(dir) {
            for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
                remove(&path);
            }
        }
        let _ = std::fs::remove_dir(dir);
    }
    for controller in controllers() {
        remove(&controller.join(name));
    }
}
