//! Each transition of a plan, as the status that it leads to.

use api::RemediationPlan;
use api::conditions::{APPROVED, EXECUTED, VERIFIED};
use api::remediation_plan::{
    ExecutionStep, PlanApproval, RemediationPlanActionCheckpoint, RemediationPlanStatus, StepPhase, Verification,
};
use api::shared::{RemediationAction, RemediationState as State, ResourceSnapshot};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Transition;
use crate::remediation::rollback::{Ended, ended};

/// A request for approval has been made.
pub fn asked(plan: &RemediationPlan, approval: PlanApproval, message: &str, command: &str) -> Transition {
    let mut t = Transition::of(plan);
    t.status.state = Some(State::WaitingApproval);
    t.status.approval = Some(approval);
    t.cond(APPROVED, None, "WaitingForDecision", format!("{message}; {command}"))
        .cond(EXECUTED, Some(false), "WaitingForDecision", "nothing is done before the approval")
        .note(false, "ApprovalRequested", format!("{message}; {command}"))
}

/// The plan waits for something else than a person's word.
pub fn hold(plan: &RemediationPlan, approved: Option<bool>, reason: &'static str, message: &str) -> Transition {
    let mut t = Transition::of(plan);
    if t.status.state != Some(State::Executing) {
        t.status.state = Some(State::WaitingApproval);
    }
    let t = match approved {
        Some(true) => t.cond(APPROVED, Some(true), "Approved", "approved; see status.approval"),
        _ => t.cond(APPROVED, None, reason, message),
    };
    t.cond(EXECUTED, Some(false), reason, message)
}

/// Policy or people let it run; recorded before anything is done.
pub fn approved(plan: &RemediationPlan, approval: PlanApproval, by: &str) -> Transition {
    let mut t = Transition::of(plan);
    t.status.approval = Some(approval);
    t.cond(APPROVED, Some(true), "Approved", format!("approved by {by}"))
}

/// It begins to act.
pub fn begin_execution(plan: &RemediationPlan, approval: PlanApproval, by: &str, now: Timestamp) -> Transition {
    let mut t = approved(plan, approval, by);
    t.status.state = Some(State::Executing);
    t.status.started_at = Some(Time(now));
    t.evidence("approval", format!("approved by {by}"), now);
    t.cond(EXECUTED, Some(false), "Executing", "the actions are being carried out").note(
        false,
        "ExecutionStarted",
        format!("approved by {by}; the actions begin"),
    )
}

/// The intent of a step is recorded. Nothing of it has been done.
pub fn intend(
    plan: &RemediationPlan,
    index: usize,
    action: &RemediationAction,
    key: &str,
    snapshot: ResourceSnapshot,
    describe: &str,
    now: Timestamp,
) -> Transition {
    let mut t = Transition::of(plan);
    if t.status.preflight_snapshot.is_none() {
        t.status.preflight_snapshot = Some(snapshot.clone());
    }
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    checkpoint(&mut t.status, index, action, Some(&snapshot), false, now);
    t.status.steps.push(ExecutionStep {
        index,
        action: action.clone(),
        phase: StepPhase::Intended,
        idempotency_key: key.to_owned(),
        snapshot: Some(snapshot),
        digest_after: None,
        intended_at: Time(now),
        done_at: None,
        message: Some(describe.to_owned()),
    });
    t
}

fn checkpoint(
    status: &mut RemediationPlanStatus,
    index: i32,
    action: &RemediationAction,
    snapshot: Option<&ResourceSnapshot>,
    success: bool,
    now: Timestamp,
) {
    match status.action_checkpoints.iter_mut().find(|c| c.action_index == index) {
        Some(known) => known.success = success,
        None => status.action_checkpoints.push(RemediationPlanActionCheckpoint {
            action_index: index,
            action_type: Some(action.type_),
            snapshot_before: snapshot.cloned(),
            success,
            timestamp: Time(now),
        }),
    }
}

/// A step's side effect is on the cluster.
pub fn step_done(
    plan: &RemediationPlan,
    at: usize,
    digest: Option<String>,
    recovered: bool,
    now: Timestamp,
) -> Transition {
    let mut t = Transition::of(plan);
    let Some(step) = t.status.steps.get_mut(at) else { return t };
    step.phase = StepPhase::Done;
    step.done_at = Some(Time(now));
    step.digest_after = digest;
    let (index, action) = (step.index, step.action.clone());
    let what = step.message.clone().unwrap_or_default();
    checkpoint(&mut t.status, index, &action, None, true, now);
    let how = if recovered { "was found done after a restart" } else { "is done" };
    t.evidence("action", format!("{what} {how}"), now);
    t.note(false, "ActionDone", format!("{:?}: {what}", action.type_))
}

/// A step was refused or failed; nothing of it is on the cluster. A step whose intent was never written is added.
pub fn step_failed(
    plan: &RemediationPlan,
    step: StepAt<'_>,
    reason: &'static str,
    why: &str,
    now: Timestamp,
) -> Transition {
    let mut t = Transition::of(plan);
    let (index, action) = match step {
        StepAt::Recorded(at) => {
            let Some(step) = t.status.steps.get_mut(at) else { return t };
            step.phase = StepPhase::Failed;
            step.message = Some(why.to_owned());
            (step.index, step.action.clone())
        }
        StepAt::New { index, action, key } => {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            t.status.steps.push(ExecutionStep {
                index,
                action: action.clone(),
                phase: StepPhase::Failed,
                idempotency_key: key.to_owned(),
                snapshot: None,
                digest_after: None,
                intended_at: Time(now),
                done_at: None,
                message: Some(why.to_owned()),
            });
            (index, action.clone())
        }
    };
    checkpoint(&mut t.status, index, &action, None, false, now);
    t.evidence("refusal", why, now);
    t.cond(EXECUTED, Some(false), reason, format!("{:?}: {why}", action.type_)).note(
        true,
        "ActionFailed",
        format!("{:?}: {why}", action.type_),
    )
}

