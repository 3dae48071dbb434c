//! `xtask cookbook`: the production cookbook, command by command, on a real cluster; one line per promise.
//!
//! - `manifests`: every manifest of every section, stored as it was written
//! - `shell`: the commands as the text gives them
//! - `install`: section 1
//! - `instance`: section 2
//! - `trouble`: section 12, each row broken on purpose and mended by its own advice

mod install;
mod instance;
mod manifests;
mod shell;
mod trouble;

use anyhow::ensure;
use cluster::Mode;

use shell::Shell;

/// Name of the cluster with real pods.
const CLUSTER: &str = "cookbook-node";

/// Which parts.
#[derive(clap::Args)]
pub struct Args {
    /// Only store the manifests; no pod is run.
    #[arg(long)]
    manifests: bool,
    /// Leave the cluster of the last part running, to look around.
    #[arg(long)]
    keep: bool,
}

/// What was promised, and whether it held.
#[derive(Default)]
pub struct Account {
    held: usize,
    broken: Vec<String>,
}

impl Account {
    /// Prints a promise with its result, and remembers it.
    pub fn promise(&mut self, promise: &str, holds: bool, detail: &str) {
        if holds {
            self.held += 1;
            println!("holds   {promise}");
        } else {
            println!("BROKEN  {promise}: {detail}");
            self.broken.push(promise.to_owned());
        }
    }

    /// The same for something that can fail.
    pub fn promised(&mut self, promise: &str, result: anyhow::Result<()>) {
        match result {
            Ok(()) => self.promise(promise, true, ""),
            Err(error) => self.promise(promise, false, &format!("{error:#}")),
        }
    }
}

/// Keeps every promise, or says which one does not hold.
///
/// # Errors
/// When one does not hold, or the cluster cannot be made.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut account = Account::default();
    println!("# The manifests of all sections");
    manifests::run(&mut account)?;
    if !args.manifests {
        live(&mut account, args.keep)?;
    }
    println!("\n{} promises hold, {} are broken", account.held, account.broken.len());
    ensure!(account.broken.is_empty(), "broken: {}", account.broken.join("; "));
    Ok(())
}

fn live(account: &mut Account, keep: bool) -> anyhow::Result<()> {
    let images = install::Images::build()?;
    let cluster = cluster::up(CLUSTER, Mode::Node)?;
    let done = images.load(&cluster).and_then(|()| sections(account, &Shell::new(&cluster)?));
    if keep {
        println!(
            "\nThe cluster is still there; remove it with: make cluster-down NAME={CLUSTER}\n  export KUBECONFIG={}",
            cluster.kubeconfig.display()
        );
        return done;
    }
    if let Err(error) = &done {
        println!("\n{error:#}\nThe state of the platform at that moment:");
        Shell::new(&cluster)?.show_state();
    }
    cluster::down(CLUSTER)?;
    done
}

fn sections(account: &mut Account, shell: &Shell) -> anyhow::Result<()> {
    println!("\n# 1. Instalar o Operator");
    install::run(account, shell)?;
    println!("\n# 2. Criar Instância ChatCLI");
    instance::run(account, shell)?;
    println!("\n# 12. Troubleshooting comum");
    trouble::run(account, shell)
}
