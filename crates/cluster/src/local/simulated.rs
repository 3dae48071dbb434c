//! Nodes without machines for a control plane: a scheduler, kwok, and as many nodes as are wanted.

use anyhow::{Context, ensure};
use serde_json::json;

use super::lock::Lock;
use super::{Local, home, read};
use crate::{Mode, tools};

/// Lets a control plane have `count` simulated nodes; what is scheduled there runs at once, and does nothing.
///
/// # Errors
/// When there is no such control plane, or a component does not come up.
pub fn simulate_nodes(name: &str, count: u32) -> anyhow::Result<()> {
    let kwok = tools::kwok()?;
    let binaries = tools::control_plane()?;
    let dir = home()?.join(name);
    let _lock = Lock::take(&home()?, name)?;
    let state = read(&dir)?.with_context(|| format!("there is no cluster {name}; remedy: `make cluster`"))?;
    ensure!(
        state.mode == Mode::ControlPlane,
        "cluster {name} has a real node; remedy: simulated nodes are for MODE=control-plane"
    );
    let mut local = Local { name: name.to_owned(), dir, state };
    let file = |name: &str| local.dir.join(name).display().to_string();
    let (kubeconfig, nodes, stages) =
        (format!("--kubeconfig={}", file("kubeconfig")), file("nodes.json"), file("simulated.yaml"));
    std::fs::write(&stages, include_str!("../../manifests/simulated.yaml"))?;
    if !local.state.processes.iter().any(|process| process.name == "kwok") {
        let scheduler = [
            kubeconfig.clone(),
            "--leader-elect=false".into(),
            "--secure-port=0".into(),
            "--kube-api-qps=500".into(),
            "--kube-api-burst=1000".into(),
        ];
        local.spawn("kube-scheduler", &binaries.kubernetes.join("kube-scheduler"), &scheduler)?;
        let flags = [
            kubeconfig,
            format!("--config={stages}"),
            "--manage-all-nodes=true".into(),
            "--node-lease-duration-seconds=40".into(),
            "--server-address=".into(),
            "--node-ip=127.0.0.1".into(),
        ];
        local.spawn("kwok", &kwok, &flags)?;
    }
    let items: Vec<_> = (0..count)
        .map(|index| {
            let name = format!("simulated-{index}");
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        })
        .collect();
    std::fs::write(&nodes, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    local.kubectl(&["apply", "--server-side", "-f", &nodes])?;
    local.wait_for("the simulated nodes", 60, || {
        let ready = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
        local
            .kubectl(&["get", "nodes", "-o", ready])
            .is_ok_and(|text| text.split_whitespace().filter(|status| *status == "True").count() >= count as usize)
    })
}
