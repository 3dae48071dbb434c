//! What the rules look at, put together from the caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::detection::{EventNote, JobState, PodView, Revision, WorkloadView};
use domain::graph::controller;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::caches::Caches;
use crate::index::Index;
use crate::key::{Key, Kind};
use crate::seen::{OwnerKind, Plan, Seen, of_job};

/// The workload that a ReplicaSet belongs to: its Deployment, or itself.
pub(crate) fn of_set(set: &Seen<ReplicaSet>) -> Key {
    match &set.facts.owner {
        Some(owner) if owner.kind == OwnerKind::Deployment => Key::new(Kind::Deployment, set.namespace(), &owner.name),
        _ => Key::new(Kind::ReplicaSet, set.namespace(), set.name()),
    }
}

/// The workload that a pod belongs to. None for pods that end by nature and whose controller we do not know, and for a pod
/// whose ReplicaSet has not been seen yet; that wakes its workload when it is.
pub(crate) fn of_pod(caches: &Caches, pod: &Seen<Pod>) -> Option<Key> {
    let own = || Key::new(Kind::Pod, pod.namespace(), pod.name());
    let Some(owner) = &pod.facts.owner else { return Some(own()) };
    match owner.kind {
        OwnerKind::ReplicaSet => caches.replica_sets.find(pod.namespace(), &owner.name).map(|set| of_set(&set)),
        OwnerKind::StatefulSet => Some(Key::new(Kind::StatefulSet, pod.namespace(), &owner.name)),
        OwnerKind::DaemonSet => Some(Key::new(Kind::DaemonSet, pod.namespace(), &owner.name)),
        OwnerKind::Node => Some(own()),
        OwnerKind::Job => Some(Key::new(Kind::Job, pod.namespace(), &owner.name)),
        // Controllers that we do not know run services as well as batches; only a service is always started again.
        OwnerKind::Deployment | OwnerKind::Other => pod.facts.restarts.then(own),
    }
}

/// The workload as it is now; none when it is gone or being deleted.
pub(crate) fn build(caches: &Caches, index: &Index, key: &Key) -> Option<WorkloadView> {
    let (namespace, name) = (key.place.namespace.as_str(), key.place.name.as_str());
    let assemble = Assemble { caches, index, namespace };
    match key.kind {
        Kind::Deployment => {
            let found = caches.deployments.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.deployment(key, &found.metadata, &found.facts))
        }
        Kind::StatefulSet => {
            let found = caches.stateful_sets.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.plain(key, &found.metadata, &found.facts))
        }
        Kind::DaemonSet => {
            let found = caches.daemon_sets.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.plain(key, &found.metadata, &found.facts))
        }
        Kind::ReplicaSet => {
            let found = caches.replica_sets.find(namespace, name)?;
            let alone = found.metadata.deletion_timestamp.is_none() && of_set(&found) == *key;
            alone.then(|| assemble.replica_set(key, &found))
        }
        Kind::Pod => {
            let found = caches.pods.find(namespace, name)?;
            let alone = found.metadata.deletion_timestamp.is_none() && of_pod(caches, &found).as_ref() == Some(key);
            alone.then(|| assemble.pod(key, &found))
        }
        Kind::Job => {
            let found = caches.jobs.find(namespace, name)?;
            found.metadata.deletion_timestamp.is_none().then(|| assemble.job(key, &found.facts))
        }
        Kind::Node | Kind::CronJob => None,
    }
}

struct Assemble<'a> {
    caches: &'a Caches,
    index: &'a Index,
    namespace: &'a str,
}

type Meta = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

