//! Nodes without machines, for cases about scheduling: kwok plays the kubelet of every node that has the label.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use cluster::Cluster;

/// Label of the nodes that are played.
const LABEL: &str = "scenario-node=true";

/// The player, until dropped.
pub struct Nodes {
    child: Child,
}

impl Nodes {
    /// Starts it; its log is in `folder`.
    ///
    /// # Errors
    /// When kwok cannot be built or started.
    pub fn start(cluster: &Cluster, folder: &Path) -> anyhow::Result<Self> {
        let stages = folder.join("nodes.yaml");
        std::fs::write(&stages, include_str!("nodes.yaml"))?;
        let log = std::fs::File::create(folder.join("kwok.log"))?;
        let child = Command::new(cluster::tools::kwok()?)
            .arg(format!("--kubeconfig={}", cluster.kubeconfig.display()))
            .arg(format!("--config={}", stages.display()))
            .arg("--manage-all-nodes=false")
            .arg(format!("--manage-nodes-with-label-selector={LABEL}"))
            // Without a heartbeat the node would soon count as lost.
            .args(["--node-lease-duration-seconds=40", "--server-address=", "--node-ip=127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the run; it ends this when everything is cleaned up.
            .process_group(0)
            .spawn()
            .context("cannot start kwok")?;
        Ok(Self { child })
    }

    /// Fails when it ended.
    ///
    /// # Errors
    /// With its status.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("kwok ended with {status}; its log is kwok.log beside those of the platform");
        }
        Ok(())
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
