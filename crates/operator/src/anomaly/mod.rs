//! Correlates Anomalies into Issues, a root at a time.
//!
//! Watches: Anomaly, Issue. Writes: Issues (create; severity and risk, only upwards), correlated, issueRef and
//! conditions in the status of Anomaly. The other fields of that status are the bridge's.
//! Conditions: Correlated, False, where an Anomaly is refused; otherwise `correlated` and `issueRef` say it. RBAC: anomalies get/list/watch, anomalies/status patch, issues get/list/watch/create/patch.
//!
//! All anomalies of a root are one worker's, together: two of them can never open two Issues, a burst costs one write
//! per anomaly and one or two for its Issue. An Issue that was just made counts before the cache shows it.

mod index;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::Issue;
use api::anomaly::{Anomaly, AnomalyState};
use api::shared::IssueState;
use domain::incident::{RootKey, home, root_of};
use futures::StreamExt;
use jiff::Timestamp;
use kit::cache::{Cache, Change, Key};
use kit::clock::Clock;
use kit::controller::{Env, chain};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

pub use index::{Index, Joined, Known};
use kit::work::Work;

/// Roots that are worked on at once.
const WORKERS: usize = 8;
/// Anomalies of one root that are marked at once.
const MARKS: usize = 4;
/// How long after the end of an Issue an alert may need to clear before it counts as a new incident.
const LATE: Duration = Duration::from_secs(5);

