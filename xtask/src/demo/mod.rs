//! `xtask demo`: a real fault on a real cluster, and what the platform makes of it, as it happens.

mod fault;
mod page;
pub mod processes;
mod story;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use cluster::{Cluster, Mode, Origin, images::Image};

pub use fault::Fault;
use processes::Processes;

/// Name of the demo's cluster.
const CLUSTER: &str = "demo";
/// Image of the shop's services; the tag stands in demo/manifests/shop.yaml.
pub const IMAGE: &str = "chatcli/demo-service:1.0.0";

/// Namespaces that the demo makes.
const NAMESPACES: [&str; 2] = ["production", "chatcli-system"];

/// How the demo goes.
#[derive(clap::Args)]
pub struct Args {
    /// What breaks.
    #[arg(long, value_enum, default_value_t = Fault::BadImage)]
    fault: Fault,
    /// Leave the cluster and the shop running at the end, to look around.
    #[arg(long)]
    keep: bool,
}

/// Asked to stop by Ctrl-C.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for Ctrl-C.
    ///
    /// # Errors
    /// When somebody else does.
    pub fn on_ctrl_c() -> anyhow::Result<Self> {
        let stop = Self::default();
        let pressed = stop.clone();
        ctrlc::set_handler(move || pressed.press()).context("cannot listen for Ctrl-C")?;
        Ok(stop)
    }

    /// Asks for the end.
    pub fn press(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Ends the demo in an orderly way when Ctrl-C was pressed.
    ///
    /// # Errors
    /// When it was.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.0.load(Ordering::SeqCst), "stopped by Ctrl-C");
        Ok(())
    }

    /// What came of a step. Ctrl-C also ends the programs that a step runs: then that, and not their end, is the reason.
    ///
    /// # Errors
    /// As the step, or because of Ctrl-C.
    pub fn first<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        if result.is_err() {
            self.check()?;
        }
        result
    }
}

/// Runs the demo and removes what it made.
///
/// # Errors
/// When a step fails; the logs of the processes are named then.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let stop = Stop::on_ctrl_c()?;
    println!("Building chatcli and the demo services");
    let chatcli = stop.first(build())?;
    println!("Starting a Kubernetes with real pods");
    let cluster = stop.first(cluster::up(CLUSTER, Mode::Node))?;
    refuse_what_is_not_ours(&cluster, &NAMESPACES, "the demo").inspect_err(|_| cluster.forget())?;
    let result = stop.first(on(&cluster, &chatcli, args, &stop));
    if args.keep && result.is_ok() {
        return kept(&cluster);
    }
    println!("\nRemoving what the demo made");
    clean(&cluster, CLUSTER, &NAMESPACES).context("cleaning up")?;
    result
}

fn kept(cluster: &Cluster) -> anyhow::Result<()> {
    println!(
        "\nThe cluster is still there; remove it with: make cluster-down\n\n  export KUBECONFIG={}",
        cluster.kubeconfig.display()
    );
    if !cluster::machine::has("kubectl") {
        let kubectl = cluster::tools::kubectl()?;
        println!("  export PATH=$PATH:{}", kubectl.parent().unwrap_or(&kubectl).display());
    }
    Ok(())
}

/// In a cluster that the user named, everything that `who` would make and remove must be its own.
///
/// # Errors
/// When something is there already.
pub fn refuse_what_is_not_ours(cluster: &Cluster, namespaces: &[&str], who: &str) -> anyhow::Result<()> {
    if cluster.origin != Origin::Named {
        return Ok(());
    }
    for namespace in namespaces {
        ensure!(
            cluster
                .run_kubectl(&["get", "namespace", namespace, "--ignore-not-found", "-o", "name"])?
                .trim()
                .is_empty(),
            "the cluster that you named has a namespace {namespace} already, and {who} would remove it at its end; remedy: name another cluster, or none to have one of its own"
        );
    }
    let crds = cluster.run_kubectl(&["get", "crd", "-o", "name"])?;
    ensure!(
        !crds.contains(".platform.chatcli.io"),
        "the cluster that you named has resources of the platform already, and {who} would remove them at its end; remedy: name another cluster, or none to have one of its own"
    );
    Ok(())
}

