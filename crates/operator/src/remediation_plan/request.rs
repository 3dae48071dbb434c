//! Making ApprovalRequests: the question to people, and the record of what policy decided.

use api::approval_policy::ApprovalMode;
use api::approval_request::{
    ApprovalRequest, ApprovalRequestDecision, ApprovalRequestEvidence, ApprovalRequestSpec, ApprovalRequestState,
    ApprovalRequestStatus,
};
use api::shared::IssueRef;
use api::{RemediationPlan, conditions, keys};
use domain::approval::{
    BlastInput, approve_command, blast_radius, next_request_name, reject_command, request_name, short_name,
};
use domain::remediation::history::history;
use domain::remediation::plan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kit::condition::upsert;
use kube::api::{ObjectMeta, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::error::Error;
use super::gate::{GateView, approval};
use super::observe::belongs;
use super::{Controller, Step};

/// How many names are tried when requests of something else stand in the way.
const NAMES: usize = 8;

impl Controller {
    /// Puts the plan before people. Safe to repeat: the request has a name that follows from the plan, and one that was
    /// made before for the same actions is taken up again.
    pub(super) async fn ask(
        &self,
        plan: RemediationPlan,
        view: &GateView,
        deployment: Option<&Value>,
        why: &str,
    ) -> Result<Step, Error> {
        let request = self.request_for(&plan, view, deployment).await?;
        let (name, namespace) = (request.name_any(), plan.namespace().unwrap_or_default());
        let message = format!("ApprovalRequest {name} waits for a decision: {why}");
        let command =
            format!("approve: {} ; reject: {}", approve_command(&name, &namespace), reject_command(&name, &namespace));
        let known = plan.status.as_ref().and_then(|s| s.approval.as_ref()).and_then(|a| a.request.as_deref());
        if known != Some(name.as_str()) {
            let note = format!("{why}; {command}");
            self.events.normal(&request.object_ref(&()), "ApprovalRequested", "Approve", &note).await;
        }
        let asked = plan::asked(&plan, approval(view, Some(name)), &message, &command);
        self.go(&plan, asked).await
    }

    /// Records what policy decided, before anything is done on it. Returns the name of the request.
    pub(super) async fn decided_request(
        &self,
        plan: &RemediationPlan,
        view: &GateView,
        deployment: Option<&Value>,
        approver: &str,
        evidence: &str,
    ) -> Result<String, Error> {
        let request = self.request_for(plan, view, deployment).await?;
        let name = request.name_any();
        if request.status.as_ref().and_then(|s| s.state).is_some() {
            return Ok(name);
        }
        let now = self.clock.now();
        let mut status = ApprovalRequestStatus {
            state: Some(ApprovalRequestState::Approved),
            auto_approved: true,
            approved_at: Some(Time(now)),
            decisions: vec![ApprovalRequestDecision {
                approver: approver.to_owned(),
                decision: "approved".to_owned(),
                reason: Some(evidence.to_owned()),
                timestamp: Time(now),
            }],
            observed_generation: request.metadata.generation,
            ..ApprovalRequestStatus::default()
        };
        let text = format!("{approver} approved it: {evidence}");
        let generation = request.metadata.generation;
        upsert(&mut status.conditions, conditions::APPROVED, true, "ApprovedByPolicy", &text, generation, now);
        let api = self.reader.api::<ApprovalRequest>(&plan.namespace().unwrap_or_default());
        kit::status::write(&api, super::report::MANAGER, &request, &status)
            .await
            .map_err(|source| Error::WriteRequest { name: name.clone(), source })?;
        self.events.normal(&request.object_ref(&()), "ApprovedByPolicy", "Approve", &text).await;
        Ok(name)
    }

    /// The request for exactly this: found or made.
    async fn request_for(
        &self,
        plan: &RemediationPlan,
        view: &GateView,
        deployment: Option<&Value>,
    ) -> Result<ApprovalRequest, Error> {
        let plan_name = plan.name_any();
        let namespace = plan.namespace().unwrap_or_default();
        let api = self.reader.api::<ApprovalRequest>(&namespace);
        let spec = self.request_spec(plan, view, deployment).await?;
        let first = request_name(&plan_name);
        let mut name = first.clone();
        for _ in 0..NAMES {
            let request = ApprovalRequest { metadata: metadata(plan, view, &name), spec: spec.clone(), status: None };
            match api.create(&PostParams::default(), &request).await {
                Ok(made) => return Ok(made),
                Err(kube::Error::Api(status)) if status.is_already_exists() || status.is_conflict() => {}
                Err(source) => return Err(Error::WriteRequest { name, source }),
            }
            let found: Option<ApprovalRequest> = self.reader.get(&namespace, &name).await?;
            match found {
                Some(found) if usable(&found, plan, view) => return Ok(found),
                _ => name = next_request_name(&plan_name, &name),
            }
        }
        Err(Error::NoRequestName { name: first })
    }

    async fn request_spec(
        &self,
        plan: &RemediationPlan,
        view: &GateView,
        deployment: Option<&Value>,
    ) -> Result<ApprovalRequestSpec, Error> {
        let namespace = plan.namespace().unwrap_or_default();
        let resource = &view.admitted.resource;
        let requirement = &view.settled.requirement;
        let target = format!("{} {}", resource.kind, resource.name);
        let blast = blast_radius(&BlastInput {
            target: &target,
            namespace: &namespace,
            pods: self.reader.pods(deployment, &namespace).await?.len(),
            services: self.reader.services(deployment, &namespace).await?,
            others: Vec::new(),
            actions: &plan.spec.actions,
        });
        let plans = self.plans.in_namespace(&namespace);
        let others: Vec<&RemediationPlan> =
            plans.iter().map(AsRef::as_ref).filter(|p| p.metadata.uid != plan.metadata.uid).collect();
        let past = history(others, &plan.spec.actions, &resource.kind, self.clock.now());
        let first = requirement.governing.first();
        Ok(ApprovalRequestSpec {
            blast_radius: Some(blast),
            evidence: Some(ApprovalRequestEvidence {
                ai_analysis: Some(plan.spec.strategy.clone()),
                ai_confidence: plan.spec.confidence.unwrap_or(0.0),
                historical_success_rate: past.map_or(0.0, |h| h.rate()),
                preflight_snapshot: None,
                previous_attempts: past.map_or(0, |h| i32::try_from(h.finished).unwrap_or(i32::MAX)),
            }),
            issue_ref: IssueRef { name: plan.spec.issue_ref.name.clone() },
            policy_ref: first.map_or_else(|| "none".to_owned(), |g| g.name.clone()),
            remediation_plan_ref: plan.name_any(),
            requested_actions: plan.spec.actions.clone(),
            requester: "chatcli-operator".to_owned(),
            required_approvers: requirement.required_approvers.max(1),
            rule_name: first.and_then(|g| g.rule.clone()).unwrap_or_else(|| "default".to_owned()),
            timeout_minutes: requirement.timeout_minutes,
            actions_hash: Some(view.hash.clone()),
            policy_namespace: first.map(|g| g.namespace.clone()),
            mode: Some(requirement.mode),
        })
    }
}

/// Whether a request that is there already can be taken up. One that people decide is never one that policy decides.
fn usable(found: &ApprovalRequest, plan: &RemediationPlan, view: &GateView) -> bool {
    let auto = |m: Option<ApprovalMode>| m == Some(ApprovalMode::Auto);
    belongs(found, plan)
        && found.spec.actions_hash.as_deref() == Some(view.hash.as_str())
        && auto(found.spec.mode) == auto(Some(view.settled.requirement.mode))
}

fn metadata(plan: &RemediationPlan, view: &GateView, name: &str) -> ObjectMeta {
    let mut labels = std::collections::BTreeMap::from([
        (keys::ISSUE.to_owned(), short_name(&plan.spec.issue_ref.name)),
        (keys::REMEDIATION_PLAN.to_owned(), short_name(&plan.name_any())),
    ]);
    if let Some(policy) = view.settled.requirement.governing.first() {
        labels.insert(keys::POLICY.to_owned(), short_name(&policy.name));
    }
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: plan.namespace(),
        labels: Some(labels),
        owner_references: plan.controller_owner_ref(&()).map(|o| vec![o]),
        ..ObjectMeta::default()
    }
}
