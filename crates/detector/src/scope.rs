//! What is watched: everything, whole namespaces, or workloads by name; and which nodes belong to that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use api::instance::WatchedKind;
use kit::cache::{Hub, Key as Place};

use crate::key::{Key, Kind};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All namespaces, except `kube-node-lease` and `kube-public`, which hold no workloads; and every node.
    All,
    /// These, and the nodes that their pods run on. Only their namespaces are read.
    Targets(Vec<Target>),
}

/// A workload, or all workloads of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Where.
    pub namespace: String,
    /// Kind and name; none stands for every workload of the namespace.
    pub workload: Option<(WatchedKind, String)>,
}

impl Target {
    /// Every workload of a namespace.
    pub fn namespace(name: &str) -> Self {
        Self { namespace: name.to_owned(), workload: None }
    }

    /// The key of the workload; none for a whole namespace.
    pub(crate) fn key(&self) -> Option<Key> {
        let (kind, name) = self.workload.as_ref()?;
        Some(Key { kind: kind.into(), place: Place::new(&self.namespace, name) })
    }
}

impl From<&WatchedKind> for Kind {
    fn from(kind: &WatchedKind) -> Self {
        match kind {
            WatchedKind::Deployment => Self::Deployment,
            WatchedKind::StatefulSet => Self::StatefulSet,
            WatchedKind::DaemonSet => Self::DaemonSet,
            WatchedKind::Job => Self::Job,
            WatchedKind::CronJob => Self::CronJob,
        }
    }
}

impl Scope {
    /// The namespaces that are read; none when all are.
    pub(crate) fn namespaces(&self) -> Option<BTreeSet<&str>> {
        match self {
            Self::All => None,
            Self::Targets(targets) => Some(
                targets
                    .iter()
                    .map(|target| target.namespace.as_str())
                    .filter(|namespace| !namespace.is_empty())
                    .collect(),
            ),
        }
    }
}

/// Which keys are looked at.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// None: all of them.
    some: Option<(HashSet<String>, HashSet<Key>)>,
}

impl Wanted {
    pub(crate) fn new(scope: &Scope) -> Self {
        let Scope::Targets(targets) = scope else { return Self::default() };
        let whole = targets.iter().filter(|target| target.workload.is_none()).map(|t| t.namespace.clone()).collect();
        Self { some: Some((whole, targets.iter().filter_map(Target::key).collect())) }
    }

    /// Whether every node and workload is looked at.
    pub(crate) fn all(&self) -> bool {
        self.some.is_none()
    }

    /// What a workload is counted under: its own name if it was named, so that there are no more names than targets.
    pub(crate) fn label(&self, key: &Key) -> String {
        match &self.some {
            Some((_, exact)) if exact.contains(key) => {
                let kind: &str = key.kind.into();
                format!("{kind}/{}", key.place)
            }
            _ => "all".to_owned(),
        }
    }

    /// Whether everything of a namespace is looked at.
    pub(crate) fn whole(&self, namespace: &str) -> bool {
        self.some.as_ref().is_none_or(|(whole, _)| whole.contains(namespace))
    }

    /// Whether a workload is looked at.
    pub(crate) fn workload(&self, key: &Key) -> bool {
        self.some.as_ref().is_none_or(|(whole, exact)| exact.contains(key) || whole.contains(&key.place.namespace))
    }
}

/// Which nodes the pods of the watched workloads run on.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    of: HashMap<Key, BTreeSet<String>>,
    count: HashMap<String, usize>,
}

impl Hosts {
    /// Notes the nodes of a workload; returns those that begin or cease to matter with that.
    pub(crate) fn set(&mut self, workload: &Key, nodes: BTreeSet<String>) -> Vec<String> {
        let old = self.of.remove(workload).unwrap_or_default();
        let mut changed = Vec::new();
        for node in nodes.difference(&old) {
            let count = self.count.entry(node.clone()).or_default();
            *count += 1;
            if *count == 1 {
                changed.push(node.clone());
            }
        }
        for node in old.difference(&nodes) {
            if let Some(count) = self.count.get_mut(node) {
                *count -= 1;
                if *count == 0 {
                    self.count.remove(node);
                    changed.push(node.clone());
                }
            }
        }
        if !nodes.is_empty() {
            self.of.insert(workload.clone(), nodes);
        }
        changed
    }

