//! `xtask bench`: a release build measured on a control plane of its own, and its image installed on a node of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cluster::Mode;

/// Passed on to the measuring program.
#[derive(clap::Args)]
pub struct Args {
    /// Only the image and its installation.
    #[arg(long)]
    install: bool,
    /// For example `--incidents 20`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds, measures, removes the cluster.
///
/// # Errors
/// When something does not build, or a figure cannot be measured.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if !args.install {
        figures(args)?;
    }
    // The node needs root; the other figures do not.
    if !cluster::machine::is_root() {
        println!("image and installation: not measured, real pods need root; remedy: sudo -E make bench");
        return Ok(());
    }
    let image = PathBuf::from("target/chatcli-image.tar");
    let (reference, size) = crate::image::shipped(&image)?;
    row(
        "image, as a node downloads it",
        &format!("{:.1} MB", size as f64 / 1e6),
        "60 MB (aim 30 MB)",
        size < 60_000_000,
    );
    let node = cluster::local::up("bench-node", Mode::Node)?;
    let installed = installed(&node, &image);
    cluster::down("bench-node")?;
    let took = installed.with_context(|| format!("the installation of {reference}"))?;
    row(
        "helm install → operator Ready, image on the node",
        &format!("{:.1} s", took.as_secs_f64()),
        "30 s",
        took < Duration::from_secs(30),
    );
    Ok(())
}

fn row(name: &str, value: &str, target: &str, reached: bool) {
    println!("{name:<48} {value:>22}  target {target:<18} {}", if reached { "reached" } else { "NOT reached" });
}

/// Installs the chart as the cookbook does; how long until the operator is ready.
fn installed(node: &cluster::Cluster, image: &std::path::Path) -> anyhow::Result<Duration> {
    node.import_image(image)?;
    let began = Instant::now();
    let status = Command::new(cluster::tools::helm()?)
        .args([
            "install",
            "chatcli-operator",
            crate::chart::FOLDER,
            "--namespace",
            "chatcli-system",
            "--create-namespace",
        ])
        .env("KUBECONFIG", &node.kubeconfig)
        .stdout(std::process::Stdio::null())
        .status()
        .context("cannot start helm")?;
    ensure!(status.success(), "helm install failed");
    node.run_kubectl(&["-n", "chatcli-system", "rollout", "status", "deployment/chatcli-operator", "--timeout=120s"])?;
    Ok(began.elapsed())
}

/// The figures of the running program.
fn figures(args: &Args) -> anyhow::Result<()> {
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
