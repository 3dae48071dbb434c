//! Several symptoms of one fault become one.

use std::collections::BTreeMap;

use super::{Rule, Symptom};

/// Observations that one alert carries.
const MAX_EVIDENCE: usize = 8;

/// One symptom per fault: what shares a revision (or node, or missing object) is one fault, and so is what the same
/// rule finds in the same container of several revisions.
pub(super) fn collapse(symptoms: Vec<Symptom>) -> Vec<Symptom> {
    let mut groups: BTreeMap<String, Vec<Symptom>> = BTreeMap::new();
    for symptom in symptoms {
        groups.entry(symptom.group.clone()).or_default().push(symptom);
    }
    let merged: Vec<Symptom> = groups.into_values().filter_map(merge).collect();
    let mut kinds: BTreeMap<(Rule, Option<String>), Vec<Symptom>> = BTreeMap::new();
    for symptom in merged {
        kinds.entry((symptom.rule, symptom.container.clone())).or_default().push(symptom);
    }
    let mut faults: Vec<Symptom> = kinds.into_values().filter_map(merge).collect();
    faults.sort_by(|a, b| b.rule.cmp(&a.rule).then_with(|| a.group.cmp(&b.group)));
    drop_shadows(faults)
}

/// A pod that is merely not ready beside a real fault of the same workload is a shadow of it.
fn drop_shadows(faults: Vec<Symptom>) -> Vec<Symptom> {
    let real = faults.iter().any(|s| s.rule > Rule::NotReady);
    faults.into_iter().filter(|s| !real || s.rule > Rule::NotReady).collect()
}

fn merge(mut symptoms: Vec<Symptom>) -> Option<Symptom> {
    // The most specific one speaks; among equals the earliest, then the first by name, so that the choice is stable.
    symptoms.sort_by(|a, b| b.rule.cmp(&a.rule).then(a.since.cmp(&b.since)).then_with(|| a.pod.cmp(&b.pod)));
    let mut symptoms = symptoms.into_iter();
    let mut best = symptoms.next()?;
    for other in symptoms {
        best.severity = best.severity.min(other.severity);
        best.since = best.since.min(other.since);
        if other.rule == best.rule {
            best.count = best.count.saturating_add(other.count);
        }
        for observation in other.evidence {
            if best.evidence.len() < MAX_EVIDENCE && !best.evidence.contains(&observation) {
                best.evidence.push(observation);
            }
        }
    }
    Some(best)
}
