//! One run of a case: healthy state, quiet, fault, look, score, removal.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::Cluster;
use serde::Serialize;

use super::case::{Case, Expect, Run};
use super::health;
use super::object::Object;
use super::score::{Before, Said, Score, score};
use super::stage::{Stage, Types};
use super::watch::is_watched;
use super::world::{World, seconds};
use crate::demo::Stop;

/// How long the healthy state may take to come.
const HEALTHY: Duration = Duration::from_secs(150);
/// Between two looks at it; three in a row must be good.
const LOOK: Duration = Duration::from_millis(700);
/// Quiet before the fault, so that late news of the start is not taken for news of the fault.
const QUIET: Duration = Duration::from_secs(5);
/// Seconds after which nothing more is waited for.
const DEADLINE: f64 = 90.0;
/// Seconds that a negative case is watched beyond its `settle_seconds`.
const CALM: f64 = 20.0;
/// Seconds without another Issue after which there are as many as there will be.
const STILL: f64 = 5.0;

/// What all runs have in common.
pub struct Ground<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What is known of it.
    pub world: &'a World,
    /// Whether to end.
    pub stop: &'a Stop,
    /// What the API server knows.
    pub types: &'a Types,
    /// Names of the images on the nodes.
    pub images: &'a [String],
    /// Whether simulated nodes are played.
    pub nodes: bool,
    /// Folder for the files of the runs.
    pub folder: &'a Path,
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

/// A name that teaches nothing, and that no other run has.
///
/// # Errors
/// When there is no source of randomness.
pub fn random_name() -> anyhow::Result<String> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0; 9];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes).context("no randomness")?;
    let pick = |index: usize, byte: &u8| {
        let from = if index == 0 { LETTERS } else { ALL };
        from.get(usize::from(*byte) % from.len()).map(|letter| char::from(*letter))
    };
    Ok(bytes.iter().enumerate().filter_map(|(index, byte)| pick(index, byte)).collect())
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
            run: run.name.clone(),
            ..Outcome::not_run(&case.id, Verdict::Skipped(String::new()))
        };
        if !run.expect.unknown.is_empty() {
            outcome.notes.push(format!("fields that nobody looked at: {}", run.expect.unknown.join(", ")));
        }
        if let Some(need) = run.expect.needs.iter().find(|need| !self.has(need)) {
            outcome.verdict = Verdict::Skipped(format!("needs {need}, which this cluster does not have"));
            return Ok(outcome);
        }
        if let Err(error) = self.types.check(run) {
            outcome.verdict = Verdict::Invalid(format!("{error:#}"));
            return Ok(outcome);
        }
        let stage = Stage::new(self.cluster, run, self.types, self.folder.join(&case.id))?;
        if let Err(error) = self.play(run, &stage, &mut outcome) {
            outcome.verdict = Verdict::Invalid(format!("{error:#}"));
        }
        if self.keep_failed && outcome.score().is_none_or(|score| !score.is_right()) {
            outcome.notes.push(format!("kept: namespace {}", run.name));
        } else {
            self.remove(run, &stage, &mut outcome);
        }
        // A command that Ctrl-C ended says nothing about the case.
        self.stop.check()?;
        outcome.took = began.elapsed().as_secs_f64();
        Ok(outcome)
    }

    fn has(&self, need: &str) -> bool {
        match need.strip_prefix("image:") {
            Some(image) => self.images.iter().any(|there| there == image || there.ends_with(&format!("/{image}"))),
            None => need == "node" && self.nodes,
        }
    }

    fn play(&self, run: &Run, stage: &Stage<'_>, outcome: &mut Outcome) -> anyhow::Result<()> {
        stage.apply(self.stop)?;
        self.healthy(run)?;
        std::thread::sleep(QUIET);
        // A state that only looked healthy for a moment is none.
        self.healthy(run)?;
        let earlier = self.world.said(&run.name, Instant::now());
        let before = Before::of(&earlier);
        outcome.early = Before::default().news(&earlier, &run.expect.old_trouble);

        let fault = stage.fault()?;
        self.look(run, &before, fault.ended)?;
        let symptom = self.world.first_worse(&run.name, fault.began, &run.expect.symptoms);
        outcome.symptom = symptom.map(|(at, finding)| (seconds(at, fault.ended), finding));
        let said = self.world.said(&run.name, fault.ended);
        let at = outcome.symptom.as_ref().map(|(at, _)| *at);
        outcome.verdict = Verdict::Scored(Box::new(score(&run.expect, &before, &said, at)));
        Ok(())
    }

    /// Waits for the healthy state.
    fn healthy(&self, run: &Run) -> anyhow::Result<()> {
        let documents = run.documents.iter().map(|document| &document.object).filter(|o| is_watched(&o.kind));
        let expected: Vec<Object> = documents.map(|object| placed(object, run)).collect();
        let began = Instant::now();
        let mut good = 0;
        while good < 3 {
            self.stop.check()?;
            std::thread::sleep(LOOK);
            let there = self.world.objects(&run.name);
            let found = health::unhealthy(&expected, &there, &run.expect.old_trouble);
            good = if found.is_empty() { good + 1 } else { 0 };
            if began.elapsed() > HEALTHY {
                bail!("the state before the fault is not healthy after {} s: {}", HEALTHY.as_secs(), found.join("; "));
            }
        }
        Ok(())
    }

    /// Looks until there is nothing more to be seen.
    fn look(&self, run: &Run, before: &Before, ended: Instant) -> anyhow::Result<()> {
        let Expect { negative, settle, old_trouble, .. } = &run.expect;
        let deadline = if *negative { settle + CALM } else { DEADLINE.max(settle + CALM) };
        loop {
            self.stop.check()?;
            let now = ended.elapsed().as_secs_f64();
            let news = before.news(&self.world.said(&run.name, ended), old_trouble);
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
        let known = self.world.said(&run.name, zero);
        if let Err(error) = stage.clean(&self.world.issues_elsewhere(&run.name)) {
            outcome.notes.push(format!("{error:#}"));
        }
        let now = self.world.said(&run.name, zero);
        outcome.late = now.into_iter().filter(|said| !known.iter().any(|other| other.uid == said.uid)).collect();
        self.world.forget(&run.name);
    }
}

/// An object of the setup where it lands: without a namespace in that of the run, if its kind has one.
fn placed(object: &Object, run: &Run) -> Object {
    let everywhere = object.kind == "Node";
    let namespace = if everywhere { None } else { object.namespace.clone().or_else(|| Some(run.name.clone())) };
    Object { namespace, ..object.clone() }
}

fn expected(expect: &Expect) -> String {
    let field = expect.field.as_ref().map(|field| format!(", field {}", field.text)).unwrap_or_default();
    match &expect.root {
        Some((kind, name)) => format!("{} {}{field}", kind.text, name.text),
        None => "no Issue".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_one_of_a_namespace_and_of_a_service() {
        let names: Vec<String> = (0..50).map(|_| super::random_name().unwrap()).collect();
        for name in &names {
            assert!(name.len() == 9 && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
        assert!(names.iter().collect::<std::collections::HashSet<_>>().len() > 45);
    }
}
