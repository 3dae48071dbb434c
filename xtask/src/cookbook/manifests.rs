//! Every manifest of the production cookbook against a real API server.

use std::path::Path;

use anyhow::{Context, ensure};
use cluster::{Cluster, Mode};
use serde_json::Value;

use super::Account;

/// Name of its cluster.
const CLUSTER: &str = "cookbook";

/// Kinds of other projects, which a bare cluster does not know.
const FOREIGN: [&str; 1] = ["Certificate"];

/// Applies every manifest under `cookbook/manifests` with strict validation and compares what the server stored.
///
/// # Errors
/// When a manifest is refused, or a field of it is lost.
pub fn run(account: &mut Account) -> anyhow::Result<()> {
    let cluster = cluster::local::up(CLUSTER, Mode::ControlPlane)?;
    let result = apply_all(&cluster, account);
    cluster::down(CLUSTER)?;
    result
}

fn apply_all(cluster: &Cluster, account: &mut Account) -> anyhow::Result<()> {
    cluster.run_kubectl(&["apply", "-f", "charts/chatcli-operator/crds"])?;
    cluster.run_kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
    let crds = cluster.run_kubectl(&["get", "crd", "-o", "name"])?;
    let ours = crds.lines().filter(|name| name.ends_with(".platform.chatcli.io")).count();
    account.promise("the chart's folder holds 17 resources", ours == 17, &format!("{ours} found"));
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
        account.promised(&format!("{name} applies with strict validation"), applied.map(drop));
        account.promised(&format!("{name} keeps every field"), keeps_every_field(cluster, &path));
    }
    let listed = cluster.run_kubectl(&["get", "chatcli", "-A", "-o", "name"])?;
    account.promise(
        "kubectl get chatcli -A lists them all",
        listed.lines().count() >= 10,
        &format!("{} listed", listed.lines().count()),
    );
    Ok(())
}

/// Reads every object of the file back and looks for each of its fields. A second apply or a diff would not do: what the
/// server drops it drops both times.
fn keeps_every_field(cluster: &Cluster, path: &Path) -> anyhow::Result<()> {
    let sent = cluster.run_kubectl(&["create", "--dry-run=client", "-o", "json", "-f", &path.display().to_string()])?;
    let mut objects = 0;
    for object in serde_json::Deserializer::from_str(&sent).into_iter::<Value>() {
        let object = object.context("kubectl printed no JSON")?;
        objects += 1;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, name, namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
        let kept: Value =
            serde_json::from_str(&cluster.run_kubectl(&["get", &kind, &name, "-n", &namespace, "-o", "json"])?)?;
        let lost = lost(&object, &kept, "");
        ensure!(lost.is_empty(), "{kind} {name} lost or changed:\n{}", lost.join("\n"));
    }
    ensure!(objects > 0, "there is no object in the file");
    Ok(())
}

/// Fields of `sent` that are not in `kept` as they were.
fn lost(sent: &Value, kept: &Value, path: &str) -> Vec<String> {
    match (sent, kept) {
        (Value::Object(fields), Value::Object(others)) => fields
            .iter()
            .flat_map(|(name, value)| lost(value, others.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}")))
            .collect(),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => items
            .iter()
            .zip(others)
            .enumerate()
            .flat_map(|(place, (a, b))| lost(a, b, &format!("{path}[{place}]")))
            .collect(),
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![format!("{path}: {a} became {b}")],
    }
}
