//! The state machine of a plan: Pending → WaitingApproval → Executing → Verifying → Completed | Failed | RolledBack.
//!
//! What lives here: which stage a plan is in, whether it may exist at all, and each transition as the status that it
//! leads to. What does not: what the stages look at (`preflight`, `verification`, `approval`).

mod admission;
mod transition;
mod transitions;

#[cfg(test)]
mod tests;

use api::RemediationPlan;
use api::shared::RemediationState;

pub use admission::{Admitted, admit};
pub use transition::{Cond, Note, Transition};
pub use transitions::{
    StepAt, approved, asked, begin_execution, begin_rollback, begin_verification, cancelled, end_rollback, fail, hold,
    intend, step_done, step_failed, undo_begin, undo_done, undo_failed, verified, watching,
};

/// What is to be done with a plan next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It may not act yet.
    Gate,
    /// It acts.
    Execute,
    /// It has acted; whether it helped is watched.
    Verify,
    /// What it did is undone.
    RollBack,
    /// It is over.
    Ended,
}

/// Stage of a plan, from its status alone.
pub fn stage(plan: &RemediationPlan) -> Stage {
    let Some(status) = &plan.status else { return Stage::Gate };
    let rolling_back = status.rollback_performed == Some(true);
    match status.state {
        None | Some(RemediationState::Pending | RemediationState::WaitingApproval) => Stage::Gate,
        Some(RemediationState::Executing | RemediationState::Verifying) if rolling_back => Stage::RollBack,
        Some(RemediationState::Executing) => Stage::Execute,
        Some(RemediationState::Verifying) => Stage::Verify,
        Some(RemediationState::Completed | RemediationState::Failed | RemediationState::RolledBack) => Stage::Ended,
    }
}
