//! Changes that can make a container exit: of its revision, and of the ConfigMaps that it reads.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::diagnosis::link::Place;
use crate::diagnosis::log::{Entry, Reading, names};
use crate::diagnosis::{Change, ConfigHistory, Evidence};

/// A value longer than this is no word that a log would say.
const VALUE: usize = 200;

/// A change of one key of a ConfigMap.
pub(super) struct KeyChange<'a> {
    pub(super) map: &'a ConfigHistory,
    pub(super) key: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Whether it is known to have changed, or only named by the log.
    pub(super) changed: bool,
    /// How strongly the log speaks of it.
    pub(super) told: u32,
    /// Whether it changed shortly before the symptom, as far as is known.
    pub(super) lately: bool,
}

/// A ConfigMap that changed longer ago than this before a symptom is less likely its cause: a pod reads it when it starts,
/// and what is started again reads it within minutes.
const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// Changes of the revision that can make this container exit.
pub(super) fn that_count(evidence: &Evidence) -> Vec<Change> {
    let ours = evidence.container_path(evidence.container());
    let elsewhere = |c: &Change| {
        let other = c.path.contains(".containers[") || c.path.contains(".initContainers[");
        other && ours.as_ref().is_some_and(|path| !c.path.starts_with(path.as_str()))
    };
    let silent = |c: &Change| {
        c.path.contains("Probe") || c.path.ends_with("imagePullPolicy") || c.path.contains("terminationGracePeriod")
    };
    evidence.changes().into_iter().filter(|c| !elsewhere(c) && !silent(c)).collect()
}

/// How likely such a change ends a process, whatever the log says.
pub(in crate::diagnosis) fn weight(change: &Change) -> u32 {
    let path = &change.path;
    let any = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    if any(&[".command", ".args"]) {
        4
    } else if change.variable.is_some() || any(&[".image"]) {
        3
    } else if any(&["envFrom", ".volumes"]) {
        2
    } else {
        1
    }
}

/// How strongly the log speaks of a change.
pub(super) fn told(reading: &Reading, change: &Change) -> u32 {
    reading.entries.iter().map(|entry| change_told(entry, change)).max().unwrap_or_default()
}

fn change_told(entry: &Entry, change: &Change) -> u32 {
    let name = change.variable.as_deref().is_some_and(|v| entry.mentions(v));
    let value = change.after.as_deref().is_some_and(|v| v.len() < VALUE && entry.mentions(v));
    // A log names the host of an address, or a file below a mount.
    let host = entry.told.as_ref().and_then(|told| told.host.as_deref());
    let part = change.after.as_deref().is_some_and(|after| host.is_some_and(|host| names(after, host)));
    let file = entry.told.as_ref().and_then(|told| told.path.as_deref());
    let below = |value: &Option<String>| {
        let folder = |text: &str| text.len() > 1 && text.starts_with('/') && file.is_some_and(|f| f.starts_with(text));
        value.as_deref().is_some_and(|text| folder(text) || text.split('"').any(folder))
    };
    let mount = change.path.contains("olume") && (below(&change.before) || below(&change.after));
    u32::from(name || part || mount) * 2 + u32::from(value)
}

/// Keys of ConfigMaps that have changed, or that the log speaks of.
pub(super) fn of_maps<'a>(evidence: &'a Evidence, reading: &Reading) -> Vec<KeyChange<'a>> {
    let place = Place::of(evidence);
    let empty = BTreeMap::new();
    let mut found = Vec::new();
    for map in &evidence.config_maps {
        let Some(data) = &map.data else { continue };
        let lately = map.changed.is_none_or(|at| evidence.symptom.since.duration_since(at) < LATELY);
        let before = map.before.as_ref();
        let old = before.unwrap_or(&empty);
        let mut keys: Vec<&String> = data.keys().chain(old.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (was, is) = (old.get(key).cloned(), data.get(key).cloned());
            let changed = before.is_some() && was != is;
            let told = reading
                .entries
                .iter()
                .map(|entry| key_told(entry, key, is.as_deref(), place.as_ref()))
                .max()
                .unwrap_or_default();
            if changed || told > 0 {
                found.push(KeyChange { map, key: key.clone(), before: was, after: is, changed, told, lately });
            }
        }
    }
    found
}

fn key_told(entry: &Entry, key: &str, value: Option<&str>, place: Option<&Place<'_>>) -> u32 {
    let shout = key.to_ascii_uppercase().replace(['-', '.'], "_");
    let named = entry.mentions(key) || entry.mentions(&shout);
    let valued = value.is_some_and(|v| v.len() < VALUE && entry.mentions(v.trim()));
    let told = entry.told.as_ref();
    let host = told.and_then(|told| told.host.as_deref());
    let part = value.is_some_and(|value| value.len() < 20 * VALUE && host.is_some_and(|host| names(value, host)));
    // The file that the log speaks of comes from this key.
    let file = told.and_then(|told| told.path.as_deref());
    let own = file.is_some_and(|file| {
        file.rsplit('/').next() == Some(key) && place.is_some_and(|place| place.mount(file).is_some())
    });
    u32::from(named || part || own) * 2 + u32::from(valued)
}

/// Whether the decisive entry names what changed: its variable, or the host in its value. A file below a mount is less:
/// the mount has many fields.
pub(super) fn in_decisive(reading: &Reading, change: &Change) -> bool {
    let Some(entry) = reading.decisive() else { return false };
    let host = entry.told.as_ref().and_then(|told| told.host.as_deref());
    let part = change.after.as_deref().is_some_and(|after| host.is_some_and(|host| names(after, host)));
    part || change.variable.as_deref().is_some_and(|variable| entry.mentions(variable))
}
