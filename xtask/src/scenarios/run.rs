//! One run of a case: healthy state, quiet, fault, look, score, removal.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::case::{Case, Expect, Run};
use super::score::{Before, Score, score};
use crate::incident::Site;
use crate::incident::said::Said;
use crate::incident::stage::Stage;
use crate::incident::world::seconds;

/// Seconds after which nothing more is waited for.
const DEADLINE: f64 = 90.0;
/// Seconds that a negative case is watched beyond its `settle_seconds`.
const CALM: f64 = 20.0;
/// Seconds without another Issue after which there are as many as there will be.
const STILL: f64 = 5.0;

/// What all runs have in common.
pub struct Ground<'a> {
    /// The cluster with everything that looks at it.
    pub site: &'a Site,
    /// Whether what is not right stays, to look at.
    pub keep_failed: bool,
}

/// What came of a case.
#[derive(Serialize)]
pub struct Outcome {
    /// Its id.
    pub id: String,
    /// Its group.
    pub tier: String,
    /// The fault in a sentence.
    pub fault: String,
    /// Whether nothing is wrong.
    pub negative: bool,
    /// What is expected, for people.
    pub expected: String,
    /// The remedy, for people.
    pub fix: String,
    /// Name of the run.
    pub run: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// How the fault first showed, and when.
    pub symptom: Option<(f64, String)>,
    /// Issues on a healthy start.
    pub early: Vec<Said>,
    /// Issues that came while everything was removed.
    pub late: Vec<Said>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// Seconds of the whole run.
    pub took: f64,
}

/// How a run ended.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was scored.
    Scored(Box<Score>),
    /// The case itself does not work.
    Invalid(String),
    /// The cluster lacks what the case needs.
    Skipped(String),
}

impl Outcome {
    /// Of a case that was not run.
    pub fn not_run(id: &str, verdict: Verdict) -> Self {
        Self {
            id: id.to_owned(),
            tier: "?".to_owned(),
            fault: String::new(),
            negative: false,
            expected: String::new(),
            fix: String::new(),
            run: String::new(),
            verdict,
            symptom: None,
            early: Vec::new(),
            late: Vec::new(),
            notes: Vec::new(),
            took: 0.0,
        }
    }

    /// Its score, if it has one.
    pub fn score(&self) -> Option<&Score> {
        match &self.verdict {
            Verdict::Scored(score) => Some(score),
            Verdict::Invalid(_) | Verdict::Skipped(_) => None,
        }
    }
}

impl Ground<'_> {
    /// Runs a case under a name.
    ///
    /// # Errors
    /// When the run was stopped, or the cluster does not answer; whatever is wrong with the case is its verdict.
    pub fn run(&self, case: &Case, run: &Run) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let mut outcome = Outcome {
            tier: run.expect.tier.clone(),
            fault: run.expect.fault.clone(),
            negative: run.expect.negative,
            expected: expected(&run.expect),
            fix: run.expect.fix.clone(),
            run: run.scene.name.clone(),
            ..Outcome::not_run(&case.id, Verdict::Skipped(String::new()))
        };
        if !run.expect.unknown.is_empty() {
            outcome.notes.push(format!("fields that nobody looked at: {}", run.expect.unknown.join(", ")));
        }
        if let Some(need) = run.expect.needs.iter().find(|need| !self.site.has(need)) {
            outcome.verdict = Verdict::Skipped(format!("needs {need}, which this cluster does not have"));
            return Ok(outcome);
        }
        if let Err(error) = self.site.types.check(&run.scene) {
            outcome.verdict = Verdict::Invalid(format!("{error:#}"));
            return Ok(outcome);
        }
        let stage = Stage::new(&self.site.cluster, &run.scene, &self.site.types, self.site.folder.join(&case.id))?;
        if let Err(error) = self.play(run, &stage, &mut outcome) {
            outcome.verdict = Verdict::Invalid(format!("{error:#}"));
        }
        if self.keep_failed && outcome.score().is_none_or(|score| !score.is_right()) {
            outcome.notes.push(format!("kept: namespace {}", run.scene.name));
        } else {
            self.remove(run, &stage, &mut outcome);
        }
        // A command that Ctrl-C ended says nothing about the case.
        self.site.stop.check()?;
        outcome.took = began.elapsed().as_secs_f64();
        Ok(outcome)
    }

    fn play(&self, run: &Run, stage: &Stage<'_>, outcome: &mut Outcome) -> anyhow::Result<()> {
        stage.apply(&self.site.stop)?;
        self.site.settle(&run.scene, &run.expect.old_trouble)?;
        let earlier = self.site.world.said(&run.scene.name, Instant::now());
        let before = Before::of(&earlier);
        outcome.early = Before::default().news(&earlier, &run.expect.old_trouble);

        let fault = stage.script("fault", &run.fault, &[])?;
        self.look(run, &before, fault.ended)?;
        let symptom = self.site.world.first_worse(&run.scene.name, fault.began, &run.expect.symptoms);
        outcome.symptom = symptom.map(|(at, finding)| (seconds(at, fault.ended), finding));
        let said = self.site.world.said(&run.scene.name, fault.ended);
        let at = outcome.symptom.as_ref().map(|(at, _)| *at);
        outcome.verdict = Verdict::Scored(Box::new(score(&run.expect, &before, &said, at)));
        Ok(())
    }

    /// Looks until there is nothing more to be seen.
    fn look(&self, run: &Run, before: &Before, ended: Instant) -> anyhow::Result<()> {
        let Expect { negative, settle, old_trouble, .. } = &run.expect;
        let deadline = if *negative { settle + CALM } else { DEADLINE.max(settle + CALM) };
        loop {
            self.site.stop.check()?;
            let now = ended.elapsed().as_secs_f64();
            let news = before.news(&self.site.world.said(&run.scene.name, ended), old_trouble);
            let told = news.first().is_some_and(|first| first.analyzed);
            let still = news.last().is_some_and(|last| now - last.after >= STILL);
            if now >= deadline || (!negative && now >= *settle && told && still) {
                return Ok(());
            }
            // Times come from the watches, not from here.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn remove(&self, run: &Run, stage: &Stage<'_>, outcome: &mut Outcome) {
        let zero = Instant::now();
        let known = self.site.world.said(&run.scene.name, zero);
        if let Err(error) = stage.clean(&self.site.world.issues_elsewhere(&run.scene.name)) {
            outcome.notes.push(format!("{error:#}"));
        }
        let now = self.site.world.said(&run.scene.name, zero);
        outcome.late = now.into_iter().filter(|said| !known.iter().any(|other| other.uid == said.uid)).collect();
        self.site.world.forget(&run.scene.name);
    }
}

fn expected(expect: &Expect) -> String {
    let field = expect.field.as_ref().map(|field| format!(", field {}", field.text)).unwrap_or_default();
    match &expect.root {
        Some((kind, name)) => format!("{} {}{field}", kind.text, name.text),
        None => "no Issue".to_owned(),
    }
}
