//! A Kubernetes for development and tests, in one call.
//!
//! In this order: the context that the user names, kind where a Docker engine answers, a local cluster on Linux built from
//! upstream's own modules. What lives here knows nothing of the product.
//!
//! - `tools`: builds and caches the binaries
//! - `local`: the local cluster: processes, network namespace, node
//! - `images`: container images without a registry
//! - `machine`: what the machine has: packages, privileges, commands

// Development tooling: it runs where the wall clock and the environment are its input.
#![allow(clippy::disallowed_methods)]

pub mod images;
pub mod local;
pub mod machine;
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

/// Starts a cluster, or finds it running.
///
/// # Errors
/// Says what is missing and the line that mends it.
pub fn up(name: &str, mode: Mode) -> anyhow::Result<Cluster> {
    check_name(name)?;
    if let Some(named) = named()? {
        return Ok(named);
    }
    if mode == Mode::Node && machine::docker_engine_answers() && machine::has("kind") {
        return kind_up(name);
    }
    local::up(name, mode)
}

/// Stops a cluster and removes whatever it left on the machine. A cluster that the user named stays.
///
/// # Errors
/// When something could not be removed.
pub fn down(name: &str) -> anyhow::Result<()> {
    check_name(name)?;
    if machine::docker_engine_answers() && machine::has("kind") {
        let status = Command::new("kind")
            .args(["delete", "cluster", "--name", &kind_name(name)])
            .status()
            .context("kind delete")?;
        ensure!(status.success(), "kind delete cluster failed");
    }
    local::down(name)
}

/// The cluster that `KUBECONFIG` or `CONTEXT` names. A kubeconfig that merely exists at its usual place names nothing.
fn named() -> anyhow::Result<Option<Cluster>> {
    let value = |key| std::env::var_os(key).filter(|value| !value.is_empty());
    let (file, context) = (value("KUBECONFIG"), value("CONTEXT"));
    let Some(file) = file.clone().or_else(|| {
        context.as_ref().and_then(|_| Some(PathBuf::from(std::env::var_os("HOME")?).join(".kube/config").into()))
    }) else {
        return Ok(None);
    };
    let mut flags =
        vec!["config".to_owned(), "view".to_owned(), "--raw".to_owned(), "--flatten".to_owned(), "--minify".to_owned()];
    if let Some(context) = &context {
        flags.push(format!("--context={}", context.to_string_lossy()));
    }
    // One file with one context, so that nobody downstream can reach another cluster.
    let output = Command::new(tools::kubectl()?)
        .args(&flags)
        .env("KUBECONFIG", &file)
        .output()
        .context("kubectl config view")?;
    ensure!(
        output.status.success(),
        "the cluster that KUBECONFIG or CONTEXT names cannot be used: {}; remedy: `kubectl config get-contexts`, or unset both to have a local cluster",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let dir = local::home()?.join("named");
    std::fs::create_dir_all(&dir)?;
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, output.stdout)?;
    Ok(Some(Cluster { name: "named".to_owned(), kubeconfig, origin: Origin::Named }))
}

fn kind_name(name: &str) -> String {
    format!("chatcli-{name}")
}

fn kind_up(name: &str) -> anyhow::Result<Cluster> {
    let dir = local::home()?.join(format!("kind-{name}"));
    std::fs::create_dir_all(&dir)?;
    let kubeconfig = dir.join("kubeconfig");
    let existing = Command::new("kind").args(["get", "clusters"]).output().context("kind get clusters")?;
    let there = String::from_utf8_lossy(&existing.stdout).lines().any(|line| line == kind_name(name));
    let verb: &[&str] = if there { &["export", "kubeconfig"] } else { &["create", "cluster", "--wait", "120s"] };
    let status = Command::new("kind")
        .args(verb)
        .args(["--name", &kind_name(name), "--kubeconfig"])
        .arg(&kubeconfig)
        .status()
        .context("kind")?;
    ensure!(status.success(), "kind {} failed", verb.join(" "));
    Ok(Cluster { name: name.to_owned(), kubeconfig, origin: Origin::Kind })
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let good = !name.is_empty()
        && name.len() <= 20
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(good, "cluster name {name:?} is not usable; remedy: 1 to 20 of a-z, 0-9 and -");
    Ok(())
}

impl Cluster {
    /// kubectl for this cluster, and no other.
    ///
    /// # Errors
    /// When kubectl cannot be built.
    pub fn kubectl(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(tools::kubectl()?);
        command.env_remove("KUBECONFIG").arg("--kubeconfig").arg(&self.kubeconfig);
        Ok(command)
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
            Origin::Kind => {
                let status = Command::new("kind")
                    .args(["load", "image-archive", "--name", &kind_name(&self.name)])
                    .arg(archive)
                    .status()?;
                ensure!(status.success(), "kind load image-archive failed");
                Ok(())
            }
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
