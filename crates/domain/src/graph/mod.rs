//! A namespace as it is: its objects, what surrounds it, and how they refer to each other.
//!
//! What lives here: the objects in the form that rules read (`mod`), questions about how they hang together (`query`), the
//! same from plain JSON (`load`), and the rules that find what is wrong in it without looking at time (`rules`). What does
//! not: what pods go through (`detection`), explaining that (`diagnosis`), where the objects come from (`detector`). The
//! value of a Secret never gets here: only its type and the names of its keys.

mod load;
mod optional;
mod query;
mod rights;
pub mod rules;
mod tell;
mod whatif;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, RootCause, Severity, SignalType};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ContainerStatus, LimitRange, Namespace, PersistentVolume, PersistentVolumeClaim, PodSpec, PodStatus,
    PodTemplateSpec, ResourceQuota, Service,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::detection::{EventNote, Rule};
use crate::diagnosis::NodeRoom;

pub use load::{LoadError, of_cron_job, of_daemon_set, of_deployment, of_job, of_pod, of_replica_set, of_stateful_set};
pub use optional::{HELM_RECORD, OPTIONAL, OptionalKind, trim};
pub use query::{controller, nearest, same, selects};
pub use rights::Grant;
pub use whatif::WhatIf;

/// Kinds beside workloads, pods and nodes that a finding may be about.
pub const KINDS: &[&str] = &[
    "Namespace",
    "Service",
    "Ingress",
    "NetworkPolicy",
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ResourceQuota",
    "CronJob",
    "RoleBinding",
    "Gateway",
    "HTTPRoute",
    "GRPCRoute",
    "ScaledObject",
    "Application",
    "Rollout",
    "GitRepository",
    "OCIRepository",
    "HelmRepository",
    "HelmChart",
    "Bucket",
    "Kustomization",
    "HelmRelease",
    "Certificate",
    "Issuer",
    "ClusterIssuer",
];

/// A namespace with everything in it that rules read.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Its name.
    pub namespace: String,
    /// What makes pods: Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, and ReplicaSets and pods that belong to none.
    pub workloads: Vec<Workload>,
    /// Pods that have not done their work yet.
    pub pods: Vec<Member>,
    /// Services.
    pub services: Vec<Arc<Service>>,
    /// EndpointSlices.
    pub slices: Vec<Arc<EndpointSlice>>,
    /// Ingresses.
    pub ingresses: Vec<Arc<Ingress>>,
    /// NetworkPolicies.
    pub policies: Vec<Arc<NetworkPolicy>>,
    /// ConfigMaps.
    pub config_maps: Vec<Keyed>,
    /// Secrets: type and keys.
    pub secrets: Vec<Keyed>,
    /// Names of ServiceAccounts.
    pub accounts: BTreeSet<String>,
    /// PersistentVolumeClaims.
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<Arc<HorizontalPodAutoscaler>>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<Arc<PodDisruptionBudget>>,
    /// ResourceQuotas.
    pub quotas: Vec<Arc<ResourceQuota>>,
    /// LimitRanges.
    pub limits: Vec<Arc<LimitRange>>,
    /// Jobs.
    pub jobs: Vec<Arc<Job>>,
    /// CronJobs.
    pub cron_jobs: Vec<Arc<CronJob>>,
    /// Warning events about PersistentVolumeClaims and CronJobs.
    pub notes: Vec<Arc<EventNote>>,
    /// Workloads and accounts that are being deleted: since when, and what keeps them.
    pub leaving: Vec<(ObjectRef, Timestamp, Vec<String>)>,
    /// Roles.
    pub roles: Vec<Arc<Role>>,
    /// RoleBindings.
    pub role_bindings: Vec<Arc<RoleBinding>>,
    /// Objects of kinds that a cluster may have or not, such as those of the Gateway API, as plain JSON.
    pub others: Vec<Arc<serde_json::Value>>,
    /// What the namespace shares with others.
    pub cluster: Arc<Surroundings>,
    /// Kinds that could not be read: a rule that needs one of them says nothing.
    pub unreadable: BTreeSet<String>,
}

