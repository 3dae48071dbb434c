//! Composition root: which command, how it logs, how it ends.

mod operator;
mod process;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use kit::telemetry::{self, Format};

/// AIOps for Kubernetes: sees faults, explains them, mends them under policy, verifies, and writes it up.
#[derive(Parser, Debug)]
#[command(name = "chatcli", version)]
struct Cli {
    /// What is logged, in the form of RUST_LOG
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
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
    /// Runs the controllers: from alerts to Issues, plans, their execution and the report
    Operator(operator::Args),
    /// Prints the CustomResourceDefinitions: chatcli crds | kubectl apply -f -
    Crds,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = match cli.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    if let Err(error) = telemetry::init(format, &cli.log) {
        eprintln!("error: --log {}: {error}; remedy: for example info,kube=warn", cli.log);
        return ExitCode::from(2);
    }
    let ended = match cli.command {
        Command::Operator(args) => operator::run(args).await,
        Command::Crds => crds(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn crds() -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for (_, text) in api::crds::manifests()? {
        writeln!(out, "---\n{}", text.trim_end())?;
    }
    Ok(())
}
