//! Which Issue an anomaly belongs to, and how bad that Issue is.

use std::fmt;

use api::anomaly::Anomaly;
use api::shared::{IssueState, ResourceRef, Severity, SignalType};

/// What anomalies of one Issue share: the object that they point to, and the namespace that the Issue lives in.
///
/// API version and UID are left out: the first differs between clients that mean the same object, the second changes
/// when a workload is made again, which does not end an incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootKey {
    /// Namespace of the Issue.
    pub home: String,
    /// Kind of the root.
    pub kind: String,
    /// Namespace of the root; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name of the root.
    pub name: String,
}

impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}|{}", self.home, self.kind, self.namespace, self.name)
    }
}

/// Namespace that an anomaly may open an Issue in, or why it may not. An object never reaches into another namespace:
/// only the operator's own may speak about nodes.
///
/// # Errors
/// Names the field, what stands there and what would be right.
pub fn home(anomaly: &Anomaly, operator_namespace: &str) -> Result<String, String> {
    let lives_in = anomaly.metadata.namespace.clone().unwrap_or_default();
    let resource = &anomaly.spec.resource;
    if resource.name.is_empty() || resource.kind.is_empty() {
        return Err("spec.resource names no object; give kind, name and namespace".to_owned());
    }
    if resource.kind == "Node" && lives_in != operator_namespace {
        return Err(format!(
            "spec.resource is Node {}, which only an Anomaly in namespace {operator_namespace} may speak about; create it there",
            resource.name
        ));
    }
    if resource.kind != "Node" && !resource.namespace.is_empty() && resource.namespace != lives_in {
        return Err(format!(
            "spec.resource.namespace is {}, the Anomaly lives in {lives_in}; create it in namespace {}",
            resource.namespace, resource.namespace
        ));
    }
    Ok(lives_in)
}

/// The root that an anomaly, or an Issue, points to: `root` if it says so, else the resource itself.
pub fn root_of(home: &str, resource: &ResourceRef, root: Option<&api::shared::ObjectRef>) -> RootKey {
    let (kind, namespace, name) = match root {
        Some(root) => (root.kind.clone(), root.namespace.clone().unwrap_or_default(), root.name.clone()),
        None if resource.kind == "Node" => (resource.kind.clone(), String::new(), resource.name.clone()),
        None => (
            resource.kind.clone(),
            if resource.namespace.is_empty() { home.to_owned() } else { resource.namespace.clone() },
            resource.name.clone(),
        ),
    };
    RootKey { home: home.to_owned(), kind, namespace, name }
}

/// Whether an Issue takes further anomalies. An escalated one does: people are on it, and a second one would not help.
pub fn open_issue(state: Option<IssueState>) -> bool {
    !matches!(state, Some(IssueState::Resolved | IssueState::Failed))
}

/// The spelling of a signal in the resources.
pub fn signal_name(signal: SignalType) -> String {
    serde_json::to_value(signal).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Risk and severity of a set of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    /// From 0 to 100.
    pub risk: i32,
    /// The worst of what detectors said and what the risk amounts to.
    pub severity: Severity,
}

fn weight(signal: SignalType) -> i32 {
    match signal {
        SignalType::OomKill => 40,
        SignalType::ErrorRate | SignalType::NodeNotReady => 30,
        SignalType::PodRestart
        | SignalType::DeployFailing
        | SignalType::CrashloopBackoff
        | SignalType::ImagePullError => 25,
        SignalType::Latency | SignalType::PodNotReady => 20,
        SignalType::CpuHigh | SignalType::MemoryHigh => 15,
        _ => 10,
    }
}

/// Severity of one signal that no detector has rated.
pub fn incident_severity(signal: SignalType, risk: i32) -> Severity {
    match risk {
        _ if matches!(signal, SignalType::OomKill) => Severity::Critical,
        80.. => Severity::Critical,
        60.. => Severity::High,
        30.. => Severity::Medium,
        _ => Severity::Low,
    }
}

/// Scores the distinct signals of an Issue, each with the worst severity that a detector gave it.
pub fn score(signals: impl IntoIterator<Item = (SignalType, Option<Severity>)>) -> Scored {
    let mut seen = Vec::new();
    let (mut risk, mut rated, mut unrated) = (0, None, Vec::new());
    for (signal, severity) in signals {
        if !seen.contains(&signal) {
            seen.push(signal);
            risk = (risk + weight(signal)).min(100);
        }
        match severity {
            // Severities are ordered from the worst down.
            Some(severity) => rated = Some(rated.map_or(severity, |known: Severity| known.min(severity))),
            None => unrated.push(signal),
        }
    }
    let by_risk = unrated.into_iter().map(|signal| incident_severity(signal, risk)).min();
    let severity = [rated, by_risk].into_iter().flatten().min().unwrap_or(Severity::Low);
    Scored { risk, severity }
}
