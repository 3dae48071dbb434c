//! After the actions: watching whether they helped, and undoing them when not.

use api::RemediationPlan;
use api::remediation_plan::StepPhase;
use api::shared::ResourceRef;
use domain::remediation::preflight::TargetKind;
use domain::remediation::rollback::{self, Undo};
use domain::remediation::verification::{self, Signals, Verdict};
use domain::remediation::{plan, steps};
use kit::controller::Next;
use kube::ResourceExt;

use super::act::{Acted, Setting};
use super::error::Error;
use super::execute::step;
use super::{Controller, Step};

impl Controller {
    /// One look at a plan that has acted.
    pub(super) async fn verify(&self, plan: RemediationPlan) -> Result<Step, Error> {
        let now = self.clock.now();
        let issue = self.reader.issue(&plan).await?;
        let resource = plan.spec.resource.clone().or_else(|| issue.as_ref().map(|i| i.spec.resource.clone()));
        let Some(current) = plan.status.as_ref().and_then(|s| s.verification.clone()) else {
            let begun = verification::begin(None, self.stability, now);
            return self.go(&plan, plan::watching(&plan, begun)).await;
        };
        let health = match &resource {
            Some(resource) => {
                let uid = target_uid(&plan);
                verification::health(self.reader.deployment(resource).await?.as_ref(), uid)
            }
            None => verification::Health::default(),
        };
        let signals = match (&issue, &resource) {
            (Some(issue), Some(resource)) => self.signals(&plan, issue, resource, current.started_at.0),
            _ => Signals::default(),
        };
        match verification::judge(&current, &health, &signals, self.stability, now) {
            Verdict::Helped => self.go(&plan, plan::verified(&plan, Some(current), now)).await,
            Verdict::Watch { verification, next_check } => {
                self.write(&plan, plan::watching(&plan, verification)).await?;
                Ok(Step::Rest(Next::At(next_check)))
            }
            Verdict::Failed { verification, why } => {
                let healthy = health.pending.is_empty() && health.hopeless.is_none();
                self.go(&plan, plan::begin_rollback(&plan, Some(verification), healthy, &why, now)).await
            }
        }
    }

    fn signals(
        &self,
        plan: &RemediationPlan,
        issue: &api::Issue,
        resource: &ResourceRef,
        since: jiff::Timestamp,
    ) -> Signals {
        let anomalies = self.anomalies.in_namespace(&plan.namespace().unwrap_or_default());
        verification::signals(issue, resource, Some(since), anomalies.iter().map(AsRef::as_ref))
    }

    /// One step of undoing. It needs no approval and no open window: leaving a change that did not help is the greater
    /// risk, and everyone who approved the plan approved its way back.
    pub(super) async fn roll_back(&self, plan: RemediationPlan) -> Result<Step, Error> {
        let now = self.clock.now();
        let log = plan.status.as_ref().map(|s| s.steps.as_slice()).unwrap_or_default();
        let Some(at) = rollback::next_undo(log) else {
            return self.go(&plan, plan::end_rollback(&plan, now)).await;
        };
        let Some(step) = step(&plan, at).cloned() else { return self.go(&plan, plan::end_rollback(&plan, now)).await };
        if step.phase != StepPhase::RollingBack {
            return self.go(&plan, plan::undo_begin(&plan, at)).await;
        }
        let target = self.snapshot_target(&step).await?;
        let fields = match rollback::undo(&step, target.as_ref()) {
            Undo::AlreadyUndone => return self.go(&plan, plan::undo_done(&plan, at, now)).await,
            Undo::Refuse(refusal) => return self.go(&plan, plan::undo_failed(&plan, at, &refusal.message, now)).await,
            Undo::Act { fields } => fields,
        };
        let kind = step.snapshot.as_ref().and_then(|s| TargetKind::from_name(&s.resource_kind));
        let (Some(kind), Some(object)) = (kind, target) else {
            return self.go(&plan, plan::undo_failed(&plan, at, "the target is gone", now)).await;
        };
        let key = steps::undo_key(&step.idempotency_key);
        match self.set(&Setting { kind, object: &object, wanted: &fields, key: &key }, false).await? {
            Acted::Done(_) => self.go(&plan, plan::undo_done(&plan, at, self.clock.now())).await,
            Acted::Refused(why) => self.go(&plan, plan::undo_failed(&plan, at, &why, now)).await,
        }
    }
}

/// UID of the workload that was changed, from the log.
fn target_uid(plan: &RemediationPlan) -> Option<&str> {
    let deployment = TargetKind::Deployment.name();
    let from_log = plan
        .status
        .iter()
        .flat_map(|s| &s.steps)
        .filter_map(|s| s.snapshot.as_ref())
        .find(|s| s.resource_kind == deployment)
        .and_then(|s| s.uid.as_deref());
    from_log.or(plan.spec.resource_uid.as_deref())
}
