//! What Alertmanager has told: what is open, what is over, what is late or told twice.
//!
//! Alertmanager tells a thing once and repeats it after its `repeat_interval`. Its end may get lost, its messages may come
//! twice (from each of its replicas) or in the wrong order, and this process may be started anew in between.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::{Alert, Transition};

/// Most alerts that are open, and most whose end is remembered.
const MOST: usize = 20_000;
/// How long an end is remembered: whoever was away hears of it, and what was sent before it and comes after it is late.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// After this time Alertmanager means it when it says that something is there since before its end.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// Time that a repeated message may be late.
const SLACK: SignedDuration = SignedDuration::from_mins(10);

/// How long an alert counts as there without being repeated: two repeats may get lost.
pub fn kept_for(repeat_interval: SignedDuration) -> SignedDuration {
    repeat_interval.saturating_mul(2).saturating_add(SLACK)
}

/// What a message has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something that was not known.
    New(Alert),
    /// It is still there.
    Again(Alert),
    /// It is over.
    Over(Alert),
    /// It is over, and nobody here knew of its beginning: the process before this one may have told it.
    OverUnseen(Alert),
    /// It was sent before what is known already.
    Late,
    /// There are more than can be kept; it must be sent again.
    Full,
}

impl Heard {
    /// What those who listen are told.
    pub fn transition(&self) -> Option<Transition> {
        match self {
            Self::New(alert) => Some(Transition::Firing(alert.clone())),
            Self::Again(alert) => Some(Transition::Changed(alert.clone())),
            Self::Over(alert) | Self::OverUnseen(alert) => Some(Transition::Resolved(alert.clone())),
            Self::Late | Self::Full => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Ended {
    alert: Alert,
    /// When that was heard.
    heard: Timestamp,
}

/// The alerts of Alertmanager, by identity.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    open: BTreeMap<String, Alert>,
    ended: BTreeMap<String, Ended>,
}

impl Inbox {
    /// An alert is there.
    pub fn fires(&mut self, alert: Alert, now: Timestamp) -> Heard {
        if let Some(ended) = self.ended.get(&alert.id) {
            let over = ended.alert.resolved_at.unwrap_or(ended.heard);
            let late = now.duration_since(ended.heard) < LATE;
            // The same beginning, or one before the end: the message was under way when the end came.
            if late && (alert.first_seen == ended.alert.first_seen || alert.first_seen < over) {
                return Heard::Late;
            }
        }
        if let Some(known) = self.open.get_mut(&alert.id) {
            // Where it is stays as it was first seen: its pods may have gone meanwhile.
            known.last_seen = now.max(known.last_seen);
            known.count = known.count.saturating_add(1);
            known.severity = known.severity.min(alert.severity);
            known.message = alert.message;
            known.value = alert.value;
            known.kept = alert.kept;
            return Heard::Again(known.clone());
        }
        if self.open.len() >= MOST {
            return Heard::Full;
        }
        self.ended.remove(&alert.id);
        self.open.insert(alert.id.clone(), alert.clone());
        Heard::New(alert)
    }

    /// An alert is over, at the time that it says.
    pub fn ends(&mut self, alert: Alert, at: Option<Timestamp>, now: Timestamp) -> Heard {
        let known = self.open.remove(&alert.id);
        if known.is_none() && self.ended.contains_key(&alert.id) {
            return Heard::Late;
        }
        let seen = known.is_some();
        let alert = known.unwrap_or(alert);
        // Clocks differ: nothing ends in the future, or before it began.
        let over = at.filter(|at| *at <= now && *at >= alert.first_seen).unwrap_or(now);
        let alert = self.remember(alert, over, now);
        if seen { Heard::Over(alert) } else { Heard::OverUnseen(alert) }
    }

    /// Ends what was not repeated in time. Returns it, and when to look again.
    pub fn expire(&mut self, now: Timestamp) -> (Vec<Alert>, Option<Timestamp>) {
        self.ended.retain(|_, ended| now.duration_since(ended.heard) < REMEMBERED);
        let mut next: Option<Timestamp> = None;
        let mut due = Vec::new();
        for (id, alert) in &self.open {
            match alert.expires() {
                Some(at) if at <= now => due.push(id.clone()),
                Some(at) => next = Some(next.map_or(at, |known| known.min(at))),
                None => {}
            }
        }
        let gone: Vec<Alert> = due.iter().filter_map(|id| self.open.remove(id)).collect();
        let over = gone.into_iter().map(|alert| self.remember(alert, now, now)).collect();
        (over, next)
    }

    /// Whether an alert is there.
    pub fn knows(&self, id: &str) -> bool {
        self.open.contains_key(id)
    }

    /// What is there.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values()
    }

    /// What has ended lately.
    pub fn ended(&self) -> impl Iterator<Item = &Alert> {
        self.ended.values().map(|ended| &ended.alert)
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn remember(&mut self, alert: Alert, over: Timestamp, now: Timestamp) -> Alert {
        let alert = Alert { resolved_at: Some(over), last_seen: now, ..alert };
        if self.ended.len() >= MOST {
            let oldest = self.ended.iter().min_by_key(|(_, ended)| ended.heard).map(|(id, _)| id.clone());
            oldest.map(|id| self.ended.remove(&id));
        }
        self.ended.insert(alert.id.clone(), Ended { alert: alert.clone(), heard: now });
        alert
    }
}
