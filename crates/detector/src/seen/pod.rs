//! Pods: thousands of them, so the spec is shared among the pods of a revision and the status is packed.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStatus, PersistentVolumeClaimVolumeSource, Pod, PodCondition, PodSpec,
    PodStatus, Volume,
};

use super::{Digest, Owner, OwnerKind, Seen, label, owner, packed, slim, unpacked};

/// Characters of a container's termination message that are kept.
const MESSAGE: usize = 1024;
/// Labels that differ among the pods of one revision and that nobody selects by, except one by one.
const OWN: [&str; 3] =
    ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index"];
/// Shared specs below which nobody looks for dead ones.
const FEW: usize = 256;

/// What is kept of a pod.
#[derive(Clone, Debug)]
pub(crate) struct PodFacts {
    pub(crate) owner: Option<Owner>,
    /// Value of the label that tells the revision; empty without one.
    pub(crate) revision: String,
    pub(crate) node: Option<String>,
    /// Whether it has reached its end and takes no room on its node any more.
    pub(crate) over: bool,
    /// Whether its containers are always started again.
    pub(crate) restarts: bool,
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// Whether a scheduler has said something about it.
    pub(crate) judged: bool,
    /// Whether a kubelet has taken it.
    pub(crate) started: bool,
    /// How often its containers were started again.
    pub(crate) restarted: i32,
    pub(crate) spec: Arc<PodSpec>,
    /// Labels, shared like the spec.
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    pub(crate) finalizers: Vec<String>,
    /// Containers that have ended well and are not started again.
    pub(crate) ended: Vec<String>,
    /// Volumes with claims of its own, which the shared spec does not have: index, name, claim.
    claims: Vec<(usize, String, String)>,
    status: Box<[u8]>,
}

impl Digest for Pod {
    type Facts = PodFacts;

    fn digest(self) -> Seen<Self> {
        let Self { mut metadata, spec, status } = self;
        let owner = owner(&metadata);
        let finalizers = metadata.finalizers.take().unwrap_or_default();
        let mut labels = metadata.labels.clone().unwrap_or_default();
        labels.retain(|key, _| !OWN.contains(&key.as_str()));
        let revision = label(&mut metadata, "pod-template-hash")
            .or_else(|| label(&mut metadata, "controller-revision-hash"))
            .unwrap_or_default();
        let mut spec = spec.unwrap_or_default();
        let node = spec.node_name.take().filter(|name| !name.is_empty());
        let own_claims = owner.as_ref().is_some_and(|o| o.kind == OwnerKind::StatefulSet);
        let claims = if own_claims { take_claims(&mut spec) } else { Vec::new() };
        let status = status.unwrap_or_default();
        let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let restarts = spec.restart_policy.as_deref().is_none_or(|policy| policy == "Always");
        let holds = |condition: &PodCondition| condition.type_ == "Ready" && condition.status == "True";
        let ready = status.conditions.iter().flatten().any(holds);
        let restarted = status.container_statuses.iter().flatten().map(|container| container.restart_count).sum();
        let ended = domain::graph::ended(&spec, &status);
        let (judged, started) = domain::graph::progress(&status);
        let spec = Arc::new(slim_spec(spec));
        let status = packed(&slim_status(status));
        Seen {
            metadata: slim(metadata),
            facts: PodFacts {
                owner,
                revision,
                node,
                over,
                restarts,
                ready,
                judged,
                started,
                restarted,
                spec,
                labels: Arc::new(labels),
                finalizers,
                ended,
                claims,
                status,
            },
        }
    }
}

impl Seen<Pod> {
    /// The pod as the rules want it.
    pub(crate) fn pod(&self) -> Pod {
        let facts = &self.facts;
        let mut spec = PodSpec { node_name: facts.node.clone(), ..(*facts.spec).clone() };
        for (index, name, claim) in &facts.claims {
            let volume = Volume {
                name: name.clone(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: claim.clone(),
                    ..PersistentVolumeClaimVolumeSource::default()
                }),
                ..Volume::default()
            };
            let volumes = spec.volumes.get_or_insert_default();
            volumes.insert((*index).min(volumes.len()), volume);
        }
        Pod { metadata: self.metadata.clone(), spec: Some(spec), status: Some(unpacked(&facts.status)) }
    }
}

