//! The question that a server is asked, and who is asked.

use std::future::Future;

use api::{AIInsight, Issue};
use kit::controller::chain;
use kube::ResourceExt;
use ports::server_link::{Analysis, LinkError, Question, Usage};

use crate::servers::Servers;

/// Reason when there is nobody to ask; only another flag changes that.
pub(super) const NO_SERVER: &str = "NoServer";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// One CamelCase word.
    pub reason: &'static str,
    /// What each server said. The same trouble gives the same text, so that it is written once.
    pub message: String,
}

/// Answers questions.
pub(crate) trait Ask: Send + Sync + 'static {
    /// The answer of whoever answers first.
    fn ask(&self, question: &Question) -> impl Future<Output = Result<Analysis, Refusal>> + Send;

    /// Calls `listener` whenever it becomes worth asking again.
    fn when_reached(&self, listener: impl Fn() + Send + Sync + 'static);
}

impl Ask for Servers {
    async fn ask(&self, question: &Question) -> Result<Analysis, Refusal> {
        let errors = match self.analyze(question).await {
            Ok(analysis) => return Ok(analysis),
            Err(none) => none.errors,
        };
        let reason = match errors.last() {
            None => NO_SERVER,
            Some(LinkError::Unavailable { .. }) => "ServerUnavailable",
            Some(LinkError::Refused { .. } | LinkError::Token { .. } | LinkError::TokenUnusable { .. }) => {
                "ServerRefused"
            }
            Some(LinkError::NotThere { .. }) => "ServerCannotAnalyze",
            Some(LinkError::Empty { .. }) => "EmptyAnswer",
            Some(LinkError::Settings { .. }) => "ServerUnusable",
        };
        let message = if errors.is_empty() {
            "no ready Instance found: this operator has no AI server; remedy: create an Instance and wait for its condition Available, or start the operator with --server URL".to_owned()
        } else {
            errors.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; ")
        };
        Err(Refusal { reason, message })
    }

    fn when_reached(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.on_reached(listener);
    }
}

/// What is asked about an Issue.
pub(super) fn question(insight: &AIInsight, issue: &Issue, attempt: i32) -> Question {
    Question {
        issue: issue.name_any(),
        namespace: issue.namespace().unwrap_or_default(),
        resource: issue.spec.resource.clone(),
        root: issue.spec.root.clone(),
        signal: issue.spec.signal_type.clone().unwrap_or_default(),
        severity: issue.spec.severity,
        description: issue.spec.description.clone(),
        risk: issue.spec.risk_score.unwrap_or(0),
        provider: insight.spec.provider.clone(),
        model: insight.spec.model.clone(),
        attempt,
        failed: issue.status.as_ref().map(|s| s.failed_attempts.clone()).unwrap_or_default(),
        spent: spent(insight),
    }
}

/// What the analyses of an Issue have cost so far.
pub(super) fn spent(insight: &AIInsight) -> Usage {
    let known = insight.status.as_ref().and_then(|status| status.usage).unwrap_or_default();
    Usage {
        input_tokens: known.input_tokens,
        output_tokens: known.output_tokens,
        cost_usd: known.cost_usd,
        calls: known.calls,
    }
}
