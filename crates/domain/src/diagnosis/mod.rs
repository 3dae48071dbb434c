//! From evidence to "this is the cause", with the proof and a proposal.
//!
//! What lives here: pure rules over evidence that was gathered. What does not: noticing that something is wrong
//! (`detection`), gathering (`detector`), whether an action may run (`approval`).

mod admission;
pub mod amount;
mod crash;
mod diff;
mod evidence;
mod exit;
mod follows;
mod hidden;
mod image;
mod link;
mod log;
mod measured;
mod memory;
mod node;
mod probe;
mod propose;
mod reference;
pub mod refs;
mod render;
pub(crate) mod scheduling;
mod setup;
mod start;
mod suspects;
pub use scheduling::{host_ports, requests};

use std::collections::BTreeMap;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{CauseClass, ObjectRef, Proof, RootCause, RuledOut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::detection::{Observation, Rule, Symptom, WorkloadView};
use crate::graph::{Finding, Grant};

pub(crate) use admission::amounts;
pub use diff::{Change, changes};
pub(crate) use follows::DOWN;
pub use follows::{SharedMap, follows, missing_object, rolled, shared_change, silent_webhook};
pub(crate) use propose::tried;

/// The last lines of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTail {
    /// Pod.
    pub pod: String,
    /// Container.
    pub container: String,
    /// Lines, oldest first.
    pub lines: Vec<String>,
}

/// A ConfigMap that the workload refers to, as it is and as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigHistory {
    /// Its name.
    pub name: String,
    /// UID.
    pub uid: Option<String>,
    /// resourceVersion.
    pub resource_version: Option<String>,
    /// Its data; none when it does not exist.
    pub data: Option<BTreeMap<String, String>>,
    /// Its data before the last change, when known.
    pub before: Option<BTreeMap<String, String>>,
    /// When it was changed last.
    pub changed: Option<Timestamp>,
    /// Who changed it.
    pub manager: Option<String>,
}

/// What a node offers and what is taken; amounts in thousandths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeRoom {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned.
    pub cordoned: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Its conditions that are bad, as text.
    pub trouble: Vec<String>,
    /// Allocatable.
    pub allocatable: BTreeMap<String, i128>,
    /// Requested by the pods on it.
    pub requested: BTreeMap<String, i128>,
    /// Ports of the node that pods have taken, with the names of those.
    pub ports: BTreeMap<i32, String>,
    /// When its taints or its cordon changed last, if that was seen.
    pub changed: Option<Timestamp>,
    /// Pods on it that come before the pod in question.
    pub above: Vec<Tenant>,
}

/// A pod on a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tenant {
    /// The workload that it belongs to.
    pub workload: ObjectRef,
    /// Its priority.
    pub priority: i32,
    /// Its PriorityClass.
    pub class: Option<String>,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// When it got the node.
    pub placed: Option<Timestamp>,
    /// What it requests, in thousandths.
    pub requests: BTreeMap<String, i128>,
}

/// A claim that the pod uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFact {
    /// Its name.
    pub name: String,
    /// UID; none when it does not exist.
    pub uid: Option<String>,
    /// Phase; none when it does not exist.
    pub phase: Option<String>,
    /// StorageClass.
    pub class: Option<String>,
    /// Whether that class exists.
    pub class_exists: bool,
}

/// Everything that a diagnosis may look at.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The workload.
    pub view: WorkloadView,
    /// The symptom to explain.
    pub symptom: Symptom,
    /// Log tails of the containers that show it.
    pub logs: Vec<LogTail>,
    /// ConfigMaps that the workload refers to.
    pub config_maps: Vec<ConfigHistory>,
    /// Nodes.
    pub nodes: Vec<NodeRoom>,
    /// Claims of the pod.
    pub claims: Vec<ClaimFact>,
    /// Names that exist, by kind: for a name that is nearly right.
    pub names: BTreeMap<String, Vec<String>>,
    /// Memory in use by container, in bytes, if it is measured.
    pub memory_used: BTreeMap<String, i128>,
    /// Actions of the attempts that did not help.
    pub failed: Vec<AIInsightSuggestedAction>,
    /// What is wrong around the workload and could explain the symptom.
    pub suspects: Vec<Finding>,
    /// What it is connected with, and what is wrong there, in words.
    pub around: Vec<String>,
    /// What is granted to its ServiceAccount; none where that may not be read.
    pub grants: Option<Vec<Grant>>,
}

/// What a diagnosis says.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// The cause.
    pub cause: RootCause,
    /// What to do; empty when people must decide.
    pub actions: Vec<AIInsightSuggestedAction>,
    /// Advice for people.
    pub recommendations: Vec<String>,
    /// The whole in words.
    pub analysis: String,
    /// The log lines that matter.
    pub log_analysis: Option<String>,
    /// Whether the object was looked at and shows no symptom. What was not looked at is not clear.
    pub clear: bool,
}

/// What a rule concludes, before attempts that failed are taken into account.
struct Conclusion {
    cause: RootCause,
    /// Candidates, the best first; only one of them is proposed.
    candidates: Vec<AIInsightSuggestedAction>,
    recommendations: Vec<String>,
    log_lines: Vec<String>,
}

