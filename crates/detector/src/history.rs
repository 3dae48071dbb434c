//! What ConfigMaps say and what they said before their last change.
//!
//! What lives here: the data, packed and bounded. What does not: ConfigMaps that are too large or came when the room was
//! used up; they are read when a question needs them, without what they were before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::diagnosis::ConfigHistory;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kit::cache::Key as Place;

use crate::seen::{Seen, unpacked};

/// Bytes that all histories together may take.
const ROOM: usize = 8 << 20;
/// How often the room is searched for what nobody refers to.
const SEARCH: SignedDuration = SignedDuration::from_secs(60);

#[derive(Default)]
struct Entry {
    uid: Option<String>,
    version: Option<String>,
    /// None when it does not exist any more.
    data: Option<Box<[u8]>>,
    before: Option<Box<[u8]>>,
    changed: Option<Timestamp>,
    manager: Option<String>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let of = |data: &Option<Box<[u8]>>| data.as_ref().map_or(0, |d| d.len());
        // The names and the entry itself take room too.
        of(&self.data) + of(&self.before) + 256
    }
}

#[derive(Default)]
struct State {
    entries: HashMap<Place, Entry>,
    bytes: usize,
    searched: Option<Timestamp>,
}

/// The histories of all ConfigMaps that are watched.
pub(crate) struct Histories {
    state: Mutex<State>,
    room: usize,
}

impl Default for Histories {
    fn default() -> Self {
        Self { state: Mutex::default(), room: ROOM }
    }
}

impl Histories {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the data of a ConfigMap that was seen. `referred` says which ones workloads refer to; it is asked only when
    /// the room is used up, and what is not among them goes.
    pub(crate) fn saw(&self, map: &mut Seen<ConfigMap>, now: Timestamp, referred: impl FnOnce() -> HashSet<Place>) {
        let place = Place::new(map.namespace(), map.name());
        let (data, touched) = (map.facts.data.take(), map.facts.touched.take());
        let mut state = self.lock();
        let known = state.entries.remove(&place);
        state.bytes -= known.as_ref().map_or(0, Entry::bytes);
        let Some(data) = data else { return };
        let version = map.metadata.resource_version.clone();
        let uid = map.metadata.uid.clone();
        let (time, manager) = touched.map_or((None, None), |(time, manager)| (Some(time), Some(manager)));
        let manager = manager.filter(|manager| !manager.is_empty());
        let entry = match known {
            Some(known) if known.version == version && known.version.is_some() && known.data.is_some() => known,
            Some(known) if known.data.as_ref() == Some(&data) => Entry { uid, version, ..known },
            Some(known) => {
                let before = known.data.or(known.before);
                // The manager's time has whole seconds, and a change of something else does not move it.
                Entry {
                    uid,
                    version,
                    data: Some(data),
                    before,
                    changed: Some(time.map_or(now, |t| t.min(now))),
                    manager,
                }
            }
            None => Entry { uid, version, data: Some(data), before: None, changed: time, manager },
        };
        if state.bytes + entry.bytes() > self.room {
            let due = state.searched.is_none_or(|at| now.duration_since(at) >= SEARCH);
            let referred = if due { referred() } else { HashSet::new() };
            if due {
                state.searched = Some(now);
                state.entries.retain(|place, _| referred.contains(place));
                state.bytes = state.entries.values().map(Entry::bytes).sum();
            }
            if state.bytes + entry.bytes() > self.room || !referred.contains(&place) {
                tracing::debug!(config_map = %place, "the room for ConfigMaps is used up; what it was before will not be known");
                return;
            }
        }
        state.bytes += entry.bytes();
        state.entries.insert(place, entry);
    }

    /// A ConfigMap is gone: that is a change too.
    pub(crate) fn gone(&self, place: &Place, now: Timestamp) {
        let mut state = self.lock();
        let Some(mut entry) = state.entries.remove(place) else { return };
        state.bytes -= entry.bytes();
        entry = Entry {
            before: entry.data.take().or(entry.before),
            changed: Some(now),
            manager: None,
            uid: None,
            version: None,
            data: None,
        };
        state.bytes += entry.bytes();
        state.entries.insert(place.clone(), entry);
    }

    /// What is known of a ConfigMap.
    pub(crate) fn of(&self, place: &Place) -> Option<ConfigHistory> {
        let state = self.lock();
        let entry = state.entries.get(place)?;
        let read = |data: &Option<Box<[u8]>>| data.as_ref().map(|d| unpacked::<BTreeMap<String, String>>(d));
        Some(ConfigHistory {
            name: place.name.clone(),
            uid: entry.uid.clone(),
            resource_version: entry.version.clone(),
            data: read(&entry.data),
            before: read(&entry.before),
            changed: entry.changed,
            manager: entry.manager.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::seen::Digest;

    fn map(name: &str, version: &str, value: &str) -> Seen<ConfigMap> {
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": version,
                "managedFields": [{"manager": "kubectl-edit", "operation": "Update", "time": "2026-03-01T10:00:00Z"}]},
            "data": {"MODE": value},
        }))
        .unwrap();
        map.digest()
    }

    fn now() -> Timestamp {
        "2026-03-01T10:00:01Z".parse().unwrap()
    }

    #[test]
    fn the_data_before_the_last_change_is_known_and_a_second_listing_is_no_change() {
        let histories = Histories::default();
        for (version, value) in [("1", "fast"), ("1", "fast"), ("2", "fast"), ("3", "slow"), ("3", "slow")] {
            histories.saw(&mut map("app", version, value), now(), HashSet::new);
        }
        let known = histories.of(&Place::new("shop", "app")).unwrap();
        assert_eq!(known.data.unwrap()["MODE"], "slow");
        assert_eq!(known.before.unwrap()["MODE"], "fast");
        assert_eq!(known.manager.as_deref(), Some("kubectl-edit"));
        assert_eq!(known.changed, Some("2026-03-01T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn one_that_was_deleted_is_remembered() {
        let histories = Histories::default();
        histories.saw(&mut map("app", "1", "fast"), now(), HashSet::new);
        histories.gone(&Place::new("shop", "app"), now());
        let known = histories.of(&Place::new("shop", "app")).unwrap();
        assert_eq!((known.data, known.before.unwrap()["MODE"].as_str()), (None, "fast"));
        histories.saw(&mut map("app", "5", "slow"), now(), HashSet::new);
        assert_eq!(histories.of(&Place::new("shop", "app")).unwrap().before.unwrap()["MODE"], "fast");
    }

    #[test]
    fn the_room_is_bounded_and_what_workloads_refer_to_stays() {
        let histories = Histories { room: 10_000, ..Histories::default() };
        let referred = || HashSet::from([Place::new("shop", "m0"), Place::new("shop", "m99")]);
        for number in 0..100 {
            let later = now() + SignedDuration::from_mins(number);
            histories.saw(&mut map(&format!("m{number}"), "1", &"x".repeat(400)), later, referred);
            assert!(histories.lock().bytes <= 10_000);
        }
        assert!(histories.of(&Place::new("shop", "m0")).is_some());
        assert!(histories.of(&Place::new("shop", "m99")).is_some());
        let counted: usize = histories.lock().entries.values().map(Entry::bytes).sum();
        assert_eq!(counted, histories.lock().bytes);
    }
}