fn uid(metadata: &Meta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

impl Assemble<'_> {
    fn view(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        WorkloadView {
            workload: key.reference(metadata.uid.clone()),
            resource_version: metadata.resource_version.clone(),
            desired: plan.desired,
            paused: plan.paused,
            current: plan.current.clone(),
            conditions: plan.conditions.clone(),
            revisions: Vec::new(),
            pods: Vec::new(),
            events: self.index.notes(uid(metadata)),
            job: None,
        }
    }

    fn plain(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        let mut view = self.view(key, metadata, plan);
        view.pods = self.pods(uid(metadata));
        view
    }

    fn pod(&self, key: &Key, pod: &Seen<Pod>) -> WorkloadView {
        let mut view = self.view(key, &pod.metadata, &Plan { desired: 1, ..Plan::default() });
        // Its events are those of the pod; the workload has none of its own.
        view.events = Vec::new();
        view.pods = vec![PodView { revision: String::new(), ..self.pod_view(pod) }];
        view
    }

    fn replica_set(&self, key: &Key, set: &Arc<Seen<ReplicaSet>>) -> WorkloadView {
        let facts = &set.facts;
        let plan = Plan {
            desired: facts.desired,
            current: Some(facts.hash.clone()).filter(|hash| !hash.is_empty()),
            conditions: facts.conditions.clone(),
            ..Plan::default()
        };
        let mut view = self.plain(key, &set.metadata, &plan);
        view.revisions = vec![revision(set)];
        view
    }

    /// A Job; the Jobs of its CronJob before it are its older revisions.
    fn job(&self, key: &Key, job: &Job) -> WorkloadView {
        let spec = job.spec.clone().unwrap_or_default();
        let status = job.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let plan = Plan {
            desired: spec.parallelism.unwrap_or(1),
            current: job.metadata.uid.clone(),
            conditions: conditions.into_iter().map(of_job).collect(),
            ..Plan::default()
        };
        let mut view = self.plain(key, &job.metadata, &plan);
        for pod in &mut view.pods {
            pod.revision = job.metadata.uid.clone().unwrap_or_default();
        }
        let made_by = controller(&job.metadata);
        let siblings = made_by.map(|cron| self.siblings(&cron.uid)).unwrap_or_default();
        let ours = job.metadata.creation_timestamp.clone();
        let completed = |job: &Arc<Job>| job.status.as_ref().is_some_and(|s| s.completion_time.is_some());
        let newer = |job: &Arc<Job>| job.metadata.creation_timestamp > ours;
        view.job = Some(JobState {
            failed: status.failed.unwrap_or_default(),
            active: status.active.unwrap_or_default(),
            backoff_limit: spec.backoff_limit.unwrap_or(6),
            suspended: spec.suspend.unwrap_or_default(),
            made_by: made_by
                .map(|cron| Key::new(Kind::CronJob, self.namespace, &cron.name).reference(Some(cron.uid.clone()))),
            overtaken: siblings.iter().any(|other| newer(other) && completed(other)),
        });
        let mut revisions: Vec<Revision> = vec![job_revision(job, 2)];
        let before = siblings.iter().filter(|other| !newer(other) && other.metadata.uid != job.metadata.uid);
        revisions
            .extend(before.max_by_key(|job| job.metadata.creation_timestamp.clone()).map(|job| job_revision(job, 1)));
        view.revisions = revisions;
        view
    }

    /// The Jobs of a CronJob.
    fn siblings(&self, cron: &str) -> Vec<Arc<Job>> {
        let ours = |job: &Arc<Job>| job.owner_references().iter().any(|owner| owner.uid == cron);
        self.caches.jobs.in_namespace(self.namespace).iter().map(|job| job.facts.clone()).filter(ours).collect()
    }

    fn deployment(&self, key: &Key, metadata: &Meta, plan: &Plan) -> WorkloadView {
        let mut view = self.view(key, metadata, plan);
        let owner = uid(metadata);
        let names = self.index.replica_sets.of(owner);
        let mut sets: Vec<Arc<Seen<ReplicaSet>>> = names
            .iter()
            .filter_map(|name| self.caches.replica_sets.find(self.namespace, name))
            .filter(|set| set.facts.owner.as_ref().is_some_and(|o| o.uid == owner))
            .collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.facts.number));
        let current = sets.iter().position(|set| Some(set.facts.number) == plan.number).unwrap_or_default();
        view.current = sets.get(current).map(|set| set.facts.hash.clone());
        let mut wanted = BTreeSet::from([current]);
        for (position, set) in sets.iter().enumerate() {
            let pods = self.pods(set.uid());
            if !pods.is_empty() || set.facts.desired > 0 || set.facts.ready > 0 {
                wanted.insert(position);
            }
            view.pods.extend(pods);
            view.events.extend(self.index.notes(set.uid()));
        }
        // To know what a revision changed, the one before it is needed; the templates of older ones are not read.
        let before: Vec<usize> = wanted.iter().map(|position| position + 1).collect();
        wanted.extend(before);
        view.revisions = wanted.iter().filter_map(|position| sets.get(*position)).map(revision).collect();
        view
    }

    /// The pods of an owner. The index may still tell one that has left it.
    fn pods(&self, owner: &str) -> Vec<PodView> {
        let names = self.index.pods.of(owner);
        let found = names.iter().filter_map(|name| self.caches.pods.find(self.namespace, name));
        found
            .filter(|pod| pod.facts.owner.as_ref().is_some_and(|o| o.uid == owner))
            .map(|pod| self.pod_view(&pod))
            .collect()
    }

    fn pod_view(&self, pod: &Seen<Pod>) -> PodView {
        let events: Vec<Arc<EventNote>> = self.index.notes(pod.uid());
        PodView {
            pod: Arc::new(pod.pod()),
            revision: pod.facts.revision.clone(),
            node_ready: pod.facts.node.as_deref().is_none_or(|node| self.index.node_answers(node)),
            events,
        }
    }
}

fn job_revision(job: &Job, number: i64) -> Revision {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    Revision {
        hash: job.metadata.uid.clone().unwrap_or_default(),
        number,
        object: Key::new(Kind::Job, namespace, &job.name_any()).reference(job.metadata.uid.clone()),
        resource_version: job.metadata.resource_version.clone(),
        created: job.metadata.creation_timestamp.as_ref().map(|time| time.0),
        template: Arc::new(template),
        desired: job.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or(1),
        // One that came to its end ran well.
        ready: job.status.as_ref().and_then(|status| status.succeeded).unwrap_or_default(),
    }
}

fn revision(set: &Arc<Seen<ReplicaSet>>) -> Revision {
    let facts = &set.facts;
    Revision {
        hash: facts.hash.clone(),
        number: facts.number,
        object: Key::new(Kind::ReplicaSet, set.namespace(), set.name()).reference(set.metadata.uid.clone()),
        resource_version: set.metadata.resource_version.clone(),
        created: set.metadata.creation_timestamp.as_ref().map(|time| time.0),
        template: Arc::new(facts.template()),
        desired: facts.desired,
        ready: facts.ready,
    }
}
