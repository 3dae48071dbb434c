//! Controller of AIInsight: asks an AI server for the root cause, once for each attempt.
//!
//! Watches: AIInsight; Issue as trigger; a server that becomes reachable wakes what waits.
//! Reads (live): its Issue, for what did not help before. Writes: status of AIInsight.
//! Conditions: Analyzed. Events: Analyzed, and the reason when there is no answer.
//! Requeue: after a failed analysis, with a growing delay of at most five minutes.
//! RBAC: aiinsights get/list/watch, aiinsights/status patch, issues get.

mod ask;
mod error;
mod report;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use api::{AIInsight, Issue};
use domain::incident::{insight_name, open_issue};
use kit::cache::{Cache, Key};
use kit::clock::Clock;
use kit::controller::{Env, Next, Queue, Reconcile, Spec};
use kit::events::Events;
use kube::{Api, Client, ResourceExt};

pub(crate) use ask::Ask;
#[cfg(test)]
pub(crate) use ask::Refusal;
pub use error::Error;

/// Field manager of this controller.
const MANAGER: &str = "chatcli-operator/ai-insight";
/// Longest wait for all servers together; shorter than the driver's deadline, so that the failure is recorded.
const DEADLINE: Duration = Duration::from_secs(100);

/// The controller.
pub struct Controller<A> {
    client: Client,
    servers: A,
    events: Events,
    clock: Arc<dyn Clock>,
}

/// Whether the analysis of the wanted attempt is there.
fn analyzed(insight: &AIInsight) -> bool {
    let wanted = insight.spec.attempt.unwrap_or(1);
    insight.status.as_ref().is_some_and(|s| {
        s.analyzed_attempt.unwrap_or(0) >= wanted && s.analysis.as_deref().is_some_and(|a| !a.trim().is_empty())
    })
}

impl<A: Ask> Reconcile for Controller<A> {
    type K = AIInsight;
    type Error = Error;

    async fn reconcile(&self, insight: Arc<AIInsight>) -> Result<Next, Error> {
        if analyzed(&insight) || insight.metadata.deletion_timestamp.is_some() {
            return Ok(Next::OnChange);
        }
        let (namespace, name) = (insight.namespace().unwrap_or_default(), insight.spec.issue_ref.name.clone());
        let issues: Api<Issue> = Api::namespaced(self.client.clone(), &namespace);
        let issue = issues
            .get_opt(&name)
            .await
            .map_err(|source| Error::Read { what: format!("Issue {namespace}/{name}"), source })?;
        let Some(issue) = issue else {
            let why =
                format!("spec.issueRef names Issue {name}, which is not in namespace {namespace}; create it there");
            self.no_answer(&insight, "IssueNotFound", &why).await?;
            return Ok(Next::OnChange);
        };
        if !open_issue(issue.status.as_ref().and_then(|s| s.state)) {
            self.no_answer(&insight, "IssueOver", &format!("Issue {name} is over; nothing is analysed any more"))
                .await?;
            return Ok(Next::OnChange);
        }
        let attempt = insight.spec.attempt.unwrap_or(1);
        let question = ask::question(&insight, &issue, attempt);
        match tokio::time::timeout(DEADLINE, self.servers.ask(&question)).await {
            Ok(Ok(analysis)) => self.answer(&insight, &analysis, attempt).await.map(|()| Next::OnChange),
            Ok(Err(refusal)) => {
                self.no_answer(&insight, refusal.reason, &refusal.message).await?;
                Err(if refusal.reason == ask::NO_SERVER {
                    Error::NoServer
                } else {
                    Error::NoAnswer { why: refusal.message }
                })
            }
            Err(_) => {
                let why = format!("no server answered within {} s", DEADLINE.as_secs());
                self.no_answer(&insight, "DeadlineExceeded", &why).await?;
                Err(Error::NoAnswer { why })
            }
        }
    }
}

/// Starts the controller.
pub(crate) fn start<A: Ask>(
    client: Client,
    servers: A,
    insights: &Cache<AIInsight>,
    issues: &Cache<Issue>,
    events: Events,
    env: &Env,
) {
    let (wake_all, all) = (Arc::new(OnceLock::<Queue>::new()), insights.clone());
    let queue = wake_all.clone();
    servers.when_reached(move || {
        let waiting = all.all();
        if let Some(queue) = queue.get() {
            waiting
                .iter()
                .filter(|insight| !analyzed(insight))
                .for_each(|insight| queue.add(Key::of(insight.as_ref())));
        }
    });
    let controller = Controller { client, servers, events, clock: env.clock.clone() };
    let spec = Spec { name: "ai-insight", workers: 8, deadline: Duration::from_mins(2) };
    kit::controller::start(spec, insights, controller, env, |queue| {
        let _ = wake_all.set(queue.clone());
        let (wake, all) = (queue.clone(), insights.clone());
        issues.listen(move |change| {
            let issue = change.object();
            let key = Key::new(issue.namespace().unwrap_or_default(), insight_name(&issue.name_any()));
            if all.get(&key).is_some_and(|insight| !analyzed(&insight)) {
                wake.add(key);
            }
        });
    });
}
