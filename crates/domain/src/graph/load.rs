//! A graph from plain JSON objects, as `kubectl get -o json` prints them: for incident bundles and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, PodTemplateSpec, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::optional::HELM_RECORD;
use super::query::{controller, reference};
use super::{Before, Graph, Keyed, Leaving, Member, Surroundings, Touch, Workload};
use crate::detection::EventNote;

/// The annotation with the number of a revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// An object that could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("object {index} ({kind}) cannot be read: {why}")]
pub struct LoadError {
    /// Position, from 0.
    pub index: usize,
    /// Its kind, as far as it has one.
    pub kind: String,
    /// Why.
    pub why: String,
}

impl Graph {
    /// Reads a namespace from objects. Those of other namespaces count where a rule asks for them (Services, Namespaces);
    /// unknown kinds are kept as they are.
    ///
    /// # Errors
    /// When an object of a known kind has not its form.
    pub fn load(namespace: &str, objects: &[Value]) -> Result<Self, LoadError> {
        let mut graph = Self { namespace: namespace.to_owned(), ..Self::default() };
        let mut around = Surroundings::default();
        for (index, object) in objects.iter().enumerate() {
            let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            graph.add(&mut around, &kind, object).map_err(|error| LoadError { index, kind, why: error.to_string() })?;
        }
        graph.cluster = Arc::new(around);
        graph.settle_owners(objects);
        graph.settle_revisions(objects);
        Ok(graph)
    }

    fn add(&mut self, around: &mut Surroundings, kind: &str, object: &Value) -> Result<(), serde_json::Error> {
        let place = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let here = place.is_none_or(|place| place == self.namespace);
        match kind {
            "Service" => {
                let service: Arc<Service> = Arc::new(read(object)?);
                let of = place.unwrap_or(&self.namespace).to_owned();
                let name = service.metadata.name.clone().unwrap_or_default();
                around.services.insert((of, name), service.clone());
                if here {
                    self.services.push(service);
                }
            }
            "Ingress" => {
                let ingress: Arc<Ingress> = Arc::new(read(object)?);
                around.ingresses.entry(place.unwrap_or(&self.namespace).to_owned()).or_default().push(ingress.clone());
                if here {
                    self.ingresses.push(ingress);
                }
            }
            "NetworkPolicy" => {
                let policy: Arc<NetworkPolicy> = Arc::new(read(object)?);
                around.policies.entry(place.unwrap_or(&self.namespace).to_owned()).or_default().push(policy.clone());
                if here {
                    self.policies.push(policy);
                }
            }
            "Namespace" => {
                let found: Namespace = read(object)?;
                let name = found.metadata.name.clone().unwrap_or_default();
                around.leaving.extend(Leaving::of(&found).map(|leaving| (name.clone(), leaving)));
                around.namespaces.insert(name, found.metadata.labels.unwrap_or_default());
            }
            // They belong to no namespace, or say what another one permits: every namespace has them.
            "ReferenceGrant" => self.others.push(Arc::new(object.clone())),
            "StorageClass" => around.storage_classes.push(Arc::new(read(object)?)),
            "PersistentVolume" => around.volumes.push(Arc::new(read(object)?)),
            "IngressClass" => around.ingress_classes.push(Arc::new(read(object)?)),
            "PriorityClass" => {
                let found: PriorityClass = read(object)?;
                around.priority_classes.extend(found.metadata.name);
            }
            "ClusterRole" => around.cluster_roles.push(Arc::new(read(object)?)),
            "ClusterRoleBinding" => around.cluster_role_bindings.push(Arc::new(read(object)?)),
            "ValidatingWebhookConfiguration" => around.validating.push(Arc::new(read(object)?)),
            "MutatingWebhookConfiguration" => around.mutating.push(Arc::new(read(object)?)),
            _ if here => self.add_here(kind, object)?,
            _ => {}
        }
        Ok(())
    }

