//! One status write for one move, and its Event.

use api::Issue;
use api::shared::IssueState;
use domain::incident::Decision;
use kube::{Api, Resource, ResourceExt};

use super::error::Error;
use super::{Controller, MANAGER};

impl Controller {
    /// Writes the status on top of exactly the Issue that it was decided on; returns the Issue as it is then.
    pub(super) async fn report(&self, issue: &Issue, decision: &Decision) -> Result<Issue, Error> {
        let api: Api<Issue> = Api::namespaced(self.client.clone(), &issue.namespace().unwrap_or_default());
        let written = kit::status::write(&api, MANAGER, issue, &decision.status)
            .await
            .map_err(|source| Error::WriteStatus { source })?;
        let newer = written.or(issue);
        if let Some(moved) = &decision.moved {
            let (name, namespace) = (newer.name_any(), newer.namespace().unwrap_or_default());
            tracing::info!(namespace, issue = name, state = ?moved.to, reason = moved.reason, "{}", moved.message);
            let reference = newer.object_ref(&());
            if moved.to == IssueState::Escalated {
                self.events.warning(&reference, moved.reason, "Escalate", &moved.message).await;
            } else if moved.to != IssueState::Analyzing {
                // That an analysis begins is not worth an Event: its end is, a moment later.
                self.events.normal(&reference, moved.reason, "Proceed", &moved.message).await;
            }
        }
        Ok(newer)
    }
}
