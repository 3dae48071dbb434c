//! What the controller of Instances watches: its own kind, everything that it makes, and the names of what Instances name.

use api::Instance;
use domain::instance::{MANAGED_BY, MANAGED_BY_LABEL};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, PodSpec, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kit::cache::{Cache, Hub, config};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client};

/// The caches.
#[derive(Clone, Default)]
pub struct Caches {
    /// The kind itself.
    pub instances: Cache<Instance>,
    pub(super) accounts: Cache<ServiceAccount>,
    pub(super) roles: Cache<Role>,
    pub(super) role_bindings: Cache<RoleBinding>,
    pub(super) cluster_roles: Cache<ClusterRole>,
    pub(super) cluster_role_bindings: Cache<ClusterRoleBinding>,
    pub(super) config_maps: Cache<ConfigMap>,
    pub(super) services: Cache<Service>,
    pub(super) deployments: Cache<Deployment>,
    pub(super) stateful_sets: Cache<StatefulSet>,
    pub(super) budgets: Cache<PodDisruptionBudget>,
    pub(super) claims: Cache<PersistentVolumeClaim>,
    pub(super) pods: Cache<Pod>,
    /// All Secrets, by name and version: no value is kept.
    pub(super) secret_names: Cache<PartialObjectMeta<Secret>>,
    /// All ConfigMaps, by name and version.
    pub(super) config_map_names: Cache<PartialObjectMeta<ConfigMap>>,
}

/// Only what the operator made.
fn ours() -> watcher::Config {
    config().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}"))
}

impl Caches {
    /// Starts the watches.
    pub fn start(hub: &Hub, client: &Client) -> Self {
        let c = || client.clone();
        Self {
            instances: hub.cache(Api::all(c()), config(), |_| {}),
            accounts: hub.cache(Api::all(c()), ours(), |_| {}),
            roles: hub.cache(Api::all(c()), ours(), |_| {}),
            role_bindings: hub.cache(Api::all(c()), ours(), |_| {}),
            cluster_roles: hub.cache(Api::all(c()), ours(), |_| {}),
            cluster_role_bindings: hub.cache(Api::all(c()), ours(), |_| {}),
            config_maps: hub.cache(Api::all(c()), ours(), |_| {}),
            services: hub.cache(Api::all(c()), ours(), |_| {}),
            deployments: hub.cache(Api::all(c()), ours(), |_| {}),
            stateful_sets: hub.cache(Api::all(c()), ours(), |_| {}),
            budgets: hub.cache(Api::all(c()), ours(), |_| {}),
            claims: hub.cache(Api::all(c()), ours(), |_| {}),
            pods: hub.cache(Api::all(c()), ours(), only_state),
            secret_names: hub.names(Api::all(c()), config()),
            config_map_names: hub.names(Api::all(c()), config()),
        }
    }
}

/// How a pod is meant to be stands in its workload.
fn only_state(pod: &mut Pod) {
    pod.spec = pod.spec.take().map(|spec| PodSpec { node_name: spec.node_name, ..PodSpec::default() });
    pod.metadata.annotations = None;
}
