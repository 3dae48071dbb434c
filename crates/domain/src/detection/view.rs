//! What the rules look at: a workload with its pods, revisions and events.

use std::sync::Arc;

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Event, Pod, PodCondition, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A Warning event, reduced to what the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// Object that it is about.
    pub object: ObjectRef,
    /// Part of that object, for example `spec.containers{web}`.
    pub field_path: String,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
    /// How often it happened.
    pub count: i32,
    /// First time.
    pub first: Timestamp,
    /// Last time.
    pub last: Timestamp,
}

/// What stands before the message where whoever records events takes several for one.
const COMBINED: &str = "(combined from similar events): ";

impl EventNote {
    /// Reads an event; none when it has no time.
    pub fn of(event: &Event) -> Option<Self> {
        let last = event_time(event)?;
        let about = &event.involved_object;
        let first = event.first_timestamp.as_ref().map(|t| t.0).or_else(|| event.event_time.as_ref().map(|t| t.0));
        let series = event.series.as_ref().and_then(|s| s.count);
        Some(Self {
            object: ObjectRef {
                api_version: about.api_version.clone(),
                kind: about.kind.clone().unwrap_or_default(),
                namespace: about.namespace.clone(),
                name: about.name.clone().unwrap_or_default(),
                uid: about.uid.clone(),
            },
            field_path: about.field_path.clone().unwrap_or_default(),
            reason: event.reason.clone().unwrap_or_default(),
            message: event
                .message
                .as_deref()
                .map(|text| text.strip_prefix(COMBINED).unwrap_or(text).to_owned())
                .unwrap_or_default(),
            count: event.count.or(series).unwrap_or(1),
            first: first.unwrap_or(last),
            last,
        })
    }

    /// Whether it is about a container.
    pub fn is_about(&self, container: &str) -> bool {
        self.field_path.split_once('{').is_some_and(|(_, name)| name.strip_suffix('}') == Some(container))
    }
}

/// When an event happened last.
pub fn event_time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|s| s.last_observed_time.as_ref()).map(|t| t.0);
    let last = event.last_timestamp.as_ref().map(|t| t.0);
    series
        .or(last)
        .or_else(|| event.event_time.as_ref().map(|t| t.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|t| t.0))
}

/// The instant of an API time, never later than `now`: a clock that is ahead must not postpone anything.
pub fn anchor(time: Option<&Time>, now: Timestamp) -> Timestamp {
    time.map_or(now, |t| t.0.min(now))
}

/// One revision of the pod template.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Value of the pods' `pod-template-hash` or `controller-revision-hash`.
    pub hash: String,
    /// Revision number.
    pub number: i64,
    /// Object that stands for it, a ReplicaSet for Deployments.
    pub object: ObjectRef,
    /// resourceVersion of that object.
    pub resource_version: Option<String>,
    /// When it was made first.
    pub created: Option<Timestamp>,
    /// The template.
    pub template: Arc<PodTemplateSpec>,
    /// Pods wished for.
    pub desired: i32,
    /// Pods ready.
    pub ready: i32,
}

/// A pod and what is known about it.
#[derive(Clone, Debug)]
pub struct PodView {
    /// The pod.
    pub pod: Arc<Pod>,
    /// Revision that it belongs to; empty for pods without one.
    pub revision: String,
    /// Whether its node answers; true while it has none.
    pub node_ready: bool,
    /// Its Warning events.
    pub events: Vec<Arc<EventNote>>,
}

impl PodView {
    /// Reference to the pod.
    pub fn reference(&self) -> ObjectRef {
        let meta = &self.pod.metadata;
        ObjectRef {
            api_version: Some("v1".into()),
            kind: "Pod".into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone(),
        }
    }

    /// Its spec.
    pub fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    /// A condition.
    pub fn condition(&self, type_: &str) -> Option<&PodCondition> {
        self.pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == type_)
    }

    /// Whether it is ready.
    pub fn ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// Whether somebody deletes it.
    pub fn terminating(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }

    /// Its phase.
    pub fn phase(&self) -> &str {
        self.pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or("Pending")
    }

    /// When the kubelet took it, or else when it was made.
    pub fn started(&self, now: Timestamp) -> Timestamp {
        let status = self.pod.status.as_ref();
        anchor(status.and_then(|s| s.start_time.as_ref()).or(self.pod.metadata.creation_timestamp.as_ref()), now)
    }

    /// Its containers with their status, init containers first; the flag says whether it is one of those.
    pub fn statuses(&self) -> impl Iterator<Item = (bool, &ContainerStatus)> {
        let status = self.pod.status.as_ref();
        let init = status.and_then(|s| s.init_container_statuses.as_deref()).unwrap_or_default();
        let main = status.and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
        init.iter().map(|s| (true, s)).chain(main.iter().map(|s| (false, s)))
    }

    /// A container of the spec.
    pub fn container(&self, name: &str) -> Option<&Container> {
        let spec = self.spec()?;
        spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == name)
    }
}