    fn add_here(&mut self, kind: &str, object: &Value) -> Result<(), serde_json::Error> {
        match kind {
            "Deployment" => self.workloads.push(of_deployment(read(object)?)),
            "StatefulSet" => self.workloads.push(of_stateful_set(read(object)?)),
            "DaemonSet" => self.workloads.push(of_daemon_set(read(object)?)),
            "ReplicaSet" => {
                let set: ReplicaSet = read(object)?;
                if !owned(&set.metadata) {
                    self.workloads.push(of_replica_set(set));
                }
            }
            "Pod" => self.add_pod(read(object)?),
            "Job" => {
                let job: Job = read(object)?;
                if !owned(&job.metadata) {
                    self.workloads.push(of_job(&job));
                }
                self.jobs.push(Arc::new(job));
            }
            "CronJob" => {
                let job: CronJob = read(object)?;
                self.workloads.push(of_cron_job(&job));
                self.cron_jobs.push(Arc::new(job));
            }
            "EndpointSlice" => self.slices.push(Arc::new(read(object)?)),
            "ConfigMap" => {
                let map: ConfigMap = read(object)?;
                let keys =
                    map.data.iter().flat_map(BTreeMap::keys).chain(map.binary_data.iter().flat_map(BTreeMap::keys));
                self.config_maps.push(Keyed {
                    object: reference("v1", "ConfigMap", &map.metadata),
                    keys: Some(keys.cloned().collect()),
                    touched: Touch::of(&map.metadata),
                    leaving: super::leaving(&map.metadata),
                    values: Arc::new(map.data.unwrap_or_default()),
                    ..Keyed::default()
                });
            }
            // Of what Helm notes only the labels are read.
            "Secret" if object.get("type").and_then(Value::as_str) == Some(HELM_RECORD) => {
                let mut record = object.clone();
                if let Some(fields) = record.as_object_mut() {
                    fields.retain(|field, _| !matches!(field.as_str(), "data" | "stringData"));
                }
                self.others.push(Arc::new(record));
            }
            "Secret" => {
                let secret: Secret = read(object)?;
                let written: Option<BTreeMap<String, String>> = secret.string_data;
                let stored: Option<BTreeMap<String, ByteString>> = secret.data;
                let keys = written.into_iter().flatten().map(|(key, _)| key);
                self.secrets.push(Keyed {
                    object: reference("v1", "Secret", &secret.metadata),
                    type_: secret.type_.unwrap_or_else(|| "Opaque".into()),
                    keys: Some(keys.chain(stored.into_iter().flatten().map(|(key, _)| key)).collect()),
                    touched: Touch::of(&secret.metadata),
                    leaving: super::leaving(&secret.metadata),
                    ..Keyed::default()
                });
            }
            "ServiceAccount" => {
                let account: ServiceAccount = read(object)?;
                self.accounts.extend(account.metadata.name);
            }
            "Event" => {
                let about = object.pointer("/involvedObject/kind").and_then(Value::as_str);
                let read_of = matches!(about, Some("PersistentVolumeClaim" | "CronJob"));
                self.notes.extend(EventNote::of(&read(object)?).filter(|_| read_of).map(Arc::new));
            }
            "PersistentVolumeClaim" => self.claims.push(Arc::new(read(object)?)),
            "HorizontalPodAutoscaler" => self.autoscalers.push(Arc::new(read(object)?)),
            "PodDisruptionBudget" => self.budgets.push(Arc::new(read(object)?)),
            "ResourceQuota" => self.quotas.push(Arc::new(read(object)?)),
            "Role" => self.roles.push(Arc::new(read(object)?)),
            "RoleBinding" => self.role_bindings.push(Arc::new(read(object)?)),
            "LimitRange" => self.limits.push(Arc::new(read(object)?)),
            _ => self.others.push(Arc::new(object.clone())),
        }
        Ok(())
    }

