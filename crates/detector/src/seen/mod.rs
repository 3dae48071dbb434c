//! Objects as the caches keep them: only what the rules read, and small.
//!
//! What lives here: per kind, what is kept and how it is read back. What does not: which watch fills which cache
//! (`caches`), and what belongs to what (`index`).

mod apps;
mod around;
mod core;
mod pod;

use std::borrow::Cow;
use std::fmt::Debug;

use domain::graph::controller;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use apps::{Plan, of_job};
pub(crate) use core::{node, observed, room, touched};
pub(crate) use pod::Specs;

/// A kind of which a digest is kept.
pub(crate) trait Digest:
    Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
    /// What is kept of it beside its metadata.
    type Facts: Clone + Debug + Send + Sync + 'static;

    /// Takes out what is kept.
    fn digest(self) -> Seen<Self>;
}

/// An object of kind `K`, reduced the moment it is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Seen<K: Digest> {
    /// Names, UID, version and times.
    pub(crate) metadata: ObjectMeta,
    /// The rest that is read.
    pub(crate) facts: K::Facts,
}

impl<K: Digest> Resource for Seen<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<'de, K: Digest> Deserialize<'de> for Seen<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::deserialize(deserializer).map(K::digest)
    }
}

impl<K: Digest> Seen<K> {
    pub(crate) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// What kind of controller owns an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerKind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    /// A node: this is a static pod.
    Node,
    /// A controller that we do not know.
    Other,
}

/// The controller of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) kind: OwnerKind,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// The controller that the metadata names.
fn owner(metadata: &ObjectMeta) -> Option<Owner> {
    let reference = controller(metadata)?;
    let kind = match (reference.api_version.split('/').next().unwrap_or_default(), reference.kind.as_str()) {
        ("apps", "Deployment") => OwnerKind::Deployment,
        ("apps", "ReplicaSet") => OwnerKind::ReplicaSet,
        ("apps", "StatefulSet") => OwnerKind::StatefulSet,
        ("apps", "DaemonSet") => OwnerKind::DaemonSet,
        ("batch", "Job") => OwnerKind::Job,
        ("v1", "Node") => OwnerKind::Node,
        _ => OwnerKind::Other,
    };
    Some(Owner { kind, name: reference.name.clone(), uid: reference.uid.clone() })
}

/// Metadata without what nobody reads.
fn slim(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        creation_timestamp: metadata.creation_timestamp,
        // What keeps an object matters only once somebody deletes it.
        finalizers: metadata.finalizers.filter(|_| metadata.deletion_timestamp.is_some()),
        deletion_timestamp: metadata.deletion_timestamp,
        ..ObjectMeta::default()
    }
}

/// A label, taken out.
fn label(metadata: &mut ObjectMeta, key: &str) -> Option<String> {
    metadata.labels.as_mut()?.remove(key)
}

/// Structs of the Kubernetes API are mostly empty fields; as JSON they take a tenth of the room.
fn packed<T: Serialize>(value: &T) -> Box<[u8]> {
    serde_json::to_vec(value).unwrap_or_default().into_boxed_slice()
}

/// Reads back what [`packed`] wrote.
pub(crate) fn unpacked<T: DeserializeOwned + Default>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_default()
}
