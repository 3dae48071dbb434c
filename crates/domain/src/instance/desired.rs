//! Everything that an Instance needs, as it must be.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::needs::{Kind, Seen};
use super::spec::View;
use super::{INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, access, config, workload};

/// What the operator knows beside the Instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of a server whose Instance names none, with its tag.
    pub default_image: String,
    /// Tag of an image that an Instance names without one.
    pub app_version: Option<String>,
    /// Domain of the cluster, such as `cluster.local`.
    pub cluster_domain: String,
    /// Where Prometheus is, for the servers to ask.
    pub prometheus_url: Option<String>,
}

/// What was found of the Secrets and ConfigMaps that an Instance names.
pub type Found = BTreeMap<(Kind, String), Seen>;

/// What runs the pods.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// Without volumes of their own.
    Deployment(Box<Deployment>),
    /// Each with its own volume.
    StatefulSet(Box<StatefulSet>),
}

/// The objects of an Instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Who the pods are.
    pub service_account: ServiceAccount,
    /// What they may do, namespace by namespace.
    pub roles: Vec<(Role, RoleBinding)>,
    /// What they may do in the cluster.
    pub nodes: Option<(ClusterRole, ClusterRoleBinding)>,
    /// Their settings.
    pub config_maps: Vec<ConfigMap>,
    /// Where they are reached.
    pub service: Service,
    /// How many of them may be taken away at once.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// What runs them.
    pub workload: Workload,
}

/// The objects of an Instance, given what stands in what it names.
pub fn desired(view: View<'_>, found: &Found, settings: &Settings) -> Desired {
    let config_maps = config::config_maps(view, settings);
    let workload = workload::workload(view, found, &config_maps, settings);
    Desired {
        service_account: access::service_account(view),
        roles: access::roles(view),
        nodes: access::nodes(view),
        service: workload::service(view),
        disruption_budget: workload::disruption_budget(view),
        workload,
        config_maps,
    }
}

/// Labels of everything that belongs to an Instance; the pods are selected by them.
pub fn labels(view: View<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "chatcli".to_owned()),
        (INSTANCE_LABEL.to_owned(), view.name().to_owned()),
        (MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned()),
    ])
}

/// Metadata of an object in the Instance's namespace.
pub(super) fn owned(view: View<'_>, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(view.namespace().to_owned()),
        labels: Some(labels(view)),
        owner_references: Some(vec![OwnerReference {
            api_version: "platform.chatcli.io/v1alpha1".to_owned(),
            kind: "Instance".to_owned(),
            name: view.name().to_owned(),
            uid: view.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}
