//! What goes over a link, in our own words.

use api::ai_insight::AIInsightSuggestedAction;
use api::anomaly::AnomalyEvidence;
use api::issue::FailedAttempt;
use api::shared::{ObjectRef, ResourceRef, RootCause, Severity, SignalType, Source};
use jiff::{SignedDuration, Timestamp};

/// An alert, whichever kind of server sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same fault on the same object keeps it.
    pub id: String,
    /// What is wrong.
    pub signal: SignalType,
    /// With which workload or node.
    pub resource: ResourceRef,
    /// Its UID, when the server knows it.
    pub resource_uid: Option<String>,
    /// What it points to.
    pub root: Option<ObjectRef>,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Observed.
    pub value: String,
    /// Expected.
    pub threshold: String,
    /// When it began.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub count: i64,
    /// When it cleared; absent while it fires.
    pub resolved_at: Option<Timestamp>,
    /// What was seen.
    pub evidence: Vec<AnomalyEvidence>,
    /// Where it comes from.
    pub source: Source,
    /// How long it counts as there without being told again; none when the server tells it as long as it is there.
    pub kept: Option<SignedDuration>,
}

impl Alert {
    /// When it is over unless it is told again.
    pub fn expires(&self) -> Option<Timestamp> {
        self.last_seen.checked_add(self.kept?).ok()
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerState {
    /// Another replica of the Instance raises the alerts; this one answers questions only.
    pub standby: bool,
    /// What it watches.
    pub targets: Vec<TargetState>,
    /// Whom it asks.
    pub provider: Option<ProviderState>,
}

/// One target of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name; absent for every workload of the namespace.
    pub name: Option<String>,
    /// Whether its first full look is over.
    pub looked_at: bool,
    /// Why not, or why what is seen is not all.
    pub problem: Option<String>,
}

/// The language model of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderState {
    /// Provider.
    pub name: String,
    /// Model.
    pub model: String,
    /// Whether it is configured, and answered last time.
    pub ready: bool,
    /// Why not.
    pub problem: Option<String>,
}

/// What a link tells.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A full account of what is firing begins.
    Begin,
    /// An alert is firing, has changed, or is resolved.
    Alert(Box<Alert>),
    /// The account is complete: whatever was not told since `Begin` is over.
    Synced,
    /// What the server says of itself. On standby it tells no alerts until the next `Begin`; what was firing still counts.
    State(ServerState),
    /// Nothing is known until the next `Begin`; what was firing still counts.
    Disconnected {
        /// Why.
        why: String,
    },
}

/// What is asked of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Issue.
    pub issue: String,
    /// Its namespace.
    pub namespace: String,
    /// Affected workload.
    pub resource: ResourceRef,
    /// Object that the signals point to.
    pub root: Option<ObjectRef>,
    /// Signal that opened it.
    pub signal: String,
    /// Severity.
    pub severity: Severity,
    /// Text.
    pub description: String,
    /// Risk score.
    pub risk: i32,
    /// Provider wished for; may be empty.
    pub provider: String,
    /// Model wished for; may be empty.
    pub model: String,
    /// One-based.
    pub attempt: i32,
    /// What did not help.
    pub failed: Vec<FailedAttempt>,
    /// What the incident has cost so far; counts against its budget.
    pub spent: Usage,
}

/// What language models were paid with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Cost in US dollars by the price list of the server; 0 where the price of the model is not known.
    pub cost_usd: f64,
    /// Calls of a model.
    pub calls: i32,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Text; never empty.
    pub text: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// Advice for people.
    pub recommendations: Vec<String>,
    /// Actions of types that the platform knows.
    pub actions: Vec<AIInsightSuggestedAction>,
    /// Structured cause, from servers that give one.
    pub root_cause: Option<RootCause>,
    /// What the logs said.
    pub log_analysis: Option<String>,
    /// Provider that answered.
    pub answered_by: String,
    /// What this analysis alone has cost, from servers that say it.
    pub usage: Option<Usage>,
    /// Why not the provider that was asked for; absent when it answered.
    pub fallback_reason: Option<String>,
}
