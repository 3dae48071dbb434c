//! From a new plan to one that may act: admission, policies, the request and its decision.

use api::remediation_plan::PlanApproval;
use api::shared::IssueState;
use api::{Issue, RemediationPlan};
use domain::approval::{AutoFacts, Gate, GateInput, Question, Settled, actions_hash, gate, resolve, settle};
use domain::remediation::history::history;
use domain::remediation::plan::{self, Admitted, admit};
use domain::remediation::preflight::Refusal;
use domain::remediation::{preflight, verification};
use kit::controller::Next;
use kube::ResourceExt;
use serde_json::Value;

use super::act::text;
use super::error::Error;
use super::{Controller, Step};

/// Everything that the gate looked at.
pub(super) struct GateView {
    pub admitted: Admitted,
    pub settled: Settled,
    pub hash: String,
    pub answer: Gate,
    pub request_approved: bool,
}

impl Controller {
    /// One step of a plan that may not act yet.
    pub(super) async fn gate(&self, plan: RemediationPlan) -> Result<Step, Error> {
        let now = self.clock.now();
        let issue = self.reader.issue(&plan).await?;
        if let Some(why) = issue.as_ref().and_then(over) {
            return self.go(&plan, plan::cancelled(&plan, &why, now)).await;
        }
        let admitted = match admit(&plan, issue.as_ref(), &self.operator_namespace) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(&plan, &refusal).await,
        };
        let deployment = self.reader.deployment(&admitted.resource).await?;
        let view = self.ask_gate(&plan, admitted, deployment.as_ref()).await?;
        match view.answer.clone() {
            Gate::Granted { by } => self.granted(plan, issue.as_ref(), &view, &by).await,
            Gate::AutoApprove { approver, evidence } => {
                let request = self.decided_request(&plan, &view, deployment.as_ref(), &approver, &evidence).await?;
                let approval = approval(&view, Some(request));
                self.go(&plan, plan::approved(&plan, approval, &approver)).await
            }
            Gate::Ask { why } => {
                // A refusal that is certain already is not put before a person.
                if let Some(refusal) = self.refused_already(&view.admitted).await? {
                    return self.refuse(&plan, &refusal).await;
                }
                self.ask(plan, &view, deployment.as_ref(), &why).await
            }
            Gate::Wait { reason, message, until } => {
                let held = plan::hold(&plan, view.request_approved.then_some(true), reason, &message);
                self.write(&plan, held).await?;
                Ok(Step::Rest(until.map_or(Next::OnChange, Next::At)))
            }
            Gate::Denied { reason, message } => {
                self.go(&plan, plan::fail(&plan, api::conditions::APPROVED, reason, &message, now)).await
            }
        }
    }

    /// Asks the policies and the request, all read now.
    pub(super) async fn ask_gate(
        &self,
        plan: &RemediationPlan,
        admitted: Admitted,
        deployment: Option<&Value>,
    ) -> Result<GateView, Error> {
        let now = self.clock.now();
        let namespace = plan.namespace().unwrap_or_default();
        let policies = self.reader.policies(&namespace, &self.operator_namespace).await?;
        let question = Question {
            namespace: &namespace,
            kind: &admitted.resource.kind,
            severity: admitted.severity,
            actions: &plan.spec.actions,
        };
        let plans = self.plans.in_namespace(&namespace);
        let others: Vec<&RemediationPlan> =
            plans.iter().map(AsRef::as_ref).filter(|p| p.metadata.uid != plan.metadata.uid).collect();
        let facts = AutoFacts {
            confidence: plan.spec.confidence,
            severity: admitted.severity,
            history: history(others, &plan.spec.actions, &admitted.resource.kind, now),
        };
        let settled = settle(resolve(&question, &policies), &facts);
        let uid = deployment.map(|d| text(d, "/metadata/uid")).unwrap_or_default();
        let hash = actions_hash(&plan.spec.actions, uid, &settled.requirement.governing);
        let request = self.reader.request(plan).await?;
        let answer = gate(&GateInput { settled: &settled, hash: &hash, request: request.as_ref(), now });
        let request_approved = request
            .and_then(|r| r.status)
            .is_some_and(|s| s.state == Some(api::approval_request::ApprovalRequestState::Approved));
        Ok(GateView { admitted, settled, hash, answer, request_approved })
    }

    async fn granted(
        &self,
        plan: RemediationPlan,
        issue: Option<&Issue>,
        view: &GateView,
        by: &str,
    ) -> Result<Step, Error> {
        // Only the holder of the lease runs this controller, so a lock of the process is one of the cluster.
        let _alone = self.beginning.lock().await;
        if let Some(other) = self.busy(&plan, &view.admitted).await? {
            let message = format!("plan {other} is acting on the same workload");
            self.write(&plan, plan::hold(&plan, Some(true), "TargetBusy", &message)).await?;
            return Ok(Step::Rest(Next::OnChange));
        }
        if let Some(issue) = issue {
            let anomalies = self.anomalies.in_namespace(&plan.namespace().unwrap_or_default());
            let seen = verification::signals(issue, &view.admitted.resource, None, anomalies.iter().map(AsRef::as_ref));
            if seen.all_clear() {
                let message =
                    "the signals of the Issue are gone; it acts only if they come back before the Issue is resolved";
                self.write(&plan, plan::hold(&plan, Some(true), "SignalsClear", message)).await?;
                return Ok(Step::Rest(Next::OnChange));
            }
        }
        let request = plan.status.as_ref().and_then(|s| s.approval.as_ref()).and_then(|a| a.request.clone());
        let begun = plan::begin_execution(&plan, approval(view, request), by, self.clock.now());
        self.go(&plan, begun).await
    }

    /// Another plan that acts on the same workload now. Two plans never change one workload at once.
    async fn busy(&self, plan: &RemediationPlan, admitted: &Admitted) -> Result<Option<String>, Error> {
        let own = plan.metadata.uid.as_deref().unwrap_or_default();
        let others = self.reader.plans(&plan.namespace().unwrap_or_default()).await?;
        let acting = others.iter().filter(|p| text(p, "/metadata/uid") != own).find(|p| {
            // One that does not decode is not taken for idle when its state says that it acts.
            serde_json::from_value::<RemediationPlan>((*p).clone()).map_or_else(
                |_| matches!(text(p, "/status/state"), "Executing" | "Verifying"),
                |p| acts_on(&p, admitted),
            )
        });
        Ok(acting.map(|p| text(p, "/metadata/name").to_owned()))
    }

    async fn refused_already(&self, admitted: &Admitted) -> Result<Option<Refusal>, Error> {
        let Some(first) = admitted.actions.first() else { return Ok(None) };
        let world = self.reader.world(&admitted.resource, first).await?;
        match preflight::effects(first, admitted.uid.as_deref(), &world, self.clock.now()) {
            Err(refusal) => Ok(Some(refusal)),
            Ok(effects) if effects.first().is_some_and(preflight::Effect::changes_nothing) => {
                Ok(Some(nothing_to_change()))
            }
            Ok(_) => Ok(None),
        }
    }

    pub(super) async fn refuse(&self, plan: &RemediationPlan, refusal: &Refusal) -> Result<Step, Error> {
        let now = self.clock.now();
        let failed = plan::fail(plan, api::conditions::EXECUTED, refusal.reason, &refusal.message, now);
        self.go(plan, failed).await
    }
}

pub(super) fn nothing_to_change() -> Refusal {
    Refusal::new("NothingToChange", "the target is already as the action would make it, so the action cannot help")
}

pub(super) fn approval(view: &GateView, request: Option<String>) -> PlanApproval {
    let first = view.settled.requirement.governing.first();
    PlanApproval {
        request,
        hash: view.hash.clone(),
        policy: first.map(|g| format!("{}/{}", g.namespace, g.name)),
        rule: first.and_then(|g| g.rule.clone()),
        reason: view.settled.requirement.reason.clone(),
    }
}

/// Why an Issue needs no plan any more.
pub(super) fn over(issue: &Issue) -> Option<String> {
    let state = issue.status.as_ref()?.state?;
    let name = issue.metadata.name.as_deref().unwrap_or_default();
    (state == IssueState::Resolved).then(|| format!("Issue {name} is resolved; nothing was done"))
}

fn acts_on(plan: &RemediationPlan, admitted: &Admitted) -> bool {
    matches!(plan::stage(plan), plan::Stage::Execute | plan::Stage::Verify | plan::Stage::RollBack)
        && plan.spec.resource.as_ref().is_none_or(|r| *r == admitted.resource)
}
