//! `xtask cluster`: start, look at and stop a local Kubernetes.

use std::io::Write;

use cluster::{Mode, local};

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
    },
    /// Stops a cluster and removes what it left on the machine.
    Down {
        /// Name of the cluster; all of them without it.
        #[arg(long)]
        name: Option<String>,
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
        Command::Up { mode, name } => {
            let cluster = cluster::up(&name, mode)?;
            println!("export KUBECONFIG={}", cluster.kubeconfig.display());
        }
        Command::Down { name: Some(name) } => cluster::down(&name)?,
        Command::Down { name: None } => {
            for name in cluster::list()? {
                cluster::down(&name)?;
                println!("stopped {name}");
            }
        }
        Command::Status { name } => local::status(&name)?.iter().for_each(|line| println!("{line}")),
        Command::Logs { name, component } => {
            std::io::stdout().write_all(&std::fs::read(local::log(&name, &component)?)?)?
        }
        Command::List => cluster::list()?.iter().for_each(|name| println!("{name}")),
    }
    Ok(())
}
