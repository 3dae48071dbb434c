//! `xtask cookbook`: every manifest of the production cookbook against a real API server, one line per promise.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cluster_for;

/// Kinds of other projects, which a bare cluster does not know.
const FOREIGN: [&str; 1] = ["Certificate"];

/// Applies every manifest under `cookbook/manifests` with strict validation and compares what the server stored.
///
/// # Errors
/// When a manifest is refused, or a field of it is lost.
pub fn run() -> anyhow::Result<()> {
    let cluster = cluster_for::control_plane("cookbook")?;
    let result = apply_all(&cluster.kubectl());
    cluster.down()?;
    result
}

fn apply_all(kubectl: &cluster_for::Kubectl) -> anyhow::Result<()> {
    kubectl.run(&["apply", "-f", "charts/chatcli-operator/crds"])?;
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
    let crds = kubectl.run(&["get", "crd", "-o", "name"])?;
    let ours = crds.lines().filter(|name| name.ends_with(".platform.chatcli.io")).count();
    report("kubectl get crd | grep platform.chatcli.io lists 17 resources", ours == 17, &format!("{ours} found"))?;
    for namespace in ["chatcli-system", "production", "monitoring"] {
        kubectl.run(&["create", "namespace", namespace])?;
    }
    let mut manifests: Vec<_> = std::fs::read_dir("cookbook/manifests")?.collect::<Result<Vec<_>, _>>()?;
    manifests.sort_by_key(std::fs::DirEntry::file_name);
    for manifest in manifests {
        let path = manifest.path();
        let text = std::fs::read_to_string(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if FOREIGN.iter().any(|kind| text.contains(&format!("kind: {kind}\n"))) {
            println!("foreign  {name}: its resource belongs to another project and is not installed here");
            continue;
        }
        let applied = kubectl.run(&["apply", "--validate=strict", "-f", &path.display().to_string()]);
        report(&format!("{name} applies with strict validation"), applied.is_ok(), &applied.err().map(|e| e.to_string()).unwrap_or_default())?;
        let kept = keeps_every_field(kubectl, &path);
        report(&format!("{name} keeps every field"), kept.is_ok(), &kept.err().map(|e| e.to_string()).unwrap_or_default())?;
    }
    let listed = kubectl.run(&["get", "chatcli", "-A", "-o", "name"])?;
    report("kubectl get chatcli -A lists them all", listed.lines().count() >= 10, &format!("{} listed", listed.lines().count()))
}

/// A second apply of the same file must be no change: whatever the server dropped or altered would show as a difference.
fn keeps_every_field(kubectl: &cluster_for::Kubectl, path: &Path) -> anyhow::Result<()> {
    let output = kubectl.command(&["diff", "-f", &path.display().to_string()]).output().context("kubectl diff")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lost: Vec<&str> = text.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++") && !line.contains("generation:")).collect();
    ensure!(output.status.code() != Some(2) && lost.is_empty(), "lost or changed:\n{}", lost.join("\n"));
    Ok(())
}

fn report(promise: &str, holds: bool, detail: &str) -> anyhow::Result<()> {
    println!("{}  {promise}", if holds { "holds  " } else { "BROKEN " });
    ensure!(holds, "{promise}: {detail}");
    Ok(())
}

#[allow(unused)]
fn unused(_: &Command) {}
