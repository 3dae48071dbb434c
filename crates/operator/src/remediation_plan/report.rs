//! Turns a transition into one status write and its Events.

use api::RemediationPlan;
use domain::remediation::plan::{Note, Transition};
use k8s_openapi::api::core::v1::ObjectReference;
use kit::condition::{Status, upsert};
use kube::{Resource, ResourceExt};

use super::Controller;
use super::error::Error;

/// Field manager of this controller.
pub(super) const MANAGER: &str = "chatcli-operator/remediation-plan";

impl Controller {
    /// Writes a transition on top of exactly the plan that it was decided on, and returns the plan as it is then. A plan
    /// that moved on meanwhile is a conflict: nothing is written, and the decision is made again.
    pub(super) async fn write(&self, plan: &RemediationPlan, transition: Transition) -> Result<RemediationPlan, Error> {
        let now = self.clock.now();
        let mut status = transition.status;
        for c in transition.conditions {
            let holds = c.status.map_or(Status::Unknown, Status::from);
            upsert(&mut status.conditions, c.type_, holds, c.reason, &c.message, plan.metadata.generation, now);
        }
        let api = self.reader.api::<RemediationPlan>(&plan.namespace().unwrap_or_default());
        let written =
            kit::status::write(&api, MANAGER, plan, &status).await.map_err(|source| Error::WriteStatus { source })?;
        let newer = written.or(plan);
        for note in transition.notes {
            self.note(&newer, &note).await;
        }
        Ok(newer)
    }

    async fn note(&self, plan: &RemediationPlan, note: &Note) {
        let reference: ObjectReference = plan.object_ref(&());
        if note.warning {
            self.events.warning(&reference, note.reason, "Remediate", &note.message).await;
        } else {
            self.events.normal(&reference, note.reason, "Remediate", &note.message).await;
        }
    }
}
