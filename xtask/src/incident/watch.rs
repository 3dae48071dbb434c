//! The watches: one per kind, each a thread that lists, follows what changes, and lists again when its connection ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::Cluster;
use serde_json::Value;

use super::world::World;

/// How long it may take until all is known.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest and longest pause before a watch that failed is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

struct Kind {
    name: &'static str,
    path: &'static str,
    /// Events that nothing is wrong with are many, and show nothing.
    filter: &'static str,
}

const fn kind(name: &'static str, path: &'static str) -> Kind {
    Kind { name, path, filter: "" }
}

static KINDS: [Kind; 12] = [
    kind("Issue", "/apis/platform.chatcli.io/v1alpha1/issues"),
    kind("AIInsight", "/apis/platform.chatcli.io/v1alpha1/aiinsights"),
    kind("Anomaly", "/apis/platform.chatcli.io/v1alpha1/anomalies"),
    Kind { name: "Event", path: "/api/v1/events", filter: "&fieldSelector=type%3DWarning" },
    kind("Pod", "/api/v1/pods"),
    kind("Node", "/api/v1/nodes"),
    kind("PersistentVolumeClaim", "/api/v1/persistentvolumeclaims"),
    kind("Deployment", "/apis/apps/v1/deployments"),
    kind("ReplicaSet", "/apis/apps/v1/replicasets"),
    kind("StatefulSet", "/apis/apps/v1/statefulsets"),
    kind("DaemonSet", "/apis/apps/v1/daemonsets"),
    kind("Job", "/apis/batch/v1/jobs"),
];

/// Whether objects of a kind are watched.
pub fn is_watched(kind: &str) -> bool {
    KINDS.iter().any(|watched| watched.name == kind)
}

/// The watches, until dropped.
pub struct Watches {
    over: Arc<AtomicBool>,
    children: Vec<Arc<Mutex<Option<Child>>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watches {
    /// Starts them, and waits until all that is there is known.
    ///
    /// # Errors
    /// When the API server does not answer, or the resources of the platform are not installed.
    pub fn start(cluster: &Cluster, world: &Arc<World>) -> anyhow::Result<Self> {
        let mut watches = Self { over: Arc::default(), children: Vec::new(), threads: Vec::new() };
        for kind in &KINDS {
            let (cluster, world, over) = (cluster.clone(), world.clone(), watches.over.clone());
            let child = Arc::new(Mutex::new(None));
            watches.children.push(child.clone());
            watches.threads.push(std::thread::spawn(move || follow(&cluster, &world, kind, &over, &child)));
        }
        let began = Instant::now();
        while !world.is_complete(KINDS.len()) {
            if began.elapsed() > PATIENCE {
                bail!("the watches do not start: {}", world.broken(Duration::ZERO).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(watches)
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for child in &self.children {
            end(child);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

type Slot = Mutex<Option<Child>>;

fn end(slot: &Slot) {
    if let Some(mut child) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Keeps one kind known until all is over.
fn follow(cluster: &Cluster, world: &World, kind: &'static Kind, over: &AtomicBool, slot: &Slot) {
    let mut pause = PAUSE.0;
    while !over.load(Ordering::SeqCst) {
        match list(cluster, world, kind).and_then(|version| changes(cluster, world, kind, &version, over, slot)) {
            Ok(()) => pause = PAUSE.0,
            Err(error) => {
                world.breaks(kind.name, format!("{error:#}"));
                pause = (pause * 2).min(PAUSE.1);
            }
        }
        end(slot);
        if !over.load(Ordering::SeqCst) {
            std::thread::sleep(pause);
        }
    }
}

/// Lists what is there; returns the version from which on changes are news.
fn list(cluster: &Cluster, world: &World, kind: &Kind) -> anyhow::Result<String> {
    let text = cluster.run_kubectl(&["get", "--raw", &format!("{}?limit=0{}", kind.path, kind.filter)])?;
    let mut list: Value = serde_json::from_str(&text).context("the list is no JSON")?;
    let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let items = match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    world.replace(kind.name, items);
    Ok(version)
}

/// Follows the changes until the connection ends, as the API server ends each after a while.
fn changes(
    cluster: &Cluster,
    world: &World,
    kind: &Kind,
    version: &str,
    over: &AtomicBool,
    slot: &Slot,
) -> anyhow::Result<()> {
    let path = format!("{}?watch=true&allowWatchBookmarks=true&resourceVersion={version}{}", kind.path, kind.filter);
    let mut child = cluster
        .kubectl()?
        .args(["get", "--raw", &path])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start kubectl")?;
    let output = child.stdout.take().context("kubectl has no output")?;
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    if over.load(Ordering::SeqCst) {
        return Ok(());
    }
    for line in BufReader::new(output).lines() {
        let mut change: Value = serde_json::from_str(&line?).context("a change is no JSON")?;
        let object = change.get_mut("object").map(Value::take).unwrap_or_default();
        match change.get("type").and_then(Value::as_str) {
            Some("ADDED" | "MODIFIED") => world.put(kind.name, object),
            Some("DELETED") => world.remove(kind.name, &object),
            Some("BOOKMARK") => {}
            // What is asked for is too old, for example: the list tells what is there now.
            _ => return Ok(()),
        }
    }
    Ok(())
}