/// What a Job says of itself, beside its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Pods that failed: `status.failed`.
    pub failed: i32,
    /// Pods that run or wait: `status.active`.
    pub active: i32,
    /// Failures after which it gives up: `spec.backoffLimit`, 6 where it is not set.
    pub backoff_limit: i32,
    /// Whether it rests: `spec.suspend`.
    pub suspended: bool,
    /// The CronJob that made it.
    pub made_by: Option<ObjectRef>,
    /// Whether a newer Job of the same CronJob has completed.
    pub overtaken: bool,
}

/// A workload with all that belongs to it.
#[derive(Clone, Debug)]
pub struct WorkloadView {
    /// The workload.
    pub workload: ObjectRef,
    /// resourceVersion of the workload.
    pub resource_version: Option<String>,
    /// Pods wished for.
    pub desired: i32,
    /// Whether its rollout is paused.
    pub paused: bool,
    /// Revision that is being rolled out or has been.
    pub current: Option<String>,
    /// Its conditions, as those of pods.
    pub conditions: Vec<PodCondition>,
    /// Its revisions, newest first.
    pub revisions: Vec<Revision>,
    /// Its pods.
    pub pods: Vec<PodView>,
    /// Warning events about the workload and its ReplicaSets.
    pub events: Vec<Arc<EventNote>>,
    /// State of a Job; none for every other kind. The pods of a Job carry the hash of its only revision, whose template is
    /// that of the Job; older revisions of a Job of a CronJob are the Jobs before it.
    pub job: Option<JobState>,
}

impl WorkloadView {
    /// A condition of the workload.
    pub fn condition(&self, type_: &str) -> Option<&PodCondition> {
        self.conditions.iter().find(|c| c.type_ == type_)
    }

    /// The current revision.
    pub fn current_revision(&self) -> Option<&Revision> {
        let hash = self.current.as_deref()?;
        self.revisions.iter().find(|r| r.hash == hash)
    }

    /// The revision before `number`, preferably one that has or had ready pods.
    pub fn previous_revision(&self, number: i64) -> Option<&Revision> {
        let mut older = self.revisions.iter().filter(|r| r.number < number);
        let first = older.next()?;
        if first.ready > 0 { Some(first) } else { Some(older.find(|r| r.ready > 0).unwrap_or(first)) }
    }

    /// Pods that count: neither being deleted nor at their end.
    pub fn live_pods(&self) -> impl Iterator<Item = &PodView> {
        self.pods.iter().filter(|p| !p.terminating() && !matches!(p.phase(), "Succeeded" | "Failed"))
    }

    /// Ready pods.
    pub fn ready(&self) -> i32 {
        i32::try_from(self.live_pods().filter(|p| p.ready()).count()).unwrap_or(i32::MAX)
    }

    /// Whether all pods that should be there are there, of the current revision and ready. A paused rollout has no new
    /// pods on purpose: there the old ones count too.
    pub fn healthy(&self) -> bool {
        if let Some(job) = &self.job {
            return self.job_healthy(job);
        }
        let current = |p: &&PodView| self.paused || self.current.as_deref().is_none_or(|hash| p.revision == hash);
        let ready = self.live_pods().filter(current).filter(|p| p.ready()).count();
        let strays = self.live_pods().filter(|p| !p.ready()).count();
        i32::try_from(ready).unwrap_or(i32::MAX) >= self.desired && strays == 0
    }

    /// A Job is well when it is over or rests, and while all of its pods run. One between two tries is neither.
    fn job_healthy(&self, job: &JobState) -> bool {
        let over = ["Complete", "SuccessCriteriaMet", "Failed"].iter().any(|type_| self.holds(type_));
        let mut pods = self.live_pods().peekable();
        let run = pods.peek().is_some() && pods.all(|pod| pod.phase() == "Running");
        over || job.suspended || run
    }

    /// The object that symptoms point to: the workload, or the CronJob that makes such Jobs again and again.
    pub fn root(&self) -> &ObjectRef {
        self.job.as_ref().and_then(|job| job.made_by.as_ref()).unwrap_or(&self.workload)
    }

    /// Whether a condition of the workload is true.
    pub fn holds(&self, type_: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition.status == "True")
    }

    /// Severity of a fault that keeps pods from serving. A Job serves nobody.
    pub(crate) fn severity(&self, otherwise: Severity) -> Severity {
        if self.job.is_none() && self.desired > 0 && self.ready() == 0 { Severity::Critical } else { otherwise }
    }

    /// How long ago a time was.
    pub fn ago(time: Timestamp, now: Timestamp) -> SignedDuration {
        now.duration_since(time)
    }
}
