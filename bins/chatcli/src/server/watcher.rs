//! The detector as the gRPC service sees it, and what is missing until it can be trusted.

use detector::{Detector, Scope};
use domain::detection::{Alert, Transition};
use domain::diagnosis::Diagnosis;
use grpc::{Question, WatcherStatus};
use kit::cache::Hub;
use tokio::sync::broadcast;

/// The detector and its caches.
pub struct Watcher {
    detector: Detector,
    hub: Hub,
    scope: Scope,
}

impl Watcher {
    pub fn new(detector: Detector, hub: Hub, scope: Scope) -> Self {
        Self { detector, hub, scope }
    }

    /// What is missing until everything was looked at, each with its reason and remedy; empty when nothing is.
    pub fn missing(&self) -> Vec<String> {
        let first_look = self.detector.first_look_pending();
        // A Role of some namespaces cannot grant nodes: there the rest is enough, once it is known that they are refused.
        let without_nodes = first_look.is_none() && matches!(self.scope, Scope::Namespaces(_));
        let unfilled = self.hub.not_ready().into_iter().filter(|(kind, _)| !(without_nodes && kind == "Node"));
        let mut missing: Vec<String> = unfilled.map(|(kind, why)| format!("{kind}: {why}")).collect();
        if missing.is_empty() {
            missing.extend(first_look);
        }
        missing
    }

    /// What is watched, in a sentence.
    pub fn in_words(&self) -> String {
        let WatcherStatus { scope, workloads, pods, alerts } = grpc::Eyes::status(self);
        format!("{workloads} workloads with {pods} pods in {scope}, {alerts} open alerts")
    }
}

impl grpc::Eyes for Watcher {
    fn alerts(&self) -> Vec<Alert> {
        self.detector.alerts()
    }

    fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
        self.detector.watch()
    }

    async fn analyze(&self, question: Question) -> Diagnosis {
        let Question { resource, root, signal, failed } = question;
        let question = detector::Question { resource, root, signal, failed };
        self.detector.analyze(&question).await.diagnosis
    }

    fn pending(&self) -> Option<String> {
        Some(self.missing().join("; ")).filter(|missing| !missing.is_empty())
    }

    fn first_look(&self) -> Option<String> {
        self.detector.first_look_pending()
    }

    fn status(&self) -> WatcherStatus {
        let detector::Counts { workloads, pods, alerts } = self.detector.counts();
        let scope = match &self.scope {
            Scope::All => "all namespaces".to_owned(),
            Scope::Namespaces(names) => names.join(", "),
        };
        WatcherStatus { scope, workloads, pods, alerts }
    }
}
