//! The kinds that a bundle may hold: those that the detector looks at, and our own. What a cluster may have or not stands
//! in `graph::OPTIONAL`.

use api::{AIInsight, Anomaly, Issue};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota, Secret,
    Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::Value;

use crate::graph::OPTIONAL;

/// From where the objects of a kind are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The namespaces of the incident.
    Namespace,
    /// All namespaces: a workload may refer to it across them, or shares a node with it.
    Everywhere,
    /// It belongs to no namespace.
    Cluster,
}

/// A kind that a bundle may hold.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version; empty where that of the cluster is taken.
    pub version: &'static str,
    /// Name of the kind.
    pub kind: &'static str,
    /// Plural, as in paths.
    pub plural: &'static str,
    /// From where its objects are taken.
    pub reach: Reach,
    /// Whether a cluster may not know it.
    pub optional: bool,
    /// Says why an object has not the form of the kind.
    form: fn(&Value) -> Option<String>,
}

impl Kind {
    /// Whether its objects belong to a namespace.
    pub fn namespaced(&self) -> bool {
        self.reach != Reach::Cluster
    }

    /// Why an object has not the form of the kind; none when it has.
    pub fn misfit(&self, object: &Value) -> Option<String> {
        (self.form)(object)
    }
}

fn decodes<K: serde::de::DeserializeOwned>(object: &Value) -> Option<String> {
    K::deserialize(object).err().map(|error| error.to_string())
}

macro_rules! kinds {
    ($($kind:ty: $reach:ident),+ $(,)?) => {
        [$(Kind {
            group: <$kind as k8s_openapi::Resource>::GROUP,
            version: <$kind as k8s_openapi::Resource>::VERSION,
            kind: <$kind as k8s_openapi::Resource>::KIND,
            plural: <$kind as k8s_openapi::Resource>::URL_PATH_SEGMENT,
            reach: Reach::$reach,
            optional: false,
            form: decodes::<$kind>,
        }),+]
    };
}

// Taken from the types themselves, so that none is misspelt.
static BUILT_IN: [Kind; 33] = kinds!(
    Namespace: Cluster,
    Node: Cluster,
    Deployment: Namespace,
    StatefulSet: Namespace,
    DaemonSet: Namespace,
    ReplicaSet: Namespace,
    ControllerRevision: Namespace,
    Job: Namespace,
    CronJob: Namespace,
    Pod: Everywhere,
    ConfigMap: Namespace,
    Secret: Namespace,
    ServiceAccount: Namespace,
    Service: Everywhere,
    EndpointSlice: Namespace,
    Ingress: Namespace,
    NetworkPolicy: Everywhere,
    PersistentVolumeClaim: Namespace,
    HorizontalPodAutoscaler: Namespace,
    PodDisruptionBudget: Namespace,
    ResourceQuota: Namespace,
    LimitRange: Namespace,
    Role: Namespace,
    RoleBinding: Namespace,
    ClusterRole: Cluster,
    ClusterRoleBinding: Cluster,
    StorageClass: Cluster,
    PersistentVolume: Cluster,
    IngressClass: Cluster,
    PriorityClass: Cluster,
    ValidatingWebhookConfiguration: Cluster,
    MutatingWebhookConfiguration: Cluster,
    Event: Namespace,
);

const OURS: &str = "platform.chatcli.io";

fn ours(kind: &'static str, plural: &'static str, form: fn(&Value) -> Option<String>) -> Kind {
    Kind { group: OURS, version: "v1alpha1", kind, plural, reach: Reach::Namespace, optional: true, form }
}

/// Of kinds whose types are not ours to judge.
fn any(_: &Value) -> Option<String> {
    None
}

/// Every kind that a bundle may hold.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let ours = [
        ours("Issue", "issues", decodes::<Issue>),
        ours("Anomaly", "anomalies", decodes::<Anomaly>),
        ours("AIInsight", "aiinsights", decodes::<AIInsight>),
    ];
    let optional = OPTIONAL.iter().map(|of| Kind {
        group: of.group,
        version: "",
        kind: of.kind,
        plural: of.plural,
        // What routes, releases and grants refer to may lie elsewhere.
        reach: if of.namespaced { Reach::Everywhere } else { Reach::Cluster },
        optional: true,
        form: any,
    });
    BUILT_IN.iter().copied().chain(ours).chain(optional)
}

/// The kind of an object; none where a bundle holds no such kind.
pub fn kind_of(object: &Value) -> Option<Kind> {
    let text = |field| object.get(field).and_then(Value::as_str);
    let (api, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    let is = |known: &Kind| known.kind == kind && known.group == group;
    kinds().find(|known| is(known) && !version.is_empty() && (known.version.is_empty() || known.version == version))
}