/// Volumes whose claims differ from pod to pod.
fn take_claims(spec: &mut PodSpec) -> Vec<(usize, String, String)> {
    let mut claims = Vec::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        if let Some(claim) = &volume.persistent_volume_claim {
            claims.push((index, volume.name.clone(), claim.claim_name.clone()));
        }
    }
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| volume.persistent_volume_claim.is_none());
    }
    claims
}

/// What rules, references and requests read; nothing that differs among the pods of one revision.
fn slim_spec(spec: PodSpec) -> PodSpec {
    let mut volumes = spec.volumes.unwrap_or_default();
    // The token volume has a name of its own in every pod; it comes last, so no index moves.
    volumes.retain(|volume| !volume.name.starts_with("kube-api-access-"));
    PodSpec {
        active_deadline_seconds: spec.active_deadline_seconds,
        affinity: spec.affinity,
        automount_service_account_token: spec.automount_service_account_token,
        containers: spec.containers.into_iter().map(slim_container).collect(),
        dns_config: spec.dns_config,
        dns_policy: spec.dns_policy,
        host_aliases: spec.host_aliases,
        host_ipc: spec.host_ipc,
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        image_pull_secrets: spec.image_pull_secrets,
        init_containers: spec.init_containers.map(|list| list.into_iter().map(slim_container).collect()),
        node_selector: spec.node_selector,
        os: spec.os,
        overhead: spec.overhead,
        priority: spec.priority,
        priority_class_name: spec.priority_class_name,
        readiness_gates: spec.readiness_gates,
        runtime_class_name: spec.runtime_class_name,
        restart_policy: spec.restart_policy,
        scheduler_name: spec.scheduler_name,
        scheduling_gates: spec.scheduling_gates,
        security_context: spec.security_context,
        service_account_name: spec.service_account_name,
        subdomain: spec.subdomain,
        termination_grace_period_seconds: spec.termination_grace_period_seconds,
        tolerations: spec.tolerations,
        topology_spread_constraints: spec.topology_spread_constraints,
        volumes: (!volumes.is_empty()).then_some(volumes),
        ..PodSpec::default()
    }
}

fn slim_container(container: Container) -> Container {
    let mut mounts = container.volume_mounts.unwrap_or_default();
    mounts.retain(|mount| !mount.name.starts_with("kube-api-access-"));
    Container {
        resize_policy: None,
        termination_message_path: None,
        termination_message_policy: None,
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        ..container
    }
}

fn slim_status(status: PodStatus) -> PodStatus {
    let list =
        |list: Option<Vec<ContainerStatus>>| list.map(|list| list.into_iter().map(slim_container_status).collect());
    PodStatus {
        conditions: status.conditions.map(|list| {
            list.into_iter()
                .map(|condition| PodCondition { last_probe_time: None, observed_generation: None, ..condition })
                .collect()
        }),
        container_statuses: list(status.container_statuses),
        init_container_statuses: list(status.init_container_statuses),
        message: status.message,
        nominated_node_name: status.nominated_node_name,
        phase: status.phase,
        pod_ip: status.pod_ip,
        reason: status.reason,
        start_time: status.start_time,
        ..PodStatus::default()
    }
}

fn slim_container_status(status: ContainerStatus) -> ContainerStatus {
    ContainerStatus {
        image: status.image,
        last_state: status.last_state.map(slim_state),
        name: status.name,
        ready: status.ready,
        restart_count: status.restart_count,
        started: status.started,
        state: status.state.map(slim_state),
        ..ContainerStatus::default()
    }
}

