//! From what is seen to "this is a symptom": rules over one workload, and the book of open alerts.
//!
//! What lives here: pure rules with their holds and ages, the collapse of several symptoms of one fault into one, alert
//! identity and hysteresis. What does not: causes and proposals (`diagnosis`), caches and timers (`detector`).

pub mod alertmanager;
mod book;
mod collapse;
mod container;
mod evicted;
mod exits;
mod gate;
mod init;
mod job;
pub mod measure;
mod node;
mod pod;
mod probe;
mod pull;
mod rejected;
mod unfit;
mod view;
mod workload;

pub use book::{Alert, AlertBook, Transition};
pub use node::{evaluate_node, ready as node_ready};
pub use probe::{budget, killed_by_probe, same_port, time_to_ready};
pub(crate) use unfit::reason as refused_by_node;
pub use view::{EventNote, JobState, PodView, Revision, WorkloadView, anchor, event_time};

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};

/// An exit, an OOM kill or an event older than this says nothing about now. The kubelet waits at most five minutes between
/// two tries, so that a fault that lasts is heard of at least twice in this time.
pub const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Rule that found a symptom; the order is from the least specific to the most specific one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr, strum::Display)]
pub enum Rule {
    /// A node has almost all the pods that it may have.
    PodCapacity,
    /// A container uses almost all the CPU that it may.
    CpuHigh,
    /// A container uses almost all the memory that it may.
    MemoryHigh,
    /// Requests take too long.
    Latency,
    /// Too many requests fail.
    ErrorRate,
    /// Another system says so.
    Reported,
    /// The next start of a pod will fail.
    NextStart,
    /// An object that is being deleted stays.
    DeletionStuck,
    /// A release or a sync of a tool has failed.
    Delivery,
    /// A disruption budget or a strategy lets no pod go.
    DisruptionBlocked,
    /// A certificate has ended, ends soon, or is for other names.
    Certificate,
    /// An autoscaler cannot work.
    Autoscaler,
    /// A workload that others need is scaled to zero.
    ScaledToZero,
    /// The next pod will be refused.
    AdmissionBlocked,
    /// A policy denies a connection that a workload needs.
    NetworkDenied,
    /// A Service leads nowhere.
    ServiceBroken,
    /// An Ingress or a route of the Gateway API leads nowhere.
    RouteBroken,
    /// A CronJob has missed its time.
    ScheduleMissed,
    /// A Job has failed, or cannot end.
    JobFailed,
    /// A volume claim is not bound.
    ClaimPending,
    /// The configuration of a workload contradicts the objects around it.
    Configuration,
    /// The rollout makes no progress, and nothing says why.
    RolloutStuck,
    /// A pod that served is not ready any more.
    NotReady,
    /// A liveness probe fails, without a restart so far.
    LivenessFailing,
    /// A pod of a new revision never becomes ready.
    ReadinessFailing,
    /// A sandbox or a volume cannot be set up.
    SetupFailing,
    /// A node is under pressure.
    NodePressure,
    /// A node is not ready.
    NodeNotReady,
    /// The pod has no node.
    Unschedulable,
    /// The API server refuses the pods.
    Refused,
    /// A container exits again and again.
    CrashLoop,
    /// A container cannot be started.
    StartError,
    /// A container was killed for its memory.
    OutOfMemory,
    /// Something that the pod refers to is missing.
    MissingReference,
    /// The image cannot be had.
    ImagePull,
}

