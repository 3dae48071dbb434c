//! A Kubernetes for development and tests, in one call.
//!
//! In this order: the context that the user names, kind where a Docker engine answers, a local cluster on Linux built from
//! upstream's own modules. What lives here knows nothing of the product.
//!
//! - `tools`: builds and caches the binaries
//! - `build`: the first build, with progress
//! - `named`, `kind`: the clusters that are not ours to build
//! - `local`: the local cluster: processes, network namespace, node
//! - `images`: container images without a registry
//! - `machine`: what the machine has: packages, privileges, commands

// Development tooling: it runs where the wall clock and the environment are its input.
#![allow(clippy::disallowed_methods)]

mod build;
pub mod images;
mod kind;
pub mod local;
pub mod machine;
mod named;
pub mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// etcd, API server and controllers; nothing runs. Needs no privileges.
    ControlPlane,
    /// Also a scheduler and a node with real containers. Needs root.
    Node,
}

/// A cluster that is up.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Kubeconfig with an administrator.
    pub kubeconfig: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a cluster comes from, and so who ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user named it; we never end it.
    Named,
    /// kind.
    Kind,
    /// Processes of ours on this machine.
    Local,
}

/// Starts a cluster, or finds it running: the one that the user named, else kind, else a local one.
///
/// # Errors
/// Says what is missing and the line that mends it.
pub fn up(name: &str, mode: Mode) -> anyhow::Result<Cluster> {
    check_name(name)?;
    if let Some(named) = named::cluster()? {
        return Ok(named);
    }
    // Without pods there is nothing that a Docker engine would help with, where the control plane runs by itself.
    let wants_kind = mode == Mode::Node || !cfg!(target_os = "linux");
    if wants_kind && machine::docker_engine_answers() {
        if machine::has("kind") {
            return kind::up(name);
        }
        ensure!(
            cfg!(target_os = "linux") && machine::is_root(),
            "Docker answers, but kind is not installed; remedy: install it (https://kind.sigs.k8s.io), or name a cluster with CONTEXT=…"
        );
    }
    local::up(name, mode)
}

/// Stops a cluster and removes whatever it left on the machine. A cluster that the user named stays.
///
/// # Errors
/// When something could not be removed.
pub fn down(name: &str) -> anyhow::Result<()> {
    check_name(name)?;
    kind::down(name)?;
    local::down(name)
}

/// Names of the clusters of this user that are there, whatever they run on.
///
/// # Errors
/// When they cannot be listed.
pub fn list() -> anyhow::Result<Vec<String>> {
    let mut names = local::list()?;
    names.extend(kind::list()?);
    names.sort();
    names.dedup();
    Ok(names)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let good = !name.is_empty()
        && name.len() <= 20
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(good, "cluster name {name:?} is not usable; remedy: 1 to 20 of a-z, 0-9 and -");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Cluster {
    /// kubectl for this cluster, and no other.
    ///
    /// # Errors
    /// When kubectl cannot be built.
    pub fn kubectl(&self) -> anyhow::Result<Command> {
        // A cluster of ours gets the kubectl of its version; for others the user's own is at least as good.
        let binary = match self.origin {
            Origin::Local => tools::kubectl()?,
            Origin::Named | Origin::Kind => machine::find("kubectl").map_or_else(tools::kubectl, Ok)?,
        };
        let mut command = Command::new(binary);
        command.env_remove("KUBECONFIG").arg("--kubeconfig").arg(&self.kubeconfig);
        Ok(command)
    }

    /// Removes our copy of the kubeconfig of a cluster that the user named, with its credentials. Others have none.
    pub fn forget(&self) {
        if self.origin == Origin::Named
            && let Some(folder) = self.kubeconfig.parent()
        {
            let _ = std::fs::remove_dir_all(folder);
            let _ = folder.parent().map(std::fs::remove_dir);
        }
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// With what it printed to standard error.
    pub fn run_kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.kubectl()?.args(args).output().context("kubectl")?;
        if !output.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Loads an image archive onto the node, so that pods can use it without a registry.
    ///
    /// # Errors
    /// When the container runtime refuses it, or the cluster has none that we reach.
    pub fn import_image(&self, archive: &Path) -> anyhow::Result<()> {
        match self.origin {
            Origin::Local => local::import_image(&self.name, archive),
            Origin::Kind => kind::import_image(&self.name, archive),
            // The name of a local cluster that the user named is known.
            Origin::Named if local::list()?.contains(&self.name) => local::import_image(&self.name, archive),
            Origin::Named => {
                println!("note: load {} into the cluster's nodes yourself; we do not reach them", archive.display());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_that_cannot_be_an_interface_or_a_folder_are_refused() {
        for bad in ["", "Shop", "a/b", "..", "a b", "this-name-is-far-too-long-for-it"] {
            assert!(super::check_name(bad).is_err(), "{bad}");
        }
        assert!(super::check_name("test-2").is_ok());
    }
}
