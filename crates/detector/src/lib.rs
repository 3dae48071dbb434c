//! The eyes: caches and timers around `domain::detection` and `domain::diagnosis`.
//!
//! What lives here: which objects are watched and what is kept of them, which change wakes which look, who hears of alerts,
//! and the reads behind an analysis. What does not: what a symptom is and what follows from it (`domain`), and the
//! protocol in which others ask (`grpc`).

mod analysis;
mod caches;
mod config;
mod eyes;
mod graph;
mod history;
mod index;
mod key;
mod looks;
mod measure;
mod optional;
mod reported;
mod roots;
mod scope;
mod seen;
mod targets;
mod view;
mod worker;

use std::sync::{Arc, OnceLock};

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, ResourceRef};
use domain::detection::{Alert, Transition};
use domain::diagnosis::{Diagnosis, Evidence};
use kit::cache::Hub;
use kit::controller::Env;
use kube::Client;
use tokio::sync::broadcast;

use caches::{Caches, KINDS, Prunes};
pub use config::{BadConfig, WatchConfig};
use eyes::Eyes;
use graph::Around;
use history::Histories;
pub use looks::Looks;
pub use measure::{Measuring, Metrics};
pub use reported::Reports;
use scope::{Hubs, Wanted};
pub use scope::{Scope, Target};
use seen::Specs;

/// How long what surrounds workloads is waited for at the start.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What to watch, and how eagerly.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub scope: Scope,
    /// How many workloads are looked at at once.
    pub workers: usize,
    /// Lines of a container's log that an analysis reads; 0 reads none.
    pub log_lines: u32,
    /// Where looks are counted.
    pub looks: Looks,
    /// What Alertmanager has told so far.
    pub reports: Reports,
    /// Whether Secrets are watched: their types, the names of their keys and the dates of certificates are kept, nothing
    /// else. Kubernetes has no right for that alone, so it is the right to read them.
    pub secrets: bool,
    /// Which metrics are read, and how often.
    pub measuring: Measuring,
}

impl Settings {
    /// The usual settings for a scope.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            workers: 1,
            log_lines: 100,
            looks: Looks::default(),
            reports: Reports::default(),
            secrets: true,
            measuring: Measuring::default(),
        }
    }
}

/// How much is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workloads: Deployments, StatefulSets, DaemonSets, and ReplicaSets and pods that belong to none of these.
    pub workloads: usize,
    /// Pods that have not done their work yet.
    pub pods: usize,
    /// Open alerts.
    pub alerts: usize,
}

/// How a target stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// Kind of the workload; empty for all.
    pub kind: String,
    /// Its namespace; empty for all.
    pub namespace: String,
    /// Its name; empty for all.
    pub name: String,
    /// Whether its first full look is over.
    pub looked_at: bool,
    /// Why not, or why what is seen is not all; with the remedy.
    pub problem: Option<String>,
}

/// The pods of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Kind of the workload.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Pods wished for.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: usize,
    /// Restarts of the containers of the pods that are there.
    pub restarts: i64,
}

/// What is asked of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The affected workload, a pod or ReplicaSet of it, or a node (whose namespace does not matter).
    pub resource: ResourceRef,
    /// Object that the signals point to.
    pub root: Option<ObjectRef>,
    /// Signal, as in `Anomaly.spec.signalType`, or the name of a rule. Where it is not there, the most specific fault of
    /// the workload is explained.
    pub signal: String,
    /// Actions that did not help.
    pub failed: Vec<AIInsightSuggestedAction>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What the cause is, with its proof. What could not be read is told among the recommendations.
    pub diagnosis: Diagnosis,
    /// What it was made from; none where there was nothing to explain.
    pub evidence: Option<Box<Evidence>>,
}

/// Watches a cluster, raises and resolves alerts, answers questions. Clones are the same detector.
#[derive(Clone)]
pub struct Detector {
    eyes: Arc<Eyes>,
    client: Client,
    scope: Scope,
    /// Where the caches come from; none when they are filled by hand.
    hubs: Hubs,
}