fn slim_state(mut state: ContainerState) -> ContainerState {
    if let Some(terminated) = &mut state.terminated {
        terminated.container_id = None;
        if let Some(message) = &mut terminated.message
            && let Some((end, _)) = message.char_indices().nth(MESSAGE)
        {
            message.truncate(end);
        }
    }
    state
}

/// Equal values, each kept once for as long as somebody has it.
struct Pool<T> {
    by_hash: HashMap<u64, Vec<Weak<T>>>,
    /// How many there may be before the dead ones are looked for.
    room: usize,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { by_hash: HashMap::new(), room: 0 }
    }
}

impl<T: PartialEq> Pool<T> {
    /// Takes the value that is known already for an equal one. `told` is what distinguishes values.
    fn share(&mut self, told: &impl Hash, value: &mut Arc<T>) {
        let mut hasher = DefaultHasher::new();
        told.hash(&mut hasher);
        if self.by_hash.len() > self.room.max(FEW) {
            self.by_hash.retain(|_, list| list.iter().any(|known| known.strong_count() > 0));
            self.room = self.by_hash.len() * 2;
        }
        let same = self.by_hash.entry(hasher.finish()).or_default();
        same.retain(|known| known.strong_count() > 0);
        match same.iter().filter_map(Weak::upgrade).find(|known| known == value) {
            Some(known) => *value = known,
            None => same.push(Arc::downgrade(value)),
        }
    }
}

/// The specs and labels that pods share.
#[derive(Default)]
pub(crate) struct Specs(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    specs: Pool<PodSpec>,
    labels: Pool<BTreeMap<String, String>>,
}

impl Specs {
    /// Lets a pod share its spec and labels with the others that have the same ones.
    pub(crate) fn share(&self, pod: &mut Seen<Pod>) {
        let told = packed(&*pod.facts.spec);
        let labels = pod.facts.labels.clone();
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.specs.share(&told, &mut pod.facts.spec);
        shared.labels.share(&labels, &mut pod.facts.labels);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"controller-revision-hash": "db-1", "app": "db"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": true}]},
            "spec": {"nodeName": format!("node-of-{name}"), "hostname": name, "containers": [{"name": "db", "image": "db:1", "volumeMounts": [{"name": "kube-api-access-x1", "mountPath": "/x"}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{name}")}}, {"name": "conf", "configMap": {"name": "db"}}, {"name": format!("kube-api-access-{name}")}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [{"name": "db", "image": "db:1", "imageID": "x", "ready": true, "restartCount": 2}]},
        }))
        .unwrap()
    }

    #[test]
    fn pods_of_one_revision_share_their_spec_and_keep_what_is_their_own() {
        let specs = Specs::default();
        let (mut first, mut second) = (pod("db-0").digest(), pod("db-1").digest());
        specs.share(&mut first);
        specs.share(&mut second);
        assert!(Arc::ptr_eq(&first.facts.spec, &second.facts.spec));
        let spec = second.pod().spec.unwrap();
        assert_eq!(spec.node_name.as_deref(), Some("node-of-db-1"));
        let volumes = spec.volumes.unwrap();
        assert_eq!(volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "data-db-1");
        assert_eq!(volumes[1].config_map.as_ref().unwrap().name, "db");
        assert_eq!(volumes.len(), 2);
        let status = first.pod().status.unwrap();
        // Where its metrics are asked for.
        assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.1"));
        let container = &status.container_statuses.unwrap()[0];
        assert_eq!((container.restart_count, container.image_id.as_str()), (2, ""));
        assert_eq!(first.facts.revision, "db-1");
    }

    #[test]
    fn specs_that_nobody_has_any_more_are_forgotten() {
        let specs = Specs::default();
        for number in 0..1000 {
            let mut one = pod("db-0");
            one.spec.as_mut().unwrap().containers[0].image = Some(format!("db:{number}"));
            specs.share(&mut one.digest());
        }
        assert!(specs.0.lock().unwrap().specs.by_hash.len() <= FEW + 1);
    }
}
