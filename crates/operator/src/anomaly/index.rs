//! What is known about Issues and their anomalies, by root and by Issue. Fed by the caches and, ahead of them, by what
//! this process has just written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::Issue;
use api::anomaly::{Anomaly, AnomalyState};
use api::shared::{IssueState, ResourceRef, Severity, SignalType};
use domain::incident::{Members, RootKey, open_issue, root_of};
use jiff::Timestamp;
use kit::cache::Key;
use kube::ResourceExt;

/// Most anomaly names that an Issue lists.
const LISTED: usize = 50;

/// What an anomaly changes for its Issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nothing: it was counted like this before.
    Known,
    /// One more of what is firing already: only counts and lists grow.
    OneMore,
    /// What is firing, or since when nothing is.
    Changed,
}

#[derive(Clone, Debug)]
struct Member {
    signal: SignalType,
    severity: Option<Severity>,
    firing: bool,
    /// Whether a bridge keeps its state; only then is "firing" more than an assumption.
    tracked: bool,
    first_seen: Timestamp,
    resolved_at: Option<Timestamp>,
    resource: ResourceRef,
    /// Instance that saw it, as `namespace/name`.
    instance: Option<String>,
}

/// An Issue as correlation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name.
    pub name: String,
    /// UID, once known.
    pub uid: Option<String>,
    /// State.
    pub state: Option<IssueState>,
    /// When it was opened.
    pub created: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Its risk score.
    pub risk: i32,
    /// Its severity.
    pub severity: Severity,
}

impl Known {
    pub(super) fn of(issue: &Issue) -> Self {
        let status = issue.status.as_ref();
        Self {
            name: issue.name_any(),
            uid: issue.metadata.uid.clone(),
            state: status.and_then(|s| s.state),
            created: issue.metadata.creation_timestamp.as_ref().map(|t| t.0),
            resolved_at: status.and_then(|s| s.resolved_at.as_ref().map(|t| t.0)),
            risk: issue.spec.risk_score.unwrap_or(0),
            severity: issue.spec.severity,
        }
    }
}

#[derive(Default)]
struct State {
    issues: HashMap<RootKey, BTreeMap<String, Known>>,
    root_of_issue: HashMap<Key, RootKey>,
    members: HashMap<Key, BTreeMap<String, Member>>,
    issue_of: HashMap<Key, Key>,
    waiting: HashMap<RootKey, BTreeSet<Key>>,
}

/// The index; clones share it.
#[derive(Clone, Default)]
pub struct Index {
    state: Arc<Mutex<State>>,
}

impl Index {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes Anomalies that wait for an Issue of their root.
    pub fn wait(&self, root: &RootKey, anomalies: impl IntoIterator<Item = Key>) {
        self.lock().waiting.entry(root.clone()).or_default().extend(anomalies);
    }

    /// The Anomalies of a root that wait; they are the caller's now.
    pub fn take_waiting(&self, root: &RootKey) -> BTreeSet<Key> {
        self.lock().waiting.remove(root).unwrap_or_default()
    }