    fn add_pod(&mut self, pod: Pod) {
        let object = reference("v1", "Pod", &pod.metadata);
        let status = pod.status.unwrap_or_default();
        let (judged, started) = super::progress(&status);
        let ended = super::ended(&pod.spec.clone().unwrap_or_default(), &status);
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let spec = Arc::new(pod.spec.unwrap_or_default());
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        if !owned(&pod.metadata) {
            self.workloads.push(Workload {
                pod_labels: labels.clone(),
                spec: spec.clone(),
                spec_path: "spec",
                desired: 1,
                ..bare("v1", "Pod", &pod.metadata)
            });
        }
        self.pods.push(Member {
            workload: object.clone(),
            object,
            labels: Arc::new(labels),
            node: spec.node_name.clone(),
            made: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            judged,
            started,
            ready,
            terminating: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            finalizers: pod.metadata.finalizers.clone().unwrap_or_default(),
            ended,
            spec,
        });
    }

    /// Tells each Deployment what its pods were before its last rollout.
    fn settle_revisions(&mut self, objects: &[Value]) {
        let sets = || objects.iter().filter(|o| o.get("kind").and_then(Value::as_str) == Some("ReplicaSet"));
        if sets().next().is_none() {
            return;
        }
        for workload in self.workloads.iter_mut().filter(|workload| workload.object.kind == "Deployment") {
            let mut revisions: Vec<(i64, ReplicaSet)> = Vec::new();
            for set in sets() {
                let Ok(set) = read::<ReplicaSet>(set) else { continue };
                let ours = controller(&set.metadata)
                    .is_some_and(|owner| owner.kind == "Deployment" && owner.name == workload.object.name);
                let number = set.metadata.annotations.as_ref().and_then(|a| a.get(REVISION)?.parse().ok());
                revisions.extend(number.filter(|_| ours).map(|number| (number, set)));
            }
            revisions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
            let mut revisions = revisions.into_iter();
            workload.before = revisions.next().zip(revisions.next()).and_then(|((number, now), (_, before))| {
                let at = now.metadata.creation_timestamp?.0;
                Some(Before { at, number, template: Arc::new(before.spec?.template.unwrap_or_default()) })
            });
        }
    }

