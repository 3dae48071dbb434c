//! Composition root: which command, how it logs, how it ends.

mod bundle;
mod crds;
mod doctor;
mod operator;
mod process;
mod replay;
mod server;
mod verify;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use kit::telemetry::{self, Format};

/// What is logged unless somebody says otherwise. The client library repeats every failed watch with each attempt; the
/// caches say it once, with the remedy.
const LOG: &str = "info,kube_client=off,kube_runtime=off";

/// The same in detail, for our own crates: those below would tell what they send.
const DEBUG: &str =
    "info,chatcli=debug,detector=debug,domain=debug,grpc=debug,kit=debug,ports=debug,kube_client=off,kube_runtime=off";

/// AIOps for Kubernetes: sees faults, explains them, mends them under policy, verifies, and writes it up.
#[derive(Parser, Debug)]
#[command(name = "chatcli", version)]
struct Cli {
    /// What is logged, in the form of RUST_LOG
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", default_value = LOG)]
    log: String,
    /// Form of the log lines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One readable line
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Watches the cluster, raises alerts, finds causes, and tells them by gRPC
    Server(Box<server::Args>),
    /// Runs the controllers: from alerts to Issues, plans, their execution and the report
    Operator(Box<operator::Args>),
    /// Checks an installation against what production needs, with the fix for each finding
    Doctor(doctor::Args),
    // These three are told at length where their flags are.
    Verify(verify::Args),
    Bundle(bundle::Args),
    Replay(replay::Args),
    /// Prints the CustomResourceDefinitions, or applies them: chatcli crds | kubectl apply -f -
    Crds(crds::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = match cli.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let log = match &cli.command {
        Command::Server(args) if args.debug() && cli.log == LOG => DEBUG,
        _ => &cli.log,
    };
    if let Err(error) = telemetry::init(format, log) {
        eprintln!("error: --log {}: {error}; remedy: for example info,kube=warn", cli.log);
        return ExitCode::from(2);
    }
    let plain = |ended: anyhow::Result<()>| ended.map(|()| ExitCode::SUCCESS);
    let ended = match cli.command {
        Command::Server(args) => plain(Box::pin(server::run(*args)).await),
        Command::Operator(args) => plain(Box::pin(operator::run(*args)).await),
        Command::Doctor(args) => plain(Box::pin(doctor::run(args)).await),
        Command::Verify(args) => Box::pin(verify::run(args)).await,
        Command::Bundle(args) => Box::pin(bundle::run(args)).await,
        Command::Replay(args) => Box::pin(replay::run(args)).await,
        Command::Crds(args) => plain(Box::pin(crds::run(args)).await),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
