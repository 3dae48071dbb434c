//! What a decision about an Issue rests on. Reads only.

use std::sync::Arc;

use api::{AIInsight, Issue, RemediationPlan};
use domain::incident::{Decision, Facts, Members, Settings, decide, insight_name, plan_refused};
use jiff::Timestamp;
use kit::cache::Key;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};

use super::Controller;
use super::error::Error;

/// Everything that was seen.
pub(super) struct Seen {
    pub insight: Option<Arc<AIInsight>>,
    pub plans: Vec<Arc<RemediationPlan>>,
    pub members: Members,
}

impl Controller {
    /// What the caches know.
    pub(super) fn observe(&self, issue: &Issue) -> Seen {
        let namespace = issue.namespace().unwrap_or_default();
        let insight = self.caches.insights.find(&namespace, &insight_name(&issue.name_any()));
        let plans = self.caches.plans.in_namespace(&namespace);
        Seen {
            insight: insight.filter(|i| i.spec.issue_ref.name == issue.name_any() && of(i.as_ref(), issue)),
            plans: plans.into_iter().filter(|plan| plan_of(plan, issue)).collect(),
            members: self.index.members(&Key::of(issue)),
        }
    }

    /// The same, with the plans as they are now.
    pub(super) async fn observe_live(&self, issue: &Issue) -> Result<Seen, Error> {
        let namespace = issue.namespace().unwrap_or_default();
        let api: Api<RemediationPlan> = Api::namespaced(self.client.clone(), &namespace);
        let list = api
            .list(&ListParams::default())
            .await
            .map_err(|source| Error::Read { what: format!("RemediationPlans of namespace {namespace}"), source })?;
        let plans = list.items.into_iter().filter(|plan| plan_of(plan, issue)).map(Arc::new).collect();
        Ok(Seen { plans, ..self.observe(issue) })
    }

    pub(super) fn decide(&self, issue: &Issue, seen: &Seen, now: Timestamp) -> Decision {
        let settings = self.settings_of(issue);
        with_facts(issue, seen, |facts| decide(facts, &settings, now))
    }

    pub(super) fn plan_refused(&self, issue: &Issue, seen: &Seen, why: &str, now: Timestamp) -> Decision {
        let settings = self.settings_of(issue);
        with_facts(issue, seen, |facts| plan_refused(facts, &settings, why, now))
    }

    /// What holds for this Issue: `spec.aiops` of the Instances that saw it, where they say something.
    fn settings_of(&self, issue: &Issue) -> Settings {
        let seen_by = self.index.instances(&Key::of(issue));
        let instances: Vec<_> = seen_by
            .iter()
            .filter_map(|key| key.split_once('/'))
            .filter_map(|(namespace, name)| self.caches.instances.find(namespace, name))
            .collect();
        self.settings.of_instances(instances.iter().filter_map(|instance| instance.spec.aiops.as_ref()))
    }
}

fn with_facts<T>(issue: &Issue, seen: &Seen, use_them: impl FnOnce(&Facts<'_>) -> T) -> T {
    let plans: Vec<&RemediationPlan> = seen.plans.iter().map(AsRef::as_ref).collect();
    use_them(&Facts { issue, insight: seen.insight.as_deref(), plans: &plans, members: &seen.members })
}

fn plan_of(plan: &RemediationPlan, issue: &Issue) -> bool {
    plan.spec.issue_ref.name == issue.name_any() && of(plan, issue)
}

/// Whether an object belongs to this Issue, and not to an earlier one of its name.
pub(super) fn of<K: Resource>(object: &K, issue: &Issue) -> bool {
    let uid = issue.metadata.uid.as_deref().unwrap_or_default();
    object.owner_references().iter().any(|owner| owner.kind == "Issue" && owner.uid == uid)
}
