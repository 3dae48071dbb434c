//! The caches of what surrounds workloads. None of them is waited for: where one is refused, the rules that need it are
//! silent, and that is said.

use std::collections::BTreeSet;

use api::shared::ObjectRef;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{
    LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, ResourceQuota, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kit::cache::{Cache, Hub, config};
use kube::core::ClusterResourceScope;
use kube::{Api, Client, Resource};

use crate::caches::{Many, watch};
use crate::optional::Optional;
use crate::scope::Hubs;
use crate::seen::{Digest, Seen};

/// Which Secrets are watched: tokens of accounts and the history of Helm are many and large, and nothing refers to them.
const SECRETS: &str = "type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1";

/// Everything around workloads that is watched.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) services: Many<Seen<Service>>,
    pub(crate) slices: Many<Seen<EndpointSlice>>,
    pub(crate) ingresses: Many<Seen<Ingress>>,
    pub(crate) policies: Many<Seen<NetworkPolicy>>,
    pub(crate) secrets: Many<Seen<Secret>>,
    pub(crate) accounts: Many<Seen<ServiceAccount>>,
    pub(crate) claims: Many<Seen<PersistentVolumeClaim>>,
    pub(crate) autoscalers: Many<Seen<HorizontalPodAutoscaler>>,
    pub(crate) budgets: Many<Seen<PodDisruptionBudget>>,
    pub(crate) quotas: Many<Seen<ResourceQuota>>,
    pub(crate) limits: Many<Seen<LimitRange>>,
    pub(crate) cron_jobs: Many<Seen<CronJob>>,
    pub(crate) roles: Many<Seen<Role>>,
    pub(crate) role_bindings: Many<Seen<RoleBinding>>,
    pub(crate) cluster_roles: Cache<Seen<ClusterRole>>,
    pub(crate) cluster_role_bindings: Cache<Seen<ClusterRoleBinding>>,
    pub(crate) namespaces: Cache<Seen<Namespace>>,
    pub(crate) storage_classes: Cache<Seen<StorageClass>>,
    pub(crate) volumes: Cache<Seen<PersistentVolume>>,
    pub(crate) ingress_classes: Cache<Seen<IngressClass>>,
    pub(crate) priority_classes: Cache<Seen<PriorityClass>>,
    pub(crate) validating: Cache<ValidatingWebhookConfiguration>,
    pub(crate) mutating: Cache<MutatingWebhookConfiguration>,
    /// Kinds that a cluster may have or not.
    pub(crate) optional: Optional,
    /// Kinds that are not watched at all.
    without: Vec<String>,
    hubs: Hubs,
}

impl Around {
    /// Starts the watches.
    pub(crate) fn start(client: &Client, hubs: Hubs, secrets: bool) -> Self {
        let Some(cluster) = hubs.cluster().cloned() else { return Self::default() };
        Self {
            services: watch(client, &hubs, "", |_| {}),
            slices: watch(client, &hubs, "", |_| {}),
            ingresses: watch(client, &hubs, "", |_| {}),
            policies: watch(client, &hubs, "", |_| {}),
            secrets: if secrets { watch(client, &hubs, SECRETS, |_| {}) } else { Many::default() },
            optional: Optional::default(),
            without: if secrets { Vec::new() } else { vec!["Secret".to_owned()] },
            accounts: watch(client, &hubs, "", |_| {}),
            claims: watch(client, &hubs, "", |_| {}),
            autoscalers: watch(client, &hubs, "", |_| {}),
            budgets: watch(client, &hubs, "", |_| {}),
            quotas: watch(client, &hubs, "", |_| {}),
            limits: watch(client, &hubs, "", |_| {}),
            cron_jobs: watch(client, &hubs, "", |_| {}),
            roles: watch(client, &hubs, "", |_| {}),
            role_bindings: watch(client, &hubs, "", |_| {}),
            cluster_roles: whole(client, &cluster),
            cluster_role_bindings: whole(client, &cluster),
            namespaces: whole(client, &cluster),
            storage_classes: whole(client, &cluster),
            volumes: whole(client, &cluster),
            ingress_classes: whole(client, &cluster),
            priority_classes: whole(client, &cluster),
            validating: cluster.cache(Api::all(client.clone()), config(), |_| {}),
            mutating: cluster.cache(Api::all(client.clone()), config(), |_| {}),
            hubs,
        }
    }

    /// The configuration that a webhook stands in.
    pub(crate) fn webhook(&self, name: &str) -> Option<ObjectRef> {
        let object = |kind: &str, metadata: &ObjectMeta| ObjectRef {
            api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
            kind: kind.to_owned(),
            namespace: None,
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone(),
        };
        let validating = self.validating.all();
        let found = validating.iter().find(|all| all.webhooks.iter().flatten().any(|hook| hook.name == name));
        let found = found.map(|found| object("ValidatingWebhookConfiguration", &found.metadata));
        found.or_else(|| {
            let mutating = self.mutating.all();
            let found = mutating.iter().find(|all| all.webhooks.iter().flatten().any(|hook| hook.name == name))?;
            Some(object("MutatingWebhookConfiguration", &found.metadata))
        })
    }

    /// Caches that are filled by hand.
    #[cfg(test)]
    pub(crate) fn by_hand(namespaces: Cache<Seen<Namespace>>) -> Self {
        Self { namespaces, ..Self::default() }
    }

    /// Kinds that cannot be read in a namespace, or not yet.
    pub(crate) fn unreadable(&self, namespace: &str) -> BTreeSet<String> {
        let hubs = [self.hubs.of(namespace), self.hubs.cluster()];
        let missing = hubs.into_iter().flatten().flat_map(Hub::not_ready).map(|(kind, _)| kind);
        missing.chain(self.without.iter().cloned()).chain(self.optional.unreadable(namespace)).collect()
    }
}

fn whole<K: Digest + Resource<Scope = ClusterResourceScope>>(client: &Client, hub: &Hub) -> Cache<Seen<K>> {
    hub.cache(Api::all(client.clone()), config(), |_| {})
}
