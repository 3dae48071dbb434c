//! What the servers tell and what the Anomalies say, by alert, and what is missing between the two. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::anomaly::{Anomaly, AnomalyState, AnomalyStatus};
use domain::incident::{Sighting, Tracked, anomaly_name, hash_hex, signal_name, track};
use jiff::Timestamp;
use kit::cache::Key;
use kube::ResourceExt;
use ports::server_link::Alert;

use super::write::{instance, instance_of, new_anomaly};

/// Longest identity that an Anomaly can have.
const MAX_ID: usize = 253;

/// An Anomaly, as far as the bridge looks at it.
#[derive(Clone, Debug)]
struct Known {
    uid: Option<String>,
    /// Name and namespace of its Instance.
    instance: (String, Option<String>),
    status: Option<AnomalyStatus>,
}

impl Known {
    /// An Anomaly without a state was made a moment ago, perhaps by a process that died right after.
    fn open(&self) -> bool {
        self.status.as_ref().and_then(|s| s.state) != Some(AnomalyState::Resolved)
    }
}

/// An alert that is there, or whose end is not recorded yet.
#[derive(Debug, Default)]
struct Entry {
    /// As it was told last; absent when only its Anomaly is known.
    alert: Option<Alert>,
    /// Who says that it is there.
    told_by: BTreeSet<usize>,
    /// Since when nobody does.
    over: Option<Timestamp>,
    /// Whether it is in an Anomaly; one that came and went meanwhile still gets there.
    recorded: bool,
    failures: u32,
}

#[derive(Debug, Default)]
struct Account {
    /// The running account; absent when none is running.
    told: Option<HashSet<Key>>,
    /// Whether there has been a full one.
    complete: bool,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Anomalies by alert.
    anomalies: HashMap<Key, BTreeMap<String, Known>>,
    accounts: Vec<Account>,
}

/// The book. Its keys are the namespace of the Anomaly and the identity of the alert.
pub(super) struct Book {
    operator_namespace: String,
    servers: Vec<String>,
    state: Mutex<State>,
}

/// What is missing.
#[derive(Debug)]
pub(super) enum Todo {
    /// Nothing.
    Nothing,
    /// The Anomaly.
    Create(Box<Anomaly>),
    /// Its state.
    Track {
        /// Which Anomaly.
        name: Key,
        /// UID that it must have.
        uid: Option<String>,
        /// What to write.
        tracked: Tracked,
    },
}

