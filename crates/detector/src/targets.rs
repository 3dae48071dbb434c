//! What is known of each target: whether it was looked at, what is wrong with it, how many pods it has.

use std::collections::HashMap;
use std::sync::Arc;

use crate::caches::KINDS;
use crate::key::{Key, Kind};
use crate::scope::{Scope, Target};
use crate::view::of_pod;
use crate::{Detector, Fleet, TargetState};

/// The kinds without which the absence of an alert means nothing. Events, ConfigMaps and nodes only make it better known.
const ESSENTIAL: [&str; 5] = ["Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet"];

impl Detector {
    /// What is missing until the absence of an alert means something, each with its reason and remedy.
    pub fn missing(&self) -> Vec<String> {
        let look = self.first_look_pending();
        let mut missing: Vec<String> = match &self.scope {
            Scope::All => self.hubs.not_ready(),
            // A Role of some namespaces cannot grant nodes: the rest is enough once it is known what is refused.
            Scope::Targets(_) => self
                .hubs
                .by_namespace()
                .flat_map(|(namespace, hub)| {
                    let pending = hub.not_ready().into_iter().filter(|(kind, _)| ESSENTIAL.contains(&kind.as_str()));
                    pending.map(move |(kind, why)| format!("{kind} in {namespace}: {why}"))
                })
                .collect(),
        };
        if missing.is_empty() {
            missing.extend(look);
        }
        missing
    }

    /// How each target stands.
    pub fn targets(&self) -> Vec<TargetState> {
        match &self.scope {
            Scope::All => vec![TargetState {
                looked_at: self.missing().is_empty(),
                problem: self.trouble(""),
                ..TargetState::default()
            }],
            Scope::Targets(targets) => {
                // Many targets share a namespace.
                let mut namespaces: HashMap<&str, (bool, Option<String>)> = HashMap::new();
                targets
                    .iter()
                    .map(|target| {
                        let namespace = target.namespace.as_str();
                        let (filled, trouble) = namespaces
                            .entry(namespace)
                            .or_insert_with(|| (self.filled(namespace), self.trouble(namespace)))
                            .clone();
                        self.target(target, filled, trouble)
                    })
                    .collect()
            }
        }
    }

    fn target(&self, target: &Target, filled: bool, trouble: Option<String>) -> TargetState {
        let namespace = target.namespace.clone();
        let (Some((workload, name)), Some(key)) = (&target.workload, target.key()) else {
            let looked_at = filled && self.eyes.looked(|key| key.place.namespace == namespace);
            return TargetState { namespace, looked_at, problem: trouble, ..TargetState::default() };
        };
        let (kind, name) = (format!("{workload:?}"), name.clone());
        let looked_at = filled && self.eyes.looked(|left| *left == key);
        let problem = trouble.or_else(|| {
            (looked_at && !self.eyes.exists(&key)).then(|| {
                format!("{kind} {namespace}/{name} does not exist; remedy: create it, or correct the target's kind, namespace or name")
            })
        });
        TargetState { kind, namespace, name, looked_at, problem }
    }

    /// Whether everything essential of a namespace is there.
    fn filled(&self, namespace: &str) -> bool {
        self.hubs
            .of(namespace)
            .is_none_or(|hub| !hub.not_ready().iter().any(|(kind, _)| ESSENTIAL.contains(&kind.as_str())))
    }

    /// What is wrong with the watches of a namespace, in a sentence.
    fn trouble(&self, namespace: &str) -> Option<String> {
        let mut troubles = self.hubs.of(namespace)?.troubles();
        troubles.sort_by_key(|(kind, _)| KINDS.iter().position(|known| known == kind));
        let (_, why) = troubles.first()?;
        let of: Vec<&str> = troubles.iter().map(|(kind, _)| kind.as_str()).collect();
        let whose = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        Some(format!("{} cannot be watched{whose}: {why}", of.join(", ")))
    }

    /// The workloads that are watched, with the number of their pods.
    pub fn fleet(&self) -> Vec<Fleet> {
        let caches = &self.eyes.caches;
        let mut ready: HashMap<Key, (usize, i64)> = HashMap::new();
        for pod in caches.pods.all() {
            if let Some(key) = of_pod(caches, &pod).filter(|key| self.eyes.wants(key)) {
                let count = ready.entry(key).or_default();
                count.0 += usize::from(pod.facts.ready);
                count.1 += i64::from(pod.facts.restarted);
            }
        }
        let workloads = self.eyes.keys().into_iter().filter(|key| key.kind != Kind::Node);
        workloads
            .map(|key| {
                let (ready, restarts) = ready.get(&key).copied().unwrap_or_default();
                Fleet {
                    desired: self.eyes.desired(&key),
                    ready,
                    restarts,
                    kind: key.kind.into(),
                    namespace: key.place.namespace,
                    name: key.place.name,
                }
            })
            .collect()
    }

    /// Pods of the workloads that are watched.
    pub(crate) fn pods(&self) -> usize {
        let caches = &self.eyes.caches;
        if matches!(self.scope, Scope::All) {
            return caches.pods.len();
        }
        let belongs = |pod: &Arc<_>| of_pod(caches, pod).is_some_and(|key| self.eyes.wants(&key));
        caches.pods.all().iter().filter(|pod| belongs(pod)).count()
    }
}
