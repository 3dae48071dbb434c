//! The alerts that are open: identity, first and last time, hysteresis.

use std::collections::BTreeMap;

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Evaluation, Observation, Rule, Symptom};

/// A fault must be away, and the workload healthy, for this long.
const CLEAR_HOLD: SignedDuration = SignedDuration::from_secs(5);

/// An open or just resolved alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Stable identity: the same fault of the same object keeps it, over restarts too.
    pub id: String,
    /// Signal; that of the opening stays.
    pub signal: SignalType,
    /// Rule that explains it best now.
    pub rule: Rule,
    /// The worst severity since it opened.
    pub severity: Severity,
    /// Affected workload, or node.
    pub workload: ObjectRef,
    /// Object that it points to.
    pub root: ObjectRef,
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
    /// Since when it is there.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// How often.
    pub count: i64,
    /// What was seen.
    pub evidence: Vec<Observation>,
    /// When it cleared.
    pub resolved_at: Option<Timestamp>,
    /// How long it counts as there without being repeated; of an alert that another system reports, which tells a thing
    /// once. None for what is watched: that is told as long as it is there.
    pub kept: Option<SignedDuration>,
}

impl Alert {
    /// When it is over unless it is repeated.
    pub fn expires(&self) -> Option<Timestamp> {
        self.last_seen.checked_add(self.kept?).ok()
    }
}

/// A change in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// New.
    Firing(Alert),
    /// Open before, and now different.
    Changed(Alert),
    /// Over.
    Resolved(Alert),
}

impl Transition {
    /// The alert.
    pub fn alert(&self) -> &Alert {
        match self {
            Self::Firing(alert) | Self::Changed(alert) | Self::Resolved(alert) => alert,
        }
    }
}

#[derive(Debug)]
struct Entry {
    alert: Alert,
    group: String,
    absent_since: Option<Timestamp>,
}

/// Kind, namespace, name.
type Place = (String, Option<String>, String);

/// The open alerts of all workloads.
#[derive(Debug, Default)]
pub struct AlertBook {
    open: BTreeMap<Place, Vec<Entry>>,
}

fn place(workload: &ObjectRef) -> Place {
    (workload.kind.clone(), workload.namespace.clone(), workload.name.clone())
}

impl AlertBook {
    /// Takes what a look found. The second part says when the book wants to look again.
    pub fn update(
        &mut self,
        workload: &ObjectRef,
        found: &Evaluation,
        now: Timestamp,
    ) -> (Vec<Transition>, Option<Timestamp>) {
        let place = place(workload);
        let entries = self.open.entry(place.clone()).or_default();
        let mut changes = Vec::new();
        // The same name with another UID is another object: what was open is over.
        entries.retain(|entry| {
            let same = entry.alert.workload.uid == workload.uid;
            if !same {
                changes.push(resolved(&entry.alert, now));
            }
            same
        });
        for symptom in &found.symptoms {
            if let Some(entry) = entries.iter_mut().find(|e| same_fault(e, symptom)) {
                changes.extend(seen_again(entry, symptom, now));
            } else {
                let alert = opened(workload, symptom, now);
                entries.push(Entry { alert: alert.clone(), group: symptom.group.clone(), absent_since: None });
                changes.push(Transition::Firing(alert));
            }
        }
        let next = clear(entries, found, now, &mut changes);
        if entries.is_empty() {
            self.open.remove(&place);
        }
        (changes, next)
    }

    /// The workload is gone: so are its alerts.
    pub fn forget(&mut self, workload: &ObjectRef, now: Timestamp) -> Vec<Transition> {
        let entries = self.open.remove(&place(workload)).unwrap_or_default();
        entries.iter().map(|entry| resolved(&entry.alert, now)).collect()
    }