    /// Tells each pod the workload at the top of its owners.
    fn settle_owners(&mut self, objects: &[Value]) {
        let owner = |kind: &str, name: &str| -> Option<(String, String)> {
            let is = |o: &&Value| {
                o.get("kind").and_then(Value::as_str) == Some(kind)
                    && o.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
            };
            let owners = objects.iter().find(is)?.pointer("/metadata/ownerReferences")?.as_array()?;
            let controller = owners.iter().find(|o| o.get("controller").and_then(Value::as_bool) == Some(true))?;
            let text = |field: &str| controller.get(field).and_then(Value::as_str).map(str::to_owned);
            Some((text("kind")?, text("name")?))
        };
        for pod in &mut self.pods {
            let mut at = ("Pod".to_owned(), pod.object.name.clone());
            // Pod, ReplicaSet, Deployment; or Pod, Job, CronJob.
            for _ in 0..3 {
                let Some(next) = owner(&at.0, &at.1) else { break };
                at = next;
            }
            if let Some(workload) = self.workloads.iter().find(|w| w.object.kind == at.0 && w.object.name == at.1) {
                pod.workload = workload.object.clone();
            }
        }
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(object.clone())
}

fn owned(metadata: &ObjectMeta) -> bool {
    controller(metadata).is_some()
}

/// A workload with nothing but its metadata.
fn bare(api_version: &str, kind: &str, metadata: &ObjectMeta) -> Workload {
    Workload {
        object: reference(api_version, kind, metadata),
        version: metadata.resource_version.clone(),
        labels: metadata.labels.clone().unwrap_or_default(),
        pod_labels: BTreeMap::new(),
        spec_path: "spec.template.spec",
        spec: Arc::default(),
        selector: None,
        desired: 0,
        paused: false,
        service_name: None,
        claim_templates: BTreeSet::new(),
        rolling: (None, None),
        touched: Touch::of(metadata),
        troubled: false,
        before: None,
    }
}

fn templated(workload: Workload, template: PodTemplateSpec, selector: Option<LabelSelector>) -> Workload {
    Workload {
        pod_labels: template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default(),
        spec: Arc::new(template.spec.unwrap_or_default()),
        selector,
        ..workload
    }
}

/// A Deployment as a workload.
pub fn of_deployment(object: Deployment) -> Workload {
    let workload = bare("apps/v1", "Deployment", &object.metadata);
    let spec = object.spec.unwrap_or_default();
    let rolling = spec.strategy.and_then(|strategy| strategy.rolling_update);
    Workload {
        desired: spec.replicas.unwrap_or(1),
        paused: spec.paused.unwrap_or_default(),
        rolling: rolling.map(|rolling| (rolling.max_unavailable, rolling.max_surge)).unwrap_or_default(),
        ..templated(workload, spec.template, Some(spec.selector))
    }
}

/// A StatefulSet as a workload.
pub fn of_stateful_set(object: StatefulSet) -> Workload {
    let workload = bare("apps/v1", "StatefulSet", &object.metadata);
    let spec = object.spec.unwrap_or_default();
    let templates = spec.volume_claim_templates.into_iter().flatten();
    Workload {
        desired: spec.replicas.unwrap_or(1),
        service_name: spec.service_name.filter(|name| !name.is_empty()),
        claim_templates: templates.filter_map(|template| template.metadata.name).collect(),
        ..templated(workload, spec.template, Some(spec.selector))
    }
}

/// A DaemonSet as a workload.
pub fn of_daemon_set(object: DaemonSet) -> Workload {
    let workload = bare("apps/v1", "DaemonSet", &object.metadata);
    let spec = object.spec.unwrap_or_default();
    let desired = object.status.map(|status| status.desired_number_scheduled).unwrap_or_default();
    Workload { desired, ..templated(workload, spec.template, Some(spec.selector)) }
}

/// A ReplicaSet that belongs to nothing, as a workload.
pub fn of_replica_set(object: ReplicaSet) -> Workload {
    let workload = bare("apps/v1", "ReplicaSet", &object.metadata);
    let spec = object.spec.unwrap_or_default();
    Workload {
        desired: spec.replicas.unwrap_or(1),
        ..templated(workload, spec.template.unwrap_or_default(), Some(spec.selector))
    }
}

/// A Job that belongs to nothing, as a workload.
pub fn of_job(object: &Job) -> Workload {
    let workload = bare("batch/v1", "Job", &object.metadata);
    let spec = object.spec.clone().unwrap_or_default();
    Workload {
        desired: spec.parallelism.unwrap_or(1),
        paused: spec.suspend.unwrap_or_default(),
        ..templated(workload, spec.template, spec.selector)
    }
}

/// A CronJob as a workload.
pub fn of_cron_job(object: &CronJob) -> Workload {
    let workload = bare("batch/v1", "CronJob", &object.metadata);
    let spec = object.spec.clone().unwrap_or_default();
    let template = spec.job_template.spec.map(|job| job.template).unwrap_or_default();
    Workload {
        spec_path: "spec.jobTemplate.spec.template.spec",
        paused: spec.suspend.unwrap_or_default(),
        ..templated(workload, template, None)
    }
}

/// The workload that stands for a bare pod.
pub fn of_pod(
    metadata: &ObjectMeta,
    labels: BTreeMap<String, String>,
    spec: Arc<k8s_openapi::api::core::v1::PodSpec>,
) -> Workload {
    Workload { pod_labels: labels, spec, spec_path: "spec", desired: 1, ..bare("v1", "Pod", metadata) }
}
