//! Project tasks behind the Makefile, one module each.

// Development tooling: it runs where the wall clock and the environment are its input.
#![allow(clippy::disallowed_methods)]

mod bench;
mod chart;
mod check;
mod cluster_cmd;
mod cookbook;
mod crds;
mod demo;
mod image;
mod incident;
mod rbac;
mod scenarios;
mod signals;
mod test;

use clap::{Parser, Subcommand};

/// Project tasks.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A local Kubernetes: up, down, status, logs, list.
    #[command(subcommand)]
    Cluster(cluster_cmd::Command),
    /// Every test.
    Test(test::Args),
    /// Formatting, lints, architecture, generated files, licences.
    Check,
    /// Writes the chart's CRDs from the Rust types.
    Crds(crds::Args),
    /// Writes the chart's roles from the rights that each part needs.
    Rbac(rbac::Args),
    /// The OCI image of the binary, without a Docker daemon.
    Image(image::Args),
    /// Checks the chart with helm.
    Chart,
    /// A fault on a real cluster, healed as you watch.
    Demo(demo::Args),
    /// The figures beside their targets.
    Bench(bench::Args),
    /// The production cookbook, command by command, on a real cluster.
    Cookbook(cookbook::Args),
    /// Incidents on a real cluster, and what the platform says about each.
    Scenarios(scenarios::Args),
    /// Every signal that the platform knows, from its cause to its Anomaly and to its end.
    Signals(signals::Args),
}

fn main() -> std::process::ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Cluster(command) => cluster_cmd::run(command),
        Task::Test(args) => test::run(&args),
        Task::Check => check::run(),
        Task::Crds(args) => crds::run(&args),
        Task::Rbac(args) => rbac::run(&args),
        Task::Image(args) => image::run(&args),
        Task::Chart => chart::lint(),
        Task::Demo(args) => demo::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Cookbook(args) => cookbook::run(&args),
        Task::Scenarios(args) => scenarios::run(&args),
        Task::Signals(args) => signals::run(&args),
    }
}
