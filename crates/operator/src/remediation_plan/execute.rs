//! Carrying out the write-ahead log: intent, side effect, done.

use api::RemediationPlan;
use api::remediation_plan::{ExecutionStep, StepPhase};
use domain::approval::Gate;
use domain::remediation::actions::Action;
use domain::remediation::plan::{self, Admitted, StepAt, admit};
use domain::remediation::preflight::{self, Change, Effect, Refusal, TargetKind};
use domain::remediation::steps::{self, NextStep, Recognised};
use domain::remediation::verification;
use jiff::Timestamp;
use kit::controller::Next;
use serde_json::Value;

use super::act::{Acted, Setting};
use super::error::Error;
use super::gate::nothing_to_change;
use super::{Controller, Step};

/// Whether the next action may be done now.
enum May {
    Yes(Admitted),
    /// The reconcile is over, or goes on with another plan status.
    Not(Step),
    /// It may not, and what was done before is undone.
    Never(Refusal),
}

impl Controller {
    /// One step of a plan that acts.
    pub(super) async fn execute(&self, plan: RemediationPlan) -> Result<Step, Error> {
        match steps::next_step(&plan) {
            NextStep::Begin { index, action, effect, key } => {
                Box::pin(self.begin(plan, index, &action, effect, &key)).await
            }
            NextStep::Resume { at, action, effect } => Box::pin(self.resume(plan, at, &action, effect)).await,
            NextStep::Broken { why } => self.give_up(&plan, &why).await,
            NextStep::AllDone => {
                let now = self.clock.now();
                let resource = plan.spec.resource.clone();
                let deployment = match &resource {
                    Some(resource) => self.reader.deployment(resource).await?,
                    None => None,
                };
                let begun = verification::begin(deployment.as_ref(), self.stability, now);
                self.go(&plan, plan::begin_verification(&plan, begun, now)).await
            }
        }
    }

    /// Checks an effect and records its intent. Nothing is changed here.
    async fn begin(
        &self,
        plan: RemediationPlan,
        index: usize,
        action: &Action,
        effect: usize,
        key: &str,
    ) -> Result<Step, Error> {
        let now = self.clock.now();
        let Some(raw) = plan.spec.actions.get(index) else { return self.give_up(&plan, "the action is gone").await };
        let at = StepAt::New { index, action: raw, key };
        let admitted = match self.may(&plan).await? {
            May::Yes(admitted) => admitted,
            May::Not(step) => return Ok(step),
            May::Never(refusal) => return self.step_failed(&plan, at, &refusal).await,
        };
        let (chosen, object) = match self.effect(&admitted, action, effect, now).await? {
            Ok(found) => found,
            Err(refusal) => return self.step_failed(&plan, at, &refusal).await,
        };
        if chosen.changes_nothing() {
            return self.step_failed(&plan, at, &nothing_to_change()).await;
        }
        let expected = match self.dry_run(&chosen, &object, key).await? {
            Acted::Done(digest) => digest,
            Acted::Refused(why) => {
                return self.step_failed(&plan, at, &Refusal::new("DryRunRefused", why)).await;
            }
        };
        let snapshot = steps::snapshot(&chosen, &object, now);
        let intent = plan::intend(&plan, index, raw, key, snapshot, &chosen.describe, now).expecting(expected);
        self.go(&plan, intent).await
    }

    /// Finds out whether an intended effect has happened, and makes it happen when not. The first run of a step and the
    /// one after a crash are this same code.
    async fn resume(&self, plan: RemediationPlan, at: usize, action: &Action, effect: usize) -> Result<Step, Error> {
        let now = self.clock.now();
        let Some(step) = step(&plan, at).cloned() else { return self.give_up(&plan, "the log is cut").await };
        let target = self.snapshot_target(&step).await?;
        match steps::recognise(&step, target.as_ref()) {
            Recognised::Done { digest } => return self.go(&plan, plan::step_done(&plan, at, digest, true, now)).await,
            Recognised::Refuse(refusal) => return self.step_failed(&plan, StepAt::Recorded(at), &refusal).await,
            Recognised::Act => {}
        }
        let admitted = match self.may(&plan).await? {
            May::Yes(admitted) => admitted,
            May::Not(next) => return Ok(next),
            May::Never(refusal) => return self.step_failed(&plan, StepAt::Recorded(at), &refusal).await,
        };
        let (chosen, object) = match self.effect(&admitted, action, effect, step.intended_at.0).await? {
            Ok(found) => found,
            Err(refusal) => return self.step_failed(&plan, StepAt::Recorded(at), &refusal).await,
        };
        // The object was read again for the effect: it must still be the one that the log speaks of.
        if steps::recognise(&step, Some(&object)) != Recognised::Act {
            return Err(Error::Moved { what: chosen.describe });
        }
        let acted = match &chosen.change {
            Change::Set { wanted, .. } => {
                let key = &step.idempotency_key;
                self.set(&Setting { kind: chosen.target.kind, object: &object, wanted, key }, false).await?
            }
            Change::Delete => self.delete(chosen.target.kind, &object, false).await?,
        };
        match acted {
            Acted::Done(digest) => self.go(&plan, plan::step_done(&plan, at, digest, false, self.clock.now())).await,
            Acted::Refused(why) => self.step_failed(&plan, StepAt::Recorded(at), &Refusal::new("Refused", why)).await,
        }
    }