    /// How many Anomalies wait for an Issue.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.values().map(BTreeSet::len).sum()
    }

    /// Takes an Issue in, from the cache or just made.
    pub fn issue(&self, issue: &Issue) {
        let key = Key::of(issue);
        let root = root_of(&key.namespace, &issue.spec.resource, issue.spec.root.as_ref());
        let mut state = self.lock();
        state.issues.entry(root.clone()).or_default().insert(key.name.clone(), Known::of(issue));
        state.root_of_issue.insert(key, root);
    }

    /// Forgets an Issue; its anomalies are free again.
    pub fn forget_issue(&self, key: &Key) {
        let mut state = self.lock();
        if let Some(root) = state.root_of_issue.remove(key)
            && let Some(known) = state.issues.get_mut(&root)
        {
            known.remove(&key.name);
            if known.is_empty() {
                state.issues.remove(&root);
            }
        }
        for name in state.members.remove(key).unwrap_or_default().into_keys() {
            state.issue_of.remove(&Key::new(key.namespace.clone(), name));
        }
    }

    /// The Issue that takes anomalies of a root, and the last one that is over.
    pub fn of_root(&self, root: &RootKey) -> (Option<Known>, Option<Known>) {
        let state = self.lock();
        let all = state.issues.get(root);
        let open = all.and_then(|all| {
            all.values().filter(|k| open_issue(k.state)).min_by_key(|k| (k.created, k.name.clone())).cloned()
        });
        let last = all.and_then(|all| {
            all.values()
                .filter(|k| !open_issue(k.state))
                .max_by_key(|k| (k.created, k.resolved_at, k.name.clone()))
                .cloned()
        });
        (open, last)
    }

    /// One Issue.
    pub fn known(&self, key: &Key) -> Option<Known> {
        let state = self.lock();
        state.issues.get(state.root_of_issue.get(key)?)?.get(&key.name).cloned()
    }

    /// Root of an Issue.
    pub fn root(&self, key: &Key) -> Option<RootKey> {
        self.lock().root_of_issue.get(key).cloned()
    }

    /// Notes that an anomaly belongs to an Issue; returns what that changes for the Issue.
    pub fn join(&self, anomaly: &Anomaly, issue: &Key) -> Joined {
        let key = Key::of(anomaly);
        let status = anomaly.status.as_ref();
        let resolved = status.and_then(|s| s.state) == Some(AnomalyState::Resolved);
        let first_seen = anomaly
            .spec
            .first_seen
            .as_ref()
            .or(anomaly.metadata.creation_timestamp.as_ref())
            .map_or(Timestamp::MIN, |t| t.0);
        let member = Member {
            signal: anomaly.spec.signal_type,
            severity: anomaly.spec.severity,
            firing: !resolved,
            tracked: anomaly.spec.alert_id.is_some(),
            first_seen,
            resolved_at: status.and_then(|s| s.resolved_at.as_ref().map(|t| t.0)).filter(|_| resolved),
            resource: anomaly.spec.resource.clone(),
            instance: anomaly.spec.instance.clone(),
        };
        let mut state = self.lock();
        if let Some(old) = state.issue_of.insert(key.clone(), issue.clone())
            && old != *issue
            && let Some(members) = state.members.get_mut(&old)
        {
            members.remove(&key.name);
        }
        let members = state.members.entry(issue.clone()).or_default();
        let fired_before = members.values().any(|other| other.firing);
        let joined = match members.get(&key.name) {
            Some(old) if (old.firing, old.resolved_at) == (member.firing, member.resolved_at) => Joined::Known,
            None if member.firing && fired_before => Joined::OneMore,
            _ => Joined::Changed,
        };
        members.insert(key.name, member);
        joined
    }

    /// Forgets an anomaly; returns the Issue that it belonged to.
    pub fn forget_anomaly(&self, key: &Key) -> Option<Key> {
        let mut state = self.lock();
        let issue = state.issue_of.remove(key)?;
        if let Some(members) = state.members.get_mut(&issue) {
            members.remove(&key.name);
        }
        Some(issue)
    }

    /// The Issue that an anomaly belongs to.
    pub fn issue_of(&self, anomaly: &Key) -> Option<Key> {
        self.lock().issue_of.get(anomaly).cloned()
    }

    /// Signals of an Issue, with what detectors said of their severity.
    pub fn signals(&self, issue: &Key) -> Vec<(SignalType, Option<Severity>)> {
        let state = self.lock();
        let all = state.members.get(issue).into_iter().flatten();
        let mut distinct: Vec<(SignalType, Option<Severity>)> = Vec::new();
        for (_, member) in all {
            let pair = (member.signal, member.severity);
            if !distinct.contains(&pair) {
                distinct.push(pair);
            }
        }
        distinct
    }

    /// Anomalies of an Issue whose alert is there although the Issue is over.
    pub fn still_firing(&self, issue: &Key) -> Vec<Key> {
        let state = self.lock();
        let all = state.members.get(issue).into_iter().flatten();
        all.filter(|(_, m)| m.firing && m.tracked)
            .map(|(name, _)| Key::new(issue.namespace.clone(), name.clone()))
            .collect()
    }

    /// The Instances that saw an Issue, each as `namespace/name`, in order.
    pub fn instances(&self, issue: &Key) -> BTreeSet<String> {
        let state = self.lock();
        state.members.get(issue).into_iter().flatten().filter_map(|(_, member)| member.instance.clone()).collect()
    }

    /// What the anomalies of an Issue say together.
    pub fn members(&self, issue: &Key) -> Members {
        let state = self.lock();
        let Some(all) = state.members.get(issue) else { return Members::default() };
        let mut names: Vec<(Timestamp, &String)> = all.iter().map(|(name, m)| (m.first_seen, name)).collect();
        names.sort();
        let skip = names.len().saturating_sub(LISTED);
        let affected: BTreeSet<&ResourceRef> = all.values().map(|m| &m.resource).collect();
        Members {
            names: names.into_iter().skip(skip).map(|(_, name)| name.clone()).collect(),
            count: all.len(),
            firing: all.values().filter(|m| m.firing).count(),
            first_seen: all.values().map(|m| m.first_seen).filter(|t| *t > Timestamp::MIN).min(),
            last_cleared: all.values().filter_map(|m| m.resolved_at).max(),
            affected: affected.into_iter().take(LISTED).cloned().collect(),
        }
    }
}
