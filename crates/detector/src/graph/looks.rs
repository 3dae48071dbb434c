//! The looks at namespaces, as part of the eyes.

use std::collections::{BTreeSet, HashSet};
use std::sync::PoisonError;

use api::shared::{CauseClass, ObjectRef, ResourceRef};
use domain::detection::Transition;
use domain::graph::{Finding, Graph, rules};
use jiff::Timestamp;
use kit::controller::Env;

use super::EVERYWHERE;
use crate::caches::EMPTY;
use crate::eyes::Eyes;
use crate::key::Key;

impl Eyes {
    /// Looks at a namespace, or wakes all of them.
    pub(crate) fn survey_safely(&self, namespace: &String, env: &Env) -> Option<tokio::time::Instant> {
        if namespace == EVERYWHERE {
            self.namespaces().iter().for_each(|namespace| self.graphs.stirred(namespace));
            return None;
        }
        let (next, _) = self.survive("detector-graph", namespace, env, || self.survey(namespace));
        next.unwrap_or_else(|again| {
            self.graphs.failed(namespace);
            Some(again)
        })
    }

    fn survey(&self, namespace: &str) -> Option<Timestamp> {
        let now = self.clock.now();
        let graph = self.graph(namespace);
        let heard = |finding: &Finding| {
            finding.cause.class == CauseClass::WebhookUnavailable && self.speaks_of_webhook(&finding.words)
        };
        let looked = self.graphs.judge(&graph, |finding| self.wants_finding(finding) && !heard(finding), now);
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
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.graphs.graph((&self.caches, &self.histories, &index), namespace, is, self.clock.now())
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
            // A namespace is watched when what lies in it is.
            let own = (object.kind == "Namespace").then(|| object.name.clone());
            let namespace = own.or_else(|| object.namespace.clone()).unwrap_or_default();
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
        // One that is gone is looked at once more, for what was told of it.
        found.extend(self.graphs.told());
        let seen = |namespace: &String| self.caches.pods.covers(namespace) && !EMPTY.contains(&namespace.as_str());
        found.into_iter().filter(seen).collect()
    }
}
