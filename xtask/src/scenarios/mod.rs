//! `xtask scenarios`: incidents made on a real cluster, and what the platform says about each, held against what a good
//! diagnosis says. The platform is given no hint. The form of a case is described in `tests/scenarios/README.md`.
//!
//! - `case`: a case as it lies in its folder
//! - `object`: the name of an object, and whose it is
//! - `health`: when the state before the fault is healthy
//! - `symptom`: when a fault shows
//! - `world`, `watch`: what the cluster says, with its times
//! - `busy`: the healthy neighbour of all cases
//! - `stage`: what is done to the cluster
//! - `nodes`: nodes without machines
//! - `run`: one case from the healthy state to its removal
//! - `score`: what was said against what is expected
//! - `report`: table, totals, JSON

mod busy;
mod case;
mod health;
mod nodes;
mod object;
mod report;
mod run;
mod score;
mod stage;
mod symptom;
mod watch;
mod world;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cluster::images::Image;
use cluster::{Cluster, Mode, Origin};
use serde_json::Value;

use crate::demo::Stop;
use crate::demo::processes::Processes;
use case::{Case, Run};
use report::Report;
use run::{Ground, Outcome, Verdict};

/// Image that all cases may use.
const IMAGE: &str = "busybox:1.36";
/// Namespace of the platform.
const PLATFORM: &str = "chatcli-system";

/// How long a watch may not run: what is heard late would count as slow.
const DEAF: Duration = Duration::from_secs(20);

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
    let folders: Vec<PathBuf> = case::folders(&args.dir)?
        .into_iter()
        .filter(|folder| args.only.is_empty() || args.only.iter().any(|part| case::id(folder).contains(part)))
        .collect();
    ensure!(!folders.is_empty(), "no case in {} is called like {}", args.dir.display(), args.only.join(" or "));
    let folder = args.folder();
    std::fs::create_dir_all(&folder)?;
    let lock = std::fs::File::create(folder.join("lock"))?;
    ensure!(
        lock.try_lock().is_ok(),
        "another run uses the cluster {}, and would lose it at the end of this one; remedy: wait for it, or --cluster with another name",
        args.cluster
    );
    let stop = Stop::on_ctrl_c()?;
    println!("Building chatcli");
    let chatcli = stop.first(build())?;
    println!("Starting a Kubernetes with real pods");
    let cluster = stop.first(cluster::up(&args.cluster, Mode::Node))?;
    crate::demo::refuse_what_is_not_ours(&cluster, &[PLATFORM], "make scenarios").inspect_err(|_| cluster.forget())?;
    let result = on(&cluster, &chatcli, args, &folders, &folder, &stop);
    if args.keep || args.keep_failed {
        println!(
            "\nThe cluster is still there; remove it with: make cluster-down NAME={}\n  export KUBECONFIG={}",
            args.cluster,
            cluster.kubeconfig.display()
        );
    } else {
        crate::demo::clean(&cluster, &args.cluster, &[PLATFORM]).context("cleaning up")?;
    }
    let report = result?;
    let missed = report.missed();
    ensure!(args.report_only || missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// `CHATCLI_BINARY` names one that is built already, for example for release.
fn build() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os("CHATCLI_BINARY") {
        return Ok(PathBuf::from(binary));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "-p", "chatcli"]).status().context("cargo")?;
    ensure!(status.success(), "chatcli does not build");
    Ok(PathBuf::from("target/debug/chatcli"))
}

fn on(
    cluster: &Cluster,
    chatcli: &Path,
    args: &Args,
    folders: &[PathBuf],
    folder: &Path,
    stop: &Stop,
) -> anyhow::Result<Report> {
    stop.first(prepare(cluster, chatcli))?;
    let world = Arc::new(world::World::default());
    let watches = stop.first(watch::Watches::start(cluster, &world))?;
    let nodes = nodes::Nodes::start(cluster, folder);
    if let Err(error) = &nodes {
        println!("note: cases that need simulated nodes are skipped: {error:#}");
    }
    let mut helpers = Helpers { processes: Processes::start(chatcli, cluster, folder)?, nodes: nodes.ok() };
    helpers.processes.wait_ready(stop)?;

    let (types, images) = (stage::Types::of(cluster)?, images(cluster)?);
    let ground = Ground {
        cluster,
        world: &world,
        stop,
        types: &types,
        images: &images,
        nodes: helpers.nodes.is_some(),
        folder,
        keep_failed: args.keep_failed,
    };
    let began = Instant::now();
    let neighbour = if args.busy > 0 {
        let name = run::random_name()?;
        Some((busy::Neighbour::start(cluster, &name, ground.nodes), name))
    } else {
        None
    };
    let (outcomes, mut names, failure) = all(&ground, &mut helpers, folders, args.jobs)?;
    let mut busy = None;
    if let Some((neighbour, name)) = neighbour {
        let least = if failure.is_some() { Duration::ZERO } else { Duration::from_mins(args.busy) };
        busy = Some(neighbour.end(cluster, &world, least, began, || stop.check().is_ok()));
        names.push(name);
    }
    let report = Report::new(outcomes, world.said_of_none(&names, began), busy);
    report.print(args.explain);
    println!("\n{} cases in {} min", report.cases(), began.elapsed().as_secs().div_ceil(60));
    let json = folder.with_extension("json");
    report.write(&json)?;
    println!("all of it for machines: {}", json.display());
    helpers.processes.stop();
    drop(watches);
    failure.map_or(Ok(report), |error| Err(error.context("not all cases were run")))
}

