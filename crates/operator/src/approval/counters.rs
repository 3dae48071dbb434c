//! Counters of a policy: each decided request is in them exactly once.
//!
//! Two objects cannot be written at once, so the policy remembers, in the same write as the counter, which requests it
//! has counted; the request then says so itself, and only after that the policy forgets it.

use api::approval_policy::ApprovalPolicyStatus;
use api::approval_request::ApprovalRequestStatus;
use api::{ApprovalPolicy, ApprovalRequest};
use domain::approval::{Counter, counter_of};
use kit::condition::{is_true, upsert};
use kube::ResourceExt;

use super::error::Error;
use super::{Controller, MANAGER};

/// Condition of a request whose decision is in the policy's counters.
const COUNTED: &str = "Counted";

pub(super) fn counted(status: &ApprovalRequestStatus) -> bool {
    is_true(&status.conditions, COUNTED)
}

impl Controller {
    /// Counts a request that is decided for good. Safe to repeat after any interruption.
    pub(super) async fn count(&self, namespace: &str, name: &str) -> Result<(), Error> {
        // Read again: taking a vote away has given the request a new version.
        let Some(request): Option<ApprovalRequest> = self.read(namespace, name).await? else { return Ok(()) };
        let status = request.status.clone().unwrap_or_default();
        let Some(counter) = counter_of(&status) else { return Ok(()) };
        if counted(&status) {
            return Ok(());
        }
        // An approval that can still be taken back is counted when it no longer can.
        if counter == Counter::Approved && !self.plan_of(&request).await?.1 {
            return Ok(());
        }
        let uid = request.uid().unwrap_or_default();
        let policy_namespace = request.spec.policy_namespace.clone();
        let policy: Option<ApprovalPolicy> = match &policy_namespace {
            Some(ns) => self.read(ns, &request.spec.policy_ref).await?,
            None => None,
        };
        let policy = match policy {
            Some(policy) => Some(self.add(policy, &uid, counter).await?),
            None => None,
        };
        let message = match &policy {
            Some(p) => {
                format!("in the counters of ApprovalPolicy {}/{}", p.namespace().unwrap_or_default(), p.name_any())
            }
            None => "no policy to count it in".to_owned(),
        };
        self.mark(&request, status, &message).await?;
        if let Some(policy) = policy {
            self.forget(policy, &uid).await?;
        }
        Ok(())
    }

    async fn add(&self, policy: ApprovalPolicy, uid: &str, counter: Counter) -> Result<ApprovalPolicy, Error> {
        let mut status = policy.status.clone().unwrap_or_default();
        if status.counting.iter().any(|u| u == uid) {
            return Ok(policy);
        }
        status.counting.push(uid.to_owned());
        match counter {
            Counter::Approved => status.total_approved += 1,
            Counter::AutoApproved => {
                status.total_approved += 1;
                status.total_auto_approved += 1;
            }
            Counter::Rejected => status.total_rejected += 1,
            Counter::Expired => status.total_expired += 1,
        }
        self.write_policy(policy, &status).await
    }

    async fn forget(&self, policy: ApprovalPolicy, uid: &str) -> Result<(), Error> {
        let mut status = policy.status.clone().unwrap_or_default();
        // Requests that said so, but whose process ended before this line, are forgotten on the way; so are those that are
        // gone: one that is being counted is in the cache that it came from.
        let all = self.requests.all();
        let open =
            |u: &str| all.iter().any(|r| r.uid().as_deref() == Some(u) && !r.status.as_ref().is_some_and(counted));
        status.counting.retain(|u| u != uid && open(u));
        self.write_policy(policy, &status).await.map(drop)
    }

    async fn write_policy(
        &self,
        policy: ApprovalPolicy,
        status: &ApprovalPolicyStatus,
    ) -> Result<ApprovalPolicy, Error> {
        let api = self.reader.api::<ApprovalPolicy>(&policy.namespace().unwrap_or_default());
        kit::status::write(&api, MANAGER, &policy, status)
            .await
            .map(|written| written.or(&policy))
            .map_err(|source| Error::WriteStatus { what: "the ApprovalPolicy".to_owned(), source })
    }

    async fn mark(
        &self,
        request: &ApprovalRequest,
        mut status: ApprovalRequestStatus,
        message: &str,
    ) -> Result<(), Error> {
        let (generation, now) = (request.metadata.generation, self.clock.now());
        upsert(&mut status.conditions, COUNTED, true, "Counted", message, generation, now);
        let api = self.reader.api::<ApprovalRequest>(&request.namespace().unwrap_or_default());
        kit::status::write(&api, MANAGER, request, &status)
            .await
            .map(drop)
            .map_err(|source| Error::WriteStatus { what: "the ApprovalRequest".to_owned(), source })
    }
}
