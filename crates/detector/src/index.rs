//! What belongs to what, so that no look has to search.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::detection::EventNote;

/// Events of one object that are looked at, the newest of them.
const EVENTS: usize = 32;

/// Names of owned objects by the UID of their owner. They are in the owner's namespace.
#[derive(Default)]
pub(crate) struct Owned(HashMap<String, BTreeSet<String>>);

impl Owned {
    /// Notes that an owner has an object, or has it no more.
    pub(crate) fn set(&mut self, owner: &str, name: &str, has: bool) {
        if has {
            let names = self.0.entry(owner.to_owned()).or_default();
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        } else if let Some(names) = self.0.get_mut(owner) {
            names.remove(name);
            if names.is_empty() {
                self.0.remove(owner);
            }
        }
    }

    /// What an owner has. An object that has changed its owner may still be told: the caller compares.
    pub(crate) fn of(&self, owner: &str) -> Vec<String> {
        self.0.get(owner).map(|names| names.iter().cloned().collect()).unwrap_or_default()
    }
}

/// The index.
#[derive(Default)]
pub(crate) struct Index {
    /// Pods of a ReplicaSet, StatefulSet or DaemonSet.
    pub(crate) pods: Owned,
    /// ReplicaSets of a Deployment.
    pub(crate) replica_sets: Owned,
    /// By UID of the object that they are about: by name of the event.
    notes: HashMap<String, BTreeMap<String, Arc<EventNote>>>,
    /// Whether the node answered when it was seen last.
    nodes: HashMap<String, bool>,
}

impl Index {
    /// Notes an event, or that it is gone.
    pub(crate) fn event(&mut self, name: &str, note: &Arc<EventNote>, gone: bool) {
        let uid = note.object.uid.as_deref().unwrap_or_default();
        if gone {
            if let Some(notes) = self.notes.get_mut(uid) {
                notes.remove(name);
                if notes.is_empty() {
                    self.notes.remove(uid);
                }
            }
            return;
        }
        let notes = self.notes.entry(uid.to_owned()).or_default();
        notes.insert(name.to_owned(), note.clone());
        if notes.len() > EVENTS
            && let Some(oldest) = notes.iter().min_by_key(|(_, note)| note.last).map(|(name, _)| name.clone())
        {
            notes.remove(&oldest);
        }
    }

    /// Events about an object.
    pub(crate) fn notes(&self, uid: &str) -> Vec<Arc<EventNote>> {
        self.notes.get(uid).map(|notes| notes.values().cloned().collect()).unwrap_or_default()
    }

    /// Notes whether a node answers, none when it is gone; says whether that is news.
    pub(crate) fn node(&mut self, name: &str, answers: Option<bool>) -> bool {
        match answers {
            Some(answers) => self.nodes.insert(name.to_owned(), answers) != Some(answers),
            None => self.nodes.remove(name).is_some(),
        }
    }

    /// Whether a node answers. A node that is not there does not; where no node can be seen at all, each is believed to.
    pub(crate) fn node_answers(&self, name: &str) -> bool {
        self.nodes.is_empty() || self.nodes.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use api::shared::ObjectRef;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn events_of_one_object_are_bounded_and_the_oldest_goes() {
        let mut index = Index::default();
        let note = |second: i64| {
            let object = ObjectRef { uid: Some("u".into()), ..ObjectRef::default() };
            let last = Timestamp::from_second(second).unwrap();
            let text = String::new;
            Arc::new(EventNote {
                object,
                field_path: text(),
                reason: text(),
                message: text(),
                count: 1,
                first: last,
                last,
            })
        };
        for second in 0..100 {
            index.event(&format!("e{second}"), &note(second), false);
        }
        let kept = index.notes("u");
        assert_eq!(kept.len(), EVENTS);
        assert!(kept.iter().all(|note| note.last.as_second() >= 68));
        for second in 0..100 {
            index.event(&format!("e{second}"), &note(second), true);
        }
        assert!(index.notes("u").is_empty() && index.notes.is_empty());
    }
}