/// A step that did not come through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Issue could not be made or read.
    #[error("cannot write Issue {name}")]
    Issue {
        /// Its name.
        name: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// An anomaly could not be marked.
    #[error("cannot mark Anomaly {name}")]
    Mark {
        /// Its name.
        name: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
}

#[derive(Clone)]
struct Correlator {
    client: Client,
    anomalies: Cache<Anomaly>,
    index: Index,
    operator_namespace: String,
    clock: Arc<dyn Clock>,
    work: Work<RootKey>,
}

impl Correlator {
    fn enqueue(&self, anomaly: &Anomaly) {
        let root = root(anomaly);
        self.index.wait(&root, [Key::of(anomaly)]);
        self.work.add(root);
    }

    fn on_anomaly(&self, change: &Change<'_, Anomaly>, touched: &Touched) {
        let anomaly = change.object();
        let key = Key::of(anomaly.as_ref());
        if let Change::Deleted(_) = change {
            if let Some(issue) = self.index.forget_anomaly(&key) {
                touched(issue, Joined::Changed);
            }
            return;
        }
        let status = anomaly.status.as_ref();
        let named = status
            .filter(|s| s.correlated)
            .and_then(|s| s.issue_ref.as_ref())
            .map(|r| Key::new(key.namespace.clone(), r.name.clone()));
        // A copy from before our own mark does not undo it.
        if let Some(issue) = self.index.issue_of(&key).or(named) {
            match self.index.join(anomaly, &issue) {
                Joined::Known => {}
                joined => touched(issue, joined),
            }
        } else if !status.is_some_and(|s| s.correlated || refused(s)) {
            self.enqueue(anomaly);
        }
    }

    fn on_issue(&self, change: &Change<'_, Issue>) {
        let key = Key::of(change.object().as_ref());
        match change {
            Change::Deleted(_) => self.index.forget_issue(&key),
            Change::Applied(issue) => {
                self.index.issue(issue);
                if issue.status.as_ref().and_then(|s| s.state) == Some(IssueState::Resolved) {
                    // An alert that came in while its Issue was being closed must not vanish with it.
                    let root = root_of(&key.namespace, &issue.spec.resource, issue.spec.root.as_ref());
                    let firing = self.index.still_firing(&key);
                    if !firing.is_empty() {
                        self.index.wait(&root, firing);
                        self.work.add_at(root, Instant::now() + LATE);
                    }
                }
            }
        }
    }

    /// Whether an anomaly still needs an Issue.
    fn open(&self, key: &Key, now: Timestamp) -> Option<Arc<Anomaly>> {
        let anomaly = self.anomalies.get(key)?;
        let Some(issue) = self.index.issue_of(key) else {
            return (!anomaly.status.as_ref().is_some_and(|s| s.correlated)).then_some(anomaly);
        };
        let known = self.index.known(&issue)?;
        let firing = anomaly.spec.alert_id.is_some()
            && anomaly.status.as_ref().and_then(|s| s.state) != Some(AnomalyState::Resolved);
        let over = known.resolved_at.is_some_and(|at| now.duration_since(at).as_secs() >= LATE.as_secs() as i64);
        (firing && known.state == Some(IssueState::Resolved) && over).then_some(anomaly)
    }

    async fn work_on(&self, root: &RootKey, touched: &Touched) -> Result<(), Error> {
        let now = self.clock.now();
        let keys = self.index.take_waiting(root);
        let batch: Vec<Arc<Anomaly>> = keys.iter().filter_map(|key| self.open(key, now)).collect();
        let result = self.batch(root, &batch, now, touched).await;
        if result.is_err() {
            // Whatever is done by now is left out at the next look.
            self.index.wait(root, keys);
        }
        result
    }

    async fn batch(
        &self,
        root: &RootKey,
        batch: &[Arc<Anomaly>],
        now: Timestamp,
        touched: &Touched,
    ) -> Result<(), Error> {
        let mut good = Vec::new();
        for anomaly in batch {
            match home(anomaly, &self.operator_namespace) {
                Ok(_) => good.push(anomaly.clone()),
                Err(why) => self.refuse(anomaly, &why, now).await?,
            }
        }
        good.sort_by_key(|a| {
            (a.spec.first_seen.as_ref().or(a.metadata.creation_timestamp.as_ref()).map(|t| t.0), a.name_any())
        });
        if good.is_empty() {
            return Ok(());
        }
        let (open, last) = self.index.of_root(root);
        let (late, fresh): (Vec<_>, Vec<_>) =
            good.into_iter().partition(|a| open.is_none() && last.as_ref().is_some_and(|l| belonged_to(a, l)));
        if let (Some(last), false) = (last, late.is_empty()) {
            self.mark_all(&late, &Key::new(root.home.clone(), last.name), touched).await?;
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let known = match open {
            Some(known) => known,
            None => self.open_issue(root, &fresh, now).await?,
        };
        let issue = Key::new(root.home.clone(), known.name.clone());
        self.raise(&issue, &known, &fresh).await?;
        self.mark_all(&fresh, &issue, touched).await
    }

    async fn mark_all(&self, batch: &[Arc<Anomaly>], issue: &Key, touched: &Touched) -> Result<(), Error> {
        let marks: Vec<_> = batch.iter().map(|anomaly| self.mark(anomaly, issue, touched)).collect();
        let results: Vec<Result<(), Error>> = futures::stream::iter(marks).buffer_unordered(MARKS).collect().await;
        results.into_iter().collect()
    }
}

/// Hears of an Issue whose anomalies changed, and how.
type Touched = dyn Fn(Key, Joined) + Send + Sync;

fn root(anomaly: &Anomaly) -> RootKey {
    root_of(&anomaly.namespace().unwrap_or_default(), &anomaly.spec.resource, anomaly.spec.root.as_ref())
}

fn refused(status: &api::anomaly::AnomalyStatus) -> bool {
    status.conditions.iter().any(|c| c.type_ == api::conditions::CORRELATED && c.status == "False")
}

/// Whether a signal that is over already fell into the time of an Issue that is over too.
fn belonged_to(anomaly: &Anomaly, last: &Known) -> bool {
    let over = anomaly.status.as_ref().and_then(|s| s.state) == Some(AnomalyState::Resolved);
    let seen = anomaly.spec.first_seen.as_ref().or(anomaly.metadata.creation_timestamp.as_ref()).map(|t| t.0);
    over && last.resolved_at.is_some_and(|end| seen.is_some_and(|seen| seen <= end))
}

/// Starts the workers. `touched` hears of every Issue whose anomalies changed.
pub fn start(
    client: Client,
    anomalies: &Cache<Anomaly>,
    issues: &Cache<Issue>,
    index: &Index,
    operator_namespace: &str,
    env: &Env,
    touched: impl Fn(Key, Joined) + Clone + Send + Sync + 'static,
) {
    let correlator = Correlator {
        client,
        anomalies: anomalies.clone(),
        index: index.clone(),
        operator_namespace: operator_namespace.to_owned(),
        clock: env.clock.clone(),
        work: Work::default(),
    };
    // Issues first: an anomaly must find the Issue that is there.
    let c = correlator.clone();
    issues.listen(move |change| c.on_issue(change));
    let (c, tell) = (correlator.clone(), touched.clone());
    anomalies.listen(move |change| c.on_anomaly(change, &tell));
    for _ in 0..WORKERS {
        let (c, tell, token) = (correlator.clone(), touched.clone(), env.supervisor.token().clone());
        env.supervisor.spawn("anomaly", async move {
            while let Some(root) = token.run_until_cancelled(c.work.take()).await {
                let answer = tokio::time::timeout(Duration::from_mins(1), c.work_on(&root, &tell)).await;
                let failed = match answer {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(chain(&error)),
                    Err(_) => Some("the API server did not answer within 60 s".to_owned()),
                };
                if let Some(why) = failed {
                    tracing::warn!(root = %root, retry_in_s = 1, "correlation failed: {why}");
                    c.requeue(&root);
                }
                c.work.done(root, None);
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }
}

impl Correlator {
    /// After a failure: everything of this root that the cache has and that has no Issue.
    fn requeue(&self, root: &RootKey) {
        let open: Vec<Key> = self
            .anomalies
            .in_namespace(&root.home)
            .iter()
            .filter(|a| self::root(a) == *root)
            .map(|a| Key::of(a.as_ref()))
            .collect();
        self.index.wait(root, open);
        self.work.add_at(root.clone(), Instant::now() + Duration::from_secs(1));
    }
}
