//! `xtask scenarios`: incidents made on a real cluster, and what the platform says about each, held against what a good
//! diagnosis says. The platform is given no hint. The form of a case is described in `tests/scenarios/README.md`.
//!
//! - `case`: a case as it lies in its folder
//! - `busy`: the healthy neighbour of all cases
//! - `run`: one case from the healthy state to its removal
//! - `score`: what was said against what is expected
//! - `report`: table, totals, JSON
//!
//! How an incident is made, and what is heard of it, is in `crate::incident`.

mod busy;
mod case;
mod report;
mod run;
mod score;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::incident::scene::{folders, id, random_name};
use crate::incident::{Options, Site, crew};
use case::{Case, Run};
use report::Report;
use run::{Ground, Outcome, Verdict};

/// Which cases, and how.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the cases.
    #[arg(long, default_value = "tests/scenarios")]
    dir: PathBuf,
    /// Only cases whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// How many run side by side.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// Leave the cluster running at the end, to look around.
    #[arg(long)]
    keep: bool,
    /// Leave also the namespaces of the cases that are not right.
    #[arg(long)]
    keep_failed: bool,
    /// Say of every case what the platform said, not only where it is not right.
    #[arg(long)]
    explain: bool,
    /// For how many minutes at least the healthy neighbour goes on with its rollouts, Jobs and nodes; 0 is without it.
    #[arg(long, default_value_t = 1)]
    busy: u64,
    /// End well even when a target is missed.
    #[arg(long)]
    report_only: bool,
    /// Name of the cluster: two runs at once need two. Logs, files of the cases and figures are then in target/scenarios-NAME.
    #[arg(long, default_value = "scenarios")]
    cluster: String,
}

impl Args {
    /// Where the logs of the platform and the files of each case lie.
    fn folder(&self) -> PathBuf {
        let own = self.cluster.strip_prefix("scenarios").map(str::to_owned);
        Path::new("target").join(format!("scenarios{}", own.unwrap_or_else(|| format!("-{}", self.cluster))))
    }
}

/// Runs the cases and prints what came of them.
///
/// # Errors
/// When a target is missed, or the cases cannot be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folders: Vec<PathBuf> = folders(&args.dir, &case::FILES)?
        .into_iter()
        .filter(|folder| args.only.is_empty() || args.only.iter().any(|part| id(folder).contains(part)))
        .collect();
    ensure!(!folders.is_empty(), "no case in {} is called like {}", args.dir.display(), args.only.join(" or "));
    let folder = args.folder();
    let options = Options {
        who: "make scenarios",
        cluster: &args.cluster,
        folder: &folder,
        definitions: None,
        watch_config: None,
        keep: args.keep || args.keep_failed,
    };
    let report = crate::incident::on(&options, |site| play(site, args, &folders))?;
    let missed = report.missed();
    ensure!(args.report_only || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn play(site: &Site, args: &Args, folders: &[PathBuf]) -> anyhow::Result<Report> {
    let ground = Ground { site, keep_failed: args.keep_failed };
    let began = Instant::now();
    let neighbour = if args.busy > 0 {
        let name = random_name()?;
        Some((busy::Neighbour::start(&site.cluster, &name, site.plays_nodes()), name))
    } else {
        None
    };
    let (outcomes, mut names, failure) = all(&ground, folders, args.jobs)?;
    let mut busy = None;
    if let Some((neighbour, name)) = neighbour {
        let least = if failure.is_some() { Duration::ZERO } else { Duration::from_mins(args.busy) };
        busy = Some(neighbour.end(&site.cluster, &site.world, least, began, || site.stop.check().is_ok()));
        names.push(name);
    }
    let report = Report::new(outcomes, site.world.said_of_none(&names, began), busy);
    report.print(args.explain);
    println!("\n{} cases in {} min", report.cases(), began.elapsed().as_secs().div_ceil(60));
    let json = site.folder.with_extension("json");
    report.write(&json)?;
    println!("all of it for machines: {}", json.display());
    failure.map_or(Ok(report), |error| Err(error.context("not all cases were run")))
}

/// Runs all cases; returns what came of them, the names of the runs, and what ended it early.
fn all(
    ground: &Ground<'_>,
    folders: &[PathBuf],
    jobs: u8,
) -> anyhow::Result<(Vec<Outcome>, Vec<String>, Option<anyhow::Error>)> {
    let (mut together, mut alone, mut outcomes, mut names) = (VecDeque::new(), VecDeque::new(), Vec::new(), Vec::new());
    for folder in folders {
        let name = random_name()?;
        match Case::read(folder).and_then(|case| Ok((case.under(&name)?, case))) {
            Ok((run, case)) if run.scene.wants_to_be_alone() => alone.push_back((case, run)),
            Ok((run, case)) => together.push_back((case, run)),
            Err(error) => {
                let outcome = Outcome::not_run(&id(folder), Verdict::Invalid(format!("{error:#}")));
                println!("{}: {}", outcome.id, report::line(&outcome));
                outcomes.push(outcome);
            }
        }
        names.push(name);
    }
    let total = folders.len();
    println!("{total} cases, {jobs} side by side\n");
    for (queue, jobs) in [(together, jobs), (alone, 1)] {
        let act = |(case, run): (Case, Run)| ground.run(&case, &run);
        let ran = crew::side_by_side(ground.site, queue, jobs, act, |outcome| {
            outcomes.push(outcome);
            if let Some(outcome) = outcomes.last() {
                println!("[{:>3}/{total}] {}  {}", outcomes.len(), outcome.id, report::line(outcome));
            }
        });
        if let Err(error) = ran {
            return Ok((outcomes, names, Some(error)));
        }
    }
    Ok((outcomes, names, None))
}
