//! What is looked at: a workload or a node, by kind and name.

use api::shared::{ObjectRef, ResourceRef};
use kit::cache::Key as Place;

/// Kinds that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Pod,
    Job,
    /// Has no pods of its own; its Jobs have.
    CronJob,
    Node,
}

/// A workload or a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

impl Key {
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, place: Place::new(namespace, name) }
    }

    /// The key of a resource; none when its kind is not looked at.
    pub(crate) fn of(resource: &ResourceRef) -> Option<Self> {
        let kind: Kind = resource.kind.parse().ok()?;
        let namespace = if kind == Kind::Node { "" } else { resource.namespace.as_str() };
        Some(Self::new(kind, namespace, &resource.name))
    }

    /// A reference to the object; its UID is known only to who has seen it.
    pub(crate) fn reference(&self, uid: Option<String>) -> ObjectRef {
        let version = match self.kind {
            Kind::Pod | Kind::Node => "v1",
            Kind::Job | Kind::CronJob => "batch/v1",
            _ => "apps/v1",
        };
        ObjectRef {
            api_version: Some(version.into()),
            kind: <&str>::from(self.kind).to_owned(),
            namespace: (self.kind != Kind::Node).then(|| self.place.namespace.clone()),
            name: self.place.name.clone(),
            uid,
        }
    }
}