/// Installs the resources of the platform, and removes what an earlier run left.
fn prepare(cluster: &Cluster, chatcli: &Path) -> anyhow::Result<()> {
    if cluster.origin != Origin::Local {
        let archive = cluster.kubeconfig.with_file_name("busybox.tar");
        Image::busybox(IMAGE, &["/bin/sh"])?.write(&archive)?;
        cluster.import_image(&archive)?;
        std::fs::remove_file(&archive)?;
    }
    let crds = Command::new(chatcli).arg("crds").output().context("chatcli crds")?;
    ensure!(crds.status.success(), "chatcli crds failed");
    let file = cluster.kubeconfig.with_file_name("crds.yaml");
    std::fs::write(&file, crds.stdout)?;
    let file = file.display().to_string();
    cluster.run_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])?;
    cluster.run_kubectl(&["wait", "--for=condition=Established", "-f", &file, "--timeout=30s"])?;
    let _ = cluster.run_kubectl(&["create", "namespace", PLATFORM]);
    // Of a cluster that the user named nothing is ours to remove.
    if cluster.origin == Origin::Named {
        return Ok(());
    }
    let types = stage::Types::of(cluster)?.cluster_scoped();
    cluster.run_kubectl(&["delete", &types, "-l", "scenario", "--ignore-not-found", "--timeout=120s"])?;
    Ok(())
}

/// Names of the images on the nodes.
fn images(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let nodes: Value = serde_json::from_str(&cluster.run_kubectl(&["get", "nodes", "-o", "json"])?)?;
    let nodes = nodes.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let images = nodes.iter().filter_map(|node| node.pointer("/status/images")?.as_array()).flatten();
    let names = images.filter_map(|image| image.get("names")?.as_array()).flatten();
    Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// What runs beside the cases.
struct Helpers {
    processes: Processes,
    nodes: Option<nodes::Nodes>,
}

impl Helpers {
    fn check(&mut self) -> anyhow::Result<()> {
        self.processes.check()?;
        self.nodes.as_mut().map_or(Ok(()), nodes::Nodes::check)
    }
}

fn listens(world: &world::World) -> anyhow::Result<()> {
    world.broken(DEAF).map_or(Ok(()), |why| Err(anyhow::anyhow!("a watch does not run: {why}")))
}

type Queue = Mutex<VecDeque<(Case, Run)>>;

/// Runs all cases; returns what came of them, the names of the runs, and what ended it early.
fn all(
    ground: &Ground<'_>,
    helpers: &mut Helpers,
    folders: &[PathBuf],
    jobs: u8,
) -> anyhow::Result<(Vec<Outcome>, Vec<String>, Option<anyhow::Error>)> {
    let (mut together, mut alone, mut outcomes, mut names) = (VecDeque::new(), VecDeque::new(), Vec::new(), Vec::new());
    for folder in folders {
        let name = run::random_name()?;
        match Case::read(folder).and_then(|case| Ok((case.under(&name)?, case))) {
            Ok((run, case)) if run.wants_to_be_alone() => alone.push_back((case, run)),
            Ok((run, case)) => together.push_back((case, run)),
            Err(error) => {
                let outcome = Outcome::not_run(&case::id(folder), Verdict::Invalid(format!("{error:#}")));
                println!("{}: {}", outcome.id, report::line(&outcome));
                outcomes.push(outcome);
            }
        }
        names.push(name);
    }
    let total = folders.len();
    println!("{total} cases, {jobs} side by side\n");
    for (queue, jobs) in [(together, jobs), (alone, 1)] {
        let queue = Mutex::new(queue);
        let ran = side_by_side(ground, helpers, &queue, jobs, |outcome| {
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

/// Runs what is in a queue; whatever ends the platform ends the run.
fn side_by_side(
    ground: &Ground<'_>,
    helpers: &mut Helpers,
    queue: &Queue,
    jobs: u8,
    mut ended: impl FnMut(Outcome),
) -> anyhow::Result<()> {
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.clone();
            scope.spawn(move || work(ground, queue, &sender));
        }
        drop(sender);
        let mut failure = None;
        loop {
            let heard = match results.recv_timeout(Duration::from_millis(500)) {
                Ok(Ok(outcome)) => {
                    ended(outcome);
                    Ok(())
                }
                Ok(Err(error)) => Err(error),
                Err(RecvTimeoutError::Timeout) => {
                    ground.stop.check().and_then(|()| helpers.check()).and_then(|()| listens(ground.world))
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(error) = heard
                && failure.is_none()
            {
                // Ctrl-C also ends the programs that a case runs: then that, and not their end, is the reason.
                let stopped = ground.stop.check().err();
                if stopped.is_none() {
                    helpers.processes.print_logs(&error);
                }
                println!("removing what the cases made");
                ground.stop.press();
                failure = Some(stopped.unwrap_or(error));
            }
        }
        failure.map_or(Ok(()), Err)
    })
}

fn work(ground: &Ground<'_>, queue: &Queue, sender: &Sender<anyhow::Result<Outcome>>) {
    while ground.stop.check().is_ok() {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((case, run)) = next else { return };
        if sender.send(ground.run(&case, &run)).is_err() {
            return;
        }
    }
}
