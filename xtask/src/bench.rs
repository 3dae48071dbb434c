//! `xtask bench`: a release build measured on a control plane of its own.

use std::process::Command;

use anyhow::{Context, ensure};
use cluster::Mode;

/// Passed on to the measuring program.
#[derive(clap::Args)]
pub struct Args {
    /// For example `--incidents 20`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds, measures, removes the cluster.
///
/// # Errors
/// When something does not build, or a figure cannot be measured.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(&cargo).args(["build", "--release", "-p", "chatcli", "-p", "bench"]).status().context("cargo")?;
    ensure!(status.success(), "the release build failed");
    let cluster = cluster::local::up("bench", Mode::ControlPlane)?;
    let measured = (|| {
        cluster.run_kubectl(&["apply", "--server-side", "-f", "charts/chatcli-operator/crds"])?;
        let status = Command::new("target/release/bench")
            .args(["--chatcli", "target/release/chatcli", "--out", "target/bench.json", "--kubeconfig"])
            .arg(&cluster.kubeconfig)
            .args(&args.rest)
            .status()
            .context("bench")?;
        ensure!(status.success(), "the measurement failed");
        anyhow::Ok(())
    })();
    cluster::down("bench")?;
    measured
}
