//! What the platform said, held against what a case expects. Pure; the delays are seconds since the end of the fault's
//! script.

use std::collections::HashSet;

use serde::Serialize;

use super::case::Expect;
use crate::incident::object::Object;
use crate::incident::pattern::Pattern;
use crate::incident::said::{Cause, Said};

/// What was said in the healthy state.
#[derive(Default)]
pub struct Before {
    issues: HashSet<String>,
    objects: HashSet<Object>,
    causes: HashSet<(Object, String)>,
}

/// What a case comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// A new Issue names the root or a symptom object.
    pub noticed: bool,
    /// New Issues.
    pub issues: usize,
    /// There is one new Issue, or as many as are right.
    pub one_issue: bool,
    /// An analysis names the object at fault and why.
    pub cause: bool,
    /// And the field.
    pub exact: bool,
    /// Nothing is wrong, and there is an Issue.
    pub false_alarm: bool,
    /// Until the Issue was there.
    pub delay: Option<f64>,
    /// The same from the moment when the fault showed.
    pub from_symptom: Option<f64>,
    /// Until the right cause was stated.
    pub cause_delay: Option<f64>,
    /// Characters of the statement.
    pub length: Option<usize>,
    /// What sort of cause was named, right or wrong.
    pub class: Option<String>,
    /// How sure the platform was of it.
    pub confidence: Option<f64>,
    /// What is missing, in words.
    pub misses: Vec<String>,
    /// The new Issues.
    pub said: Vec<Said>,
}

impl Score {
    /// Whether nothing is missing.
    pub fn is_right(&self) -> bool {
        self.misses.is_empty()
    }
}

impl Before {
    /// What was said so far.
    pub fn of(said: &[Said]) -> Self {
        Self {
            issues: said.iter().map(|said| said.uid.clone()).collect(),
            objects: said.iter().flat_map(|said| said.objects.iter().cloned()).collect(),
            causes: said.iter().flat_map(|said| &said.causes).map(Self::key).collect(),
        }
    }

    fn key(cause: &Cause) -> (Object, String) {
        (cause.object.clone(), cause.statement.clone())
    }

    /// What is new: what was there before, or is about old trouble, is left out.
    pub fn news(&self, said: &[Said], old_trouble: &[Pattern]) -> Vec<Said> {
        let is_new = |object: &Object| {
            !self.objects.contains(object) && !old_trouble.iter().any(|pattern| pattern.is(&object.id()))
        };
        let mut news: Vec<Said> = said
            .iter()
            .filter(|said| !self.issues.contains(&said.uid))
            .map(|said| Said {
                objects: said.objects.iter().filter(|object| is_new(object)).cloned().collect(),
                causes: said.causes.iter().filter(|cause| !self.causes.contains(&Self::key(cause))).cloned().collect(),
                ..said.clone()
            })
            .filter(|said| !said.objects.is_empty())
            .collect();
        news.sort_by(|a, b| a.after.total_cmp(&b.after));
        news
    }
}

/// Scores a case. `symptom` is when the fault showed.
pub fn score(expect: &Expect, before: &Before, said: &[Said], symptom: Option<f64>) -> Score {
    let said = before.news(said, &expect.old_trouble);
    let mut score = Score { issues: said.len(), ..Score::default() };
    if expect.negative {
        score.false_alarm = !said.is_empty();
        if score.false_alarm {
            score.misses.push("nothing is wrong, and there is an Issue".to_owned());
        }
        score.said = said;
        return score;
    }
    let first = said.iter().find(|said| said.objects.iter().any(|object| concerns(expect, object)));
    score.noticed = first.is_some();
    score.delay = first.map(|said| said.after.max(0.0));
    score.from_symptom = first.zip(symptom).map(|(said, symptom)| (said.after - symptom).max(0.0));
    score.one_issue = (1..=expect.issues_max).contains(&said.len());

    let causes: Vec<&Cause> = said.iter().flat_map(|said| &said.causes).collect();
    let right: Vec<&&Cause> = causes.iter().filter(|cause| names_cause(expect, cause)).collect();
    let exact = right.iter().find(|cause| names_field(expect, cause));
    score.cause = !right.is_empty();
    score.exact = exact.is_some();
    let best = exact.or(right.first()).map(|cause| **cause).or(causes.first().copied());
    score.cause_delay = best.filter(|_| score.cause).map(|cause| cause.after.max(0.0));
    score.class = best.map(|cause| cause.class.clone());
    score.confidence = best.map(|cause| cause.confidence);
    score.length = best.map(|cause| cause.statement.chars().count());
    score.misses = misses(expect, &score, &said, best);
    score.said = said;
    score
}

fn is_root(expect: &Expect, object: &Object) -> bool {
    expect.root.as_ref().is_some_and(|(kind, name)| kind.is(&object.kind) && name.is(&object.name))
}

fn concerns(expect: &Expect, object: &Object) -> bool {
    is_root(expect, object) || expect.symptoms.iter().any(|pattern| pattern.is(&object.id()))
}

fn states(expect: &Expect, cause: &Cause) -> bool {
    expect.cause.iter().any(|pattern| pattern.is_in(&cause.statement))
}

fn names_cause(expect: &Expect, cause: &Cause) -> bool {
    is_root(expect, &cause.object) && states(expect, cause)
}

fn names_field(expect: &Expect, cause: &Cause) -> bool {
    expect.field.as_ref().is_some_and(|field| {
        cause.path.as_deref().is_some_and(|path| field.is_in(path)) || field.is_in(&cause.statement)
    })
}

/// What is missing, so that a developer sees at once why a case is not right.
fn misses(expect: &Expect, score: &Score, said: &[Said], best: Option<&Cause>) -> Vec<String> {
    if said.is_empty() {
        return vec!["there is no Issue".to_owned()];
    }
    let mut misses = Vec::new();
    if !score.noticed {
        misses.push("no Issue names the root or an object where the fault shows".to_owned());
    }
    if !score.one_issue {
        misses.push(format!("{} Issues, where at most {} is right", said.len(), expect.issues_max));
    }
    match best {
        None if said.iter().any(|said| said.analyzed) => misses.push("the analysis names no cause".to_owned()),
        None => misses.push("no Issue has an analysis".to_owned()),
        Some(cause) if !score.cause => {
            if !is_root(expect, &cause.object) {
                misses.push(format!("{} is not the root", cause.object.id()));
            }
            if !states(expect, cause) {
                misses.push("the statement does not say what is wrong".to_owned());
            }
        }
        Some(_) if !score.exact => misses.push("neither path nor statement names the field".to_owned()),
        Some(_) => {}
    }
    misses
}

#[cfg(test)]
mod tests;
