//! `xtask test`: every test, in the order that fails soonest, with one count at the end.
//!
//! Pure tests and those on a real API server share one control-plane cluster; those on real pods share one node cluster.
//! Both are stopped at the end, however it ends.
//! A test that was skipped because its cluster is missing fails the run: a green run means that everything ran.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

/// Clusters that the tests share.
const SHARED: [&str; 3] = ["test", "test-node", "e2e-bare"];

/// What to run.
#[derive(clap::Args)]
pub struct Args {
    /// Only the tests that need no real pods.
    #[arg(long)]
    no_node: bool,
    /// Passed to the test binaries, for example a filter.
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Counts of one run, as the test harness prints them.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs the tests.
///
/// # Errors
/// When a test fails, was skipped, or none ran.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let began = Instant::now();
    // Ctrl-C ends cargo and its tests; this process stays to clean up.
    ctrlc::set_handler(|| {}).context("cannot listen for Ctrl-C")?;
    let skipped_log = std::env::temp_dir().join(format!("chatcli-aiops-skipped-{}", std::process::id()));
    let _ = std::fs::remove_file(&skipped_log);
    let mut counts = Counts::default();
    let ran = groups(args, &skipped_log, &mut counts);
    let mut stopped = Ok(());
    for name in SHARED {
        if let Err(error) = cluster::local::down(name) {
            stopped = Err(error.context(format!("cluster {name} could not be stopped")));
        }
    }
    let skipped = std::fs::read_to_string(&skipped_log)
        .map(|s| s.lines().map(str::to_owned).collect::<Vec<_>>())
        .unwrap_or_default();
    let _ = std::fs::remove_file(&skipped_log);
    for line in &skipped {
        println!("skipped: {line}");
    }
    println!("ran in {} s", began.elapsed().as_secs());
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, skipped.len() as u64 + counts.ignored);
    stopped?;
    if !ran? || counts.failed > 0 {
        bail!("a test failed");
    }
    if !skipped.is_empty() || counts.ignored > 0 {
        bail!("a test was skipped: start from `make test` on a machine where `make cluster` works");
    }
    if counts.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs both groups; whether all passed.
fn groups(args: &Args, skipped_log: &Path, counts: &mut Counts) -> anyhow::Result<bool> {
    let plain = ["test", "--workspace", "--exclude", "e2e", "--no-fail-fast"];
    let mut ok = group("pure tests and tests on a real API server", &plain, args, skipped_log, counts)?;
    if !args.no_node {
        // The tests drive the real binary, and build it themselves: it is no dependency of theirs.
        ok &= group("tests on real pods", &["test", "-p", "e2e", "--no-fail-fast"], args, skipped_log, counts)?;
    }
    Ok(ok)
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn group(
    title: &str,
    cargo_args: &[&str],
    args: &Args,
    skipped_log: &Path,
    counts: &mut Counts,
) -> anyhow::Result<bool> {
    println!("== {title}");
    let mut command = Command::new(cargo());
    command.args(cargo_args).env("AIOPS_SKIPPED_LOG", skipped_log).stdout(Stdio::piped());
    if !args.filter.is_empty() {
        command.arg("--").args(&args.filter);
    }
    let mut child = command.spawn().with_context(|| format!("cannot start cargo {}", cargo_args.join(" ")))?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        counts.add(&line);
    }
    Ok(child.wait()?.success())
}

impl Counts {
    /// Adds a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let count = |word: &str| {
            rest.split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed");
        self.ignored += count("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn counts_what_the_harness_prints() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s");
        counts.add("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.10s");
        counts.add("running 3 tests");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (14, 4, 1));
    }
}