/// Removes the cluster; of one that the user named, only what was brought.
///
/// # Errors
/// When something stays.
pub fn clean(cluster: &Cluster, name: &str, namespaces: &[&str]) -> anyhow::Result<()> {
    if cluster.origin == Origin::Named {
        let namespaces = [&["delete", "namespace", "--ignore-not-found"][..], namespaces].concat();
        cluster.run_kubectl(&namespaces)?;
        let crds = cluster.run_kubectl(&["get", "crd", "-o", "name"])?;
        for crd in crds.lines().filter(|name| name.ends_with(".platform.chatcli.io")) {
            cluster.run_kubectl(&["delete", crd, "--ignore-not-found"])?;
        }
        cluster.forget();
        return Ok(());
    }
    cluster::down(name)
}

fn on(cluster: &Cluster, chatcli: &std::path::Path, args: &Args, stop: &Stop) -> anyhow::Result<()> {
    let archive = std::env::temp_dir().join(format!("chatcli-demo-{}.tar", std::process::id()));
    Image::of_binary(IMAGE, &service_binary(), "65532:65532").write(&archive)?;
    let imported = cluster.import_image(&archive);
    std::fs::remove_file(&archive)?;
    imported?;
    stop.check()?;

    println!("Installing the resources, the shop and its approval policy");
    let crds = Command::new(chatcli).arg("crds").output().context("chatcli crds")?;
    let file = cluster.kubeconfig.with_file_name("crds.yaml");
    std::fs::write(&file, crds.stdout)?;
    let file = file.display().to_string();
    cluster.run_kubectl(&["apply", "--server-side", "-f", &file])?;
    cluster.run_kubectl(&["wait", "--for=condition=Established", "-f", &file, "--timeout=30s"])?;
    let _ = cluster.run_kubectl(&["create", "namespace", "chatcli-system"]);
    cluster.run_kubectl(&["apply", "-f", "demo/manifests/shop.yaml", "-f", "demo/manifests/policy.yaml"])?;
    stop.check()?;
    for service in ["payment-service", "user-service", "api-gateway"] {
        cluster.run_kubectl(&[
            "-n",
            "production",
            "rollout",
            "status",
            &format!("deployment/{service}"),
            "--timeout=60s",
        ])?;
        stop.check()?;
    }
    println!("api-gateway, payment-service and user-service are up in namespace production, two pods each\n");

    let mut processes = Processes::start(chatcli, cluster, Path::new("target/demo"), None)?;
    let told = tell(cluster, args, stop, &mut processes);
    if let Err(error) = &told
        && stop.check().is_ok()
    {
        processes.print_logs(error);
    }
    processes.stop();
    told
}

fn tell(cluster: &Cluster, args: &Args, stop: &Stop, processes: &mut Processes) -> anyhow::Result<()> {
    processes.wait_ready(stop)?;
    let mut story = story::Story::new(cluster, args.fault)?;
    println!("$ {}", args.fault.command_line());
    let began = Instant::now();
    args.fault.inject(cluster)?;
    story.tell(began, stop, processes)?;
    story.post_mortem()?;
    if args.keep {
        println!("\nLook further:");
    } else {
        println!(
            "\nLook further, after a demo that keeps its cluster (make demo FAULT={} DEMO_ARGS=--keep):",
            args.fault.name()
        );
    }
    for line in story.further() {
        println!("  {line}");
    }
    Ok(())
}

/// Where the build puts the service.
pub fn service_binary() -> PathBuf {
    PathBuf::from(format!("target/{}/release/demo-service", target()))
}

fn target() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

/// Builds the product and the services; the services are static, for an image that holds nothing else.
///
/// # Errors
/// When one does not build.
pub fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo).args(["build", "-p", "chatcli"]).status().context("cargo")?;
    ensure!(status.success(), "chatcli does not build");
    let status = Command::new(&cargo)
        .args(["build", "--release", "-p", "demo-services", "--target", target()])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()
        .context("cargo")?;
    ensure!(status.success(), "the demo services do not build");
    Ok(PathBuf::from("target/debug/chatcli"))
}