    /// All open alerts.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values().flatten().map(|entry| &entry.alert)
    }

    /// Workloads that have open alerts.
    pub fn workloads(&self) -> impl Iterator<Item = &ObjectRef> {
        self.open.values().filter_map(|entries| entries.first()).map(|entry| &entry.alert.workload)
    }

    /// How many alerts are open.
    pub fn len(&self) -> usize {
        self.open.values().map(Vec::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

fn same_fault(entry: &Entry, symptom: &Symptom) -> bool {
    // The same rule on the same container goes on in another revision: a second bad image is still the image.
    let goes_on = entry.alert.rule == symptom.rule && entry.alert.container == symptom.container;
    entry.alert.root == symptom.root && (entry.group == symptom.group || goes_on)
}

fn opened(workload: &ObjectRef, symptom: &Symptom, now: Timestamp) -> Alert {
    Alert {
        id: identity(workload, symptom),
        signal: symptom.signal,
        rule: symptom.rule,
        severity: symptom.severity,
        workload: workload.clone(),
        root: symptom.root.clone(),
        pod: symptom.pod.clone(),
        container: symptom.container.clone(),
        message: symptom.message.clone(),
        value: symptom.value.clone(),
        threshold: symptom.threshold.clone(),
        first_seen: symptom.since.min(now),
        last_seen: now,
        count: symptom.count,
        evidence: symptom.evidence.clone(),
        resolved_at: None,
        kept: None,
    }
}

fn identity(workload: &ObjectRef, symptom: &Symptom) -> String {
    let signal = serde_json::to_string(&symptom.signal).unwrap_or_default();
    let root = &symptom.root;
    let parts = [
        workload.kind.as_str(),
        workload.namespace.as_deref().unwrap_or_default(),
        &workload.name,
        workload.uid.as_deref().unwrap_or_default(),
        &signal,
        &root.kind,
        root.namespace.as_deref().unwrap_or_default(),
        &root.name,
        &symptom.group,
    ];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(10).fold(String::with_capacity(20), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn seen_again(entry: &mut Entry, symptom: &Symptom, now: Timestamp) -> Option<Transition> {
    entry.absent_since = None;
    let alert = &mut entry.alert;
    alert.last_seen = now;
    // A less specific symptom between two more specific ones changes nothing: a container that runs between two crashes.
    if symptom.rule < alert.rule {
        return None;
    }
    let severity = alert.severity.min(symptom.severity);
    // A pod that is replaced takes its count away; that is no news.
    let differs = alert.rule != symptom.rule || alert.severity != severity || symptom.count > alert.count;
    alert.rule = symptom.rule;
    alert.severity = severity;
    alert.pod.clone_from(&symptom.pod);
    alert.container.clone_from(&symptom.container);
    alert.message.clone_from(&symptom.message);
    alert.value.clone_from(&symptom.value);
    alert.threshold.clone_from(&symptom.threshold);
    alert.evidence.clone_from(&symptom.evidence);
    alert.count = alert.count.max(symptom.count);
    differs.then(|| Transition::Changed(alert.clone()))
}

fn clear(
    entries: &mut Vec<Entry>,
    found: &Evaluation,
    now: Timestamp,
    changes: &mut Vec<Transition>,
) -> Option<Timestamp> {
    let mut next: Option<Timestamp> = None;
    entries.retain_mut(|entry| {
        if found.symptoms.iter().any(|s| same_fault(entry, s)) {
            return true;
        }
        // Another fault of the same workload must not keep this one open; otherwise it has to be healthy.
        if !found.healthy && found.symptoms.is_empty() {
            entry.absent_since = None;
            return true;
        }
        let since = *entry.absent_since.get_or_insert(now);
        let due = since.saturating_add(CLEAR_HOLD).unwrap_or(now);
        if due <= now {
            changes.push(resolved(&entry.alert, now));
            return false;
        }
        next = Some(next.map_or(due, |known| known.min(due)));
        true
    });
    next
}

fn resolved(alert: &Alert, now: Timestamp) -> Transition {
    Transition::Resolved(Alert { resolved_at: Some(now), last_seen: now, ..alert.clone() })
}
