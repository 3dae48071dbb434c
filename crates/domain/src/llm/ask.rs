//! What a language model is asked about, and what it answers.

use api::shared::CauseClass;

use super::Usage;

/// The question of an Issue, beside the evidence that the server has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Issue.
    pub issue: String,
    /// Provider that is asked for; empty takes the server's.
    pub provider: String,
    /// Model that is asked for; empty takes the server's, or the provider's default when another provider is asked for.
    pub model: String,
    /// Signal as in the Anomaly.
    pub signal: String,
    /// Severity of the Issue.
    pub severity: String,
    /// Description of the Issue. It comes from a resource: untrusted.
    pub description: String,
    /// What the operator knows besides. Untrusted.
    pub kubernetes_context: String,
    /// What was tried and why it did not help. Untrusted.
    pub previous_failures: String,
    /// Attempt, from 1.
    pub attempt: i32,
    /// What the incident has cost so far.
    pub spent: Usage,
}

/// What a language model said, in types. Nothing in it is true because it stands here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The cause in one sentence.
    pub statement: Option<String>,
    /// Class of the cause, when it named one of the vocabulary.
    pub class: Option<CauseClass>,
    /// The explanation.
    pub explanation: String,
    /// How sure it is; none when it did not say.
    pub confidence: Option<f64>,
    /// What the logs show.
    pub log_analysis: Option<String>,
    /// Advice.
    pub recommendations: Vec<String>,
    /// Actions, unchecked.
    pub actions: Vec<SaidAction>,
}

/// An action as a language model wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaidAction {
    /// Type, as it was written.
    pub action: String,
    /// Title.
    pub name: String,
    /// Why.
    pub description: String,
    /// Parameters.
    pub params: std::collections::BTreeMap<String, String>,
}
