//! Clusters in a Docker engine, by kind.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::{Cluster, Origin, local, machine};

/// Marks those that are ours.
const PREFIX: &str = "chatcli-";

/// Starts one, or finds it running.
pub fn up(name: &str) -> anyhow::Result<Cluster> {
    let dir = local::home()?.join(format!("kind-{name}"));
    std::fs::create_dir_all(&dir)?;
    let kubeconfig = dir.join("kubeconfig");
    let there = list()?.iter().any(|known| known == name);
    let verb: &[&str] = if there { &["export", "kubeconfig"] } else { &["create", "cluster", "--wait", "120s"] };
    run(&[verb, &["--name", &full(name), "--kubeconfig", &kubeconfig.display().to_string()]].concat())?;
    Ok(Cluster { name: name.to_owned(), kubeconfig, origin: Origin::Kind })
}

/// Names of those that are there; none where no engine answers.
pub fn list() -> anyhow::Result<Vec<String>> {
    if !machine::has("kind") || !machine::docker_engine_answers() {
        return Ok(Vec::new());
    }
    let output = Command::new("kind").args(["get", "clusters"]).output().context("kind get clusters")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix(PREFIX))
        .map(str::to_owned)
        .collect())
}

/// Removes one, if it is there.
pub fn down(name: &str) -> anyhow::Result<()> {
    if list()?.iter().any(|known| known == name) {
        run(&["delete", "cluster", "--name", &full(name)])?;
        let _ = std::fs::remove_dir_all(local::home()?.join(format!("kind-{name}")));
    }
    Ok(())
}

/// Loads an image archive onto its nodes.
pub fn import_image(name: &str, archive: &Path) -> anyhow::Result<()> {
    run(&["load", "image-archive", "--name", &full(name), &archive.display().to_string()])
}

fn full(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn run(args: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("kind").args(args).status().context("cannot start kind")?;
    ensure!(status.success(), "kind {} failed; remedy: see the lines above", args.join(" "));
    Ok(())
}