/// What belongs to no namespace, and what other namespaces offer to this one.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Namespaces with their labels.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Namespaces that are being deleted.
    pub leaving: BTreeMap<String, Leaving>,
    /// Schedulers that have given a pod its node.
    pub schedulers: BTreeSet<String>,
    /// Services of all namespaces, by namespace and name.
    pub services: BTreeMap<(String, String), Arc<Service>>,
    /// NetworkPolicies of all namespaces, by namespace.
    pub policies: BTreeMap<String, Vec<Arc<NetworkPolicy>>>,
    /// Ingresses of all namespaces, by namespace.
    pub ingresses: BTreeMap<String, Vec<Arc<Ingress>>>,
    /// Nodes, with what is taken of each.
    pub nodes: Vec<NodeRoom>,
    /// StorageClasses.
    pub storage_classes: Vec<Arc<StorageClass>>,
    /// PersistentVolumes.
    pub volumes: Vec<Arc<PersistentVolume>>,
    /// IngressClasses.
    pub ingress_classes: Vec<Arc<IngressClass>>,
    /// Names of PriorityClasses.
    pub priority_classes: BTreeSet<String>,
    /// ClusterRoles.
    pub cluster_roles: Vec<Arc<ClusterRole>>,
    /// ClusterRoleBindings.
    pub cluster_role_bindings: Vec<Arc<ClusterRoleBinding>>,
    /// Validating webhooks.
    pub validating: Vec<Arc<ValidatingWebhookConfiguration>>,
    /// Mutating webhooks.
    pub mutating: Vec<Arc<MutatingWebhookConfiguration>>,
}

/// Something that makes pods from a template, or a pod that belongs to nothing.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The object.
    pub object: ObjectRef,
    /// Its resourceVersion.
    pub version: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Labels of its pods.
    pub pod_labels: BTreeMap<String, String>,
    /// Where the pod spec stands in the object, for example `spec.template.spec`.
    pub spec_path: &'static str,
    /// The pod spec that the next pod gets.
    pub spec: Arc<PodSpec>,
    /// Which pods it takes for its own.
    pub selector: Option<LabelSelector>,
    /// Pods wished for; 0 for a CronJob.
    pub desired: i32,
    /// Whether it rests: a paused rollout, a suspended Job.
    pub paused: bool,
    /// `serviceName` of a StatefulSet.
    pub service_name: Option<String>,
    /// Names of the claim templates of a StatefulSet, which are no volumes of the pod spec.
    pub claim_templates: BTreeSet<String>,
    /// `maxUnavailable` and `maxSurge` of a rolling update.
    pub rolling: (Option<IntOrString>, Option<IntOrString>),
    /// Who changed it last.
    pub touched: Option<Touch>,
    /// Whether it shows a symptom of its own right now: its pods tell more than its configuration then.
    pub troubled: bool,
    /// What its pods were before its last rollout, where that was lately.
    pub before: Option<Before>,
}

/// The revision before the last rollout of a workload.
#[derive(Clone, Debug)]
pub struct Before {
    /// When the revision of now was made.
    pub at: Timestamp,
    /// The number of the revision of now.
    pub number: i64,
    /// The pod template of before.
    pub template: Arc<PodTemplateSpec>,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Member {
    /// The pod.
    pub object: ObjectRef,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The workload that it belongs to; itself when it belongs to none that is known.
    pub workload: ObjectRef,
    /// Its node.
    pub node: Option<String>,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// Whether a scheduler has said something about it.
    pub judged: bool,
    /// Whether a kubelet has taken it.
    pub started: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when somebody deletes it.
    pub terminating: Option<Timestamp>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Containers that have ended well and are not started again.
    pub ended: Vec<String>,
    /// Its spec.
    pub spec: Arc<PodSpec>,
}

/// A ConfigMap or a Secret: what it is called and which keys it has.
#[derive(Clone, Debug, Default)]
pub struct Keyed {
    /// The object.
    pub object: ObjectRef,
    /// Type of a Secret; empty for a ConfigMap.
    pub type_: String,
    /// Names of its keys; none when they may not be read.
    pub keys: Option<BTreeSet<String>>,
    /// Values of a ConfigMap that are short enough to be kept; always empty for a Secret.
    pub values: Arc<BTreeMap<String, String>>,
    /// When the certificate in a TLS Secret ends, and the names that it is for.
    pub certificate: Option<Certificate>,
    /// Who changed it last.
    pub touched: Option<Touch>,
    /// Since when somebody deletes it, and the finalizers that keep it.
    pub leaving: Option<(Timestamp, Vec<String>)>,
}

/// What is known of a certificate in a TLS Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// DNS names that it is for.
    pub names: Vec<String>,
}

