//! `xtask chart`: what helm says of the chart, and whether its version is the workspace's.

use std::process::Command;

use anyhow::{Context, ensure};

/// The chart.
pub const FOLDER: &str = "charts/chatcli-operator";

/// Lints the chart; builds helm first, if it is not there.
///
/// # Errors
/// With what helm says.
pub fn lint() -> anyhow::Result<()> {
    let workspace = std::fs::read_to_string("Cargo.toml")?;
    let ours = workspace
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .map(|text| text.trim().trim_matches('"').to_owned())
        .context("Cargo.toml has no version")?;
    for (field, found) in [("appVersion", app_version()?), ("version", field("version")?)] {
        ensure!(
            found == ours,
            "Chart.yaml: {field} is {found}, the workspace's version is {ours}; remedy: make them one"
        );
    }
    let output = Command::new(cluster::tools::helm()?)
        .args(["lint", "--strict", FOLDER])
        .output()
        .context("cannot start helm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "helm lint: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Version of the program in the chart.
///
/// # Errors
/// When Chart.yaml says none.
pub fn app_version() -> anyhow::Result<String> {
    field("appVersion")
}

fn field(name: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(format!("{FOLDER}/Chart.yaml"))?
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        .map(|text| text.trim().trim_matches('"').to_owned())
        .with_context(|| format!("Chart.yaml has no {name}"))
}
