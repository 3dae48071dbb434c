//! What the servers tell and what the Anomalies say, by alert, and what is missing between the two. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::anomaly::{Anomaly, AnomalyState, AnomalyStatus};
use domain::incident::{Sighting, Tracked, anomaly_name, hash_hex, signal_name, track};
use jiff::Timestamp;
use kit::cache::Key;
use kube::ResourceExt;
use ports::server_link::Alert;

use super::accounts::{Accounts, GONE_AFTER, LinkId, Source, Word};
use super::write::{new_anomaly, source_of};

/// Longest identity that an Anomaly can have.
const MAX_ID: usize = 253;

/// An Anomaly, as far as the bridge looks at it.
#[derive(Clone, Debug)]
struct Known {
    uid: Option<String>,
    /// The Instance that it names; it may have been told by others as well.
    source: Source,
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
    told_by: BTreeSet<Source>,
    /// Who said so last.
    teller: Option<Source>,
    /// Since when nobody does.
    over: Option<Timestamp>,
    /// Whether it is in an Anomaly; one that came and went meanwhile still gets there.
    recorded: bool,
    failures: u32,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Anomalies by alert.
    anomalies: HashMap<Key, BTreeMap<String, Known>>,
    accounts: Accounts,
}

/// The book. Its keys are the namespace of the Anomaly and the identity of the alert.
pub(super) struct Book {
    operator_namespace: String,
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
    pub(super) fn new(operator_namespace: &str) -> Self {
        Self { operator_namespace: operator_namespace.to_owned(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, alert: &Alert) -> Key {
        let cluster_scoped = alert.resource.kind == "Node" || alert.resource.namespace.is_empty();
        let home = if cluster_scoped { &self.operator_namespace } else { &alert.resource.namespace };
        Key::new(home.clone(), alert.id.clone())
    }

    /// A link to a server of an Instance is there.
    pub(super) fn join(&self, link: LinkId, source: Source, now: Timestamp) {
        self.lock().accounts.join(link, source, now);
    }

    /// A link is there no more. What it told still counts, until its Instance is gone for good.
    pub(super) fn leave(&self, link: LinkId, now: Timestamp) {
        self.lock().accounts.leave(link, now);
    }

    /// A server begins a full account.
    pub(super) fn begin(&self, link: LinkId) {
        self.lock().accounts.begin(link);
    }

    /// A server is away, or on standby: its running account is worth nothing, what it told still counts.
    pub(super) fn silent(&self, link: LinkId) {
        self.lock().accounts.silent(link);
    }

    /// A server tells an alert. Returns what to look at.
    pub(super) fn alert(&self, link: LinkId, mut alert: Alert) -> Option<Key> {
        // The identity of a foreign server may be a whole sentence.
        if alert.id.len() > MAX_ID {
            alert.id = hash_hex(&[&alert.id], 40);
        }
        let key = self.key(&alert);
        let mut state = self.lock();
        let (source, word) = state.accounts.told(link, &key, alert.resolved_at.is_none())?;
        if let Some(cleared) = alert.resolved_at {
            if word != Word::Counts {
                return None;
            }
            let open = state.anomalies.get(&key).is_some_and(|all| all.values().any(Known::open));
            if !open && !state.entries.contains_key(&key) {
                return None;
            }
            let entry = state.entries.entry(key.clone()).or_default();
            entry.told_by.remove(&source);
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
        if word == Word::Nothing {
            return None;
        }
        let entry = state.entries.entry(key.clone()).or_default();
        // One that comes back before its end was recorded is the same fault for the Anomaly that is still open.
        entry.teller = Some(source.clone());
        entry.told_by.insert(source);
        entry.over = None;
        entry.alert = Some(alert);
        Some(key)
    }

    /// The account of an Instance is complete. Returns the alerts that are over by that.
    pub(super) fn synced(&self, link: LinkId, now: Timestamp) -> Vec<Key> {
        let mut state = self.lock();
        let Some((source, told)) = state.accounts.complete(link) else { return Vec::new() };
        let mut over = Vec::new();
        for (key, entry) in &mut state.entries {
            if !told.contains(key) && entry.told_by.remove(&source) && entry.told_by.is_empty() {
                entry.over = Some(now);
                over.push(key.clone());
            }
        }
        over.extend(settle(&mut state, now));
        over
    }

    /// Looks at what only time decides. Returns the alerts that are over by that, and when to look again.
    pub(super) fn look(&self, now: Timestamp) -> (Vec<Key>, Option<Timestamp>) {
        let mut state = self.lock();
        let over = settle(&mut state, now);
        (over, state.accounts.next(now))
    }

    /// Takes an Anomaly in. Returns its alert when the two do not agree.
    pub(super) fn anomaly(&self, anomaly: &Anomaly) -> Option<Key> {
        let alert = anomaly.spec.alert_id.clone()?;
        let key = Key::new(anomaly.namespace().unwrap_or_default(), alert);
        let known = Known {
            uid: anomaly.metadata.uid.clone(),
            source: source_of(anomaly),
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
        let wanted = if entry.over.is_some() { AnomalyState::Resolved } else { AnomalyState::Firing };
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
        let source = Source { name: String::new(), namespace: None };
        let known = Known { uid: None, source, status: Some(resolved) };
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
        let name = free_name(alert, all);
        Todo::Create(Box::new(new_anomaly(alert, &name, &key.namespace, entry.teller.as_ref())))
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

/// Alerts that nobody vouches for any more. That is so for what an earlier life of this process left open and nobody tells
/// again, and for what only an Instance has told that is gone for good. Such an alert is over when its own Instance had its
/// say, and everybody else who may have told it too.
fn settle(state: &mut State, now: Timestamp) -> Vec<Key> {
    let State { entries, anomalies, accounts } = state;
    let open = anomalies.values().flat_map(BTreeMap::values).filter(|known| known.open());
    open.for_each(|known| accounts.expect(&known.source, now));
    let mut over = Vec::new();
    let all = accounts.all_had_their_say(now);
    for (key, known) in anomalies.iter() {
        let mut open = known.values().filter(|known| known.open()).peekable();
        let untold =
            entries.get(key).is_none_or(|entry| entry.over.is_none() && vouched(entry, accounts, now).next().is_none());
        if all && untold && open.peek().is_some() && open.all(|known| accounts.had_its_say(&known.source, now)) {
            over.push(key.clone());
        }
    }
    for (key, entry) in entries.iter() {
        // Not in an Anomaly yet: it gets there, and is over.
        let orphan = entry.over.is_none() && vouched(entry, accounts, now).next().is_none();
        if all && orphan && !anomalies.get(key).is_some_and(|all| all.values().any(Known::open)) {
            over.push(key.clone());
        }
    }
    for key in &over {
        let entry = entries.entry(key.clone()).or_default();
        entry.told_by.clear();
        entry.over = Some(now);
    }
    for source in accounts.take_gone(now) {
        tracing::warn!(instance = %source, "the Instance has no server for {} minutes; nobody vouches for its alerts any more", GONE_AFTER.as_mins());
        for entry in entries.values_mut() {
            entry.told_by.remove(&source);
        }
    }
    over
}

/// Those who say that the alert is there, and are not gone.
fn vouched<'a>(entry: &'a Entry, accounts: &'a Accounts, now: Timestamp) -> impl Iterator<Item = &'a Source> {
    entry.told_by.iter().filter(move |source| !accounts.gone(source, now))
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
