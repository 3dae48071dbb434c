//! Whether a plan has helped: the signals that opened the Issue are gone and stay gone, the rollout is complete, nothing
//! else about the target got worse.

use api::Anomaly;
use api::Issue;
use api::anomaly::AnomalyState;
use api::remediation_plan::Verification;
use api::shared::{ResourceRef, Source};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::preflight::text;

/// Shortest time that a plan gets to help.
const LEAST: SignedDuration = SignedDuration::from_mins(2);
/// How much longer is waited for the end of an alert of Alertmanager when nothing else is wrong: its evaluation, and the
/// five minutes of `group_interval`, twice.
const TOLD_LATE: SignedDuration = SignedDuration::from_mins(15);
/// What Kubernetes takes when a Deployment names no progress deadline.
const DEFAULT_PROGRESS_SECONDS: i64 = 600;

/// Signals around a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Signals of the Issue that are there.
    pub firing: Vec<String>,
    /// Signals of the Issue of which nothing was heard since the plan acted, from a source that tells late when something
    /// is over: Alertmanager evaluates, groups and waits for minutes.
    pub unheard: Vec<String>,
    /// Signals of the Issue that have cleared.
    pub cleared: usize,
    /// Signals about the same workload that came up since the plan acted, and are there.
    pub new: Vec<String>,
}

impl Signals {
    /// Whether the Issue has signals with a state and none of them is there.
    pub fn all_clear(&self) -> bool {
        self.firing.is_empty() && self.unheard.is_empty() && self.cleared > 0
    }
}

/// Sorts the anomalies that concern a plan. Anomalies without a state that nobody keeps (made by older clients) say
/// nothing; the health of the workload decides then. One of an alert whose state is not written yet is there.
pub fn signals<'a>(
    issue: &Issue,
    resource: &ResourceRef,
    since: Option<Timestamp>,
    anomalies: impl IntoIterator<Item = &'a Anomaly>,
) -> Signals {
    let issue_name = issue.metadata.name.as_deref().unwrap_or_default();
    let listed = issue.status.as_ref().map(|s| s.anomalies.as_slice()).unwrap_or_default();
    let mut signals = Signals::default();
    for anomaly in anomalies {
        if anomaly.metadata.namespace != issue.metadata.namespace {
            continue;
        }
        let name = anomaly.metadata.name.as_deref().unwrap_or_default();
        let status = anomaly.status.as_ref();
        let of_issue = listed.iter().any(|l| l == name)
            || status.and_then(|s| s.issue_ref.as_ref()).is_some_and(|r| r.name == issue_name);
        let unwritten = anomaly.spec.alert_id.as_ref().map(|_| AnomalyState::Firing);
        let state = status.and_then(|s| s.state).or(unwritten);
        if of_issue {
            match state {
                Some(AnomalyState::Firing) if unheard(anomaly, since) => signals.unheard.push(describe(anomaly)),
                Some(AnomalyState::Firing) => signals.firing.push(describe(anomaly)),
                Some(AnomalyState::Resolved) => signals.cleared += 1,
                None => {}
            }
        } else if state == Some(AnomalyState::Firing)
            && anomaly.spec.resource == *resource
            && since.is_some_and(|s| first_seen(anomaly).is_some_and(|f| f > s))
        {
            signals.new.push(describe(anomaly));
        }
    }
    signals.firing.sort();
    signals.new.sort();
    signals
}

/// Whether the last word of a source that is told late is older than what was done.
fn unheard(anomaly: &Anomaly, since: Option<Timestamp>) -> bool {
    let told = anomaly.status.as_ref().and_then(|status| status.last_seen.as_ref()).map(|at| at.0);
    anomaly.spec.source == Source::Alertmanager && since.is_some_and(|since| told.is_none_or(|told| told <= since))
}

fn first_seen(anomaly: &Anomaly) -> Option<Timestamp> {
    anomaly.spec.first_seen.as_ref().or(anomaly.metadata.creation_timestamp.as_ref()).map(|t| t.0)
}

fn describe(anomaly: &Anomaly) -> String {
    let signal = serde_json::to_value(anomaly.spec.signal_type).unwrap_or_default();
    format!("{} on {} {}", signal.as_str().unwrap_or("signal"), anomaly.spec.resource.kind, anomaly.spec.resource.name)
}

/// Health of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What does not hold yet; empty when the rollout is complete.
    pub pending: Vec<String>,
    /// Why it never will, when the cluster says so.
    pub hopeless: Option<String>,
}

