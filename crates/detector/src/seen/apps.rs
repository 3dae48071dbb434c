//! Workloads and ReplicaSets: what their controllers wish and report, and the templates of revisions.

use std::sync::Arc;

use domain::graph::{Workload, of_daemon_set, of_deployment as workload_of, of_replica_set, of_stateful_set};
use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, DeploymentCondition, ReplicaSet, ReplicaSetCondition, StatefulSet,
};
use k8s_openapi::api::batch::v1::JobCondition;
use k8s_openapi::api::core::v1::{PodCondition, PodTemplateSpec};

use super::{Digest, Owner, Seen, label, owner, packed, slim, unpacked};

/// Annotation with the number of a revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What is kept of a workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Pods wished for.
    pub(crate) desired: i32,
    pub(crate) paused: bool,
    /// Number of the current revision, of a Deployment.
    pub(crate) number: Option<i64>,
    /// Label value of the pods that should be there, where one revision is meant for all of them.
    pub(crate) current: Option<String>,
    pub(crate) conditions: Vec<PodCondition>,
    /// For the graph.
    pub(crate) workload: Option<Arc<Workload>>,
}

/// What is kept of a ReplicaSet.
#[derive(Clone, Debug)]
pub(crate) struct SetFacts {
    pub(crate) owner: Option<Owner>,
    pub(crate) hash: String,
    pub(crate) number: i64,
    pub(crate) desired: i32,
    pub(crate) ready: i32,
    pub(crate) conditions: Vec<PodCondition>,
    template: Box<[u8]>,
    /// For the graph, where it belongs to nothing.
    pub(crate) alone: Option<Arc<Workload>>,
}

impl SetFacts {
    /// The pod template.
    pub(crate) fn template(&self) -> PodTemplateSpec {
        unpacked(&self.template)
    }
}

impl Digest for Deployment {
    type Facts = Plan;

    fn digest(self) -> Seen<Self> {
        let number = self.metadata.annotations.as_ref().and_then(|a| a.get(REVISION)?.parse().ok());
        let workload = Some(Arc::new(workload_of(self.clone())));
        let spec = self.spec.unwrap_or_default();
        let conditions = self.status.and_then(|s| s.conditions).unwrap_or_default();
        let facts = Plan {
            desired: spec.replicas.unwrap_or(1),
            paused: spec.paused.unwrap_or_default(),
            number,
            current: None,
            conditions: conditions.into_iter().map(of_deployment).collect(),
            workload,
        };
        Seen { metadata: slim(self.metadata), facts }
    }
}

impl Digest for StatefulSet {
    type Facts = Plan;

    fn digest(self) -> Seen<Self> {
        let workload = Some(Arc::new(of_stateful_set(self.clone())));
        let spec = self.spec.unwrap_or_default();
        let strategy = spec.update_strategy.unwrap_or_default();
        let partition = strategy.rolling_update.and_then(|r| r.partition).unwrap_or_default();
        // With a partition, or when people delete pods by hand, older revisions are there on purpose.
        let one_for_all = partition == 0 && strategy.type_.as_deref() != Some("OnDelete");
        let facts = Plan {
            desired: spec.replicas.unwrap_or(1),
            current: self.status.and_then(|s| s.update_revision).filter(|_| one_for_all),
            workload,
            ..Plan::default()
        };
        Seen { metadata: slim(self.metadata), facts }
    }
}

impl Digest for DaemonSet {
    type Facts = Plan;

    fn digest(self) -> Seen<Self> {
        let workload = Some(Arc::new(of_daemon_set(self.clone())));
        let desired = self.status.map_or(0, |s| s.desired_number_scheduled);
        let facts = Plan { desired, workload, ..Plan::default() };
        Seen { metadata: slim(self.metadata), facts }
    }
}

impl Digest for ReplicaSet {
    type Facts = SetFacts;

    fn digest(self) -> Seen<Self> {
        let alone = owner(&self.metadata).is_none().then(|| Arc::new(of_replica_set(self.clone())));
        let Self { mut metadata, spec, status } = self;
        let number = metadata.annotations.as_ref().and_then(|a| a.get(REVISION)?.parse().ok()).unwrap_or_default();
        let spec = spec.unwrap_or_default();
        let status = status.unwrap_or_default();
        // Metadata of a template changes nothing that runs.
        let template = PodTemplateSpec { metadata: None, spec: spec.template.unwrap_or_default().spec };
        let facts = SetFacts {
            owner: owner(&metadata),
            hash: label(&mut metadata, "pod-template-hash").unwrap_or_default(),
            number,
            desired: spec.replicas.unwrap_or(1),
            ready: status.ready_replicas.unwrap_or_default(),
            conditions: status.conditions.unwrap_or_default().into_iter().map(of_set).collect(),
            template: packed(&template),
            alone,
        };
        Seen { metadata: slim(metadata), facts }
    }
}

/// Conditions as those of pods: the kinds have the same fields and no type in common.
macro_rules! conditions {
    ($($name:ident: $kind:ty),+ $(,)?) => {$(
        pub(crate) fn $name(condition: $kind) -> PodCondition {
            PodCondition {
                last_transition_time: condition.last_transition_time,
                message: condition.message,
                reason: condition.reason,
                status: condition.status,
                type_: condition.type_,
                ..PodCondition::default()
            }
        }
    )+};
}

conditions!(of_deployment: DeploymentCondition, of_set: ReplicaSetCondition, of_job: JobCondition);
