//! `xtask bench`: a release build measured on a control plane of its own, and its image installed on a node of its own.

use std::path::{Path, PathBuf};
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
    // What is measured is what ships.
    let programs = crate::image::build(&["chatcli", "bench"])?;
    if !args.install {
        figures(&programs, args)?;
    }
    // The node needs root; the other figures do not.
    if !cluster::machine::is_root() {
        println!("image and installation: not measured, real pods need root; remedy: sudo -E make bench");
        return Ok(());
    }
    let image = PathBuf::from("target/chatcli-image.tar");
    let (reference, size) = crate::image::shipped(&programs.join("chatcli"), &image)?;
    row(
        "image, as a node downloads it",
        &format!("{:.1} MB", size as f64 / 1e6),
        "60 MB (aim 30 MB)",
        size < 60_000_000,
    );
    let node = cluster::local::up("bench-node", Mode::Node)?;
    let installed = installed(&node, &image);
    cluster::down("bench-node")?;
    let found = installed.with_context(|| format!("the installation of {reference}"))?;
    for (name, took) in [
        ("helm install → operator Ready, image on the node", found.ready),
        ("Instance created → Available, 2 replicas with TLS", found.available),
    ] {
        row(name, &format!("{:.1} s", took.as_secs_f64()), "30 s", took < Duration::from_secs(30));
    }
    for (name, bytes) in
        [("operator at rest, RSS", found.operator), ("server at rest, RSS of the larger", found.server)]
    {
        row(name, &format!("{:.1} MiB", bytes as f64 / MIB), "120 MiB (aim 60)", (bytes as f64) < 120.0 * MIB);
    }
    Ok(())
}

const MIB: f64 = 1_048_576.0;
/// How long after the Instance is Available its processes count as resting.
const REST: Duration = Duration::from_mins(1);
/// What `make bench` installs.
const INSTANCE: &str = r#"{"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
    "metadata": {"name": "bench", "namespace": "chatcli-system"},
    "spec": {"provider": "BUILTIN", "replicas": 2, "server": {"tls": {"enabled": true}},
        "watcher": {"enabled": true, "targets": [{"deployment": "coredns", "namespace": "kube-system"}]}}}"#;

/// What an installation takes.
struct Installed {
    ready: Duration,
    available: Duration,
    operator: u64,
    server: u64,
}

/// Largest resident set of the processes whose command line begins with these words, in bytes.
fn resident(words: &[&str]) -> anyhow::Result<u64> {
    let mut largest = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut parts = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = parts.next().unwrap_or_default();
        let fits = program.rsplit('/').next() == words.first().copied()
            && words.iter().skip(1).all(|word| parts.next().as_deref() == Some(*word));
        // Only what runs in a container: another chatcli may be running on the machine.
        let contained = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default().contains("kubepods");
        if !fits || !contained {
            continue;
        }
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let kib =
            status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
        largest = largest.max(kib.unwrap_or(0_u64) * 1024);
    }
    ensure!(largest > 0, "no process `{}` runs in a pod", words.join(" "));
    Ok(largest)
}

fn row(name: &str, value: &str, target: &str, reached: bool) {
    println!("{name:<48} {value:>22}  target {target:<18} {}", if reached { "reached" } else { "NOT reached" });
}

/// Installs the chart as the cookbook does, and an Instance: how long both take, and what they are at rest.
fn installed(node: &cluster::Cluster, image: &std::path::Path) -> anyhow::Result<Installed> {
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
    let ready = began.elapsed();

    let file = node.kubeconfig.with_file_name("bench-instance.json");
    std::fs::write(&file, INSTANCE)?;
    let began = Instant::now();
    node.run_kubectl(&["apply", "-f", &file.display().to_string()])?;
    let wait = ["wait", "--for=condition=Available", "instance/bench", "--timeout=120s"];
    node.run_kubectl(&[&["-n", "chatcli-system"], &wait[..]].concat())?;
    let available = began.elapsed();
    std::thread::sleep(REST);
    Ok(Installed {
        ready,
        available,
        operator: resident(&["chatcli", "operator"])?,
        server: resident(&["chatcli", "server"])?,
    })
}

/// The figures of the running program.
fn figures(programs: &Path, args: &Args) -> anyhow::Result<()> {
    let cluster = cluster::local::up("bench", Mode::ControlPlane)?;
    let measured = (|| {
        cluster.run_kubectl(&["apply", "--server-side", "-f", "charts/chatcli-operator/crds"])?;
        let status = Command::new(programs.join("bench"))
            .arg("--chatcli")
            .arg(programs.join("chatcli"))
            .args(["--out", "target/bench.json", "--kubeconfig"])
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