/// Health of a Deployment.
pub fn health(deployment: Option<&Value>, uid: Option<&str>) -> Health {
    let Some(object) = deployment else {
        return Health { pending: Vec::new(), hopeless: Some("the Deployment does not exist any more".to_owned()) };
    };
    if uid.is_some_and(|u| u != text(object, "/metadata/uid")) {
        return Health { pending: Vec::new(), hopeless: Some("the Deployment was deleted and made again".to_owned()) };
    }
    let number = |p: &str| object.pointer(p).and_then(Value::as_i64);
    let desired = number("/spec/replicas").unwrap_or(1);
    let generation = number("/metadata/generation").unwrap_or(0);
    let observed = number("/status/observedGeneration").unwrap_or(0);
    let count = |p: &str| number(p).unwrap_or(0);
    let mut health = Health::default();
    if observed < generation {
        health.pending.push(format!("generation {generation} is not observed yet"));
        return health;
    }
    let (updated, ready, available, total) = (
        count("/status/updatedReplicas"),
        count("/status/readyReplicas"),
        count("/status/availableReplicas"),
        count("/status/replicas"),
    );
    let mut want = |is: i64, what: &str| {
        if is != desired {
            health.pending.push(format!("{is} of {desired} replicas are {what}"));
        }
    };
    want(updated, "updated");
    want(ready, "ready");
    want(available, "available");
    if total > updated {
        health.pending.push(format!("{} old replicas are left", total - updated));
    }
    let stuck = object.pointer("/status/conditions").and_then(Value::as_array).is_some_and(|all| {
        all.iter().any(|c| text(c, "/type") == "Progressing" && text(c, "/reason") == "ProgressDeadlineExceeded")
    });
    if stuck && !health.pending.is_empty() {
        health.hopeless = Some(format!("the rollout exceeded its progress deadline: {}", health.pending.join(", ")));
    }
    health
}

/// Begins a verification. The deadline is absolute and computed once: the Deployment's own progress deadline, two minutes
/// at least, and the stability window on top.
pub fn begin(deployment: Option<&Value>, stability: SignedDuration, now: Timestamp) -> Verification {
    let progress = deployment
        .and_then(|d| d.pointer("/spec/progressDeadlineSeconds"))
        .and_then(Value::as_i64)
        .unwrap_or(DEFAULT_PROGRESS_SECONDS)
        .clamp(0, 24 * 3600);
    let time = SignedDuration::from_secs(progress).max(LEAST).saturating_add(stability);
    Verification {
        started_at: Time(now),
        deadline: Time(now.checked_add(time).unwrap_or(Timestamp::MAX)),
        healthy_since: None,
        pending: Vec::new(),
    }
}

/// How a verification stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Everything has held for the stability window.
    Helped,
    /// Not yet known.
    Watch {
        /// What stands in status.
        verification: Verification,
        /// When time alone changes the answer.
        next_check: Timestamp,
    },
    /// It has not helped.
    Failed {
        /// What stands in status.
        verification: Verification,
        /// Why.
        why: String,
    },
}

/// Whether the plan has helped by now.
pub fn judge(
    current: &Verification,
    health: &Health,
    signals: &Signals,
    stability: SignedDuration,
    now: Timestamp,
) -> Verdict {
    let mut pending = health.pending.clone();
    pending.extend(signals.firing.iter().map(|s| format!("signal is still there: {s}")));
    let only_unheard = pending.is_empty() && signals.new.is_empty();
    pending.extend(signals.unheard.iter().map(|s| format!("not heard to be over yet: {s}")));
    pending.extend(signals.new.iter().map(|s| format!("new signal: {s}")));
    let mut verification = current.clone();
    verification.pending.clone_from(&pending);
    if let Some(hopeless) = &health.hopeless {
        return Verdict::Failed { verification, why: hopeless.clone() };
    }
    if !pending.is_empty() {
        verification.healthy_since = None;
        // A change that may well have helped is not undone because a message is on its way.
        let more = if only_unheard { TOLD_LATE } else { SignedDuration::ZERO };
        let deadline = current.deadline.0.saturating_add(more).unwrap_or(current.deadline.0);
        if now >= deadline {
            let why = format!("the fault was still there at the deadline: {}", pending.join("; "));
            return Verdict::Failed { verification, why };
        }
        return Verdict::Watch { verification, next_check: deadline };
    }
    // Status keeps whole seconds; what is compared must not differ from what is read back.
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let since = current.healthy_since.as_ref().map_or(second, |t| t.0);
    verification.healthy_since = Some(Time(since));
    let stable_at = since.checked_add(stability).unwrap_or(Timestamp::MAX);
    if now >= stable_at { Verdict::Helped } else { Verdict::Watch { verification, next_check: stable_at } }
}
