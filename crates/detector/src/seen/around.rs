//! What surrounds workloads: Services, routes, policies, claims and so on. Of these the whole object is kept, without what
//! nobody reads of its metadata; of a Secret only its type and the names of its keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::graph::{Certificate, Keyed, Leaving, Touch};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

use super::{Digest, Seen, slim};

/// Beginnings of the annotations that a rule reads.
const READ: [&str; 12] = [
    "kubernetes.io/ingress.class",
    "kubernetes.io/tls-acme",
    "cert-manager.io/",
    "certmanager.k8s.io/",
    "nginx.ingress.kubernetes.io/canary",
    "nginx.ingress.kubernetes.io/backend-protocol",
    "nginx.org/mergeable-ingress-type",
    "alb.ingress.kubernetes.io/group.name",
    "ingressclass.kubernetes.io/",
    "storageclass.",
    "volume.kubernetes.io/",
    "pv.kubernetes.io/",
];
/// Type of a Secret with a certificate.
const TLS: &str = "kubernetes.io/tls";

/// Metadata without annotations and without the fields of managers; of the managers the last one stays.
fn lean(metadata: &mut ObjectMeta) {
    let last = Touch::of(metadata);
    metadata.annotations = metadata.annotations.take().map(|mut all| {
        all.retain(|key, _| READ.iter().any(|read| key.starts_with(read)));
        all
    });
    metadata.managed_fields = last.map(|touch| {
        vec![ManagedFieldsEntry {
            manager: Some(touch.by),
            time: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(touch.at)),
            ..ManagedFieldsEntry::default()
        }]
    });
}

macro_rules! whole {
    ($($kind:ty),+ $(,)?) => {$(
        impl Digest for $kind {
            type Facts = Arc<Self>;

            fn digest(mut self) -> Seen<Self> {
                lean(&mut self.metadata);
                Seen { metadata: slim(self.metadata.clone()), facts: Arc::new(self) }
            }
        }
    )+};
}

whole!(
    ClusterRole,
    ClusterRoleBinding,
    CronJob,
    EndpointSlice,
    HorizontalPodAutoscaler,
    Ingress,
    IngressClass,
    Job,
    LimitRange,
    NetworkPolicy,
    PersistentVolume,
    PersistentVolumeClaim,
    PodDisruptionBudget,
    ResourceQuota,
    Role,
    RoleBinding,
    Service,
    StorageClass,
);

impl Digest for Secret {
    type Facts = Keyed;

    fn digest(self) -> Seen<Self> {
        let type_ = self.type_.unwrap_or_else(|| "Opaque".to_owned());
        let data = self.data.unwrap_or_default();
        let certificate = data.get("tls.crt").filter(|_| type_ == TLS).and_then(|pem| {
            let pki::Validity { begins, ends, names } = pki::validity(&pem.0).ok()?;
            Some(Certificate { not_before: begins, not_after: ends, names })
        });
        let touched = Touch::of(&self.metadata);
        let leaving = domain::graph::leaving(&self.metadata);
        let keys: BTreeSet<String> = data.into_keys().collect();
        let metadata = slim(self.metadata);
        let object = api::shared::ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Secret".to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone(),
        };
        let facts = Keyed { object, type_, keys: Some(keys), certificate, touched, values: Arc::default(), leaving };
        Seen { metadata, facts }
    }
}

impl Digest for ServiceAccount {
    type Facts = ();

    fn digest(self) -> Seen<Self> {
        Seen { metadata: slim(self.metadata), facts: () }
    }
}

impl Digest for PriorityClass {
    type Facts = ();

    fn digest(self) -> Seen<Self> {
        Seen { metadata: slim(self.metadata), facts: () }
    }
}

impl Digest for Namespace {
    /// Its labels, and whether it is being deleted.
    type Facts = (BTreeMap<String, String>, Option<Leaving>);

    fn digest(mut self) -> Seen<Self> {
        let leaving = Leaving::of(&self);
        let labels = self.metadata.labels.take().unwrap_or_default();
        Seen { metadata: slim(self.metadata), facts: (labels, leaving) }
    }
}
