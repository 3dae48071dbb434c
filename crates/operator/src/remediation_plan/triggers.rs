//! Which changes of other objects wake which plans.

use api::{Anomaly, ApprovalRequest, Issue, RemediationPlan};
use domain::remediation::plan::{Stage, stage};
use kit::cache::{Cache, Key};
use kube::ResourceExt;

/// Plan that a request decides.
pub(super) fn of_request(request: &ApprovalRequest) -> Key {
    Key::new(request.namespace().unwrap_or_default(), request.spec.remediation_plan_ref.clone())
}

/// Live plans of an Issue.
pub(super) fn of_issue(plans: &Cache<RemediationPlan>, issue: &Issue) -> Vec<Key> {
    let name = issue.name_any();
    live(plans, &issue.namespace().unwrap_or_default(), |p| p.spec.issue_ref.name == name)
}

/// Live plans that an anomaly may concern: those of its Issue and those on its workload.
pub(super) fn of_anomaly(plans: &Cache<RemediationPlan>, anomaly: &Anomaly) -> Vec<Key> {
    let issue = anomaly.status.as_ref().and_then(|s| s.issue_ref.as_ref()).map(|r| r.name.as_str());
    live(plans, &anomaly.namespace().unwrap_or_default(), |p| {
        issue == Some(p.spec.issue_ref.name.as_str()) || p.spec.resource.as_ref() == Some(&anomaly.spec.resource)
    })
}

/// Plans that watch a workload.
pub(super) fn of_workload(plans: &Cache<RemediationPlan>, namespace: &str, name: &str) -> Vec<Key> {
    live(plans, namespace, |p| stage(p) == Stage::Verify && p.spec.resource.as_ref().is_none_or(|r| r.name == name))
}

/// Plans that wait and that a policy may govern: those of its namespace, or all when it is the operator's.
pub(super) fn of_policy(plans: &Cache<RemediationPlan>, namespace: &str, operator_namespace: &str) -> Vec<Key> {
    let everywhere = namespace == operator_namespace;
    plans
        .all()
        .iter()
        .filter(|p| stage(p) == Stage::Gate && (everywhere || p.namespace().as_deref() == Some(namespace)))
        .map(|p| Key::of(p.as_ref()))
        .collect()
}

/// Plans that wait while another one acts on the same workload.
pub(super) fn of_plan(plans: &Cache<RemediationPlan>, ended: &RemediationPlan) -> Vec<Key> {
    if stage(ended) != Stage::Ended {
        return Vec::new();
    }
    live(plans, &ended.namespace().unwrap_or_default(), |p| {
        stage(p) == Stage::Gate && p.spec.resource == ended.spec.resource && p.metadata.uid != ended.metadata.uid
    })
}

fn live(plans: &Cache<RemediationPlan>, namespace: &str, wanted: impl Fn(&RemediationPlan) -> bool) -> Vec<Key> {
    plans
        .in_namespace(namespace)
        .iter()
        .filter(|p| stage(p) != Stage::Ended && wanted(p))
        .map(|p| Key::of(p.as_ref()))
        .collect()
}