impl Rule {
    /// The signal that the resources know.
    pub fn signal(self) -> SignalType {
        match self {
            Self::RolloutStuck | Self::Refused | Self::MissingReference | Self::SetupFailing => {
                SignalType::DeployFailing
            }
            Self::PodCapacity => SignalType::PodCapacityHigh,
            Self::CpuHigh => SignalType::CpuHigh,
            Self::MemoryHigh | Self::NodePressure => SignalType::MemoryHigh,
            Self::Latency => SignalType::Latency,
            Self::ErrorRate => SignalType::ErrorRate,
            Self::NextStart | Self::Configuration => SignalType::NextStartFails,
            Self::DeletionStuck => SignalType::DeletionStuck,
            Self::DisruptionBlocked | Self::AdmissionBlocked => SignalType::AdmissionBlocked,
            Self::Delivery => SignalType::HelmReleaseFailed,
            Self::Certificate => SignalType::CertificateExpiring,
            Self::Autoscaler => SignalType::AutoscalerError,
            Self::ScaledToZero => SignalType::ScaledToZero,
            Self::NetworkDenied => SignalType::NetworkDenied,
            Self::ServiceBroken | Self::Reported => SignalType::ServiceError,
            Self::RouteBroken => SignalType::IngressError,
            Self::ScheduleMissed => SignalType::CronjobMissed,
            Self::JobFailed => SignalType::JobFailed,
            Self::ClaimPending => SignalType::PvcPending,
            Self::NotReady | Self::LivenessFailing | Self::ReadinessFailing | Self::Unschedulable => {
                SignalType::PodNotReady
            }
            Self::NodeNotReady => SignalType::NodeNotReady,
            Self::CrashLoop | Self::StartError => SignalType::CrashloopBackoff,
            Self::OutOfMemory => SignalType::OomKill,
            Self::ImagePull => SignalType::ImagePullError,
        }
    }
}

/// What an observation was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Source {
    /// Status of an object.
    Status,
    /// An event.
    Event,
    /// A log line.
    Log,
    /// The wished state of an object.
    Spec,
    /// A measurement.
    Metric,
}

/// One observation behind a symptom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it was made on.
    pub source: Source,
    /// Object that was looked at.
    pub object: ObjectRef,
    /// What was seen.
    pub detail: String,
    /// When it happened.
    pub time: Option<Timestamp>,
}

/// A symptom that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Rule that found it.
    pub rule: Rule,
    /// Signal; `rule.signal()` unless the rule knows better.
    pub signal: SignalType,
    /// How bad it is.
    pub severity: Severity,
    /// Object that it points to.
    pub root: ObjectRef,
    /// Revision, node or missing object that symptoms of one fault share.
    pub group: String,
    /// Pod that shows it.
    pub pod: Option<ObjectRef>,
    /// Container that shows it.
    pub container: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// Observed.
    pub value: String,
    /// Expected.
    pub threshold: String,
    /// Since when it is known to be there.
    pub since: Timestamp,
    /// How often it was seen: exits, failed pulls, failed probes.
    pub count: i64,
    /// What was seen.
    pub evidence: Vec<Observation>,
}

/// What a look at a workload found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Symptoms, one per fault, the most specific first.
    pub symptoms: Vec<Symptom>,
    /// When to look again even if nothing changes.
    pub next_look: Option<Timestamp>,
    /// Whether the workload is as it should be, as far as a single look can tell.
    pub healthy: bool,
}

/// Collects what the rules find.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) symptoms: Vec<Symptom>,
    pub(crate) next_look: Option<Timestamp>,
}

impl Findings {
    /// Looks again at `when`, or earlier.
    pub(crate) fn look_at(&mut self, when: Timestamp) {
        self.next_look = Some(self.next_look.map_or(when, |known| known.min(when)));
    }

    /// Whether `hold` has passed since `since`; if it has not, looks again when it has.
    pub(crate) fn held(&mut self, since: Timestamp, hold: SignedDuration, now: Timestamp) -> bool {
        let due = since.saturating_add(hold).unwrap_or(now);
        if due > now {
            self.look_at(due);
        }
        due <= now
    }
}

/// Everything that the rules find in a workload, each symptom by itself.
pub fn symptoms(view: &WorkloadView, now: Timestamp) -> Vec<Symptom> {
    look(view, now).symptoms
}

/// What is wrong with a workload now: one symptom per fault, and when to look again.
pub fn evaluate(view: &WorkloadView, now: Timestamp) -> Evaluation {
    let findings = look(view, now);
    Evaluation {
        symptoms: collapse::collapse(findings.symptoms),
        next_look: findings.next_look,
        healthy: view.healthy(),
    }
}

fn look(view: &WorkloadView, now: Timestamp) -> Findings {
    let mut findings = Findings::default();
    // What a Job has been through is told once it is over, by its own rule.
    if view.job.as_ref().is_none_or(|job| !job.suspended && !view.holds("Complete")) {
        for pod in &view.pods {
            pod::examine(view, pod, now, &mut findings);
        }
    }
    unfit::examine(view, now, &mut findings);
    job::examine(view, now, &mut findings);
    workload::examine(view, now, &mut findings);
    findings
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
