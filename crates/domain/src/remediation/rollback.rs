//! Undoing what a plan did: in which order, and whether a step may be undone at all.

use api::remediation_plan::{ExecutionStep, StepPhase};
use serde_json::Value;

use super::actions::{self, Reversal};
use super::fields::{self, Fields};
use super::preflight::{Refusal, text};
use super::steps::{saved, undo_key};

const MARK: &str = "/metadata/annotations/platform.chatcli.io~1last-action";

/// Place in the log of the step that is undone next; none when nothing is left.
///
/// The last action is undone first. Inside one action the order stays as it was done: a ConfigMap goes back before the
/// pods that read it are restarted.
pub fn next_undo(log: &[ExecutionStep]) -> Option<usize> {
    log.iter()
        .enumerate()
        .filter(|(_, s)| match s.phase {
            StepPhase::RollingBack => true,
            StepPhase::Done => reversible(s),
            _ => false,
        })
        .max_by_key(|(at, s)| (s.phase == StepPhase::RollingBack, s.index, std::cmp::Reverse(*at)))
        .map(|(at, _)| at)
}

/// Whether undoing a step restores anything.
pub fn reversible(step: &ExecutionStep) -> bool {
    actions::parse(&step.action).is_ok_and(|a| a.reversal() == Reversal::RestoresFields)
}

/// How a rollback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that could be put back was.
    RolledBack,
    /// Something could not be put back.
    Failed,
    /// There was nothing to put back.
    NothingToUndo,
}

/// How the rollback of a log ended, once `next_undo` finds nothing.
pub fn ended(log: &[ExecutionStep]) -> Ended {
    if log.iter().any(|s| s.phase == StepPhase::RollbackFailed) {
        Ended::Failed
    } else if log.iter().any(|s| s.phase == StepPhase::RolledBack) {
        Ended::RolledBack
    } else {
        Ended::NothingToUndo
    }
}

/// What is to be done to undo a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Undo {
    /// The fields are as they were before.
    AlreadyUndone,
    /// These are to be put back.
    Act {
        /// The fields as they were.
        fields: Fields,
    },
    /// They must not be.
    Refuse(Refusal),
}

/// Whether and how a step is undone. `target` is the object as it is now.
pub fn undo(step: &ExecutionStep, target: Option<&Value>) -> Undo {
    let Some(snapshot) = &step.snapshot else {
        return Undo::Refuse(Refusal::new("NoSnapshot", "the log holds no snapshot to put back"));
    };
    let place = format!("{} {}/{}", snapshot.resource_kind, snapshot.namespace, snapshot.resource_name);
    let uid = snapshot.uid.as_deref().unwrap_or_default();
    let Some(target) = target.filter(|t| text(t, "/metadata/uid") == uid) else {
        return Undo::Refuse(Refusal::new("TargetReplaced", format!("{place} was deleted, or deleted and made again")));
    };
    let Ok(before) = saved(snapshot) else {
        return Undo::Refuse(Refusal::new("NoSnapshot", format!("the snapshot of {place} cannot be read")));
    };
    let now = fields::read_like(target, &before);
    if now == before || text(target, MARK) == undo_key(&step.idempotency_key) {
        return Undo::AlreadyUndone;
    }
    if step.digest_after.as_deref().is_some_and(|d| d != fields::digest(&now)) {
        return Undo::Refuse(Refusal::new(
            "TargetChanged",
            format!("{place} was changed by someone else after the action; it is left as it is, look at it by hand"),
        ));
    }
    Undo::Act { fields: before }
}
