//! Load generators and stop-watches of `make bench`: they measure the real binary against a real API server and print
//! each figure beside its target.
//!
//! Pods are bound to nodes that only exist as objects; a small kubelet stand-in (`world`) writes their status, so that the
//! instant at which a condition changes is known exactly and thousands of pods fit on a small machine.

mod churn;
mod figures;
mod processes;
mod report;
mod world;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Measures the platform and prints the figures beside their targets.
#[derive(Parser)]
struct Args {
    /// Kubeconfig of a cluster that is ours alone, with the resources installed.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The `chatcli` binary to measure, a release build.
    #[arg(long)]
    chatcli: PathBuf,
    /// Where to write the figures as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Incidents whose delay is measured.
    #[arg(long, default_value_t = 240)]
    incidents: usize,
    /// Anomalies of the storm.
    #[arg(long, default_value_t = 10_000)]
    anomalies: usize,
    /// Workloads, watched and stormed.
    #[arg(long, default_value_t = 500)]
    workloads: usize,
    /// Pods of each workload.
    #[arg(long, default_value_t = 10)]
    pods: usize,
    /// Changes per minute while incidents are measured.
    #[arg(long, default_value_t = 10_000)]
    changes: u64,
    /// Seconds over which idle requests are counted; longer than one watch lasts (290 s), or the count leaves it out.
    #[arg(long, default_value_t = 600)]
    idle_seconds: u64,
    /// Only these stages.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Stage::Delays, Stage::Storm, Stage::Scale, Stage::Churn])]
    only: Vec<Stage>,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// Condition change → Issue → plan.
    Delays,
    /// Many Anomalies at once.
    Storm,
    /// Many workloads and pods.
    Scale,
    /// As many, while everything changes.
    Churn,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    rustls::crypto::ring::default_provider().install_default().ok();
    let file = Kubeconfig::read_from(&args.kubeconfig)
        .with_context(|| format!("cannot read {}", args.kubeconfig.display()))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let client = kube::Client::try_from(config)?;
    let mut report = report::Report::new();
    if args.only.contains(&Stage::Delays) {
        figures::delays(&client, &args, &mut report).await.context("delays")?;
    }
    if args.only.contains(&Stage::Storm) {
        figures::storm(&client, &args, &mut report).await.context("storm")?;
    }
    if args.only.contains(&Stage::Scale) {
        figures::scale(&client, &args, &mut report).await.context("scale")?;
    }
    if args.only.contains(&Stage::Churn) {
        churn::measure(&client, &args, &mut report).await.context("churn")?;
    }
    report.print();
    if let Some(out) = &args.out {
        std::fs::write(out, report.json()?).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(())
}