impl Detector {
    /// Starts the caches and the workers under the supervisor of `env`. Nothing is concluded before every kind was listed
    /// once, or is known to be refused: half of the truth looks like a fault.
    pub fn start(client: Client, settings: Settings, env: &Env) -> Self {
        let Settings { scope, workers, log_lines, looks, reports, secrets, measuring } = settings;
        let hubs = Hubs::new(&scope, || Hub::new(&env.supervisor, &env.metrics));
        let histories = Arc::new(Histories::default());
        // The prune of ConfigMaps may ask what workloads refer to, which only the eyes know, and they own the caches.
        let late: Arc<OnceLock<std::sync::Weak<Eyes>>> = Arc::default();
        let specs = Arc::new(Specs::default());
        let prunes = Prunes {
            pod: move |pod: &mut _| specs.share(pod),
            config_map: {
                let (histories, clock, late) = (histories.clone(), env.clock.clone(), late.clone());
                move |map: &mut _| {
                    let eyes = || late.get().and_then(std::sync::Weak::upgrade);
                    histories.saw(map, clock.now(), || eyes().map(|eyes| eyes.referred()).unwrap_or_default());
                }
            },
        };
        let caches = Caches::start(&client, &hubs, prunes);
        // Of their own, because nothing waits for them, and what they lack is no trouble of a target.
        let optional = Hubs::new(&scope, || Hub::new(&env.supervisor, &env.metrics));
        let mut around = Around::start(&client, optional.clone(), secrets);
        let kinds = optional::Optional::start(&client, &optional, secrets, &env.supervisor);
        around.optional = kinds.clone();
        let wanted = Wanted::new(&scope);
        let eyes = Eyes::new((caches, around), histories, env.clock.clone(), wanted, (log_lines, looks, reports));
        let _ = late.set(Arc::downgrade(&eyes));
        let of_kinds = Arc::downgrade(&eyes);
        kinds.listen(move |namespace| {
            if let Some(eyes) = of_kinds.upgrade() {
                eyes.graphs.changed(namespace);
            }
        });
        let waits = hubs.clone();
        let begun = eyes.open(workers, env, async move {
            waits.settled(&KINDS).await;
            let all = async {
                optional.all_settled().await;
                kinds.settled().await;
            };
            let _ = tokio::time::timeout(PATIENCE, all).await;
            for why in optional.not_ready() {
                tracing::warn!("{why}; faults that only this kind shows are not found");
            }
        });
        eyes.measure(&client, measuring, &begun, env);
        Self { eyes, client, scope, hubs }
    }

    /// None once every workload that existed at the start was looked at; else what is missing, in a sentence. Until then
    /// the absence of an alert means nothing.
    pub fn first_look_pending(&self) -> Option<String> {
        match self.eyes.first_looks() {
            Some((0, _)) => None,
            Some((left, of)) => Some(format!("{left} of {of} workloads and nodes were not looked at yet")),
            None => Some(format!("the caches are not filled yet: {}", self.hubs.not_ready().join("; "))),
        }
    }

    /// The alerts that are open now.
    pub fn alerts(&self) -> Vec<Alert> {
        self.eyes.alerts()
    }

    /// The open alerts, and every change after exactly those: none is missing, none comes twice. A receiver that is told
    /// that it lags calls this again and takes the new snapshot for the truth.
    pub fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
        self.eyes.watch()
    }

    /// How much is seen.
    pub fn counts(&self) -> Counts {
        Counts { workloads: self.eyes.workloads(), pods: self.pods(), alerts: self.eyes.alert_count() }
    }

    /// Finds the cause of what is wrong with a workload now. Takes little more than three seconds even when nothing can be
    /// read.
    pub async fn analyze(&self, question: &Question) -> Analysis {
        analysis::analyze(&self.eyes, &self.client, question).await
    }
}

#[cfg(test)]
mod tests;
