//! Each rule fires when it should and not before; healthy things are silent; alerts keep their identity.

mod book;
mod healthy;
mod job;
mod rules;

use api::shared::{ObjectRef, Severity};

use super::fixtures::*;
use super::*;

/// Rules that fire at a second.
fn fired(view: &WorkloadView, second: i64) -> Vec<Rule> {
    evaluate(view, at(second)).symptoms.iter().map(|s| s.rule).collect()
}

/// The only symptom at a second.
fn only(view: &WorkloadView, second: i64) -> Symptom {
    let mut found = evaluate(view, at(second)).symptoms;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Asserts that nothing fires before `second`, that this rule does then, and that the evaluation asked for that look.
fn fires_at(view: &WorkloadView, rule: Rule, second: i64) {
    let before = evaluate(view, at(second - 1));
    assert_eq!(before.symptoms, [], "{rule} one second early");
    assert_eq!(before.next_look, Some(at(second)), "{rule} asks for the look");
    assert_eq!(fired(view, second), [rule]);
}
