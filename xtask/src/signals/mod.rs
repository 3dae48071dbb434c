//! `xtask signals`: every signal that the platform knows, made by its cause on a real cluster: how long it takes until there
//! is an Anomaly, and, once the cause is gone, until it is over. The form of a case is described in `tests/signals/README.md`.
//!
//! - `case`: a case as it lies in its folder
//! - `run`: one case from the healthy state to its removal
//! - `table`: what people and machines read
//!
//! How an incident is made, and what is heard of it, is in `crate::incident`.

mod case;
mod run;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::incident::scene::{folders, id, random_name};
use crate::incident::{Options, Site, crew};
use case::{Case, FILES};
use run::Outcome;
use table::Table;

/// Manifests that the cluster has before everything else, beside the cases: resources of other tools.
const DEFINITIONS: &str = "definitions.yaml";
/// How often a target with metrics is read; the usual interval.
const INTERVAL: &str = "30s";

/// Which signals, and how.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the cases, one per signal.
    #[arg(long, default_value = "tests/signals")]
    dir: PathBuf,
    /// Only signals whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// How many run side by side; most of the time is spent waiting.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// Leave the cluster running at the end, with what the cases made that are not right.
    #[arg(long)]
    keep: bool,
    /// End well even when a signal is missing or late.
    #[arg(long)]
    report_only: bool,
    /// Name of the cluster: two runs at once need two. Logs, files of the cases and figures are then in target/signals-NAME.
    #[arg(long, default_value = "signals")]
    cluster: String,
}

impl Args {
    /// Where the logs of the platform and the files of each case lie.
    fn folder(&self) -> PathBuf {
        let own = self.cluster.strip_prefix("signals").map(str::to_owned);
        Path::new("target").join(format!("signals{}", own.unwrap_or_else(|| format!("-{}", self.cluster))))
    }
}

/// Makes the signals and prints the table.
///
/// # Errors
/// When a signal is missing or late, or the cases cannot be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let known = known()?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part));
    let mut cases = Vec::new();
    for folder in folders(&args.dir, &FILES)?.iter().filter(|folder| wanted(&id(folder))) {
        let name = id(folder);
        ensure!(
            known.contains(&name),
            "{} is no signal of the platform; remedy: {}",
            folder.display(),
            known.join(", ")
        );
        cases.push(Case::read(folder, &random_name()?).with_context(|| format!("the case {name}"))?);
    }
    ensure!(!cases.is_empty(), "no signal in {} is called like {}", args.dir.display(), args.only.join(" or "));
    // Those that take longest first: the others go on beside them.
    cases.sort_by(|a, b| b.longest().total_cmp(&a.longest()));

    let folder = args.folder();
    std::fs::create_dir_all(&folder)?;
    let watched = targets(&cases, &folder)?;
    let definitions = Some(args.dir.join(DEFINITIONS)).filter(|file| file.is_file());
    let options = Options {
        who: "make signals",
        cluster: &args.cluster,
        folder: &folder,
        definitions: definitions.as_deref(),
        watch_config: watched.as_deref(),
        keep: args.keep,
    };
    let table = crate::incident::on(&options, |site| {
        let outcomes = play(site, cases, args)?;
        let table = Table::new(known.into_iter().filter(|name| wanted(name)).collect(), outcomes);
        table.print();
        let json = site.folder.with_extension("json");
        table.write(&json)?;
        println!("\nall of it for machines: {}", json.display());
        Ok(table)
    })?;
    let missed = table.missed();
    ensure!(args.report_only || missed.is_empty(), "not as they should be: {}", missed.join("; "));
    Ok(())
}

fn play(site: &Site, cases: Vec<Case>, args: &Args) -> anyhow::Result<Vec<Outcome>> {
    let total = cases.len();
    println!("{total} signals, {} side by side\n", args.jobs);
    let mut outcomes: Vec<Outcome> = Vec::new();
    crew::side_by_side(
        site,
        cases,
        args.jobs,
        |case| run::run(site, &case, args.keep),
        |outcome| {
            println!("[{:>2}/{total}] {}  {}", outcomes.len() + 1, outcome.signal, outcome.line());
            outcomes.push(outcome);
        },
    )?;
    Ok(outcomes)
}

/// The signals that the platform knows, in the order of its vocabulary.
fn known() -> anyhow::Result<Vec<String>> {
    let crds = serde_json::to_value(api::crds::all())?;
    let of_anomaly = crds
        .as_array()
        .into_iter()
        .flatten()
        .find(|crd| crd.pointer("/spec/names/kind").and_then(Value::as_str) == Some("Anomaly"));
    let names = of_anomaly
        .and_then(|crd| {
            crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/signalType/enum")
        })
        .and_then(Value::as_array);
    let Some(names) = names else { bail!("the definition of Anomaly has no signalType") };
    Ok(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Writes the file that names the workloads of which the platform reads metrics; none where no case has such a workload.
fn targets(cases: &[Case], folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let targets: Vec<Value> = cases.iter().filter_map(Case::target).collect();
    if targets.is_empty() {
        return Ok(None);
    }
    let file = folder.join("targets.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&json!({"interval": INTERVAL, "targets": targets}))?)?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_of_the_platform_has_a_case_that_can_be_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/signals");
        let known = known().unwrap();
        assert_eq!(
            (known.first().map(String::as_str), known.get(23).map(String::as_str)),
            (Some("error_rate"), Some("config_drift"))
        );
        for name in known {
            let case = Case::read(&dir.join(&name), "k3x").unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(case.within > 0.0 && case.over_within > 0.0, "{name}");
        }
    }
}
