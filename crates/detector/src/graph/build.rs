//! A namespace as the rules of the graph want it, put together from the caches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::shared::ObjectRef;
use domain::graph::{Graph, Keyed, Member, Surroundings, Touch, Workload, controller, of_cron_job, of_job, of_pod};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kit::cache::Key as Place;

use super::caches::Around;
use crate::caches::{Caches, Many};
use crate::history::Histories;
use crate::key::{Key, Kind};
use crate::seen::{Digest, OwnerKind, Seen, room};
use crate::view::{of_pod as workload_of, of_set};

/// Builds the graph of a namespace. `troubled` says which workloads show a symptom of their own.
pub(super) fn build(
    (caches, around, histories): (&Caches, &Around, &Histories),
    cluster: Arc<Surroundings>,
    namespace: &str,
    troubled: impl Fn(&ObjectRef) -> bool,
) -> Graph {
    let mut workloads = workloads(caches, around, namespace);
    for workload in &mut workloads {
        workload.troubled = troubled(&workload.object);
    }
    Graph {
        namespace: namespace.to_owned(),
        pods: pods(caches, namespace, &workloads),
        workloads,
        services: facts(&around.services, namespace),
        slices: facts(&around.slices, namespace),
        ingresses: facts(&around.ingresses, namespace),
        policies: facts(&around.policies, namespace),
        config_maps: config_maps(caches, histories, namespace),
        secrets: around.secrets.in_namespace(namespace).iter().map(|secret| secret.facts.clone()).collect(),
        accounts: around.accounts.in_namespace(namespace).iter().map(|account| account.name().to_owned()).collect(),
        claims: facts(&around.claims, namespace),
        autoscalers: facts(&around.autoscalers, namespace),
        budgets: facts(&around.budgets, namespace),
        quotas: facts(&around.quotas, namespace),
        limits: facts(&around.limits, namespace),
        jobs: facts(&caches.jobs, namespace),
        cron_jobs: facts(&around.cron_jobs, namespace),
        others: around.optional.objects(namespace),
        cluster,
        unreadable: around.unreadable(namespace),
    }
}

/// What belongs to no namespace, and the Services of all.
pub(super) fn surroundings(caches: &Caches, around: &Around) -> Surroundings {
    let services = around.services.all();
    let services = services
        .iter()
        .map(|service| ((service.namespace().to_owned(), service.name().to_owned()), service.facts.clone()));
    let mut policies: BTreeMap<String, Vec<Arc<NetworkPolicy>>> = BTreeMap::new();
    for policy in &around.policies.all() {
        policies.entry(policy.namespace().to_owned()).or_default().push(policy.facts.clone());
    }
    Surroundings {
        policies,
        namespaces: around
            .namespaces
            .all()
            .iter()
            .map(|namespace| (namespace.name().to_owned(), namespace.facts.clone()))
            .collect(),
        services: services.collect(),
        nodes: caches.nodes.all().iter().map(|node| room(node)).collect(),
        storage_classes: around.storage_classes.all().iter().map(|class| class.facts.clone()).collect(),
        volumes: around.volumes.all().iter().map(|volume| volume.facts.clone()).collect(),
        ingress_classes: around.ingress_classes.all().iter().map(|class| class.facts.clone()).collect(),
        priority_classes: around.priority_classes.all().iter().map(|class| class.name().to_owned()).collect(),
        validating: around.validating.all(),
        mutating: around.mutating.all(),
    }
}

fn facts<K: Digest<Facts = Arc<K>>>(caches: &Many<Seen<K>>, namespace: &str) -> Vec<Arc<K>> {
    caches.in_namespace(namespace).iter().map(|object| object.facts.clone()).collect()
}

