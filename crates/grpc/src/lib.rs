//! The server's RPCs: protobuf to domain and back.
//!
//! What lives here: the service, its stream of alerts, the gate that every call passes (token, limits, deadline,
//! counters), TLS. What does not: what is seen and concluded ([`Eyes`] answers that), and anything of Kubernetes.

mod access;
mod alertmanager;
mod audit;
mod buckets;
mod convert;
mod feed;
mod gate;
mod incoming;
mod metrics;
mod serve;
mod service;
mod state;
mod steps;
mod tls;

use std::future::Future;
use std::sync::Arc;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, ResourceRef};
use domain::detection::alertmanager::{Notice, Report};
use domain::detection::{Alert, Transition};
use domain::diagnosis::Diagnosis;
use domain::llm::{Ask, Usage};
use tokio::sync::{broadcast, watch};

pub use access::{Access, BadKeys, EmptyToken, Jwt, Token};
pub use alertmanager::{ALERTMANAGER, NotNow};
pub use audit::Audit;
pub use convert::legacy_type;
pub use metrics::Metrics;
pub use serve::{Limits, Rate, ServeError, Server, Settings};
pub use state::{ProviderState, ServerState, TargetState};
pub use tls::Tls;

/// The provider that needs no LLM.
pub const BUILTIN: &str = "BUILTIN";
/// Model that its answers name.
pub const BUILTIN_MODEL: &str = "builtin-rules";

/// What the service asks of the one who watches.
pub trait Eyes: Send + Sync + 'static {
    /// The alerts that are open.
    fn alerts(&self) -> Vec<Alert>;

    /// The alerts that are open, and every change after exactly those.
    fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>);

    /// Finds the cause of what is wrong with a resource.
    fn analyze(&self, question: Question) -> impl Future<Output = Analysis> + Send;

    /// How the server stands, and every change of that.
    fn states(&self) -> watch::Receiver<Arc<ServerState>>;

    /// The providers that may be asked.
    fn providers(&self) -> Vec<String> {
        vec![BUILTIN.to_owned()]
    }

    /// Why the absence of an alert means nothing yet; none once everything was looked at. Asked often: it must be cheap.
    fn pending(&self) -> Option<String>;

    /// Why nothing can be concluded yet, because the first look goes on; none once it is over, also where a kind is refused
    /// for good. A cause that is sought in half of the truth is a wrong one.
    fn first_look(&self) -> Option<String> {
        self.pending()
    }

    /// How much is watched.
    fn status(&self) -> WatcherStatus;

    /// Takes in what Alertmanager reports; what follows from it is among the changes of [`Eyes::watch`].
    ///
    /// # Errors
    /// When it cannot be taken in now, or never.
    fn report(&self, notices: &[Notice]) -> Result<Report, NotNow> {
        let _ = notices;
        Err(NotNow::Never("this server takes no alerts of Alertmanager".to_owned()))
    }
}

/// What is asked of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What a language model is told and asked.
    pub ask: Ask,
    /// The affected workload or node; the namespace of a node is empty.
    pub resource: ResourceRef,
    /// Object that the signals point to.
    pub root: Option<ObjectRef>,
    /// Signal, as in `Anomaly.spec.signalType`.
    pub signal: String,
    /// Actions that did not help.
    pub failed: Vec<AIInsightSuggestedAction>,
}

/// What came of an analysis, and from whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The cause and what to do about it.
    pub diagnosis: Diagnosis,
    /// Provider that answered.
    pub provider: String,
    /// Model that answered.
    pub model: String,
    /// What it took; none where nothing is counted.
    pub usage: Option<Usage>,
    /// Why not the provider that was asked for; none when it answered.
    pub fallback: Option<String>,
}

impl From<Diagnosis> for Analysis {
    /// What the rules say by themselves.
    fn from(diagnosis: Diagnosis) -> Self {
        Self { diagnosis, provider: BUILTIN.to_owned(), model: BUILTIN_MODEL.to_owned(), usage: None, fallback: None }
    }
}

/// How much is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatcherStatus {
    /// Whether anything is to be watched.
    pub active: bool,
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
