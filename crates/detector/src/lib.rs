//! The eyes: caches and timers around `domain::detection` and `domain::diagnosis`.
//!
//! What lives here: which objects are watched and what is kept of them, which change wakes which look, who hears of alerts,
//! and the reads behind an analysis. What does not: what a symptom is and what follows from it (`domain`), and the
//! protocol in which others ask (`grpc`).

mod analysis;
mod caches;
mod eyes;
mod history;
mod index;
mod key;
mod seen;
mod view;

use std::sync::{Arc, OnceLock};

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, ResourceRef};
use domain::detection::{Alert, Transition};
use domain::diagnosis::Diagnosis;
use kit::cache::Hub;
use kit::controller::Env;
use kube::Client;
use tokio::sync::broadcast;

use caches::{Caches, KINDS, Prunes};
use eyes::Eyes;
use history::Histories;
use seen::Specs;

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All, except `kube-node-lease` and `kube-public`, which hold no workloads.
    All,
    /// These, whatever their names are.
    Namespaces(Vec<String>),
}

/// What to watch, and how eagerly.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub scope: Scope,
    /// How many workloads are looked at at once.
    pub workers: usize,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// What the cause is, with its proof. What could not be read is told among the recommendations.
    pub diagnosis: Diagnosis,
}

/// Watches a cluster, raises and resolves alerts, answers questions. Clones are the same detector.
#[derive(Clone)]
pub struct Detector {
    eyes: Arc<Eyes>,
    client: Client,
    /// Where the caches come from; none when they are filled by hand.
    hub: Option<Hub>,
}

impl Detector {
    /// Starts the caches and the workers under the supervisor of `env`. Nothing is concluded before every kind was listed
    /// once, or is known to be refused: half of the truth looks like a fault.
    pub fn start(client: Client, settings: Settings, hub: &Hub, env: &Env) -> Self {
        let Settings { scope, workers } = settings;
        if scope == Scope::Namespaces(Vec::new()) {
            tracing::warn!("no namespace is watched; remedy: name at least one, or watch all");
        }
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
        let caches = Caches::start(&client, hub, &scope, prunes);
        let eyes = Eyes::new(caches, histories, env.clock.clone());
        let _ = late.set(Arc::downgrade(&eyes));
        let waits = hub.clone();
        eyes.open(workers, env, async move { waits.settled(&KINDS).await });
        Self { eyes, client, hub: Some(hub.clone()) }
    }

    /// None once every workload that existed at the start was looked at; else what is missing, in a sentence. Until then
    /// the absence of an alert means nothing.
    pub fn first_look_pending(&self) -> Option<String> {
        match self.eyes.first_looks() {
            Some((0, _)) => None,
            Some((left, of)) => Some(format!("{left} of {of} workloads and nodes were not looked at yet")),
            None => {
                let waiting = self.hub.as_ref().map(Hub::not_ready).unwrap_or_default();
                let waiting: Vec<String> = waiting.iter().map(|(kind, why)| format!("{kind} ({why})")).collect();
                Some(format!("the caches are not filled yet: {}", waiting.join("; ")))
            }
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
        Counts { workloads: self.eyes.workloads(), pods: self.eyes.caches.pods.len(), alerts: self.eyes.alert_count() }
    }

    /// Finds the cause of what is wrong with a workload now. Takes little more than three seconds even when nothing can be
    /// read.
    pub async fn analyze(&self, question: &Question) -> Analysis {
        analysis::analyze(&self.eyes, &self.client, question).await
    }
}

#[cfg(test)]
mod tests;
