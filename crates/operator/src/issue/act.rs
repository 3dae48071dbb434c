//! What an Issue asks for: its analysis and its plans. Each may be asked for twice without harm.

use std::collections::BTreeMap;

use api::ai_insight::AIInsightSpec;
use api::remediation_plan::RemediationPlanSpec;
use api::shared::IssueRef;
use api::{AIInsight, Issue, RemediationPlan, keys};
use domain::incident::{Decision, Effect, insight_name, label, plan_name};
use kit::condition::cut;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::error::Error;
use super::observe::of;
use super::{Controller, MANAGER};

/// Longest strategy of a plan, in bytes.
const STRATEGY: usize = 16 << 10;

impl Controller {
    /// Makes the plan, before the status speaks of it.
    pub(super) async fn act_before(&self, issue: &Issue, decision: &Decision) -> Result<(), Error> {
        for effect in &decision.effects {
            if let Effect::Plan { attempt, actions, strategy, confidence } = effect {
                let spec = RemediationPlanSpec {
                    actions: actions.clone(),
                    agentic_history: Vec::new(),
                    agentic_max_steps: None,
                    agentic_mode: None,
                    attempt: *attempt,
                    issue_ref: IssueRef { name: issue.name_any() },
                    safety_constraints: Vec::new(),
                    strategy: cut(strategy, STRATEGY).to_owned(),
                    resource: Some(issue.spec.resource.clone()),
                    resource_uid: issue.spec.resource_uid.clone(),
                    severity: Some(issue.spec.severity),
                    confidence: *confidence,
                };
                self.plan(issue, plan_name(&issue.name_any(), *attempt), spec).await?;
            }
        }
        Ok(())
    }

    /// Asks for the analysis, after the status says what did not help: whoever analyses reads it there. An Issue that is
    /// being analysed and has no analysis asks again, so nothing is lost in between.
    pub(super) async fn act_after(&self, issue: &Issue, decision: &Decision) -> Result<(), Error> {
        for effect in &decision.effects {
            if let Effect::Analyse { attempt } = effect {
                self.insight(issue, *attempt).await?;
            }
        }
        Ok(())
    }

    async fn insight(&self, issue: &Issue, attempt: i32) -> Result<(), Error> {
        let name = insight_name(&issue.name_any());
        let api: Api<AIInsight> = Api::namespaced(self.client.clone(), &issue.namespace().unwrap_or_default());
        let what = || format!("AIInsight {name}");
        let insight = AIInsight {
            metadata: metadata(issue, &name),
            spec: AIInsightSpec {
                issue_ref: IssueRef { name: issue.name_any() },
                model: String::new(),
                provider: String::new(),
                attempt: Some(attempt),
            },
            status: None,
        };
        if self.caches.insights.find(&issue.namespace().unwrap_or_default(), &name).is_none() {
            match api.create(&by_us(), &insight).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(source) => return Err(Error::Write { what: what(), source }),
            }
        }
        let there = api.get_opt(&name).await.map_err(|source| Error::Read { what: what(), source })?;
        match there {
            // Deleted meanwhile.
            None => api.create(&by_us(), &insight).await.map(drop),
            Some(there) if !of(&there, issue) => return Err(Error::NameTaken { what: what() }),
            Some(there) if there.spec.attempt.unwrap_or(1) >= attempt => return Ok(()),
            Some(there) => {
                let raised = json!({"metadata": {"uid": there.metadata.uid, "resourceVersion": there.metadata.resource_version}, "spec": {"attempt": attempt}});
                let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                api.patch(&name, &params, &Patch::Merge(&raised)).await.map(drop)
            }
        }
        .map_err(|source| Error::Write { what: what(), source })
    }

    async fn plan(&self, issue: &Issue, name: String, spec: RemediationPlanSpec) -> Result<(), Error> {
        let api: Api<RemediationPlan> = Api::namespaced(self.client.clone(), &issue.namespace().unwrap_or_default());
        let what = || format!("RemediationPlan {name}");
        let plan = RemediationPlan { metadata: metadata(issue, &name), spec, status: None };
        match api.create(&by_us(), &plan).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // A name that two Issues could share is never taken over: its actions may be other ones.
                match api.get_opt(&name).await.map_err(|source| Error::Read { what: what(), source })? {
                    Some(there) if of(&there, issue) => Ok(()),
                    _ => Err(Error::NameTaken { what: what() }),
                }
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                Err(Error::Refused { name: name.clone(), why: status.message })
            }
            Err(source) => Err(Error::Write { what: what(), source }),
        }
    }
}

pub(super) fn by_us() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn metadata(issue: &Issue, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: issue.namespace(),
        labels: Some(BTreeMap::from([(keys::ISSUE.to_owned(), label(&issue.name_any()))])),
        owner_references: issue.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}
