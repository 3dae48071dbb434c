//! A healthy neighbour that never rests, beside all cases: it rolls out, scales, restarts, loses pods, runs Jobs, and its
//! node comes and goes. Whatever is said about it is a false alarm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cluster::Cluster;
use serde::Serialize;

use crate::incident::said::Said;
use crate::incident::world::World;

/// How long one change may take to settle. A neighbour that is not healthy itself proves nothing.
const SETTLES: &str = "--timeout=180s";
/// Between two changes.
const REST: Duration = Duration::from_secs(3);

/// What it did and what was said about it.
#[derive(Default, Serialize)]
pub struct Busy {
    /// How long it was busy, in seconds.
    pub took: f64,
    /// Changes by what they were.
    pub changes: BTreeMap<&'static str, usize>,
    /// The change that did not settle, which ended it.
    pub trouble: Option<String>,
    /// Issues about it.
    pub said: Vec<Said>,
}

/// The neighbour while it works.
pub struct Neighbour {
    over: Arc<AtomicBool>,
    /// Name of its run, which its namespace and its node carry.
    name: String,
    thread: JoinHandle<Busy>,
}

impl Neighbour {
    /// Begins, with simulated nodes or without.
    pub fn start(cluster: &Cluster, name: &str, nodes: bool) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let work = Work { cluster: cluster.clone(), name: name.to_owned(), over: over.clone() };
        Self { over, name: name.to_owned(), thread: std::thread::spawn(move || work.all(nodes)) }
    }

    /// Ends it after at least `least`, removes what it made, and tells what was said about it.
    pub fn end(
        self,
        cluster: &Cluster,
        world: &World,
        least: Duration,
        began: Instant,
        go_on: impl Fn() -> bool,
    ) -> Busy {
        while began.elapsed() < least && !self.thread.is_finished() && go_on() {
            std::thread::sleep(Duration::from_millis(500));
        }
        self.over.store(true, Ordering::SeqCst);
        let mut busy = self.thread.join().unwrap_or_default();
        busy.said = world.said(&self.name, began);
        let node = format!("node/{}-n", self.name);
        for gone in [&["delete", "namespace", &self.name, "--wait=false"][..], &["delete", &node, "--ignore-not-found"]]
        {
            if let Err(error) = cluster.run_kubectl(gone) {
                println!("note: the healthy neighbour is not removed: {error:#}");
            }
        }
        busy
    }
}

struct Work {
    cluster: Cluster,
    name: String,
    over: Arc<AtomicBool>,
}

type Step = (&'static str, fn(&Work, usize) -> anyhow::Result<()>);

/// What it does in turn. After each all is ready again.
const STEPS: &[Step] = &[
    ("rollout", |work, turn| {
        work.kubectl(&["set", "env", "deployment/shelf", &format!("TURN={turn}")])?;
        work.settled("deployment/shelf")
    }),
    ("scaled up", |work, _| {
        work.kubectl(&["scale", "deployment/shelf", "--replicas=4"])?;
        work.settled("deployment/shelf")
    }),
    ("pod deleted", |work, _| {
        work.kubectl(&["delete", "pod", "-l", "app=shelf", "--field-selector=status.phase=Running", "--wait=false"])?;
        work.settled("deployment/shelf")
    }),
    ("scaled down", |work, _| {
        work.kubectl(&["scale", "deployment/shelf", "--replicas=2"])?;
        work.settled("deployment/shelf")
    }),
    ("configuration changed and restarted", |work, turn| {
        let data = format!(r#"{{"data":{{"GREETING":"hello {turn}"}}}}"#);
        work.kubectl(&["patch", "configmap/shelf-settings", "--type=merge", "-p", &data])?;
        work.kubectl(&["rollout", "restart", "deployment/shelf"])?;
        work.settled("deployment/shelf")
    }),
    ("Job run", |work, turn| {
        let job = format!("tally-by-hand-{turn}");
        work.kubectl(&["create", "job", &job, "--from=cronjob/tally"])?;
        work.kubectl(&["wait", "--for=condition=Complete", &format!("job/{job}"), SETTLES])
    }),
    ("StatefulSet restarted", |work, _| {
        work.kubectl(&["rollout", "restart", "statefulset/ledger"])?;
        work.settled("statefulset/ledger")
    }),
    ("rolled back", |work, _| {
        work.kubectl(&["rollout", "undo", "deployment/shelf"])?;
        work.settled("deployment/shelf")
    }),
];

/// What it does with a node, where nodes can be played.
const NODE: Step = ("node added, drained, removed", |work, _| {
    let node = format!("{}-n", work.name);
    let manifest = format!(
        r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{node}","labels":{{"scenario-node":"true","kubernetes.io/hostname":"{node}"}}}},"spec":{{"taints":[{{"key":"pool","value":"{node}","effect":"NoSchedule"}}]}}}}"#
    );
    let file = work.cluster.kubeconfig.with_file_name(format!("{node}.json"));
    std::fs::write(&file, manifest)?;
    let shown = file.display().to_string();
    work.kubectl(&["apply", "-f", &shown])?;
    std::fs::remove_file(&file)?;
    let node = format!("node/{node}");
    work.kubectl(&["wait", "--for=condition=Ready", &node, SETTLES])?;
    work.kubectl(&["cordon", &node])?;
    work.kubectl(&["drain", &node, "--ignore-daemonsets", SETTLES])?;
    work.kubectl(&["uncordon", &node])?;
    work.kubectl(&["delete", &node])
});

impl Work {
    fn kubectl(&self, args: &[&str]) -> anyhow::Result<()> {
        self.cluster.run_kubectl(&[&["-n", &self.name], args].concat()).map(drop)
    }

    fn settled(&self, what: &str) -> anyhow::Result<()> {
        self.kubectl(&["rollout", "status", what, SETTLES])
    }

    fn set_up(&self) -> anyhow::Result<()> {
        let file = self.cluster.kubeconfig.with_file_name(format!("{}.yaml", self.name));
        std::fs::write(&file, include_str!("busy.yaml").replace("${NS}", &self.name))?;
        self.cluster.run_kubectl(&["apply", "-f", &file.display().to_string()])?;
        std::fs::remove_file(&file)?;
        self.settled("deployment/shelf")?;
        self.settled("statefulset/ledger")
    }

    fn all(&self, nodes: bool) -> Busy {
        let began = Instant::now();
        let mut busy = Busy { trouble: self.set_up().err().map(|error| format!("{error:#}")), ..Busy::default() };
        let steps: Vec<&Step> = STEPS.iter().chain(nodes.then_some(&NODE)).collect();
        let mut turn = 0;
        while busy.trouble.is_none() && !self.over.load(Ordering::SeqCst) {
            let Some((what, step)) = steps.get(turn % steps.len().max(1)) else { break };
            turn += 1;
            match step(self, turn) {
                Ok(()) => *busy.changes.entry(what).or_default() += 1,
                Err(error) => busy.trouble = Some(format!("{what}: {error:#}")),
            }
            std::thread::sleep(REST);
        }
        busy.took = began.elapsed().as_secs_f64();
        busy
    }
}
