//! The life of a plan: who may act at all, the log that repeats nothing, the watch, the way back, the history.

mod life;
mod log;
mod verify;

use std::collections::BTreeMap;

use api::remediation_plan::*;
use api::shared::*;
use api::{Issue, RemediationPlan};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use serde_json::{Value, json};

use super::*;
use crate::remediation::actions::{self, Action};
use crate::remediation::preflight::{self, Change, World};
use crate::remediation::rollback::{self, Undo};
use crate::remediation::steps::{self, NextStep, Recognised};
use crate::remediation::{fields, history, verification};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn action(type_: ActionType, params: &[(&str, &str)]) -> RemediationAction {
    RemediationAction { type_, params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
}

fn web() -> ResourceRef {
    ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() }
}

fn issue() -> Issue {
    let mut issue: Issue = serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "uid-issue"},
        "spec": {"description": "web fails", "resource": web(), "severity": "high", "source": "watcher"},
    }))
    .unwrap();
    issue.spec.resource_uid = Some("u1".into());
    issue
}

fn plan(actions: Vec<RemediationAction>) -> RemediationPlan {
    let mut plan = RemediationPlan::new(
        "web-1-plan-1",
        RemediationPlanSpec {
            actions,
            agentic_history: vec![],
            agentic_max_steps: None,
            agentic_mode: None,
            attempt: 1,
            issue_ref: IssueRef { name: "web-1".into() },
            safety_constraints: vec![],
            strategy: "s".into(),
            resource: Some(web()),
            resource_uid: Some("u1".into()),
            severity: None,
            confidence: None,
        },
    );
    plan.metadata.namespace = Some("shop".into());
    plan.metadata.uid = Some("uid-plan".into());
    plan.metadata.generation = Some(1);
    plan.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "platform.chatcli.io/v1alpha1".into(),
        kind: "Issue".into(),
        name: "web-1".into(),
        uid: "uid-issue".into(),
        ..OwnerReference::default()
    }]);
    plan
}

fn after(mut plan: RemediationPlan, transition: Transition) -> RemediationPlan {
    plan.status = Some(transition.status);
    plan
}

fn approval_of() -> PlanApproval {
    PlanApproval { request: Some("approval-x".into()), hash: "h".into(), policy: None, rule: None, reason: "r".into() }
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "1", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:2", "resources": {"limits": {"memory": "64Mi"}}, "envFrom": [{"configMapRef": {"name": "settings"}}]}]}}},
    })
}

fn config_map() -> Value {
    json!({"metadata": {"name": "settings", "namespace": "shop", "uid": "cm1", "resourceVersion": "1"}, "data": {"mode": "bad"}})
}

fn state(plan: &RemediationPlan) -> RemediationState {
    plan.status.as_ref().and_then(|s| s.state).unwrap()
}
