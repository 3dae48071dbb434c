//! How earlier plans ended, for the conditions of automatic approval.

use std::collections::BTreeSet;

use api::RemediationPlan;
use api::shared::{ActionType, RemediationAction, RemediationState};
use jiff::{SignedDuration, Timestamp};

/// Older plans say nothing about today.
const MEMORY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Outcome of earlier plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How many helped.
    pub succeeded: u32,
    /// How many acted and ended.
    pub finished: u32,
}

impl History {
    /// Share that helped, from 0 to 1.
    pub fn rate(&self) -> f64 {
        if self.finished == 0 { 0.0 } else { f64::from(self.succeeded) / f64::from(self.finished) }
    }
}

/// History of these actions on workloads of this kind: the worst among their types; none when a type has no ended plan
/// in the last 90 days. Plans that never acted do not count. Each plan counts once, however often it names the type.
pub fn history<'a>(
    plans: impl IntoIterator<Item = &'a RemediationPlan>,
    actions: &[RemediationAction],
    kind: &str,
    now: Timestamp,
) -> Option<History> {
    let plans: Vec<&RemediationPlan> = plans.into_iter().collect();
    let types: BTreeSet<ActionType> = actions.iter().map(|a| a.type_).collect();
    let mut worst: Option<History> = None;
    for type_ in types {
        let mut history = History { succeeded: 0, finished: 0 };
        for plan in &plans {
            if let Some(helped) = outcome(plan, type_, kind, now) {
                history.finished = history.finished.saturating_add(1);
                history.succeeded = history.succeeded.saturating_add(u32::from(helped));
            }
        }
        if history.finished == 0 {
            return None;
        }
        if worst.is_none_or(|w| history.rate() < w.rate()) {
            worst = Some(history);
        }
    }
    worst
}

fn outcome(plan: &RemediationPlan, type_: ActionType, kind: &str, now: Timestamp) -> Option<bool> {
    let status = plan.status.as_ref()?;
    let ended = status.completed_at.as_ref()?.0;
    let recent = now.duration_since(ended) <= MEMORY;
    // Older plans have no log of steps, only checkpoints.
    let acted = match status.steps.as_slice() {
        [] => !status.action_checkpoints.is_empty(),
        steps => steps.iter().any(|s| s.done_at.is_some()),
    };
    let same_kind = plan.spec.resource.as_ref().is_some_and(|r| r.kind == kind);
    if !recent || !acted || !same_kind || !plan.spec.actions.iter().any(|a| a.type_ == type_) {
        return None;
    }
    match status.state? {
        RemediationState::Completed => Some(true),
        RemediationState::Failed | RemediationState::RolledBack => Some(false),
        _ => None,
    }
}
