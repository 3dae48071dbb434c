//! What the servers tell and what the Anomalies say, by alert, and what is missing between the two. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::anomaly::{Anomaly, AnomalyState, AnomalyStatus};
use domain::incident::{Sighting, Tracked, anomaly_name, hash_hex, signal_name, track};
use jiff::{SignedDuration, Timestamp};
use kit::cache::Key;
use kube::ResourceExt;
use ports::server_link::Alert;

use super::accounts::{Accounts, GONE_AFTER, LinkId, Source, Word};
use super::write::{expires, new_anomaly, source_of};

/// Longest identity that an Anomaly can have.
const MAX_ID: usize = 253;
/// An alert that begins so soon after its end is looked at again after that time: one Instance, or one replica, may tell
/// late what the others have seen to end.
const LATE: SignedDuration = SignedDuration::from_secs(3);
/// So many ends may be remembered before those that are long past are forgotten.
const ENDS: usize = 4096;

/// An Anomaly, as far as the bridge looks at it.
#[derive(Clone, Debug)]
struct Known {
    uid: Option<String>,
    /// The Instance that it names; it may have been told by others as well.
    source: Source,
    status: Option<AnomalyStatus>,
    /// An earlier life of this process made it: who told it besides its Instance is not known.
    inherited: bool,
    /// When it is over unless it is told again; of an alert that its source tells only once.
    expires: Option<Timestamp>,
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
    /// When the last one of them said that it is over.
    cleared: Option<Timestamp>,
    /// Since when it is over.
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
    /// When the end of an alert was recorded, for a moment.
    ended: HashMap<Key, Timestamp>,
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
    /// Nothing before that time.
    Later(Timestamp),
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
    pub(super) fn alert(&self, link: LinkId, mut alert: Alert, now: Timestamp) -> Option<Key> {
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
                entry.cleared = Some(cleared);
                if let Some(before) = &entry.alert {
                    alert.count = alert.count.max(before.count);
                    alert.last_seen = alert.last_seen.max(before.last_seen);
                }
                entry.alert = Some(alert);
                let State { entries, anomalies, accounts, .. } = &mut *state;
                if may_end(anomalies.get(&key), accounts, now)
                    && let Some(entry) = entries.get_mut(&key)
                {
                    entry.over = Some(cleared);
                }
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
        entry.cleared = None;
        let back = entry.over.take().is_some();
        entry.alert = Some(alert);
        if back {
            // Its end may be on its way to the Anomaly.
            state.ended.insert(key.clone(), now);
        }
        Some(key)
    }

    /// The account of an Instance is complete. Returns the alerts that are over by that.
    pub(super) fn synced(&self, link: LinkId, now: Timestamp) -> Vec<Key> {
        let mut state = self.lock();
        let Some((source, told)) = state.accounts.complete(link) else { return Vec::new() };
        for (key, entry) in &mut state.entries {
            // What its source tells only once may be missing in the account of a server that was started anew.
            let told_once = entry.alert.as_ref().is_some_and(|alert| alert.kept.is_some());
            if !told_once && !told.contains(key) && entry.told_by.remove(&source) && entry.told_by.is_empty() {
                entry.cleared = Some(now);
            }
        }
        settle(&mut state, now)
    }

