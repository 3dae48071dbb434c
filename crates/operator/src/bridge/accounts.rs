//! Who tells: the Instances, their replicas, and how far the account of each has come. No I/O.
//!
//! An account belongs to an Instance, not to a replica: whichever replica raises the alerts tells the account of them all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use domain::incident::label;
use jiff::{SignedDuration, Timestamp};
use kit::cache::Key;

/// An Instance that has had no server for so long is gone for good: nobody vouches for its alerts any more. One that has
/// not told its account so long after this process began is not waited for when another one ends an alert of an earlier
/// life that it may have told as well.
pub(crate) const GONE_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Number of a link; never used twice.
pub(crate) type LinkId = u64;

/// Whose account it is, as the labels of its Anomalies name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source {
    /// Name of the Instance; the address of a server that is none.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
}

impl Source {
    /// The Instance of that key.
    pub(crate) fn of_instance(key: &Key) -> Self {
        Self { name: label(&key.name), namespace: Some(label(&key.namespace)) }
    }

    /// The Instance behind an address where that is the one of its Service, else the address itself.
    pub(crate) fn of_address(address: &str) -> Self {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let mut parts = host.split('.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(namespace), Some("svc")) => Self { name: label(name), namespace: Some(label(namespace)) },
            _ => Self { name: label(address), namespace: None },
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[derive(Debug)]
struct Link {
    source: Source,
    /// What the running account has told; absent when none is running.
    told: Option<HashSet<Key>>,
}

#[derive(Debug)]
struct Account {
    links: BTreeSet<LinkId>,
    /// The replica whose alerts count: the last one that told everything.
    holder: Option<LinkId>,
    /// Whether there has been a full one in this life of the process.
    complete: bool,
    /// When its first link came, or its last one went.
    since: Timestamp,
}

impl Account {
    fn gone(&self, now: Timestamp) -> bool {
        self.links.is_empty() && now.duration_since(self.since) >= GONE_AFTER
    }
}

/// The accounts of all Instances.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    links: HashMap<LinkId, Link>,
    of: BTreeMap<Source, Account>,
    /// When this life of the process was first asked.
    begun: Option<Timestamp>,
}

/// What a link's word on an alert counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Everything it says counts.
    Counts,
    /// That something is there counts; what it ends is ended by its full account.
    Begins,
    /// Another replica tells by now.
    Nothing,
}

impl Accounts {
    /// A link is there.
    pub(super) fn join(&mut self, link: LinkId, source: Source, now: Timestamp) {
        let account = self.of.entry(source.clone()).or_insert_with(|| Account {
            links: BTreeSet::new(),
            holder: None,
            complete: false,
            since: now,
        });
        if account.links.is_empty() {
            account.since = now;
        }
        account.links.insert(link);
        self.links.insert(link, Link { source, told: None });
    }

    /// A link is there no more. What it told still counts.
    pub(super) fn leave(&mut self, link: LinkId, now: Timestamp) {
        let Some(left) = self.links.remove(&link) else { return };
        let Some(account) = self.of.get_mut(&left.source) else { return };
        account.links.remove(&link);
        account.holder = account.holder.filter(|holder| *holder != link);
        if account.links.is_empty() {
            account.since = now;
        }
    }

    pub(super) fn begin(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.told = Some(HashSet::new());
        }
    }

    /// The link tells nothing for now: its running account is worth nothing, what it told still counts.
    pub(super) fn silent(&mut self, link: LinkId) {
        let Some(known) = self.links.get_mut(&link) else { return };
        known.told = None;
        if let Some(account) = self.of.get_mut(&known.source) {
            account.holder = account.holder.filter(|holder| *holder != link);
        }
    }

    /// Notes an alert in the running account; says whose word it is and what it counts.
    pub(super) fn told(&mut self, link: LinkId, key: &Key, firing: bool) -> Option<(Source, Word)> {
        let known = self.links.get_mut(&link)?;
        let running = known.told.is_some();
        if let Some(told) = &mut known.told {
            if firing {
                told.insert(key.clone())
            } else {
                told.remove(key)
            };
        }
        let holder = self.of.get(&known.source).and_then(|account| account.holder);
        let word = match holder {
            Some(holder) if holder == link => Word::Counts,
            None if running => Word::Counts,
            Some(_) if running => Word::Begins,
            _ => Word::Nothing,
        };
        Some((known.source.clone(), word))
    }

    /// The running account is complete. Returns whose it is and what is in it; from now on this link's word counts.
    pub(super) fn complete(&mut self, link: LinkId) -> Option<(Source, HashSet<Key>)> {
        let known = self.links.get_mut(&link)?;
        let told = known.told.take()?;
        let account = self.of.get_mut(&known.source)?;
        account.complete = true;
        account.holder = Some(link);
        Some((known.source.clone(), told))
    }

    /// Makes sure that the Instance of an Anomaly has an account, if only to be waited for.
    pub(super) fn expect(&mut self, source: &Source, now: Timestamp) {
        if !self.of.contains_key(source) {
            let account = Account { links: BTreeSet::new(), holder: None, complete: false, since: now };
            self.of.insert(source.clone(), account);
        }
    }

    /// Whether it is gone for good.
    pub(super) fn gone(&self, source: &Source, now: Timestamp) -> bool {
        self.of.get(source).is_none_or(|account| account.gone(now))
    }

    /// Whether it has told everything, or is gone for good.
    pub(super) fn had_its_say(&self, source: &Source, now: Timestamp) -> bool {
        self.of.get(source).is_none_or(|account| account.complete || account.gone(now))
    }

    /// Whether nobody is waited for any more.
    pub(super) fn all_had_their_say(&self, now: Timestamp) -> bool {
        let early = self.begun.is_none_or(|begun| now.duration_since(begun) < GONE_AFTER);
        !early || self.of.values().all(|account| account.complete)
    }

    /// Those that are gone for good; what they told before does not count when they come back.
    pub(super) fn take_gone(&mut self, now: Timestamp) -> Vec<Source> {
        let gone: Vec<Source> =
            self.of.iter().filter(|(_, account)| account.gone(now)).map(|(source, _)| source.clone()).collect();
        for source in &gone {
            self.of.remove(source);
        }
        gone
    }

    /// Life begins, if it has not yet.
    pub(super) fn begin_life(&mut self, now: Timestamp) {
        self.begun.get_or_insert(now);
    }

    /// When time alone changes something the next time.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let without = self.of.values().filter(|account| account.links.is_empty()).map(|account| account.since);
        without.chain(self.begun).filter_map(|since| since.checked_add(GONE_AFTER).ok()).filter(|at| *at > now).min()
    }
}
