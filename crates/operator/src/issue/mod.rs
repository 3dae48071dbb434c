//! Controller of Issue: analysis → plan → resolved or escalated → report.
//!
//! Watches: Issue; Anomaly (through correlation), AIInsight, RemediationPlan as triggers.
//! Reads (cache): its insight, plans, anomalies, requests, reports; (live) its plans before it is closed.
//! Writes: status of Issue; AIInsights, RemediationPlans (owned by the Issue); PostMortems (owned by nobody: they outlive
//! their Issue) and their status, once.
//! Conditions: Analyzing, Remediating, Escalated, Resolved, Reported. Events: the reason of each move.
//! Requeue: at the end of the stability window, at the deadline of the analysis.
//! RBAC: issues get/list/watch, issues/status patch; aiinsights get/list/watch/create/patch; remediationplans
//! get/list/watch/create; postmortems get/list/watch/create, postmortems/status patch; approvalrequests list/watch.

mod act;
mod error;
mod observe;
mod post_mortem;
mod report;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use api::shared::IssueState;
use api::{AIInsight, ApprovalRequest, Instance, Issue, PostMortem, RemediationPlan};
use domain::incident::{Decision, Settings, analysis_waits};
use jiff::Timestamp;
use kit::cache::{Cache, Key};
use kit::clock::Clock;
use kit::condition::is_true;
use kit::controller::{Env, Next, Queue, Reconcile, Spec};
use kit::events::Events;
use kube::{Client, ResourceExt};

use crate::anomaly::Index;
pub use error::Error;

/// Field manager of this controller.
const MANAGER: &str = "chatcli-operator/issue";

/// How far the counts and lists of an Issue may be behind.
const COUNTS_AFTER: Duration = Duration::from_secs(30);

/// Caches that the controller reads.
#[derive(Clone)]
pub struct Caches {
    /// Its own kind.
    pub issues: Cache<Issue>,
    /// Analyses.
    pub insights: Cache<AIInsight>,
    /// Plans.
    pub plans: Cache<RemediationPlan>,
    /// Requests, for the report.
    pub requests: Cache<ApprovalRequest>,
    /// Reports.
    pub reports: Cache<PostMortem>,
    /// Instances, for what they say of the Issues that they saw.
    pub instances: Cache<Instance>,
}

/// The controller.
pub struct Controller {
    client: Client,
    caches: Caches,
    index: Index,
    settings: Settings,
    events: Events,
    clock: Arc<dyn Clock>,
    /// When the status of an Issue was last to be written.
    written: Mutex<HashMap<Key, Timestamp>>,
}

impl Controller {
    /// A controller; `start` runs it.
    pub fn new(
        client: Client,
        caches: &Caches,
        index: &Index,
        settings: Settings,
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            caches: caches.clone(),
            index: index.clone(),
            settings,
            events,
            clock,
            written: Mutex::default(),
        }
    }
}

impl Reconcile for Controller {
    type K = Issue;
    type Error = Error;

    async fn reconcile(&self, issue: Arc<Issue>) -> Result<Next, Error> {
        if issue.metadata.deletion_timestamp.is_some() {
            return Ok(Next::OnChange);
        }
        if over(&issue) {
            return self.write_report(&issue).await;
        }
        let now = self.clock.now();
        if let Some(later) = analysis_waits(&issue, self.index.waiting(), now) {
            return Ok(Next::At(later));
        }
        let mut seen = self.observe(&issue);
        let mut decision = self.decide(&issue, &seen, now);
        if decision.moved.as_ref().is_some_and(|m| m.to == IssueState::Resolved) {
            // The cache may not show yet that a plan has begun to act; nothing is closed over its head.
            seen = self.observe_live(&issue).await?;
            decision = self.decide(&issue, &seen, now);
        }
        if let Some(due) = self.counts_due(&issue, &decision, now) {
            return Ok(Next::At(decision.look_again.map_or(due, |at| at.min(due))));
        }
        match self.act_before(&issue, &decision).await {
            Ok(()) => {}
            Err(Error::Refused { why, .. }) => decision = self.plan_refused(&issue, &seen, &why, now),
            Err(error) => return Err(error),
        }
        let newer = self.report(&issue, &decision).await?;
        self.act_after(&newer, &decision).await?;
        if over(&newer) {
            return self.write_report(&newer).await;
        }
        Ok(decision.look_again.map_or(Next::OnChange, Next::At))
    }

    fn deleted(&self, key: &Key) {
        self.written().remove(key);
    }
}

impl Controller {
    fn written(&self) -> MutexGuard<'_, HashMap<Key, Timestamp>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When counts that have grown are due to be written, if they are not due yet.
    fn counts_due(&self, issue: &Issue, decision: &Decision, now: Timestamp) -> Option<Timestamp> {
        let key = Key::of(issue);
        let mut written = self.written();
        if decision.only_counts(issue)
            && let Some(due) = written.get(&key).and_then(|at| at.checked_add(COUNTS_AFTER).ok())
            && due > now
        {
            return Some(due);
        }
        if issue.status.as_ref() != Some(&decision.status) {
            written.insert(key, now);
        }
        None
    }
}

/// Whether nothing is left to decide.
fn over(issue: &Issue) -> bool {
    matches!(issue.status.as_ref().and_then(|s| s.state), Some(IssueState::Resolved | IssueState::Failed))
}

/// Whether its report is written.
fn reported(issue: &Issue) -> bool {
    issue.status.as_ref().is_some_and(|s| is_true(&s.conditions, api::conditions::REPORTED))
}

/// Wakes Issues; it does nothing before the controller runs, which looks at every Issue when it starts.
#[derive(Clone, Default)]
pub struct Wake(Arc<OnceLock<Queue>>);

impl Wake {
    /// Asks for a look at an Issue.
    pub fn wake(&self, key: Key) {
        if let Some(queue) = self.0.get() {
            queue.add(key);
        }
    }

    /// Asks for a look soon: nothing but a count has changed, and in a storm it changes again at once.
    pub fn wake_later(&self, key: Key) {
        if let Some(queue) = self.0.get() {
            queue.add_after(key, COUNTS_AFTER);
        }
    }
}

/// Starts the controller. The index must be filled: half of the anomalies of an Issue tell another story than all.
pub fn start(
    client: Client,
    settings: Settings,
    caches: &Caches,
    index: &Index,
    wake: &Wake,
    events: Events,
    env: &Env,
) {
    let controller = Controller::new(client, caches, index, settings, events, env.clock.clone());
    let spec = Spec { name: "issue", workers: 8, deadline: Duration::from_mins(1) };
    kit::controller::start(spec, &caches.issues, controller, env, |queue| {
        let _ = wake.0.set(queue.clone());
        let wake = queue.clone();
        caches.insights.listen(move |change| {
            let insight = change.object();
            wake.add(Key::new(insight.namespace().unwrap_or_default(), insight.spec.issue_ref.name.clone()));
        });
        let wake = queue.clone();
        caches.plans.listen(move |change| {
            let plan = change.object();
            wake.add(Key::new(plan.namespace().unwrap_or_default(), plan.spec.issue_ref.name.clone()));
        });
    });
}
