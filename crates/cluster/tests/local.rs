//! The local cluster leaves nothing behind, and two of them do not see each other.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::process::Command;

use cluster::{Mode, local};

/// Whatever a cluster could leave on the machine.
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
    add("rules", "nft list tables 2>/dev/null");
    add("route", "ip route 2>/dev/null");
    add("process", "grep -la chatcli-aiops-[0-9]*/leftover /proc/[0-9]*/cmdline 2>/dev/null | grep -v self");
    traces
}

#[test]
fn two_control_planes_run_side_by_side() {
    let (first, second) = (
        cluster::up("leftover-a", Mode::ControlPlane).unwrap(),
        cluster::up("leftover-b", Mode::ControlPlane).unwrap(),
    );
    first.run_kubectl(&["create", "namespace", "only-here"]).unwrap();
    assert!(second.run_kubectl(&["get", "namespace", "only-here"]).is_err());
    assert!(
        local::status("leftover-a")
            .unwrap()
            .iter()
            .any(|line| line.contains("kube-apiserver") && line.contains("running"))
    );
    // Up again finds it, with what is in it.
    let again = cluster::up("leftover-a", Mode::ControlPlane).unwrap();
    again.run_kubectl(&["get", "namespace", "only-here"]).unwrap();
    for name in ["leftover-a", "leftover-b"] {
        cluster::down(name).unwrap();
        assert!(local::status(name).is_err());
    }
}

#[test]
fn a_node_leaves_nothing_behind() {
    let before = traces();
    let cluster = cluster::up("leftover-n", Mode::Node).unwrap();
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
    cluster::down("leftover-n").unwrap();
    // Another cluster's pods may come and go meanwhile, and their mounts with them.
    let others = |trace: &&String| trace.contains("/chatcli-aiops-") && !trace.contains("leftover");
    let left: Vec<String> = traces().difference(&before).filter(|trace| !others(trace)).cloned().collect();
    assert!(left.is_empty(), "{left:#?}");
}
