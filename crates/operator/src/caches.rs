//! The caches of the operator: our own kinds whole, workloads as names.

use api::{AIInsight, Anomaly, ApprovalPolicy, ApprovalRequest, Issue, PostMortem, RemediationPlan};
use k8s_openapi::api::apps::v1::Deployment;
use kit::cache::{Cache, Hub, config};
use kube::{Api, Client};

use crate::{approval, instance, issue, remediation_plan};

/// The caches; they run on every replica, so that a new leader begins at once.
#[derive(Clone)]
pub struct Caches {
    pub(crate) anomalies: Cache<Anomaly>,
    pub(crate) issues: Cache<Issue>,
    pub(crate) insights: Cache<AIInsight>,
    pub(crate) plans: Cache<RemediationPlan>,
    pub(crate) requests: Cache<ApprovalRequest>,
    pub(crate) policies: Cache<ApprovalPolicy>,
    pub(crate) reports: Cache<PostMortem>,
    pub(crate) deployments: Cache<Deployment>,
    pub(crate) instances: instance::Caches,
}

impl Caches {
    /// Starts the watches.
    pub fn start(hub: &Hub, client: &Client) -> Self {
        Self {
            anomalies: hub.cache(Api::all(client.clone()), config(), |anomaly| anomaly.spec.evidence.clear()),
            issues: hub.cache(Api::all(client.clone()), config(), |_| {}),
            insights: hub.cache(Api::all(client.clone()), config(), |_| {}),
            plans: hub.cache(Api::all(client.clone()), config(), |_| {}),
            requests: hub.cache(Api::all(client.clone()), config(), |_| {}),
            policies: hub.cache(Api::all(client.clone()), config(), |_| {}),
            reports: hub.cache(Api::all(client.clone()), config(), |report| report.status = None),
            deployments: hub.cache(Api::all(client.clone()), config(), only_name),
            instances: instance::Caches::start(hub, client),
        }
    }

    pub(crate) fn of_issues(&self) -> issue::Caches {
        issue::Caches {
            issues: self.issues.clone(),
            insights: self.insights.clone(),
            plans: self.plans.clone(),
            requests: self.requests.clone(),
            reports: self.reports.clone(),
            instances: self.instances.instances.clone(),
        }
    }

    pub(crate) fn of_plans(&self) -> remediation_plan::Caches {
        remediation_plan::Caches {
            plans: self.plans.clone(),
            requests: self.requests.clone(),
            issues: self.issues.clone(),
            anomalies: self.anomalies.clone(),
            policies: self.policies.clone(),
            deployments: self.deployments.clone(),
        }
    }

    pub(crate) fn of_requests(&self) -> approval::Caches {
        approval::Caches { requests: self.requests.clone(), plans: self.plans.clone() }
    }
}

/// A change of a workload only wakes; what acts on it reads it anew.
fn only_name(deployment: &mut Deployment) {
    deployment.spec = None;
    deployment.status = None;
    deployment.metadata.annotations = None;
    deployment.metadata.labels = None;
    deployment.metadata.owner_references = None;
}
