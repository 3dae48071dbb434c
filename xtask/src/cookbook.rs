//! `xtask cookbook`: every manifest of the production cookbook against a real API server, one line per promise.

use anyhow::{Context, ensure};
use std::path::Path;

use cluster::{Cluster, Mode};

/// Kinds of other projects, which a bare cluster does not know.
const FOREIGN: [&str; 1] = ["Certificate"];

/// Applies every manifest under `cookbook/manifests` with strict validation and compares what the server stored.
///
/// # Errors
/// When a manifest is refused, or a field of it is lost.
pub fn run() -> anyhow::Result<()> {
    let cluster = cluster::local::up("cookbook", Mode::ControlPlane)?;
    let result = apply_all(&cluster);
    cluster::down("cookbook")?;
    result
}

fn apply_all(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.run_kubectl(&["apply", "-f", "charts/chatcli-operator/crds"])?;
    cluster.run_kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
    let crds = cluster.run_kubectl(&["get", "crd", "-o", "name"])?;
    let ours = crds.lines().filter(|name| name.ends_with(".platform.chatcli.io")).count();
    report("kubectl get crd | grep platform.chatcli.io lists 17 resources", ours == 17, &format!("{ours} found"))?;
    for namespace in ["chatcli-system", "production", "monitoring"] {
        cluster.run_kubectl(&["create", "namespace", namespace])?;
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
        let applied = cluster.run_kubectl(&["apply", "--validate=strict", "-f", &path.display().to_string()]);
        report(
            &format!("{name} applies with strict validation"),
            applied.is_ok(),
            &applied.err().map(|e| e.to_string()).unwrap_or_default(),
        )?;
        let kept = keeps_every_field(cluster, &path);
        report(
            &format!("{name} keeps every field"),
            kept.is_ok(),
            &kept.err().map(|e| e.to_string()).unwrap_or_default(),
        )?;
    }
    let listed = cluster.run_kubectl(&["get", "chatcli", "-A", "-o", "name"])?;
    report(
        "kubectl get chatcli -A lists them all",
        listed.lines().count() >= 10,
        &format!("{} listed", listed.lines().count()),
    )
}

/// A second apply of the same file must be no change: whatever the server dropped or altered would show as a difference.
fn keeps_every_field(cluster: &Cluster, path: &Path) -> anyhow::Result<()> {
    let output =
        cluster.kubectl()?.args(["diff", "-f", &path.display().to_string()]).output().context("kubectl diff")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lost: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('+') && !line.starts_with("+++") && !line.contains("generation:"))
        .collect();
    ensure!(output.status.code() != Some(2) && lost.is_empty(), "lost or changed:\n{}", lost.join("\n"));
    Ok(())
}

fn report(promise: &str, holds: bool, detail: &str) -> anyhow::Result<()> {
    println!("{}  {promise}", if holds { "holds  " } else { "BROKEN " });
    ensure!(holds, "{promise}: {detail}");
    Ok(())
}
