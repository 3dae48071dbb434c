//! What a transition of a plan is made of: the status, conditions that change, Events.

use api::RemediationPlan;
use api::remediation_plan::{RemediationPlanEvidence, RemediationPlanStatus};
use api::shared::RemediationState as State;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Most facts that a plan keeps.
const MAX_EVIDENCE: usize = 50;

/// A condition to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cond {
    /// Its type.
    pub type_: &'static str,
    /// True, false, or unknown.
    pub status: Option<bool>,
    /// Its reason.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// An Event to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it is bad news.
    pub warning: bool,
    /// Its reason.
    pub reason: &'static str,
    /// Its text.
    pub message: String,
}

/// A status to be written. Its conditions are those that the plan has; `conditions` are to be put into them.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The status.
    pub status: RemediationPlanStatus,
    /// Conditions that change.
    pub conditions: Vec<Cond>,
    /// Events, given after the status is written.
    pub notes: Vec<Note>,
}

impl Transition {
    /// Records what the last step's target will look like, which a dry run has told. After a crash it tells this step's
    /// own change from a later one by someone else.
    #[must_use]
    pub fn expecting(mut self, digest: Option<String>) -> Self {
        if let Some(step) = self.status.steps.last_mut() {
            step.digest_after = digest;
        }
        self
    }

    pub(super) fn of(plan: &RemediationPlan) -> Self {
        let mut status = plan.status.clone().unwrap_or_default();
        status.observed_generation = plan.metadata.generation;
        Self { status, conditions: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn cond(
        mut self,
        type_: &'static str,
        status: Option<bool>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        self.conditions.push(Cond { type_, status, reason, message: message.into() });
        self
    }

    pub(super) fn note(mut self, warning: bool, reason: &'static str, message: impl Into<String>) -> Self {
        self.notes.push(Note { warning, reason, message: message.into() });
        self
    }

    pub(super) fn evidence(&mut self, type_: &str, data: impl Into<String>, now: Timestamp) {
        if self.status.evidence.len() < MAX_EVIDENCE {
            self.status.evidence.push(RemediationPlanEvidence {
                data: data.into(),
                timestamp: Time(now),
                type_: type_.to_owned(),
            });
        }
    }

    pub(super) fn end(&mut self, state: State, result: impl Into<String>, now: Timestamp) {
        self.status.state = Some(state);
        self.status.result = Some(result.into());
        self.status.completed_at = Some(Time(now));
    }
}