/// A namespace that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Since when.
    pub since: Timestamp,
    /// Its UID.
    pub uid: Option<String>,
    /// What its controller says keeps it: types of its conditions that hold, with their messages.
    pub said: Vec<(String, String)>,
}

impl Leaving {
    /// Reads a namespace; none when it stays.
    pub fn of(namespace: &Namespace) -> Option<Self> {
        let since = namespace.metadata.deletion_timestamp.as_ref()?.0;
        let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let said = conditions
            .filter(|condition| condition.status == "True")
            .map(|condition| (condition.type_.clone(), condition.message.clone().unwrap_or_default()))
            .collect();
        Some(Self { since, uid: namespace.metadata.uid.clone(), said })
    }
}

/// Whether a scheduler has said something about a pod, and whether a kubelet has taken it.
pub fn progress(status: &PodStatus) -> (bool, bool) {
    let judged = status.conditions.iter().flatten().any(|condition| condition.type_ == "PodScheduled");
    (judged, status.start_time.is_some())
}

/// Containers of a pod that have ended well and are not started again.
pub fn ended(spec: &PodSpec, status: &PodStatus) -> Vec<String> {
    if spec.restart_policy.as_deref().is_none_or(|policy| policy == "Always") {
        return Vec::new();
    }
    let well = |container: &&ContainerStatus| {
        container.state.as_ref().and_then(|state| state.terminated.as_ref()).is_some_and(|end| end.exit_code == 0)
    };
    status.container_statuses.iter().flatten().filter(well).map(|container| container.name.clone()).collect()
}

/// Since when an object is being deleted, and what keeps it.
pub fn leaving(metadata: &ObjectMeta) -> Option<(Timestamp, Vec<String>)> {
    let since = metadata.deletion_timestamp.as_ref()?.0;
    Some((since, metadata.finalizers.clone().unwrap_or_default()))
}

/// The last change of an object, from `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// When.
    pub at: Timestamp,
    /// Field manager, such as `kubectl-client-side-apply`.
    pub by: String,
}

impl Touch {
    /// The last change that the metadata knows of; a change of the status alone does not count.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let entries = metadata.managed_fields.iter().flatten();
        entries
            .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
            .filter_map(|entry| {
                Some(Self { at: entry.time.as_ref()?.0, by: entry.manager.clone().unwrap_or_default() })
            })
            .max_by_key(|touch| touch.at)
    }
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It explains a symptom when there is one; alone it is nothing that anybody must look at.
    Suspect,
    /// Nothing is broken yet; the next restart, the next replica or the next renewal will be.
    Latent,
    /// It is broken now.
    Outage,
}

/// Something that is wrong in a graph, with its proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Rule that found it.
    pub rule: Rule,
    /// Signal for the resources.
    pub signal: SignalType,
    /// How it stands.
    pub standing: Standing,
    /// How bad it is.
    pub severity: Severity,
    /// The object that shows it and that an incident is about; it has a namespace.
    pub about: ObjectRef,
    /// Workloads whose symptoms it can explain, or that it cuts off.
    pub concerns: Vec<ObjectRef>,
    /// Cause and proof; `cause.object` is the object at fault.
    pub cause: RootCause,
    /// Words that a log line or a message about this fault would have: a host, a key, a port. For telling which of several
    /// suspects a symptom speaks of.
    pub words: Vec<String>,
    /// What to do, best first; empty when people must decide.
    pub candidates: Vec<AIInsightSuggestedAction>,
    /// Advice for people.
    pub recommendations: Vec<String>,
    /// Seconds that it must be there before anybody is told; objects that belong together are seldom applied at once.
    pub hold: i64,
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