    pub(crate) fn has(&self, node: &str) -> bool {
        self.count.contains_key(node)
    }
}

/// Where the caches come from: one hub per namespace, so that each namespace tells its own troubles, and one for what
/// belongs to none.
#[derive(Clone, Default)]
pub(crate) struct Hubs {
    by_namespace: BTreeMap<String, Hub>,
    cluster: Option<Hub>,
}

impl Hubs {
    pub(crate) fn new(scope: &Scope, make: impl Fn() -> Hub) -> Self {
        let namespaces = scope.namespaces().unwrap_or_else(|| BTreeSet::from([""]));
        Self {
            by_namespace: namespaces.into_iter().map(|namespace| (namespace.to_owned(), make())).collect(),
            cluster: Some(make()),
        }
    }

    /// The namespaces, each with its hub; one empty name for all of them.
    pub(crate) fn by_namespace(&self) -> impl Iterator<Item = (&String, &Hub)> {
        self.by_namespace.iter()
    }

    /// The hub of what belongs to no namespace.
    pub(crate) fn cluster(&self) -> Option<&Hub> {
        self.cluster.as_ref()
    }

    /// The hub of a namespace.
    pub(crate) fn of(&self, namespace: &str) -> Option<&Hub> {
        self.by_namespace.get("").or_else(|| self.by_namespace.get(namespace))
    }

    /// Waits until every cache is filled or known to stay empty.
    pub(crate) async fn settled(&self, kinds: &[&str]) {
        for hub in self.by_namespace.values().chain(&self.cluster) {
            hub.settled(kinds).await;
        }
    }

    /// Waits until every cache that was started is filled or known to stay empty.
    pub(crate) async fn all_settled(&self) {
        for hub in self.by_namespace.values().chain(&self.cluster) {
            hub.all_settled().await;
        }
    }

    /// What is not filled yet, each with the reason and the remedy.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let all = self.by_namespace.iter().map(|(namespace, hub)| (namespace.as_str(), hub));
        all.chain(self.cluster.iter().map(|hub| ("", hub)))
            .flat_map(|(namespace, hub)| {
                hub.not_ready().into_iter().map(move |(kind, why)| place(namespace, &kind, &why))
            })
            .collect()
    }
}

fn place(namespace: &str, kind: &str, why: &str) -> String {
    if namespace.is_empty() { format!("{kind}: {why}") } else { format!("{kind} in {namespace}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Key {
        Key::new(Kind::Deployment, "shop", "web")
    }

    #[test]
    fn exactly_what_was_named_is_wanted() {
        let target = |kind, name: &str| Target { namespace: "shop".into(), workload: Some((kind, name.to_owned())) };
        let scope = Scope::Targets(vec![
            target(WatchedKind::Deployment, "web"),
            target(WatchedKind::CronJob, "nightly"),
            Target::namespace("bank"),
        ]);
        let wanted = Wanted::new(&scope);
        assert!(wanted.workload(&web()));
        assert!(wanted.workload(&Key::new(Kind::Pod, "bank", "lone")));
        for (kind, namespace, name) in
            [(Kind::StatefulSet, "shop", "web"), (Kind::Deployment, "shop", "web2"), (Kind::Deployment, "other", "web")]
        {
            assert!(!wanted.workload(&Key::new(kind, namespace, name)), "{kind:?} {namespace} {name}");
        }
        assert_eq!(scope.namespaces(), Some(BTreeSet::from(["bank", "shop"])));
        assert!(Wanted::new(&Scope::All).workload(&Key::new(Kind::Deployment, "other", "web")));
    }

    #[test]
    fn a_node_matters_as_long_as_one_workload_is_on_it() {
        let mut hosts = Hosts::default();
        let nodes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let other = Key::new(Kind::Deployment, "shop", "api");
        assert_eq!(hosts.set(&web(), nodes(&["n1", "n2"])), ["n1", "n2"]);
        assert!(hosts.set(&other, nodes(&["n1"])).is_empty());
        assert!(hosts.set(&web(), nodes(&["n1", "n2"])).is_empty());
        assert_eq!(hosts.set(&web(), nodes(&[])), ["n2"]);
        assert!(hosts.has("n1") && !hosts.has("n2"));
        assert_eq!(hosts.set(&other, nodes(&[])), ["n1"]);
        assert!(hosts.of.is_empty() && hosts.count.is_empty());
    }
}
