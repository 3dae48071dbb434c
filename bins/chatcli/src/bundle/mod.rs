//! `chatcli bundle`: takes an incident out of a cluster, into a file. What may be in it and in which form stands in
//! `domain::bundle`.

mod logs;
mod read;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args as Flags;
use domain::bundle::{Bundle, LARGEST};
use domain::llm::Scrubber;
use kit::clock::{Clock, SystemClock};

use crate::process;

/// How long all of the reading may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// Takes an incident into a file, without secrets, that `chatcli replay` can play
///
/// The file has the objects of the Issue's namespaces and those of the cluster that the detector looks at, their Events, the
/// last lines of the affected containers and of their runs before, the Issue with its Anomalies and its AIInsight, and of
/// other namespaces what this one can refer to or shares its nodes with. It shows the cluster at the moment of the export;
/// what was seen before stands in the Issue and in the proof of its cause. Measurements are not in it.
///
/// Secrets and personal data are taken out of every text; of a Secret stay its type, the names of its keys and the dates of
/// its certificate. Read the file before you give it away all the same: names of objects, hosts and images are in it.
#[derive(Flags, Debug)]
pub struct Args {
    /// Name of the Issue
    #[arg(value_name = "ISSUE")]
    issue: String,
    /// Namespace of the Issue
    #[arg(long, short, value_name = "NAME")]
    namespace: String,
    /// File to write, readable by you alone; - for standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    cluster: process::Cluster,
    /// Largest size of the file in MiB; what finds no room is left out and said
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=64))]
    limit: u64,
    /// Lines of each container's log that are taken
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=5000))]
    log_lines: u32,
    /// Regular expressions whose matches are taken out of every text as well, one a line
    #[arg(
        long,
        env = "CHATCLI_LOG_SCRUB_PATTERNS",
        value_name = "PATTERNS",
        default_value = "",
        hide_default_value = true
    )]
    scrub_patterns: String,
}

/// Reads, scrubs, writes.
///
/// # Errors
/// When the cluster or the Issue cannot be read, or the file cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.cluster.connect("chatcli_bundle").await?;
    let scrubber = Scrubber::new(&args.scrub_patterns).map_err(|problem| anyhow!("{problem}"))?;
    let limit = usize::try_from(args.limit << 20).unwrap_or(LARGEST).min(LARGEST);
    let wanted = read::Wanted {
        namespace: args.namespace.clone(),
        issue: args.issue.clone(),
        log_lines: args.log_lines,
        limit,
        at: SystemClock.now(),
    };
    let reading = tokio::time::timeout(DEADLINE, read::bundle(&client, &scrubber, &wanted)).await;
    let bundle = reading.with_context(|| {
        format!("the cluster was not read within {} s; remedy: check --kubeconfig and --context", DEADLINE.as_secs())
    })??;
    let text = bundle.write()?;
    // What cannot be read back is worth nothing: better said now.
    Bundle::read(text.as_bytes()).context("the bundle could not be played; remedy: report this")?;
    if args.output == Path::new("-") {
        process::print(&text)?;
    } else {
        write(&args.output, &text).with_context(|| {
            format!("--output {}: it cannot be written; remedy: check the path", args.output.display())
        })?;
    }
    for (kind, why) in &bundle.missing {
        eprintln!("not in it: {kind}: {why}");
    }
    for what in &bundle.left_out {
        eprintln!("left out: {what}");
    }
    eprintln!(
        "{} objects and {} log tails of Issue {}/{} at {}, {} KiB; play it with: chatcli replay {}",
        bundle.objects.len(),
        bundle.logs.len(),
        bundle.issue.namespace,
        bundle.issue.name,
        bundle.at,
        text.len() / 1024,
        args.output.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
