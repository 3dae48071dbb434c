//! `xtask cluster`: start, look at and stop a local Kubernetes.

use std::io::Write;

use anyhow::Context;
use cluster::{Mode, Origin, local};

/// Clusters that a person starts; the others belong to a run of tests or of the bench.
const OURS: [&str; 2] = ["dev", "demo"];

/// What to do with it.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Starts a cluster, or finds it running.
    Up {
        /// control-plane (no pods, no root) or node (real pods).
        #[arg(long, default_value = "node", value_parser = mode)]
        mode: Mode,
        /// Name of the cluster.
        #[arg(long, default_value = "dev")]
        name: String,
        /// Simulated nodes for a control plane, by kwok; their pods run at once and do nothing.
        #[arg(long, default_value_t = 0)]
        nodes: u32,
    },
    /// Stops a cluster and removes what it left on the machine.
    Down {
        /// Name of the cluster; without it those of `make cluster` and `make demo`.
        #[arg(long)]
        name: Option<String>,
        /// Every cluster of this user, also those that running tests use.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Its processes and its kubeconfig.
    Status {
        /// Name of the cluster.
        #[arg(long, default_value = "dev")]
        name: String,
    },
    /// The log of a component.
    Logs {
        /// Name of the cluster.
        #[arg(long, default_value = "dev")]
        name: String,
        /// For example kubelet.
        component: String,
    },
    /// The clusters of this user.
    List,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "control-plane" => Ok(Mode::ControlPlane),
        "node" => Ok(Mode::Node),
        other => Err(format!("{other:?} is neither control-plane nor node")),
    }
}

/// Does it.
///
/// # Errors
/// Says what failed and what mends it.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up { mode, name, nodes } => {
            let cluster = cluster::up(&name, mode)?;
            if cluster.origin == Origin::Named {
                let answer = cluster.run_kubectl(&["get", "--raw", "/version"]);
                cluster.forget();
                answer.context("the cluster that KUBECONFIG or CONTEXT names does not answer; remedy: start it, or unset both to have a local cluster")?;
                println!("the cluster that you named answers; nothing was started");
                return Ok(());
            }
            if nodes > 0 {
                local::simulate_nodes(&cluster.name, nodes)?;
            }
            println!("export KUBECONFIG={}", cluster.kubeconfig.display());
        }
        Command::Down { name, all } => down(name, all)?,
        Command::Status { name } => local::status(&name)?.iter().for_each(|line| println!("{line}")),
        Command::Logs { name, component } => {
            std::io::stdout().write_all(&std::fs::read(local::log(&name, &component)?)?)?;
        }
        Command::List => cluster::list()?.iter().for_each(|name| println!("{name}")),
    }
    Ok(())
}

/// Stops one cluster, those that a person started, or all.
fn down(name: Option<String>, all: bool) -> anyhow::Result<()> {
    let there = cluster::list()?;
    let wanted = match name {
        Some(name) => vec![name],
        None if all => there.clone(),
        None => OURS.iter().map(|name| (*name).to_owned()).filter(|name| there.contains(name)).collect(),
    };
    for name in &wanted {
        cluster::down(name)?;
        println!("stopped {name}");
    }
    let left: Vec<&str> = there.iter().filter(|name| !wanted.contains(name)).map(String::as_str).collect();
    if wanted.is_empty() && left.is_empty() {
        println!("no cluster is running");
    }
    if !left.is_empty() {
        println!(
            "still running: {} (a running test may need it; stop it with `make cluster-down NAME=…`)",
            left.join(", ")
        );
    }
    Ok(())
}
