//! The cluster on which incidents are made, with the platform that looks at it, the watches and the players of nodes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cluster::images::Image;
use cluster::{Cluster, Mode, Origin};
use serde_json::Value;

use super::health;
use super::nodes::Nodes;
use super::object::Object;
use super::pattern::Pattern;
use super::scene::Scene;
use super::stage::Types;
use super::watch::{Watches, is_watched};
use super::world::World;
use crate::demo::Stop;
use crate::demo::processes::Processes;

/// Image that all cases may use.
const IMAGE: &str = "busybox:1.36";
/// Namespace of the platform.
const PLATFORM: &str = "chatcli-system";
/// How long a watch may not run: what is heard late would count as slow.
const DEAF: Duration = Duration::from_secs(20);
/// How long the healthy state may take to come.
const HEALTHY: Duration = Duration::from_secs(150);
/// Between two looks at it; three in a row must be good.
const LOOK: Duration = Duration::from_millis(700);
/// Quiet before the fault, so that late news of the start is not taken for news of the fault.
const QUIET: Duration = Duration::from_secs(5);

/// How incidents are made.
pub struct Options<'a> {
    /// Who asks, as people call it.
    pub who: &'a str,
    /// Name of the cluster.
    pub cluster: &'a str,
    /// Where the logs of the platform and the files of each case lie.
    pub folder: &'a Path,
    /// Definitions of resources that the cases need.
    pub definitions: Option<&'a Path>,
    /// A file with workloads that a second server of the platform watches by name.
    pub watch_config: Option<&'a Path>,
    /// Whether the cluster stays at the end.
    pub keep: bool,
}

/// A cluster with everything that looks at it.
pub struct Site {
    /// The cluster.
    pub cluster: Cluster,
    /// What is known of it.
    pub world: Arc<World>,
    /// Whether to end.
    pub stop: Stop,
    /// What the API server knows.
    pub types: Types,
    /// Where the files of the runs lie.
    pub folder: PathBuf,
    /// Names of the images on the nodes.
    images: Vec<String>,
    /// Definitions that were made for the cases.
    definitions: Option<PathBuf>,
    processes: Mutex<Processes>,
    nodes: Option<Mutex<Nodes>>,
    watches: Mutex<Option<Watches>>,
}

/// Brings everything up, does something with it, and removes everything.
///
/// # Errors
/// As `act`, or when something does not come up.
pub fn on<T>(options: &Options<'_>, act: impl FnOnce(&Site) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let Options { who, cluster: name, folder, .. } = options;
    std::fs::create_dir_all(folder)?;
    let lock = std::fs::File::create(folder.join("lock"))?;
    ensure!(
        lock.try_lock().is_ok(),
        "another run uses the cluster {name}, and would lose it at the end of this one; remedy: wait for it, or --cluster with another name"
    );
    let stop = Stop::on_ctrl_c()?;
    println!("Building chatcli");
    let chatcli = stop.first(build())?;
    println!("Starting a Kubernetes with real pods");
    let cluster = stop.first(cluster::up(name, Mode::Node))?;
    crate::demo::refuse_what_is_not_ours(&cluster, &[PLATFORM], who).inspect_err(|_| cluster.forget())?;
    let result = Site::open(&cluster, &chatcli, options, &stop).and_then(|site| {
        let result = act(&site);
        site.close();
        result
    });
    if options.keep {
        println!(
            "\nThe cluster is still there; remove it with: make cluster-down NAME={name}\n  export KUBECONFIG={}",
            cluster.kubeconfig.display()
        );
    } else {
        crate::demo::clean(&cluster, name, &[PLATFORM]).context("cleaning up")?;
    }
    result
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
    let types = Types::of(cluster)?.cluster_scoped();
    cluster.run_kubectl(&["delete", &types, "-l", "scenario", "--ignore-not-found", "--timeout=120s"])?;
    Ok(())
}

/// Makes the resources of other tools. What a cluster that the user named has of them already is not ours to change.
fn define(cluster: &Cluster, definitions: &Path) -> anyhow::Result<()> {
    let file = definitions.display().to_string();
    let verb = if cluster.origin == Origin::Named { "create" } else { "apply" };
    cluster.run_kubectl(&[verb, "-f", &file])?;
    cluster.run_kubectl(&["wait", "--for=condition=Established", "-f", &file, "--timeout=30s"]).map(drop)
}

