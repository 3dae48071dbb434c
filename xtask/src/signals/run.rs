//! One case: healthy state, rest, cause, Anomaly, fix, end of the Anomaly, removal.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde::Serialize;

use super::case::Case;
use crate::incident::Site;
use crate::incident::said::Noticed;
use crate::incident::stage::Stage;

/// How many times longer than its target a signal is waited for, and how many seconds at least.
const TIMES: f64 = 2.0;
const LEAST: f64 = 60.0;
/// Seconds without the signal after which it is really over.
const STILL: Duration = Duration::from_secs(6);
/// Between two looks; times come from the watches, not from here.
const LOOK: Duration = Duration::from_millis(200);

/// What came of a case.
#[derive(Serialize)]
pub struct Outcome {
    /// The signal.
    pub signal: String,
    /// The cause in a few words.
    pub cause: String,
    /// Seconds from the end of the script that made the cause to the Anomaly.
    pub anomaly: Option<f64>,
    /// Seconds from the end of the script that took the cause away to the end of the Anomaly.
    pub resolved: Option<f64>,
    /// Seconds within which both are expected.
    pub within: [f64; 2],
    /// What the Anomaly says.
    pub description: String,
    /// Why the case could not be run, or what it lacked.
    pub trouble: Option<String>,
    /// Anomalies about its healthy state.
    pub early: Vec<Noticed>,
    /// Other Anomalies after the cause was made.
    pub others: Vec<Noticed>,
    /// Seconds of the whole run.
    pub took: f64,
}

impl Outcome {
    /// Whether both times are there, and short enough.
    pub fn is_right(&self) -> bool {
        let [within, over_within] = self.within;
        self.anomaly.is_some_and(|took| took <= within) && self.resolved.is_some_and(|took| took <= over_within)
    }

    /// In a line.
    pub fn line(&self) -> String {
        let time = |took: Option<f64>| took.map_or_else(|| "–".to_owned(), |took| format!("{took:.1} s"));
        let times = format!("Anomaly after {}, over after {}", time(self.anomaly), time(self.resolved));
        match &self.trouble {
            Some(why) => format!("NOT RIGHT: {times}; {why}"),
            None if self.is_right() => times,
            None => format!("LATE: {times}, targets {:.0} and {:.0} s", self.within[0], self.within[1]),
        }
    }
}

/// Runs a case.
///
/// # Errors
/// When the run was stopped, or the cluster does not answer; whatever is wrong with the case is in its outcome.
pub fn run(site: &Site, case: &Case, keep: bool) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let mut outcome = Outcome {
        signal: case.signal.clone(),
        cause: case.cause.clone(),
        anomaly: None,
        resolved: None,
        within: [case.within, case.over_within],
        description: String::new(),
        trouble: None,
        early: Vec::new(),
        others: Vec::new(),
        took: 0.0,
    };
    let stage = Stage::new(&site.cluster, &case.scene, &site.types, site.folder.join(&case.signal))?;
    let played = play(site, case, &stage, &mut outcome);
    site.stop.check()?;
    outcome.trouble = played.err().map(|error| format!("{error:#}"));
    if keep && outcome.trouble.is_some() {
        println!("kept: namespace {} of {}", case.scene.name, case.signal);
    } else if let Err(error) = stage.clean(&site.world.issues_elsewhere(&case.scene.name)) {
        println!("note: {} is not removed: {error:#}", case.signal);
    }
    site.world.forget(&case.scene.name);
    outcome.took = began.elapsed().as_secs_f64();
    Ok(outcome)
}

fn play(site: &Site, case: &Case, stage: &Stage<'_>, outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut tools = Vec::new();
    for need in &case.needs {
        match need.as_str() {
            "helm" => tools.extend(cluster::tools::helm()?.parent().map(ToOwned::to_owned)),
            need if site.has(need) => {}
            need => bail!("it needs {need}, which this cluster does not have"),
        }
    }
    site.types.check(&case.scene)?;
    stage.apply(&site.stop)?;
    site.settle(&case.scene, &[])?;
    pause(site, Duration::from_secs_f64(case.rest))?;
    outcome.early = site.world.noticed(&case.scene.name, Instant::now());
    let early: Vec<String> = outcome.early.iter().map(|signal| signal.uid.clone()).collect();

    let fault = stage.script("fault", &case.fault, &tools)?;
    let seen = |zero: Instant| -> (Vec<Noticed>, Vec<Noticed>) {
        let news = site.world.noticed(&case.scene.name, zero).into_iter().filter(|signal| !early.contains(&signal.uid));
        news.partition(|news| {
            news.signal == case.signal && news.objects.iter().any(|object| case.object.is(&object.id()))
        })
    };
    let found = until(site, case.within, || seen(fault.ended).0.first().cloned())?;
    outcome.others = seen(fault.ended).1;
    let Some(found) = found else {
        let others: Vec<String> = outcome.others.iter().map(named).collect();
        bail!("no Anomaly about {}; there {}", case.object.text, listed(&others));
    };
    outcome.anomaly = Some(found.after.max(0.0));
    outcome.description = found.description;

    let fix = stage.script("fix", &case.fix, &tools)?;
    // One that comes back is not over.
    let end = until(site, case.over_within, || {
        let ends: Option<Vec<f64>> = seen(fix.ended).0.iter().map(|signal| signal.resolved).collect();
        let last = ends?.into_iter().reduce(f64::max)?;
        (fix.ended.elapsed().as_secs_f64() >= last.max(0.0) + STILL.as_secs_f64()).then_some(last)
    })?;
    outcome.others = seen(fault.ended).1;
    let Some(end) = end else { bail!("the Anomaly is not over") };
    outcome.resolved = Some(end.max(0.0));
    Ok(())
}

fn named(signal: &Noticed) -> String {
    let object = signal.objects.first().map(crate::incident::object::Object::id).unwrap_or_default();
    format!("{} about {object}", signal.signal)
}

fn listed(others: &[String]) -> String {
    if others.is_empty() { "is none at all".to_owned() } else { format!("is {}", others.join(", ")) }
}

/// Waits for something for longer than it should take.
fn until<T>(site: &Site, target: f64, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<Option<T>> {
    let (began, patience) = (Instant::now(), (target * TIMES).max(LEAST));
    loop {
        let found = look();
        if found.is_some() || began.elapsed().as_secs_f64() > patience {
            return Ok(found);
        }
        pause(site, LOOK)?;
    }
}

/// Waits, unless the run is to end.
fn pause(site: &Site, time: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        site.stop.check()?;
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(500)));
    }
}
