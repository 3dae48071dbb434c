//! `chatcli replay`: lets the real detector look at a bundle, offline, and compares what it says with what was said at the
//! time.

pub mod play;
mod tell;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args as Flags;
use domain::bundle::{Bundle, LARGEST};

use crate::process;

/// What the process ends with when the cause is not the same.
pub const OTHER: u8 = 3;

/// Plays a file of `chatcli bundle` offline through the same engine and compares the cause
///
/// It prints which alerts it raises and the cause that it finds with its proof, and compares that with the cause that the
/// Issue had when the bundle was made. No cluster is needed, nothing is changed and no language model is asked. The clock
/// begins at the moment of the bundle and goes on as fast as the machine allows.
///
/// Ends with 0 when the object and the field of the cause are the same and the fault was noticed, with 3 when they are not
/// or there is no cause to compare with, and with 1 when the file is no bundle that can be played.
#[derive(Flags, Debug)]
pub struct Args {
    /// The bundle; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Seconds, by the clock of the bundle, after which an alert that was not raised is not waited for any longer
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    seconds: u64,
    /// Prints JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Reads, plays, prints.
///
/// # Errors
/// When the file is no bundle that can be played.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let bundle = read(&args.file)?;
    let played = play::play(bundle, Duration::from_secs(args.seconds)).await?;
    process::print(&if args.json { played.json()? } else { played.text() })?;
    Ok(if played.as_before() { ExitCode::SUCCESS } else { ExitCode::from(OTHER) })
}

/// Reads a bundle, and of a file that is none no more than it must.
fn read(path: &Path) -> anyhow::Result<Bundle> {
    let named = || format!("{}: it cannot be read; remedy: check the path", path.display());
    let source: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(named)?)
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    source.take(most).read_to_end(&mut bytes).with_context(named)?;
    Bundle::read(&bytes).with_context(|| format!("{} is no bundle that can be played", path.display()))
}

#[cfg(test)]
pub mod tests;