/// Finds the cause of a symptom.
pub fn diagnose(evidence: &Evidence, now: Timestamp) -> Diagnosis {
    let conclusion = match evidence.symptom.rule {
        Rule::ImagePull => image::explain(evidence),
        Rule::OutOfMemory => memory::explain(evidence),
        Rule::CrashLoop | Rule::StartError | Rule::JobFailed => crash::explain(evidence),
        Rule::MissingReference | Rule::SetupFailing => reference::explain(evidence),
        Rule::ReadinessFailing | Rule::NotReady | Rule::LivenessFailing => probe::explain(evidence),
        Rule::Unschedulable => scheduling::explain(evidence),
        Rule::Refused => admission::explain(evidence),
        Rule::NodeNotReady | Rule::NodePressure => node::explain(evidence),
        Rule::ErrorRate | Rule::Latency | Rule::CpuHigh | Rule::MemoryHigh | Rule::PodCapacity => {
            measured::explain(evidence)
        }
        // What a graph shows was explained where it was found.
        _ => unknown(evidence),
    };
    let Conclusion { mut cause, candidates, mut recommendations, log_lines } = conclusion;
    cause.confidence = cause.confidence.clamp(0.0, 1.0);
    let had = !candidates.is_empty();
    let actions: Vec<_> = candidates.into_iter().find(|c| !propose::tried(c, &evidence.failed)).into_iter().collect();
    if had && actions.is_empty() {
        recommendations.insert(
            0,
            "Every remedy that the evidence supports was tried, or would not help; a person must decide.".into(),
        );
    }
    let analysis = render::analysis(&cause, &actions, &recommendations, now);
    let log_analysis = (!log_lines.is_empty()).then(|| log_lines.join("\n"));
    Diagnosis { cause, actions, recommendations, analysis, log_analysis, clear: false }
}

/// The diagnosis of what the graph shows, whatever pods say.
pub fn of_finding(finding: &Finding, failed: &[AIInsightSuggestedAction], now: Timestamp) -> Diagnosis {
    let cause = finding.cause.clone();
    let candidates = finding.candidates.iter();
    let actions: Vec<_> = candidates.filter(|candidate| !propose::tried(candidate, failed)).take(1).cloned().collect();
    let recommendations = finding.recommendations.clone();
    Diagnosis {
        analysis: render::analysis(&cause, &actions, &recommendations, now),
        cause,
        actions,
        recommendations,
        log_analysis: None,
        clear: false,
    }
}

/// The diagnosis when no symptom is there any more.
pub fn cleared(object: ObjectRef, now: Timestamp) -> Diagnosis {
    let statement = format!(
        "No symptom is visible on {} {} any more; its pods, events and rollout were checked",
        object.kind, object.name
    );
    let advice = "Watch whether the symptom comes back; nothing is proposed while it is absent.".to_owned();
    Diagnosis { clear: true, ..without_cause(object, statement, advice, now) }
}

/// The diagnosis of what could not be looked at. `why` is the end of a sentence, `remedy` one of its own.
pub fn unseen(object: ObjectRef, why: &str, remedy: &str, now: Timestamp) -> Diagnosis {
    let statement = format!("{} {} was not looked at: {why}", object.kind, object.name);
    without_cause(object, statement, remedy.to_owned(), now)
}

fn without_cause(object: ObjectRef, statement: String, advice: String, now: Timestamp) -> Diagnosis {
    let cause = RootCause {
        statement,
        object,
        path: None,
        value: None,
        class: CauseClass::Unknown,
        confidence: 0.1,
        proof: Vec::new(),
        ruled_out: Vec::new(),
    };
    let recommendations = vec![advice];
    Diagnosis {
        analysis: render::analysis(&cause, &[], &recommendations, now),
        cause,
        actions: Vec::new(),
        recommendations,
        log_analysis: None,
        clear: false,
    }
}

fn unknown(evidence: &Evidence) -> Conclusion {
    let how = format!("the rollout of {} stands still", evidence.who());
    if let Some(suspicion) = suspects::alone(evidence, None).filter(|_| evidence.symptom.rule == Rule::RolloutStuck) {
        return suspects::conclude(evidence, suspicion, None, &how);
    }
    let statement = format!(
        "{}; pods, events, images, probes and scheduling show no cause",
        evidence.symptom.message.trim_end_matches('.')
    );
    let cause = cause(evidence, CauseClass::Unknown, None, None, statement, 0.2);
    Conclusion {
        cause,
        candidates: Vec::new(),
        recommendations: vec!["Look at the newest pods and at the controller's events.".into()],
        log_lines: Vec::new(),
    }
}

/// A cause at the workload, with what the symptom saw as the beginning of its proof.
fn cause(
    evidence: &Evidence,
    class: CauseClass,
    path: Option<String>,
    value: Option<String>,
    statement: String,
    confidence: f64,
) -> RootCause {
    let proof = evidence.seen();
    RootCause {
        object: evidence.culprit().clone(),
        path,
        value,
        class,
        statement,
        confidence,
        proof,
        ruled_out: Vec::new(),
    }
}

fn observed(observation: &Observation, rule: &str) -> Proof {
    Proof {
        object: observation.object.clone(),
        path: None,
        value: Some(observation.detail.clone()),
        resource_version: None,
        time: observation.time.map(Time),
        rule: rule.into(),
    }
}

fn fact(object: &ObjectRef, path: &str, value: &str, rule: &str) -> Proof {
    Proof {
        object: object.clone(),
        path: Some(path.into()),
        value: Some(value.into()),
        resource_version: None,
        time: None,
        rule: rule.into(),
    }
}

fn ruled_out(hypothesis: &str, because: impl Into<String>) -> RuledOut {
    RuledOut { hypothesis: hypothesis.into(), because: because.into() }
}

#[cfg(test)]
mod tests;
