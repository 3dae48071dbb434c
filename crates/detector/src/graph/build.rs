//! A namespace as the rules of the graph want it, put together from the caches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::shared::ObjectRef;
use domain::detection::EventNote;
use domain::graph::{Graph, Keyed, Member, Surroundings, Touch, Workload, controller, of_cron_job, of_job, of_pod};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kit::cache::Key as Place;

use super::caches::Around;
use super::rooms::taken;
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
    // Only a pod that waits for a node asks what is taken of each.
    let waits = |pod: &Arc<Seen<Pod>>| pod.facts.node.is_none() && !pod.facts.over;
    let cluster = if caches.pods.in_namespace(namespace).iter().any(waits) {
        Arc::new(taken(caches, &cluster, None))
    } else {
        cluster
    };
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
        roles: facts(&around.roles, namespace),
        role_bindings: facts(&around.role_bindings, namespace),
        notes: notes(caches, around, namespace),
        leaving: leaving(caches, around, namespace),
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
    let mut ingresses: BTreeMap<String, Vec<Arc<Ingress>>> = BTreeMap::new();
    for ingress in &around.ingresses.all() {
        ingresses.entry(ingress.namespace().to_owned()).or_default().push(ingress.facts.clone());
    }
    Surroundings {
        policies,
        ingresses,
        namespaces: around
            .namespaces
            .all()
            .iter()
            .map(|namespace| (namespace.name().to_owned(), namespace.facts.0.clone()))
            .collect(),
        leaving: around
            .namespaces
            .all()
            .iter()
            .filter_map(|namespace| Some((namespace.name().to_owned(), namespace.facts.1.clone()?)))
            .collect(),
        schedulers: BTreeSet::new(),
        services: services.collect(),
        nodes: caches.nodes.all().iter().map(|node| room(node)).collect(),
        storage_classes: around.storage_classes.all().iter().map(|class| class.facts.clone()).collect(),
        volumes: around.volumes.all().iter().map(|volume| volume.facts.clone()).collect(),
        ingress_classes: around.ingress_classes.all().iter().map(|class| class.facts.clone()).collect(),
        priority_classes: around.priority_classes.all().iter().map(|class| class.name().to_owned()).collect(),
        cluster_roles: around.cluster_roles.all().iter().map(|role| role.facts.clone()).collect(),
        cluster_role_bindings: around.cluster_role_bindings.all().iter().map(|binding| binding.facts.clone()).collect(),
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
            made: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            judged: pod.facts.judged,
            started: pod.facts.started,
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

/// What is said of claims, where one waits, and of CronJobs, where there are any.
fn notes(caches: &Caches, around: &Around, namespace: &str) -> Vec<Arc<EventNote>> {
    let waits = |claim: &Arc<Seen<PersistentVolumeClaim>>| {
        claim.facts.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Bound")
    };
    let claims = around.claims.in_namespace(namespace).iter().any(waits);
    let schedules = !around.cron_jobs.in_namespace(namespace).is_empty();
    if !claims && !schedules {
        return Vec::new();
    }
    let events = caches.events.in_namespace(namespace);
    let about = |note: &Arc<EventNote>| match note.object.kind.as_str() {
        "PersistentVolumeClaim" => claims,
        "CronJob" => schedules,
        _ => false,
    };
    events.iter().filter_map(|event| event.facts.clone()).filter(about).collect()
}

/// Workloads and accounts that are being deleted, and what keeps them.
fn leaving(caches: &Caches, around: &Around, namespace: &str) -> Vec<(ObjectRef, Timestamp, Vec<String>)> {
    fn of<K: Digest>(version: &str, objects: &[Arc<Seen<K>>], found: &mut Vec<(ObjectRef, Timestamp, Vec<String>)>) {
        for object in objects {
            let Some((since, finalizers)) = domain::graph::leaving(&object.metadata) else { continue };
            let reference = ObjectRef {
                api_version: Some(version.to_owned()),
                kind: K::kind(&()).into_owned(),
                namespace: object.metadata.namespace.clone(),
                name: object.name().to_owned(),
                uid: object.metadata.uid.clone(),
            };
            found.push((reference, since, finalizers));
        }
    }
    let mut found = Vec::new();
    of("apps/v1", &caches.deployments.in_namespace(namespace), &mut found);
    of("apps/v1", &caches.stateful_sets.in_namespace(namespace), &mut found);
    of("apps/v1", &caches.daemon_sets.in_namespace(namespace), &mut found);
    of("batch/v1", &caches.jobs.in_namespace(namespace), &mut found);
    of("v1", &around.accounts.in_namespace(namespace), &mut found);
    found
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