/// Names of the images on the nodes.
fn images(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let nodes: Value = serde_json::from_str(&cluster.run_kubectl(&["get", "nodes", "-o", "json"])?)?;
    let nodes = nodes.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let images = nodes.iter().filter_map(|node| node.pointer("/status/images")?.as_array()).flatten();
    let names = images.filter_map(|image| image.get("names")?.as_array()).flatten();
    Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
}

fn held<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    fn open(cluster: &Cluster, chatcli: &Path, options: &Options<'_>, stop: &Stop) -> anyhow::Result<Self> {
        let folder = options.folder;
        stop.first(prepare(cluster, chatcli))?;
        let world = Arc::new(World::default());
        let watches = stop.first(Watches::start(cluster, &world))?;
        let nodes = Nodes::start(cluster, folder);
        if let Err(error) = &nodes {
            println!("note: cases that need simulated nodes are skipped: {error:#}");
        }
        let mut processes = Processes::start(chatcli, cluster, folder, options.watch_config)?;
        processes.wait_ready(stop)?;
        if let Some(definitions) = options.definitions {
            stop.first(define(cluster, definitions))?;
        }
        Ok(Self {
            types: Types::of(cluster)?,
            images: images(cluster)?,
            cluster: cluster.clone(),
            world,
            stop: stop.clone(),
            folder: folder.to_owned(),
            definitions: options.definitions.map(Path::to_owned),
            processes: Mutex::new(processes),
            nodes: nodes.ok().map(Mutex::new),
            watches: Mutex::new(Some(watches)),
        })
    }

    fn close(&self) {
        held(&self.processes).stop();
        held(&self.watches).take();
        // Another cluster goes as a whole.
        if let Some(definitions) = self.definitions.as_ref().filter(|_| self.cluster.origin == Origin::Named) {
            let file = definitions.display().to_string();
            if let Err(error) = self.cluster.run_kubectl(&["delete", "-f", &file, "--ignore-not-found"]) {
                println!("note: {file} is not removed: {error:#}");
            }
        }
    }

    /// Whether there is what a case needs: `node`, `image:NAME`.
    pub fn has(&self, need: &str) -> bool {
        match need.strip_prefix("image:") {
            Some(image) => self.images.iter().any(|there| there == image || there.ends_with(&format!("/{image}"))),
            None => need == "node" && self.plays_nodes(),
        }
    }

    /// Whether simulated nodes are played.
    pub fn plays_nodes(&self) -> bool {
        self.nodes.is_some()
    }

    /// Fails when the run is to end, or when something that must run does not.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&self) -> anyhow::Result<()> {
        self.stop.check()?;
        held(&self.processes).check()?;
        self.nodes.as_ref().map_or(Ok(()), |nodes| held(nodes).check())?;
        self.world.broken(DEAF).map_or(Ok(()), |why| Err(anyhow::anyhow!("a watch does not run: {why}")))
    }

    /// Says where the logs of the platform are, and how they end.
    pub fn print_logs(&self, error: &anyhow::Error) {
        held(&self.processes).print_logs(error);
    }

    /// Waits for the healthy state of a run, and then for a while in which it stays so.
    ///
    /// # Errors
    /// With what is not healthy.
    pub fn settle(&self, scene: &Scene, old_trouble: &[Pattern]) -> anyhow::Result<()> {
        self.healthy(scene, old_trouble)?;
        std::thread::sleep(QUIET);
        // A state that only looked healthy for a moment is none.
        self.healthy(scene, old_trouble)
    }

    fn healthy(&self, scene: &Scene, old_trouble: &[Pattern]) -> anyhow::Result<()> {
        let documents = scene.documents.iter().map(|document| &document.object).filter(|o| is_watched(&o.kind));
        let expected: Vec<Object> = documents.map(|object| placed(object, scene)).collect();
        let began = Instant::now();
        let mut good = 0;
        while good < 3 {
            self.stop.check()?;
            std::thread::sleep(LOOK);
            let there = self.world.objects(&scene.name);
            let found = health::unhealthy(&expected, &there, old_trouble);
            good = if found.is_empty() { good + 1 } else { 0 };
            if began.elapsed() > HEALTHY {
                bail!("the state before the fault is not healthy after {} s: {}", HEALTHY.as_secs(), found.join("; "));
            }
        }
        Ok(())
    }
}

/// An object of the setup where it lands: without a namespace in that of the run, if its kind has one.
fn placed(object: &Object, scene: &Scene) -> Object {
    let everywhere = object.kind == "Node";
    let namespace = if everywhere { None } else { object.namespace.clone().or_else(|| Some(scene.name.clone())) };
    Object { namespace, ..object.clone() }
}