impl Book {
    pub(super) fn new(servers: Vec<String>, operator_namespace: &str) -> Self {
        let state = State { accounts: servers.iter().map(|_| Account::default()).collect(), ..State::default() };
        Self { operator_namespace: operator_namespace.to_owned(), servers, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, alert: &Alert) -> Key {
        let cluster_scoped = alert.resource.kind == "Node" || alert.resource.namespace.is_empty();
        let home = if cluster_scoped { &self.operator_namespace } else { &alert.resource.namespace };
        Key::new(home.clone(), alert.id.clone())
    }

    /// A server begins a full account.
    pub(super) fn begin(&self, server: usize) {
        if let Some(account) = self.lock().accounts.get_mut(server) {
            account.told = Some(HashSet::new());
        }
    }

    /// A server is away: its account is worth nothing, what it told still counts.
    pub(super) fn disconnected(&self, server: usize) {
        if let Some(account) = self.lock().accounts.get_mut(server) {
            account.told = None;
        }
    }

    /// A server tells an alert. Returns what to look at.
    pub(super) fn alert(&self, server: usize, mut alert: Alert) -> Option<Key> {
        // The identity of a foreign server may be a whole sentence.
        if alert.id.len() > MAX_ID {
            alert.id = hash_hex(&[&alert.id], 40);
        }
        let key = self.key(&alert);
        let mut state = self.lock();
        let told = state.accounts.get_mut(server).and_then(|a| a.told.as_mut());
        if let Some(cleared) = alert.resolved_at {
            if let Some(told) = told {
                told.remove(&key);
            }
            let open = state.anomalies.get(&key).is_some_and(|all| all.values().any(Known::open));
            if !open && !state.entries.contains_key(&key) {
                return None;
            }
            let entry = state.entries.entry(key.clone()).or_default();
            entry.told_by.remove(&server);
            if entry.told_by.is_empty() {
                entry.over = Some(cleared);
                if let Some(before) = &entry.alert {
                    alert.count = alert.count.max(before.count);
                    alert.last_seen = alert.last_seen.max(before.last_seen);
                }
                entry.alert = Some(alert);
            }
            return Some(key);
        }
        if let Some(told) = told {
            told.insert(key.clone());
        }
        let entry = state.entries.entry(key.clone()).or_default();
        // One that comes back before its end was recorded is the same fault for the Anomaly that is still open.
        entry.told_by.insert(server);
        entry.over = None;
        entry.alert = Some(alert);
        Some(key)
    }

    /// The account of a server is complete. Returns the alerts that are over by that.
    pub(super) fn synced(&self, server: usize, now: Timestamp) -> Vec<Key> {
        let mut state = self.lock();
        let Some(account) = state.accounts.get_mut(server) else { return Vec::new() };
        let Some(told) = account.told.take() else { return Vec::new() };
        account.complete = true;
        let all_complete = state.accounts.iter().all(|a| a.complete);
        let mine = self.servers.get(server).map(|name| instance(name)).unwrap_or_default();
        let ours: Vec<(String, Option<String>)> = self.servers.iter().map(|name| instance(name)).collect();
        let mut over = Vec::new();
        for (key, entry) in &mut state.entries {
            if entry.told_by.contains(&server) && !told.contains(key) {
                entry.told_by.remove(&server);
                if entry.told_by.is_empty() {
                    entry.over = Some(now);
                    over.push(key.clone());
                }
            }
        }
        // What an earlier life of this process left open. One of a server that is no longer ours is over only when all
        // of ours had the chance to tell it.
        let State { anomalies, entries, .. } = &mut *state;
        for (key, all) in anomalies.iter() {
            let silent = entries.get(key).is_none_or(|e| e.told_by.is_empty() && e.over.is_none());
            let left = all.values().any(|known| {
                known.open() && (known.instance == mine || (all_complete && !ours.contains(&known.instance)))
            });
            if silent && left {
                entries.entry(key.clone()).or_default().over = Some(now);
                over.push(key.clone());
            }
        }
        over
    }

    /// Takes an Anomaly in. Returns its alert when the two do not agree.
    pub(super) fn anomaly(&self, anomaly: &Anomaly) -> Option<Key> {
        let alert = anomaly.spec.alert_id.clone()?;
        let key = Key::new(anomaly.namespace().unwrap_or_default(), alert);
        let known = Known {
            uid: anomaly.metadata.uid.clone(),
            instance: instance_of(anomaly),
            status: anomaly.status.as_ref().map(|s| AnomalyStatus {
                state: s.state,
                last_seen: s.last_seen.clone(),
                count: s.count,
                ..AnomalyStatus::default()
            }),
        };
        let stated = known.status.as_ref().and_then(|s| s.state);
        let mut state = self.lock();
        state.anomalies.entry(key.clone()).or_default().insert(anomaly.name_any(), known);
        let entry = state.entries.get_mut(&key)?;
        let wanted = if entry.told_by.is_empty() { AnomalyState::Resolved } else { AnomalyState::Firing };
        (stated != Some(wanted)).then_some(key)
    }

    /// An Anomaly is gone. Returns its alert when that is still there.
    pub(super) fn gone(&self, anomaly: &Anomaly) -> Option<Key> {
        let alert = anomaly.spec.alert_id.clone()?;
        let key = Key::new(anomaly.namespace().unwrap_or_default(), alert);
        self.lost(&key, &Key::of(anomaly));
        self.lock().entries.contains_key(&key).then_some(key)
    }

    /// Forgets an Anomaly that is gone, or is another one by now.
    pub(super) fn lost(&self, alert: &Key, name: &Key) {
        let mut state = self.lock();
        if let Some(all) = state.anomalies.get_mut(alert) {
            all.remove(&name.name);
            if all.is_empty() {
                state.anomalies.remove(alert);
            }
        }
    }

    /// Notes that a name is an Anomaly of something else.
    pub(super) fn taken(&self, alert: &Key, name: &str) {
        let resolved = AnomalyStatus { state: Some(AnomalyState::Resolved), ..AnomalyStatus::default() };
        let known = Known { uid: None, instance: (String::new(), None), status: Some(resolved) };
        self.lock().anomalies.entry(alert.clone()).or_default().insert(name.to_owned(), known);
    }

    /// Forgets an alert if it is over; returns whether it was.
    pub(super) fn drop_if_over(&self, key: &Key) -> bool {
        let mut state = self.lock();
        let over = state.entries.get(key).is_none_or(|entry| entry.over.is_some());
        if over {
            state.entries.remove(key);
        }
        over
    }

    /// What is missing for an alert.
    pub(super) fn todo(&self, key: &Key) -> Todo {
        let mut state = self.lock();
        let State { entries, anomalies, .. } = &mut *state;
        let Some(entry) = entries.get_mut(key) else { return Todo::Nothing };
        let all = anomalies.get(key);
        let mut open = all.into_iter().flatten().filter(|(_, known)| known.open());
        let seen = sighting(entry);
        if let Some((name, known)) = open.next() {
            entry.recorded = true;
            if let Some(tracked) = track(known.status.as_ref(), &seen) {
                return Todo::Track { name: Key::new(key.namespace.clone(), name), uid: known.uid.clone(), tracked };
            }
            return Todo::Nothing;
        }
        let missing = entry.alert.as_ref().filter(|_| entry.over.is_none() || !entry.recorded);
        let Some(alert) = missing else {
            entries.remove(key);
            return Todo::Nothing;
        };
        let teller = entry.told_by.first().and_then(|i| self.servers.get(*i)).or(self.servers.first());
        let name = free_name(alert, all);
        Todo::Create(Box::new(new_anomaly(alert, &name, &key.namespace, teller.map_or("", String::as_str))))
    }

    /// Counts a failure; returns how many there were in a row.
    pub(super) fn failed(&self, key: &Key) -> u32 {
        self.lock().entries.get_mut(key).map_or(1, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// Ends the row of failures.
    pub(super) fn came_through(&self, key: &Key) {
        if let Some(entry) = self.lock().entries.get_mut(key) {
            entry.failures = 0;
        }
    }
}

fn sighting(entry: &Entry) -> Sighting {
    let alert = entry.alert.as_ref();
    let last_seen = alert.map(|a| a.last_seen).or(entry.over).unwrap_or(Timestamp::MIN);
    Sighting { last_seen, count: alert.map_or(1, |a| a.count), cleared: entry.over }
}

/// The first name that no earlier Anomaly of this alert has: a server may give a fault that comes back the old time.
fn free_name(alert: &Alert, known: Option<&BTreeMap<String, Known>>) -> String {
    let signal = signal_name(alert.signal);
    let mut identity = alert.id.clone();
    loop {
        let name = anomaly_name(&alert.resource.name, &signal, &identity, alert.first_seen);
        if known.is_none_or(|all| !all.contains_key(&name)) {
            return name;
        }
        identity = name;
    }
}
