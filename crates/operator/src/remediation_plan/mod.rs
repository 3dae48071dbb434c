//! Controller of RemediationPlan: gate → write-ahead log → verification → rollback.
//!
//! Watches: RemediationPlan; ApprovalRequest, Issue, Anomaly, ApprovalPolicy, Deployment as triggers.
//! Reads (live, before each decision to act): the plan, its Issue, its request, the policies, the target.
//! Writes: status of RemediationPlan; ApprovalRequests; the targets of actions.
//! Conditions: Approved, Executed, Verified. Events: ApprovalRequested, ExecutionStarted, ActionDone, ActionFailed,
//! Verified, RollingBack, RolledBack, Cancelled, and the reasons of refusals.
//! Requeue: at the verification's deadline or the end of its stability window, at the opening of a change window.
//! RBAC: remediationplans get/list/watch, remediationplans/status patch; approvalrequests get/create/patch and status
//! patch; approvalpolicies and issues get/list; services, pods list; `domain::remediation::actions::rights`.

mod act;
mod error;
mod execute;
mod gate;
mod observe;
mod report;
mod request;
mod triggers;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::{Anomaly, ApprovalPolicy, ApprovalRequest, Issue, RemediationPlan};
use domain::remediation::plan::{Stage, Transition, stage};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use kit::cache::{Cache, Change};
use kit::clock::Clock;
use kit::controller::{Env, Next, Reconcile, Spec};
use kit::events::Events;
use kube::{Client, ResourceExt};

pub use error::Error;
use observe::Reader;
pub(crate) use observe::Reader as LiveReader;

/// Most transitions in one reconcile; a plan with all its actions stays well below.
const MAX_TRANSITIONS: usize = 200;

/// Settings of the controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the operator, whose policies govern everywhere.
    pub operator_namespace: String,
    /// How long everything must hold before a plan has helped.
    pub stability: SignedDuration,
}

/// Caches that the controller listens to.
#[derive(Clone)]
pub struct Caches {
    /// Its own kind.
    pub plans: Cache<RemediationPlan>,
    /// Decisions.
    pub requests: Cache<ApprovalRequest>,
    /// Their owners.
    pub issues: Cache<Issue>,
    /// Signals.
    pub anomalies: Cache<Anomaly>,
    /// Policies, as triggers only.
    pub policies: Cache<ApprovalPolicy>,
    /// Workloads, as triggers only; name and namespace suffice.
    pub deployments: Cache<Deployment>,
}

/// The controller.
pub struct Controller {
    reader: Reader,
    events: Events,
    clock: Arc<dyn Clock>,
    operator_namespace: String,
    stability: SignedDuration,
    plans: Cache<RemediationPlan>,
    anomalies: Cache<Anomaly>,
    /// Held from "nobody else acts on this workload" to "this plan does", so that two plans never begin at once.
    beginning: tokio::sync::Mutex<()>,
}

/// What follows a step.
enum Step {
    /// The plan has a new status: go on with it.
    Go(Box<RemediationPlan>),
    /// Nothing more to do now.
    Rest(Next),
}

impl Controller {
    /// A controller; `start` runs it.
    pub fn new(client: Client, settings: Settings, caches: &Caches, events: Events, clock: Arc<dyn Clock>) -> Self {
        Self {
            reader: Reader::new(client),
            events,
            clock,
            operator_namespace: settings.operator_namespace,
            stability: settings.stability,
            plans: caches.plans.clone(),
            anomalies: caches.anomalies.clone(),
            beginning: tokio::sync::Mutex::new(()),
        }
    }

    /// Writes a transition and goes on with the plan as it is then.
    async fn go(&self, plan: &RemediationPlan, transition: Transition) -> Result<Step, Error> {
        self.write(plan, transition).await.map(|p| Step::Go(Box::new(p)))
    }
}

impl Reconcile for Controller {
    type K = RemediationPlan;
    type Error = Error;

    async fn reconcile(&self, object: Arc<RemediationPlan>) -> Result<Next, Error> {
        if stage(&object) == Stage::Ended {
            return Ok(Next::OnChange);
        }
        // The cache may lag behind this controller's own writes; the log is only good when it is the newest.
        let live = self.reader.get(&object.namespace().unwrap_or_default(), &object.name_any()).await?;
        let Some(mut plan): Option<RemediationPlan> = live else { return Ok(Next::OnChange) };
        for _ in 0..MAX_TRANSITIONS {
            if plan.metadata.deletion_timestamp.is_some() {
                return Ok(Next::OnChange);
            }
            // On the heap, each by itself: together they would be a large future in every worker.
            let step = match stage(&plan) {
                Stage::Gate => Box::pin(self.gate(plan)).await?,
                Stage::Execute => Box::pin(self.execute(plan)).await?,
                Stage::Verify => Box::pin(self.verify(plan)).await?,
                Stage::RollBack => Box::pin(self.roll_back(plan)).await?,
                Stage::Ended => return Ok(Next::OnChange),
            };
            match step {
                Step::Go(newer) => plan = *newer,
                Step::Rest(next) => return Ok(next),
            }
        }
        Ok(Next::After(Duration::from_secs(1)))
    }
}

/// Starts the controller.
pub fn start(client: Client, settings: Settings, caches: &Caches, events: Events, env: &Env) {
    let operator_namespace = settings.operator_namespace.clone();
    let controller = Controller::new(client, settings, caches, events, env.clock.clone());
    let spec = Spec { name: "remediation-plan", workers: 4, deadline: Duration::from_mins(2) };
    kit::controller::start(spec, &caches.plans, controller, env, |queue| {
        let wake = queue.clone();
        caches.requests.listen(move |change| wake.add(triggers::of_request(change.object())));
        let (wake, plans) = (queue.clone(), caches.plans.clone());
        caches.issues.listen(move |change| {
            for key in triggers::of_issue(&plans, change.object()) {
                wake.add(key);
            }
        });
        let (wake, plans) = (queue.clone(), caches.plans.clone());
        caches.anomalies.listen(move |change| {
            for key in triggers::of_anomaly(&plans, change.object()) {
                wake.add(key);
            }
        });
        let (wake, plans) = (queue.clone(), caches.plans.clone());
        caches.deployments.listen(move |change| {
            let workload = change.object();
            let namespace = workload.namespace().unwrap_or_default();
            for key in triggers::of_workload(&plans, &namespace, &workload.name_any()) {
                wake.add(key);
            }
        });
        let (wake, plans) = (queue.clone(), caches.plans.clone());
        caches.policies.listen(move |change| {
            let namespace = change.object().namespace().unwrap_or_default();
            for key in triggers::of_policy(&plans, &namespace, &operator_namespace) {
                wake.add(key);
            }
        });
        let (wake, plans) = (queue.clone(), caches.plans.clone());
        caches.plans.listen(move |change| {
            let (Change::Applied(plan) | Change::Deleted(plan)) = change;
            for key in triggers::of_plan(&plans, plan) {
                wake.add(key);
            }
        });
    });
}
