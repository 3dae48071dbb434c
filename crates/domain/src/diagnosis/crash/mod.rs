//! Why a container exits by itself, or cannot even begin.
//!
//! Hypotheses in the order in which they convince: the kubelet killed it over a probe; something around it is wrong and
//! its log says so; its last words name a field of its spec; a change came with the revision or a ConfigMap; something
//! around it is wrong and nothing speaks against it; and else its exit code. What was considered and is not the cause is
//! told. `changes` weighs changes, `conclude` writes the sentences.

mod changes;
mod conclude;

use super::log::{self, Entry};
use super::{Change, Conclusion, Evidence, link, memory, probe, start, suspects};
use crate::detection::Rule;

pub(super) use changes::weight;

/// A link that convinces more than a change that the log does not speak of.
const CONVINCING: f64 = 0.8;

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let reading = log::read(evidence);
    let mut conclusion = decide(evidence, &reading);
    conclusion.log_lines = reading.lines();
    conclusion
}

fn decide(evidence: &Evidence, reading: &log::Reading) -> Conclusion {
    if evidence.symptom.value.to_ascii_lowercase().contains("oom-killed") {
        return memory::explain(evidence);
    }
    if evidence.symptom.rule != Rule::StartError
        && let Some(conclusion) = probe::killed(evidence)
    {
        return conclusion;
    }
    if let Some(conclusion) = conclude::deadline(evidence).or_else(|| conclude::evicted(evidence)) {
        return conclusion;
    }
    if let Some(link) = start::hook(evidence) {
        return conclude::link(evidence, &link, None, &changes::that_count(evidence));
    }
    let started = evidence.symptom.rule != Rule::StartError;
    // What was never started has no log of its own; an old one speaks of another run.
    let entry = reading.decisive().filter(|_| started);
    let all = changes::that_count(evidence);
    let told = |change: &Change| if started { changes::told(reading, change) } else { 0 };
    let change = all.iter().max_by_key(|c| (told(c), changes::weight(c))).filter(|_| evidence.introduced());
    let heard = suspects::told(evidence, entry, &[&evidence.symptom.value]);
    if let Some(suspicion) = heard {
        return conclude::suspect(evidence, suspicion, entry, change.filter(|c| told(c) > 0));
    }
    let link = linked(evidence, entry);
    if let (Some(link), false) = (&link, started) {
        return conclude::link(evidence, link, entry, &all);
    }
    let keys = if started { changes::of_maps(evidence, reading) } else { Vec::new() };
    let key = keys.into_iter().max_by_key(|k| (k.told, k.changed)).filter(|k| k.changed || k.told > 1);
    let change_score = change.map_or(0, |c| told(c) * 2 + 2);
    let key_score = key.as_ref().map_or(0, |k| k.told * 2 + u32::from(k.changed) * if k.lately { 3 } else { 1 });
    // A field that the last words name convinces more than a change that nothing speaks of, or a key that only has a
    // word in common with them.
    let spoken = change.is_some_and(|c| told(c) > 1 && changes::in_decisive(reading, c))
        || key.as_ref().is_some_and(|k| k.told > 0 && k.changed);
    if let Some(link) = link.as_ref().filter(|link| !spoken && link.sure >= CONVINCING) {
        return conclude::link(evidence, link, entry, &all);
    }
    match (change, key) {
        (Some(change), _) if change_score >= key_score => {
            conclude::revision(evidence, change, &all, told(change) > 0, entry)
        }
        (_, Some(key)) => conclude::config_map(evidence, &key, entry),
        (Some(change), None) => conclude::revision(evidence, change, &all, told(change) > 0, entry),
        (None, None) => unchanged(evidence, link, entry),
    }
}

/// Nothing has changed as far as is known.
fn unchanged(evidence: &Evidence, link: Option<link::Link>, entry: Option<&Entry>) -> Conclusion {
    if let Some(suspicion) = suspects::alone(evidence, entry) {
        return conclude::suspect(evidence, suspicion, entry, None);
    }
    match link {
        Some(link) => conclude::link(evidence, &link, entry, &[]),
        None => conclude::by_itself(evidence, entry),
    }
}

/// The field that the last words, or the message of the runtime, lead to.
fn linked(evidence: &Evidence, entry: Option<&Entry>) -> Option<link::Link> {
    if evidence.symptom.rule == Rule::StartError {
        let seen = evidence.symptom.evidence.iter().map(|o| o.detail.as_str());
        return seen.chain([evidence.symptom.value.as_str()]).find_map(|message| start::link(evidence, message));
    }
    entry.and_then(|entry| link::of(evidence, entry))
}