    /// Asks the gate again, right before acting.
    async fn may(&self, plan: &RemediationPlan) -> Result<May, Error> {
        let issue = self.reader.issue(plan).await?;
        let admitted = match admit(plan, issue.as_ref(), &self.operator_namespace) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(May::Never(refusal)),
        };
        let deployment = self.reader.deployment(&admitted.resource).await?;
        let view = self.ask_gate(plan, admitted, deployment.as_ref()).await?;
        match view.answer {
            Gate::Granted { .. } => Ok(May::Yes(view.admitted)),
            Gate::Wait { reason, message, until } => {
                self.write(plan, plan::hold(plan, Some(true), reason, &message)).await?;
                Ok(May::Not(Step::Rest(until.map_or(Next::OnChange, Next::At))))
            }
            Gate::Denied { reason, message } => Ok(May::Never(Refusal::new(reason, message))),
            Gate::Ask { ref why } if untouched(plan) => {
                let asked = self.ask(plan.clone(), &view, deployment.as_ref(), why).await?;
                Ok(May::Not(asked))
            }
            Gate::Ask { why } => Ok(May::Never(Refusal::new("ApprovalVoid", why))),
            Gate::AutoApprove { .. } => Ok(May::Never(Refusal::new(
                "ApprovalVoid",
                "the request that approved this plan is gone; a new plan asks again",
            ))),
        }
    }

    /// The effect as it would be now, and the object that it changes.
    async fn effect(
        &self,
        admitted: &Admitted,
        action: &Action,
        effect: usize,
        stamp: Timestamp,
    ) -> Result<Result<(Effect, Value), Refusal>, Error> {
        let world = self.reader.world(&admitted.resource, action).await?;
        let effects = match preflight::effects(action, admitted.uid.as_deref(), &world, stamp) {
            Ok(effects) => effects,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(chosen) = effects.into_iter().nth(effect) else {
            return Ok(Err(Refusal::new("NoEffect", "the action has no such effect")));
        };
        let object = match chosen.target.kind {
            TargetKind::Deployment => world.deployment,
            TargetKind::ConfigMap => world.config_map,
            TargetKind::Pod => {
                world.pods.into_iter().find(|p| super::act::text(p, "/metadata/uid") == chosen.target.uid)
            }
        };
        Ok(object
            .map(|o| (chosen, o))
            .ok_or_else(|| Refusal::new("TargetNotFound", "the target does not exist any more")))
    }

    async fn step_failed(&self, plan: &RemediationPlan, at: StepAt<'_>, refusal: &Refusal) -> Result<Step, Error> {
        let now = self.clock.now();
        self.go(plan, plan::step_failed(plan, at, refusal.reason, &refusal.message, now)).await
    }

    /// The log cannot go on: what was done is undone; when nothing was, the plan has failed. An intent that nobody looked
    /// after since a crash may have been carried out, so that is found out first.
    async fn give_up(&self, plan: &RemediationPlan, why: &str) -> Result<Step, Error> {
        let now = self.clock.now();
        let log = plan.status.as_ref().map(|s| s.steps.as_slice()).unwrap_or_default();
        if let Some((at, step)) = log.iter().enumerate().find(|(_, s)| s.phase == StepPhase::Intended) {
            let target = self.snapshot_target(step).await?;
            return match steps::recognise(step, target.as_ref()) {
                Recognised::Done { digest } => self.go(plan, plan::step_done(plan, at, digest, true, now)).await,
                Recognised::Act => {
                    self.step_failed(plan, StepAt::Recorded(at), &Refusal::new("LogBroken", why.to_owned())).await
                }
                Recognised::Refuse(refusal) => self.step_failed(plan, StepAt::Recorded(at), &refusal).await,
            };
        }
        if untouched(plan) {
            return self.go(plan, plan::fail(plan, api::conditions::EXECUTED, "StepFailed", why, now)).await;
        }
        self.go(plan, plan::begin_rollback(plan, None, false, why, now)).await
    }

    /// Object of a step as it is now.
    pub(super) async fn snapshot_target(&self, step: &ExecutionStep) -> Result<Option<Value>, Error> {
        let Some(snapshot) = &step.snapshot else { return Ok(None) };
        let Some(kind) = TargetKind::from_name(&snapshot.resource_kind) else { return Ok(None) };
        self.reader.object(kind, &snapshot.namespace, &snapshot.resource_name).await
    }
}

pub(super) fn step(plan: &RemediationPlan, at: usize) -> Option<&ExecutionStep> {
    plan.status.as_ref()?.steps.get(at)
}

/// Whether nothing of the plan is on the cluster. An intent that was never carried out touches nothing.
fn untouched(plan: &RemediationPlan) -> bool {
    !plan.status.iter().flat_map(|s| &s.steps).any(|s| !matches!(s.phase, StepPhase::Intended | StepPhase::Failed))
}