    /// Looks at what only time decides. Returns the alerts that are over by that, and when to look again.
    pub(super) fn look(&self, now: Timestamp) -> (Vec<Key>, Option<Timestamp>) {
        let mut state = self.lock();
        state.accounts.begin_life(now);
        let over = settle(&mut state, now);
        let told = state.entries.values().filter(|entry| entry.over.is_none());
        let told = told.filter_map(|entry| entry.alert.as_ref()?.expires());
        let known = state.anomalies.values().flat_map(BTreeMap::values).filter(|known| known.open());
        let next = told.chain(known.filter_map(|known| known.expires)).filter(|at| *at > now);
        (over, next.chain(state.accounts.next(now)).min())
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
            inherited: false,
            expires: expires(anomaly),
        };
        let stated = known.status.as_ref().and_then(|s| s.state);
        let mut state = self.lock();
        let new = !state.entries.contains_key(&key);
        let all = state.anomalies.entry(key.clone()).or_default();
        let inherited = all.get(&anomaly.name_any()).map_or(new, |before| before.inherited);
        all.insert(anomaly.name_any(), Known { inherited, ..known });
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
        let known = Known { uid: None, source, status: Some(resolved), inherited: false, expires: None };
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
    pub(super) fn todo(&self, key: &Key, now: Timestamp) -> Todo {
        let mut state = self.lock();
        let State { entries, anomalies, ended, .. } = &mut *state;
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
        // One that no Anomaly has yet is recorded in any case.
        let ended_at = ended.get(key).filter(|_| all.is_some_and(|all| !all.is_empty()));
        let late = ended_at.and_then(|at| at.checked_add(LATE).ok()).filter(|until| *until > now);
        let Some(alert) = missing.filter(|_| late.is_none() || entry.over.is_none()) else {
            entries.remove(key);
            ended.insert(key.clone(), now);
            if ended.len() > ENDS {
                ended.retain(|_, at| now.duration_since(*at) < LATE);
            }
            return Todo::Nothing;
        };
        if let Some(until) = late {
            return Todo::Later(until);
        }
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

/// Whether an alert that nobody tells any more is over. One that an earlier life of this process has recorded is only when
/// its own Instance had its say, and everybody else who may have told it too.
fn may_end(known: Option<&BTreeMap<String, Known>>, accounts: &Accounts, now: Timestamp) -> bool {
    // Of what is told only once, no account says anything.
    let waits = |k: &&Known| k.open() && k.inherited && k.expires.is_none();
    let mut inherited = known.into_iter().flat_map(BTreeMap::values).filter(waits).peekable();
    inherited.peek().is_none()
        || (accounts.all_had_their_say(now) && inherited.all(|k| accounts.had_its_say(&k.source, now)))
}

/// Ends what nobody tells any more: what an account left out, what only an Instance has told that is gone for good, and
/// what an earlier life of this process left open and nobody tells again. Returns these alerts.
fn settle(state: &mut State, now: Timestamp) -> Vec<Key> {
    let State { entries, anomalies, accounts, .. } = state;
    let open = anomalies.values().flat_map(BTreeMap::values).filter(|known| known.open());
    open.for_each(|known| accounts.expect(&known.source, now));
    let untold = |entry: &Entry| entry.over.is_none() && entry.told_by.iter().all(|source| accounts.gone(source, now));
    let told = entries.iter().filter(|(_, entry)| untold(entry)).map(|(key, _)| key);
    // What its source tells only once is left when nobody is there any more who would hear of its end, or in time.
    let stays = |known: &Known| known.expires.is_some_and(|at| at > now && !accounts.gone(&known.source, now));
    let left = anomalies.iter().filter(|(key, all)| {
        let mut open = all.values().filter(|known| known.open()).peekable();
        !entries.contains_key(key) && open.peek().is_some() && !open.all(stays)
    });
    let due = |entry: &Entry| {
        entry.over.is_none() && entry.alert.as_ref().and_then(Alert::expires).is_some_and(|at| at <= now)
    };
    let expired: Vec<Key> = entries.iter().filter(|(_, entry)| due(entry)).map(|(key, _)| key.clone()).collect();
    let over: Vec<Key> = told
        .chain(left.map(|(key, _)| key))
        .filter(|key| may_end(anomalies.get(key), accounts, now))
        .cloned()
        .chain(expired)
        .collect();
    for key in &over {
        let entry = entries.entry(key.clone()).or_default();
        entry.told_by.clear();
        entry.over = Some(entry.cleared.unwrap_or(now));
    }
    for source in accounts.take_gone(now) {
        tracing::warn!(
            instance = %source,
            "the Instance has had no server for {} minutes; nobody vouches for its alerts any more",
            GONE_AFTER.as_mins()
        );
        for entry in entries.values_mut() {
            entry.told_by.remove(&source);
        }
    }
    over
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
