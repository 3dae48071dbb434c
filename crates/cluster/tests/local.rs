//! The local cluster leaves nothing behind, and two of them do not see each other.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::process::Command;

use cluster::{Cluster, Mode, local};

/// Ends a cluster also when the test fails.
struct Ends(&'static str);

impl Drop for Ends {
    fn drop(&mut self) {
        let ended = local::down(self.0);
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

/// Whatever the cluster with a node could leave on the machine; the other ones here have none of it.
fn traces() -> BTreeSet<String> {
    let mut traces = BTreeSet::new();
    let mut add = |what: &str, command: &str| {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        traces.extend(String::from_utf8_lossy(&output.stdout).lines().map(|line| format!("{what}: {line}")));
    };
    add("mount", "cut -d' ' -f2 /proc/self/mounts");
    add("link", "ls /sys/class/net");
    add("cgroup", "ls -d /sys/fs/cgroup/*/chatcli-leftover* /sys/fs/cgroup/chatcli-leftover* 2>/dev/null");
    add("netns", "ls /run/netns 2>/dev/null");
    add("rules", "nft list ruleset 2>/dev/null");
    add("route", "ip route 2>/dev/null");
    add("process", "grep -la chatcli-aiops-[0-9]*/leftover-n /proc/[0-9]*/cmdline 2>/dev/null");
    // Folders that containerd, the kubelet and the network plugins choose themselves.
    add("folder", "ls -d /run/containerd/* /var/lib/kubelet/* /var/lib/containerd /opt/containerd 2>/dev/null");
    add("record", "ls /var/lib/cni/results/chatcli_leftover* /var/lib/cni/results/cni-loopback* 2>/dev/null");
    add("log", "find /var/log/containers /var/log/pods -lname '*leftover-n*' 2>/dev/null");
    add("state", "ls -d \"${TMPDIR:-/tmp}\"/chatcli-aiops-*/*leftover-n* 2>/dev/null");
    traces
}

const WEB: &str = "mkdir -p /tmp/w; echo from web > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w";
const GREEDY: &str = r#"--overrides={"spec":{"containers":[{"name":"greedy","image":"busybox:1.36","command":["tail","/dev/zero"],"resources":{"limits":{"memory":"32Mi"}}}]}}"#;

/// A field of the state of a pod's container.
fn field(cluster: &Cluster, pod: &str, path: &str) -> String {
    let path = format!("jsonpath={{.status.containerStatuses[0].state.{path}}}");
    cluster.run_kubectl(&["get", "pod", pod, "-o", &path]).unwrap_or_default()
}

#[test]
fn two_control_planes_run_side_by_side() {
    let (_a, _b) = (Ends("leftover-a"), Ends("leftover-b"));
    let (first, second) =
        (local::up("leftover-a", Mode::ControlPlane).unwrap(), local::up("leftover-b", Mode::ControlPlane).unwrap());
    first.run_kubectl(&["create", "namespace", "only-here"]).unwrap();
    assert!(second.run_kubectl(&["get", "namespace", "only-here"]).is_err());
    assert!(
        local::status("leftover-a")
            .unwrap()
            .iter()
            .any(|line| line.contains("kube-apiserver") && line.contains("running"))
    );
    // Up again finds it, with what is in it.
    let again = local::up("leftover-a", Mode::ControlPlane).unwrap();
    again.run_kubectl(&["get", "namespace", "only-here"]).unwrap();
    for name in ["leftover-a", "leftover-b"] {
        local::down(name).unwrap();
        assert!(local::status(name).is_err());
    }
}

#[test]
fn simulated_nodes_run_many_pods_without_machines() {
    let _ends = Ends("leftover-s");
    let cluster = local::up("leftover-s", Mode::ControlPlane).unwrap();
    local::simulate_nodes("leftover-s", 5).unwrap();
    cluster.run_kubectl(&["create", "deployment", "many", "--image=shop:1.0", "--replicas=200"]).unwrap();
    cluster.run_kubectl(&["rollout", "status", "deployment/many", "--timeout=60s"]).unwrap();
    // More of them, later, and the ones that are there stay.
    local::simulate_nodes("leftover-s", 8).unwrap();
    let nodes = cluster.run_kubectl(&["get", "nodes", "-o", "name"]).unwrap();
    assert_eq!(nodes.lines().count(), 8);
}

#[test]
fn a_component_that_crashed_is_started_again_with_its_data() {
    let _ends = Ends("leftover-c");
    let cluster = local::up("leftover-c", Mode::ControlPlane).unwrap();
    cluster.run_kubectl(&["create", "namespace", "kept"]).unwrap();
    local::crash("leftover-c", "kube-apiserver").unwrap();
    assert!(cluster.run_kubectl(&["get", "namespace", "kept"]).is_err());
    local::restart("leftover-c", "kube-apiserver").unwrap();
    within(30, "the API server answers", || cluster.run_kubectl(&["get", "namespace", "kept"]).is_ok());
    let error = local::crash("leftover-c", "kubelet").unwrap_err().to_string();
    assert!(error.contains("kube-apiserver"), "the components that are there are named: {error}");
}

fn within(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed().as_secs() < seconds, "not within {seconds} s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_node_runs_pods_and_leaves_nothing_behind() {
    let before = traces();
    let _ends = Ends("leftover-n");
    let cluster = local::up("leftover-n", Mode::Node).unwrap();
    // Asking for it in the other mode must not take it away.
    let error = local::up("leftover-n", Mode::ControlPlane).unwrap_err().to_string();
    assert!(error.contains("runs already"), "{error}");
    cluster
        .run_kubectl(&[
            "run",
            "one",
            "--image=busybox:1.36",
            "--restart=Never",
            "--",
            "sh",
            "-c",
            "echo hello; sleep 600",
        ])
        .unwrap();
    cluster.run_kubectl(&["wait", "--for=condition=Ready", "pod/one", "--timeout=60s"]).unwrap();
    assert_eq!(cluster.run_kubectl(&["logs", "one"]).unwrap(), "hello\n");
    assert_eq!(cluster.run_kubectl(&["exec", "one", "--", "hostname"]).unwrap(), "one\n");
    // A name is resolved by CoreDNS, to a Service that kube-proxy leads to a pod.
    cluster
        .run_kubectl(&[
            "run",
            "web",
            "--image=busybox:1.36",
            "--restart=Never",
            "--expose",
            "--port=8080",
            "--",
            "sh",
            "-c",
            WEB,
        ])
        .unwrap();
    let ask = "printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 web 8080";
    within(30, "the Service answers", || {
        cluster.run_kubectl(&["exec", "one", "--", "sh", "-c", ask]).is_ok_and(|answer| answer.contains("from web"))
    });
    // What does not exist is said at once, as by a registry.
    cluster.run_kubectl(&["run", "missing", "--image=shop:0.0-missing", "--restart=Never"]).unwrap();
    within(15, "the missing image is refused", || field(&cluster, "missing", "waiting.message").contains("not found"));
    cluster.run_kubectl(&["run", "greedy", "--image=busybox:1.36", "--restart=Never", GREEDY]).unwrap();
    within(20, "the container is killed over its limit", || {
        field(&cluster, "greedy", "terminated.reason") == "OOMKilled"
    });
    within(60, "metrics-server knows the pod", || cluster.run_kubectl(&["top", "pod", "one"]).is_ok());
    local::down("leftover-n").unwrap();
    // Another cluster's pods may come and go meanwhile, and their mounts with them.
    let others = |trace: &&String| trace.contains("/chatcli-aiops-") && !trace.contains("leftover");
    let left: Vec<String> = traces().difference(&before).filter(|trace| !others(trace)).cloned().collect();
    assert!(left.is_empty(), "{left:#?}");
}
