//! The looks at namespaces, as part of the eyes.

use std::collections::{BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::shared::{ObjectRef, ResourceRef};
use domain::detection::Transition;
use domain::graph::{Finding, Graph, rules};
use jiff::Timestamp;
use kit::controller::Env;
use kit::supervisor::panic_text;
use tokio::sync::watch;

use super::EVERYWHERE;
use crate::caches::EMPTY;
use crate::eyes::Eyes;
use crate::key::Key;

/// When to look again after a look that failed.
const AFTER_PANIC: Duration = Duration::from_mins(1);

impl Eyes {
    /// Starts the worker that looks at namespaces.
    pub(crate) fn open_graphs(self: &Arc<Self>, env: &Env, mut begun: watch::Receiver<bool>) {
        let (eyes, env_) = (self.clone(), env.clone());
        env.supervisor.spawn("detector-graph", async move {
            let work = async {
                // An error means that the one who would begin was cancelled.
                if begun.wait_for(|begun| *begun).await.is_err() {
                    return std::future::pending().await;
                }
                loop {
                    let namespace = eyes.graphs.work.take().await;
                    let next = if namespace == EVERYWHERE {
                        eyes.namespaces().iter().for_each(|namespace| eyes.graphs.stirred(namespace));
                        None
                    } else {
                        eyes.survey_safely(&namespace, &env_)
                    };
                    eyes.graphs.work.done(namespace, next);
                    // A look never waits; other tasks of this thread must have their turn.
                    tokio::task::yield_now().await;
                }
            };
            env_.supervisor.token().run_until_cancelled(work).await.unwrap_or(());
            Ok::<_, std::convert::Infallible>(())
        });
    }

    fn survey_safely(&self, namespace: &str, env: &Env) -> Option<tokio::time::Instant> {
        let began = Instant::now();
        let answer = std::panic::catch_unwind(AssertUnwindSafe(|| self.survey(namespace)));
        env.metrics.reconciled("detector-graph", began.elapsed(), answer.is_err().then_some("Panicked"));
        match answer {
            Ok(next) => next.map(|at| tokio::time::Instant::now() + self.until(at)),
            Err(panic) => {
                tracing::error!(namespace, panic = panic_text(&*panic), "the look at the namespace panicked");
                Some(tokio::time::Instant::now() + AFTER_PANIC)
            }
        }
    }

    fn survey(&self, namespace: &str) -> Option<Timestamp> {
        let now = self.clock.now();
        let graph = self.graph(namespace);
        let looked = self.graphs.judge(&graph, |finding| self.wants_finding(finding), now);
        let mut next = looked.next;
        for (object, evaluation) in looked.found {
            if let Some(again) = self.note(&object, &evaluation, now) {
                next = Some(next.map_or(again, |known| known.min(again)));
                if evaluation.symptoms.is_empty() {
                    self.graphs.again(namespace, &object);
                }
            }
        }
        next
    }

    /// The graph of a namespace as it is now.
    pub(crate) fn graph(&self, namespace: &str) -> Graph {
        let troubled = self.troubled(namespace);
        let is = |object: &ObjectRef| troubled.contains(&(object.kind.clone(), object.name.clone()));
        self.graphs.graph((&self.caches, &self.histories), namespace, is)
    }

    /// Everything that is wrong in a namespace now, told or not.
    pub(crate) fn findings(&self, namespace: &str) -> Vec<Finding> {
        rules::findings(&self.graph(namespace), self.clock.now())
    }

    /// A workload's alerts opened or ended: what the graph tells by itself depends on that.
    pub(crate) fn told(&self, namespace: &str, changes: &[Transition]) {
        if changes.iter().any(|change| !matches!(change, Transition::Changed(_))) {
            self.graphs.changed(namespace);
        }
    }

    /// Whether a finding is about something that is watched.
    fn wants_finding(&self, finding: &Finding) -> bool {
        let wanted = |object: &ObjectRef| {
            let namespace = object.namespace.clone().unwrap_or_default();
            if self.watches(&namespace) {
                return true;
            }
            let resource = ResourceRef { kind: object.kind.clone(), name: object.name.clone(), namespace };
            Key::of(&resource).is_some_and(|key| self.wants(&key))
        };
        wanted(&finding.about) || finding.concerns.iter().any(wanted)
    }

    /// The namespaces that are looked at.
    pub(crate) fn namespaces(&self) -> HashSet<String> {
        let around = &self.graphs.around;
        let mut found: BTreeSet<String> = around.namespaces.all().iter().map(|n| n.name().to_owned()).collect();
        found.extend(around.services.all().iter().map(|service| service.namespace().to_owned()));
        found.extend(self.caches.deployments.all().iter().map(|deployment| deployment.namespace().to_owned()));
        found.extend(self.caches.pods.all().iter().map(|pod| pod.namespace().to_owned()));
        let seen = |namespace: &String| self.caches.pods.covers(namespace) && !EMPTY.contains(&namespace.as_str());
        found.into_iter().filter(seen).collect()
    }
}