fn workloads(caches: &Caches, around: &Around, namespace: &str) -> Vec<Workload> {
    let alive =
        |deleted: bool, workload: &Option<Arc<Workload>>| workload.as_ref().filter(|_| !deleted).map(|w| (**w).clone());
    let mut found: Vec<Workload> = Vec::new();
    for object in caches.deployments.in_namespace(namespace) {
        found.extend(alive(object.metadata.deletion_timestamp.is_some(), &object.facts.workload));
    }
    for object in caches.stateful_sets.in_namespace(namespace) {
        found.extend(alive(object.metadata.deletion_timestamp.is_some(), &object.facts.workload));
    }
    for object in caches.daemon_sets.in_namespace(namespace) {
        // How many pods there should be is known from its status only.
        let workload = alive(object.metadata.deletion_timestamp.is_some(), &object.facts.workload);
        found.extend(workload.map(|workload| Workload { desired: object.facts.desired, ..workload }));
    }
    for set in caches.replica_sets.in_namespace(namespace) {
        if of_set(&set).kind == Kind::ReplicaSet {
            found.extend(alive(set.metadata.deletion_timestamp.is_some(), &set.facts.alone));
        }
    }
    for job in caches.jobs.in_namespace(namespace) {
        if controller(&job.facts.metadata).is_none() {
            found.push(of_job(&job.facts));
        }
    }
    found.extend(around.cron_jobs.in_namespace(namespace).iter().map(|job| of_cron_job(&job.facts)));
    for pod in caches.pods.in_namespace(namespace) {
        let alone = pod.facts.owner.is_none() && pod.metadata.deletion_timestamp.is_none();
        if alone {
            found.push(of_pod(&pod.metadata, (*pod.facts.labels).clone(), pod.facts.spec.clone()));
        }
    }
    found
}

fn pods(caches: &Caches, namespace: &str, workloads: &[Workload]) -> Vec<Member> {
    let mut known: HashMap<(&str, &str), &ObjectRef> = HashMap::new();
    for workload in workloads {
        known.insert((workload.object.kind.as_str(), workload.object.name.as_str()), &workload.object);
    }
    let mut found = Vec::new();
    for pod in caches.pods.in_namespace(namespace) {
        if pod.facts.over {
            continue;
        }
        let own = || Key::new(Kind::Pod, pod.namespace(), pod.name()).reference(pod.metadata.uid.clone());
        let find = |kind, name: &str| known.get(&(kind, name)).map(|workload| (*workload).clone());
        let key = workload_of(caches, &pod);
        let workload = key
            .and_then(|key| find(key.kind.into(), &key.place.name))
            .or_else(|| find("CronJob", &cron_job_of(caches, &pod)?));
        found.push(Member {
            workload: workload.unwrap_or_else(own),
            object: own(),
            labels: pod.facts.labels.clone(),
            node: pod.facts.node.clone(),
            ready: pod.facts.ready,
            terminating: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            finalizers: pod.facts.finalizers.clone(),
            ended: pod.facts.ended.clone(),
            spec: pod.facts.spec.clone(),
        });
    }
    found
}

/// The CronJob that made the Job of a pod.
fn cron_job_of(caches: &Caches, pod: &Seen<Pod>) -> Option<String> {
    let owner = pod.facts.owner.as_ref().filter(|owner| owner.kind == OwnerKind::Job)?;
    let job = caches.jobs.find(pod.namespace(), &owner.name)?;
    Some(controller(&job.facts.metadata)?.name.clone())
}

fn config_maps(caches: &Caches, histories: &Histories, namespace: &str) -> Vec<Keyed> {
    let of = |map: &Arc<Seen<ConfigMap>>| {
        let known = histories.of(&Place::of(&**map));
        let values: BTreeMap<String, String> = known.as_ref().and_then(|known| known.data.clone()).unwrap_or_default();
        let touched = known
            .as_ref()
            .and_then(|known| Some(Touch { at: known.changed?, by: known.manager.clone().unwrap_or_default() }));
        Keyed {
            object: ObjectRef {
                api_version: Some("v1".to_owned()),
                kind: "ConfigMap".to_owned(),
                namespace: map.metadata.namespace.clone(),
                name: map.name().to_owned(),
                uid: map.metadata.uid.clone(),
            },
            type_: String::new(),
            keys: map.facts.keys.clone(),
            values: Arc::new(values),
            certificate: None,
            touched,
            leaving: map.facts.leaving.clone(),
        }
    };
    caches.config_maps.in_namespace(namespace).iter().map(of).collect()
}