/// Which step failed.
#[derive(Clone, Copy, Debug)]
pub enum StepAt<'a> {
    /// One of the log.
    Recorded(usize),
    /// One that is not in the log yet.
    New {
        /// Index of the action.
        index: usize,
        /// The action.
        action: &'a RemediationAction,
        /// Key that it would have had.
        key: &'a str,
    },
}

/// All actions are done; the watch begins.
pub fn begin_verification(plan: &RemediationPlan, verification: Verification, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    t.status.state = Some(State::Verifying);
    t.status.actions_completed_at = Some(Time(now));
    let deadline = verification.deadline.0;
    t.status.verification = Some(verification);
    t.cond(EXECUTED, Some(true), "Executed", "all actions are done").cond(
        VERIFIED,
        None,
        "Watching",
        format!("whether the fault is gone is watched until {deadline}"),
    )
}

/// The watch goes on.
pub fn watching(plan: &RemediationPlan, verification: Verification) -> Transition {
    let mut t = Transition::of(plan);
    let message = match &verification.healthy_since {
        Some(since) => format!("everything holds since {}; it has to stay so", since.0),
        None => verification.pending.join("; "),
    };
    t.status.verification = Some(verification);
    t.cond(VERIFIED, None, "Watching", message)
}

/// It helped.
pub fn verified(plan: &RemediationPlan, verification: Option<Verification>, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    if verification.is_some() {
        t.status.verification = verification;
    }
    let said = "the signals are gone and stayed gone, and the rollout is complete";
    t.end(State::Completed, said, now);
    t.evidence("verification", said, now);
    t.cond(VERIFIED, Some(true), "Verified", said).note(false, "Verified", said)
}

/// It is over without having acted on anything that could be undone.
pub fn fail(
    plan: &RemediationPlan,
    type_: &'static str,
    reason: &'static str,
    why: &str,
    now: Timestamp,
) -> Transition {
    let mut t = Transition::of(plan);
    t.end(State::Failed, why, now);
    let mut t = t.cond(type_, Some(false), reason, why).note(true, reason, why);
    if type_ == APPROVED {
        t = t.cond(EXECUTED, Some(false), "NotApproved", "nothing was done");
    }
    t
}

/// Its Issue is over before it acted.
pub fn cancelled(plan: &RemediationPlan, why: &str, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    t.end(State::Failed, why, now);
    t.cond(EXECUTED, Some(false), "Cancelled", why).note(false, "Cancelled", why)
}

/// What was done is going to be undone. Written before the first step of it.
pub fn begin_rollback(
    plan: &RemediationPlan,
    verification: Option<Verification>,
    healthy: bool,
    why: &str,
    now: Timestamp,
) -> Transition {
    let mut t = Transition::of(plan);
    t.status.rollback_performed = Some(true);
    t.status.post_failure_healthy = Some(healthy);
    t.status.result = Some(why.to_owned());
    t.evidence("failure", why, now);
    if verification.is_some() {
        t.status.verification = verification;
        t = t.cond(VERIFIED, Some(false), "NotHelped", why);
    }
    t.note(true, "RollingBack", format!("{why}; what was done is undone"))
}

/// A step is about to be undone.
pub fn undo_begin(plan: &RemediationPlan, at: usize) -> Transition {
    let mut t = Transition::of(plan);
    if let Some(step) = t.status.steps.get_mut(at) {
        step.phase = StepPhase::RollingBack;
    }
    t
}

/// A step is undone.
pub fn undo_done(plan: &RemediationPlan, at: usize, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    if let Some(step) = t.status.steps.get_mut(at) {
        step.phase = StepPhase::RolledBack;
        let what = step.message.clone().unwrap_or_default();
        t.evidence("rollback", format!("{what} is undone"), now);
    }
    t
}

/// A step cannot be undone.
pub fn undo_failed(plan: &RemediationPlan, at: usize, why: &str, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    if let Some(step) = t.status.steps.get_mut(at) {
        step.phase = StepPhase::RollbackFailed;
        step.message = Some(format!("{}; not undone: {why}", step.message.clone().unwrap_or_default()));
    }
    t.evidence("rollback", format!("not undone: {why}"), now);
    t.note(true, "RollbackFailed", why)
}

/// The rollback is over. RolledBack is said only when everything that could be put back was.
pub fn end_rollback(plan: &RemediationPlan, now: Timestamp) -> Transition {
    let mut t = Transition::of(plan);
    let why = t.status.result.clone().unwrap_or_default();
    let (state, performed, said) = match ended(&t.status.steps) {
        Ended::RolledBack => (State::RolledBack, true, "everything is as it was before".to_owned()),
        Ended::Failed => {
            (State::Failed, true, format!("not everything could be undone: {}", not_undone(&t.status.steps)))
        }
        Ended::NothingToUndo => {
            (State::Failed, false, "the actions changed no configuration; there was nothing to undo".to_owned())
        }
    };
    t.status.rollback_performed = Some(performed);
    t.status.rollback_result = Some(said.clone());
    t.end(state, format!("{why}; {said}"), now);
    let warning = state == State::Failed;
    t.note(warning, if state == State::RolledBack { "RolledBack" } else { "Failed" }, format!("{why}; {said}"))
}

fn not_undone(steps: &[ExecutionStep]) -> String {
    let all: Vec<&str> =
        steps.iter().filter(|s| s.phase == StepPhase::RollbackFailed).filter_map(|s| s.message.as_deref()).collect();
    all.join("; ")
}
