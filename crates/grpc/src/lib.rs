//! The server's RPCs: protobuf to domain and back.
//!
//! What lives here: the service, its stream of alerts, the gate that every call passes (token, limits, deadline,
//! counters), TLS. What does not: what is seen and concluded ([`Eyes`] answers that), and anything of Kubernetes.

mod convert;
mod feed;
mod gate;
mod metrics;
mod serve;
mod service;
mod token;

use std::future::Future;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, ResourceRef};
use domain::detection::{Alert, Transition};
use domain::diagnosis::Diagnosis;
use tokio::sync::broadcast;

pub use convert::legacy_type;
pub use metrics::Metrics;
pub use serve::{Limits, ServeError, Server, Tls};
pub use token::{EmptyToken, Token};

/// The provider that needs no LLM.
pub const BUILTIN: &str = "BUILTIN";

/// What the service asks of the one who watches.
pub trait Eyes: Send + Sync + 'static {
    /// The alerts that are open.
    fn alerts(&self) -> Vec<Alert>;

    /// The alerts that are open, and every change after exactly those.
    fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>);

    /// Finds the cause of what is wrong with a resource.
    fn analyze(&self, question: Question) -> impl Future<Output = Diagnosis> + Send;

    /// Why the absence of an alert means nothing yet; none once everything was looked at. Asked often: it must be cheap.
    fn pending(&self) -> Option<String>;

    /// Why nothing can be concluded yet, because the first look goes on; none once it is over, also where a kind is refused
    /// for good. A cause that is sought in half of the truth is a wrong one.
    fn first_look(&self) -> Option<String> {
        self.pending()
    }

    /// How much is watched.
    fn status(&self) -> WatcherStatus;
}

/// What is asked of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The affected workload or node; the namespace of a node is empty.
    pub resource: ResourceRef,
    /// Object that the signals point to.
    pub root: Option<ObjectRef>,
    /// Signal, as in `Anomaly.spec.signalType`.
    pub signal: String,
    /// Actions that did not help.
    pub failed: Vec<AIInsightSuggestedAction>,
}

/// How much is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatcherStatus {
    /// The namespaces, in words.
    pub scope: String,
    /// Workloads.
    pub workloads: usize,
    /// Their pods.
    pub pods: usize,
    /// Open alerts.
    pub alerts: usize,
}

#[cfg(test)]
mod tests;
