//! What the first symptoms of a workload follow from, so that one fault is one incident.
//!
//! What lives here: the reads from the caches that the question needs. What does not: which fault a symptom can follow from
//! (`domain::diagnosis`), and the book that remembers the answer (`eyes`).

use std::collections::BTreeSet;

use api::shared::ObjectRef;
use domain::detection::Symptom;
use domain::diagnosis::refs::references;
use domain::diagnosis::{SharedMap, missing_object, rolled, shared_change, silent_webhook};
use k8s_openapi::api::core::v1::PodSpec;
use kit::cache::Key as Place;

use crate::eyes::Eyes;
use crate::key::Key;

/// Names of a kind that a pod spec refers to.
fn named<'a>(spec: &PodSpec, kind: &'a str) -> impl Iterator<Item = String> + use<'a> {
    references(spec).into_iter().filter(move |found| found.kind == kind).map(|found| found.name)
}

impl Eyes {
    /// The object at fault that the first symptoms of a workload follow from; later ones stay with it.
    pub(crate) fn root_for(&self, key: &Key, workload: &ObjectRef, symptoms: &[Symptom]) -> Option<ObjectRef> {
        if symptoms.is_empty() || self.is_troubled(workload) {
            return None;
        }
        let namespace = key.place.namespace.as_str();
        // A server that has just started knows no look yet, and must come to the same root as before.
        let known = if self.graphs.looked_at(namespace) { Vec::new() } else { self.findings(namespace) };
        let view = self.view(key);
        let rolled = view.as_ref().is_some_and(|view| symptoms.iter().any(|symptom| rolled(symptom, view)));
        let root = self
            .graphs
            .root_for(workload, symptoms, rolled, &known)
            .or_else(|| self.graphs.around.webhook(symptoms.iter().find_map(silent_webhook)?))
            .or_else(|| self.missing_for(namespace, symptoms))
            .or_else(|| self.changed_for(key, symptoms))?;
        // What stops a workload that stops this one stops both.
        Some(self.joined_root(&root).unwrap_or(root))
    }

    /// The object of a kind that may not be read, which the platform says is missing and others need too.
    fn missing_for(&self, namespace: &str, symptoms: &[Symptom]) -> Option<ObjectRef> {
        let (kind, name) = symptoms.iter().find_map(missing_object)?;
        let graph = self.graph(namespace);
        if graph.knows(kind) {
            return None;
        }
        let users =
            graph.workloads.iter().filter(|other| named(&other.spec, kind).any(|wanted| wanted == name)).count();
        let (version, namespace) = (Some("v1".to_owned()), Some(namespace.to_owned()));
        (users > 1).then(|| ObjectRef { api_version: version, kind: kind.to_owned(), namespace, name, uid: None })
    }

    /// The ConfigMap that others have too and over whose change a workload fails.
    fn changed_for(&self, key: &Key, symptoms: &[Symptom]) -> Option<ObjectRef> {
        let view = self.view(key)?;
        let namespace = key.place.namespace.as_str();
        let spec = view.current_revision().and_then(|revision| revision.template.spec.as_ref());
        let spec = spec.or_else(|| view.pods.first()?.spec())?;
        let edited = |name: String| {
            let known = self.histories.of(&Place::new(namespace, name.as_str()))?;
            let (changed, _, _) = (known.changed?, known.before.as_ref()?, known.data.as_ref()?);
            Some((name, known.uid, changed))
        };
        let edited: BTreeSet<_> = named(spec, "ConfigMap").filter_map(edited).collect();
        if edited.is_empty() {
            return None;
        }
        let workloads = self.graph(namespace).workloads;
        let shared = edited.into_iter().map(|(name, uid, changed)| {
            let has = |spec: &PodSpec| named(spec, "ConfigMap").any(|map| map == name);
            let users = workloads.iter().filter(|other| has(&other.spec)).count();
            let (version, namespace) = (Some("v1".to_owned()), Some(namespace.to_owned()));
            let object = ObjectRef { api_version: version, kind: "ConfigMap".to_owned(), namespace, name, uid };
            SharedMap { object, changed, users }
        });
        let shared: Vec<SharedMap> = shared.collect();
        symptoms.iter().find_map(|symptom| shared_change(symptom, &view, &shared))
    }

    /// Whether an open alert of any namespace speaks of a webhook that does not answer: then its own Service needs no
    /// incident beside that.
    pub(crate) fn speaks_of_webhook(&self, names: &[String]) -> bool {
        let named = |rest: &str| {
            names.iter().any(|name| rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('"')))
        };
        self.any_alert(|value| value.split_once("failed calling webhook \"").is_some_and(|(_, rest)| named(rest)))
    }
}
