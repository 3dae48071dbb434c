//! `chatcli crds`: prints the definitions, applies them, or lets go of what an uninstall leaves. The work stands in
//! `operator::install`.

use std::io::Write;

use clap::Args as Flags;
use operator::install::{self, Applied};

use crate::process;

/// Prints the CustomResourceDefinitions: chatcli crds | kubectl apply -f -
#[derive(Flags, Debug)]
pub struct Args {
    /// Applies them to the cluster instead, and waits until it serves them; nothing is deleted
    #[arg(long, conflicts_with = "release")]
    apply: bool,
    /// Takes the operator's finalizers from all Instances instead, so that they can be deleted without an operator
    #[arg(long)]
    release: bool,
    /// With --release: waits first until no pod with these labels is left in --namespace
    #[arg(long, value_name = "SELECTOR", requires = "release")]
    after_pods: Option<String>,
    /// Namespace of those pods
    #[arg(long, short, value_name = "NAME", default_value = "chatcli-system")]
    namespace: String,
    #[command(flatten)]
    cluster: process::Cluster,
}

/// Does what the flags say.
///
/// # Errors
/// When a definition cannot be rendered, or the cluster refuses.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if !args.apply && !args.release {
        return print();
    }
    let client = args.cluster.connect("chatcli_crds").await?;
    if args.apply {
        for applied in install::apply(&client).await? {
            match applied {
                Applied::Created(name) => tracing::info!("{name}: created"),
                Applied::Changed(name) => tracing::info!("{name}: brought up to date"),
                Applied::Unchanged(name) => tracing::info!("{name}: unchanged"),
            }
        }
        return Ok(());
    }
    let pods = args.after_pods.as_deref().map(|selector| (args.namespace.as_str(), selector));
    let released = install::release(&client, pods).await?;
    for instance in &released.instances {
        tracing::info!("Instance {instance}: its finalizer is taken away");
    }
    for role in &released.roles {
        tracing::info!("{role}: removed");
    }
    tracing::info!("{} Instances released; they and their pods stay until you delete them", released.instances.len());
    Ok(())
}

fn print() -> anyhow::Result<()> {
    let mut text = String::new();
    for (_, manifest) in api::crds::manifests()? {
        text.push_str("---\n");
        text.push_str(manifest.trim_end());
        text.push('\n');
    }
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has read enough: `chatcli crds | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
