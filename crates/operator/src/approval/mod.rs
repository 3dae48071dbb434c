//! Controller of ApprovalRequest: reads votes, decides, expires, counts.
//!
//! Watches: ApprovalRequest; RemediationPlan as trigger (a plan that has moved on makes its request void).
//! Reads (live): the request, its plan, its policy. Writes: status of ApprovalRequest, counters in status of
//! ApprovalPolicy; takes the annotations of votes away after they are recorded.
//! Conditions: Approved, Counted. Events: VoteRecorded, VoteRefused, VoteTooLate, Approved, Rejected, Expired.
//! Requeue: at the expiry, at the opening of the change window.
//! RBAC: approvalrequests get/list/watch/patch, approvalrequests/status patch, approvalpolicies get,
//! approvalpolicies/status patch, remediationplans get.

mod counters;
mod error;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::approval_policy::ApprovalMode;
use api::approval_request::ApprovalRequestState;
use api::{ApprovalPolicy, ApprovalRequest, RemediationPlan, conditions};
use domain::approval::{Consumed, RequestContext, RequestDecision, WindowState, decide_request, window_state};
use domain::remediation::plan::{Stage, stage};
use k8s_openapi::api::core::v1::ObjectReference;
use kit::cache::{Cache, Key};
use kit::clock::Clock;
use kit::condition::{Status, upsert};
use kit::controller::{Env, Next, Reconcile, Spec};
use kit::events::Events;
use kube::api::{Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::remediation_plan::LiveReader;
pub use error::Error;

/// Field manager of this controller.
const MANAGER: &str = "chatcli-operator/approval";

/// Caches that the controller listens to.
#[derive(Clone)]
pub struct Caches {
    /// Its own kind.
    pub requests: Cache<ApprovalRequest>,
    /// Plans, as triggers only.
    pub plans: Cache<RemediationPlan>,
}

/// The controller.
pub struct Controller {
    reader: LiveReader,
    events: Events,
    clock: Arc<dyn Clock>,
    requests: Cache<ApprovalRequest>,
}

impl Controller {
    /// A controller; `start` runs it.
    pub fn new(client: Client, caches: &Caches, events: Events, clock: Arc<dyn Clock>) -> Self {
        Self { reader: LiveReader::new(client), events, clock, requests: caches.requests.clone() }
    }

    async fn read<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
    {
        self.reader
            .api::<K>(namespace)
            .get_opt(name)
            .await
            .map_err(|source| Error::Read { what: format!("{} {namespace}/{name}", K::kind(&())), source })
    }

    /// Why the request no longer counts, and whether its plan has begun to act.
    async fn plan_of(&self, request: &ApprovalRequest) -> Result<(Option<String>, bool), Error> {
        let Some(owner) = request.owner_references().iter().find(|o| o.kind == "RemediationPlan") else {
            return Ok((None, false));
        };
        let plan: Option<RemediationPlan> = self.read(&request.namespace().unwrap_or_default(), &owner.name).await?;
        let Some(plan) = plan.filter(|p| p.metadata.uid.as_deref() == Some(owner.uid.as_str())) else {
            return Ok((Some(format!("plan {} is gone", owner.name)), false));
        };
        let refers_to = plan.status.as_ref().and_then(|s| s.approval.as_ref()).and_then(|a| a.request.clone());
        let superseded = if stage(&plan) == Stage::Ended {
            Some(format!("plan {} is over", owner.name))
        } else {
            refers_to
                .filter(|r| *r != request.name_any())
                .map(|r| format!("what it covers has changed; ApprovalRequest {r} took its place"))
        };
        Ok((superseded, stage(&plan) != Stage::Gate))
    }

    /// How the change window of the request's rule stands. Without its rule nothing is decided; the plan asks again.
    async fn window(&self, request: &ApprovalRequest) -> Result<WindowState, Error> {
        let Some(namespace) = &request.spec.policy_namespace else { return Ok(WindowState::Open) };
        let policy: Option<ApprovalPolicy> = self.read(namespace, &request.spec.policy_ref).await?;
        let gone = |what: String| WindowState::Invalid { reason: format!("{what}; the plan asks again") };
        let Some(policy) = policy else {
            return Ok(gone(format!("ApprovalPolicy {namespace}/{} is gone", request.spec.policy_ref)));
        };
        let rule = policy.spec.rules.iter().find(|r| r.name == request.spec.rule_name);
        Ok(match rule {
            Some(rule) => {
                rule.change_window.as_ref().map_or(WindowState::Open, |window| window_state(window, self.clock.now()))
            }
            None if request.spec.rule_name == "default" => WindowState::Open,
            None => gone(format!(
                "rule {} of ApprovalPolicy {namespace}/{} is gone",
                request.spec.rule_name, request.spec.policy_ref
            )),
        })
    }

    async fn write(&self, request: &ApprovalRequest, decision: &RequestDecision) -> Result<ApprovalRequest, Error> {
        let mut status = decision.status.clone();
        let holds = decision.approved.map_or(Status::Unknown, Status::from);
        let (generation, now) = (request.metadata.generation, self.clock.now());
        upsert(
            &mut status.conditions,
            conditions::APPROVED,
            holds,
            decision.reason,
            &decision.message,
            generation,
            now,
        );
        let api = self.reader.api::<ApprovalRequest>(&request.namespace().unwrap_or_default());
        kit::status::write(&api, MANAGER, request, &status)
            .await
            .map(|written| written.or(request))
            .map_err(|source| Error::WriteStatus { what: "the ApprovalRequest".to_owned(), source })
    }

    /// Takes a vote's annotation away, if it still says what was recorded. A newer vote stays and is read next.
    async fn consume(&self, request: &ApprovalRequest, vote: &Consumed) -> Result<(), Error> {
        let pointer = format!("/metadata/annotations/{}", vote.key.replace('~', "~0").replace('/', "~1"));
        let ops = json!([
            {"op": "test", "path": pointer, "value": vote.value},
            {"op": "remove", "path": pointer},
        ]);
        let patch = serde_json::from_value(ops).map_err(|source| Error::Json { source })?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.reader.api::<ApprovalRequest>(&request.namespace().unwrap_or_default());
        match api.patch(&request.name_any(), &params, &Patch::<Value>::Json(patch)).await {
            Ok(_) => Ok(()),
            // It says something else by now, or the request is gone: the next reconcile looks at what there is.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404 | 409 | 422) => Ok(()),
            Err(source) => Err(Error::Consume { source }),
        }
    }

    async fn tell(&self, request: &ApprovalRequest, decision: &RequestDecision) {
        let reference: ObjectReference = request.object_ref(&());
        for note in &decision.notes {
            if note.warning {
                self.events.warning(&reference, note.reason, "Approve", &note.message).await;
            } else {
                self.events.normal(&reference, note.reason, "Approve", &note.message).await;
            }
        }
    }
}

impl Reconcile for Controller {
    type K = ApprovalRequest;
    type Error = Error;

    async fn reconcile(&self, object: Arc<ApprovalRequest>) -> Result<Next, Error> {
        let namespace = object.namespace().unwrap_or_default();
        if finished(&object) {
            return Ok(Next::OnChange);
        }
        let live: Option<ApprovalRequest> = self.read(&namespace, &object.name_any()).await?;
        let Some(request) = live.filter(|r| r.metadata.deletion_timestamp.is_none()) else {
            return Ok(Next::OnChange);
        };
        let (superseded, plan_started) = self.plan_of(&request).await?;
        let undecided = request.status.as_ref().and_then(|s| s.state).is_none();
        if undecided && request.spec.mode == Some(ApprovalMode::Auto) && superseded.is_none() {
            // Its maker is about to write the decision of the policy.
            return Ok(Next::OnChange);
        }
        let window = self.window(&request).await?;
        let context = RequestContext { superseded, plan_started, window, now: self.clock.now() };
        let decision = decide_request(&request, &context);
        let newer = self.write(&request, &decision).await?;
        for vote in &decision.consumed {
            self.consume(&newer, vote).await?;
        }
        self.tell(&newer, &decision).await;
        self.count(&namespace, &newer.name_any()).await?;
        Ok(decision.next_check.map_or(Next::OnChange, Next::At))
    }
}

/// Whether nothing is left to do: decided for good, counted, and no vote to read.
fn finished(request: &ApprovalRequest) -> bool {
    let Some(status) = &request.status else { return false };
    let decided = matches!(
        status.state,
        Some(ApprovalRequestState::Approved | ApprovalRequestState::Rejected | ApprovalRequestState::Expired)
    );
    let votes =
        request.annotations().contains_key(api::keys::APPROVE) || request.annotations().contains_key(api::keys::REJECT);
    decided && !votes && counters::counted(status)
}

/// Starts the controller.
pub fn start(client: Client, caches: &Caches, events: Events, env: &Env) {
    let controller = Controller::new(client, caches, events, env.clock.clone());
    let spec = Spec { name: "approval", workers: 2, deadline: Duration::from_mins(1) };
    kit::controller::start(spec, &caches.requests, controller, env, |queue| {
        let (wake, requests) = (queue.clone(), caches.requests.clone());
        caches.plans.listen(move |change| {
            let plan = change.object();
            let name = plan.name_any();
            for request in requests.in_namespace(&plan.namespace().unwrap_or_default()) {
                let open =
                    matches!(request.status.as_ref().and_then(|s| s.state), None | Some(ApprovalRequestState::Pending));
                if open && request.spec.remediation_plan_ref == name {
                    wake.add(Key::of(request.as_ref()));
                }
            }
        });
    });
}
