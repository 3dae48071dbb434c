//! What people and machines read: a line per case as it ends, the table, what the platform said where it is not right,
//! totals with their targets, and all of it as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::busy::Busy;
use super::run::{Outcome, Verdict};
use super::score::Score;
use crate::incident::object::Object;
use crate::incident::said::Said;

/// Least shares of the cases, in percent, and of what.
const NOTICED: usize = 98;
const EXACT: usize = 90;
const ONE_ISSUE: usize = 95;

/// All that came of the cases.
pub struct Report {
    outcomes: Vec<Outcome>,
    /// Issues about nothing that a case made.
    strays: Vec<Said>,
    /// The healthy neighbour.
    busy: Option<Busy>,
}

/// How many of how many.
#[derive(Clone, Copy, Default)]
struct Share {
    yes: usize,
    of: usize,
}

impl Share {
    fn of<'a>(scores: impl Iterator<Item = &'a Score>, is: impl Fn(&Score) -> bool) -> Self {
        let mut share = Self::default();
        for score in scores {
            share.of += 1;
            share.yes += usize::from(is(score));
        }
        share
    }

    fn text(self) -> String {
        if self.of == 0 {
            return "–".to_owned();
        }
        format!("{} ({:.0} %)", self.yes, 100.0 * self.yes as f64 / self.of as f64)
    }

    fn reaches(self, percent: usize) -> bool {
        self.yes * 100 >= self.of * percent
    }
}

/// A line about a case that has just ended.
pub fn line(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Invalid(why) => format!("invalid: {why}"),
        Verdict::Skipped(why) => format!("skipped: {why}"),
        Verdict::Scored(score) if !score.is_right() => format!("NOT RIGHT: {}", score.misses.join("; ")),
        Verdict::Scored(_) if outcome.negative => "right: no Issue".to_owned(),
        Verdict::Scored(score) => format!("right: Issue after {}", time(score.delay)),
    }
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2} s"))
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "NO" }
}

impl Report {
    /// Of these cases.
    pub fn new(mut outcomes: Vec<Outcome>, strays: Vec<Said>, busy: Option<Busy>) -> Self {
        outcomes.sort_by(|a, b| a.id.cmp(&b.id));
        Self { outcomes, strays, busy }
    }

    /// How many cases there were.
    pub fn cases(&self) -> usize {
        self.outcomes.len()
    }

    fn scored(&self, negative: bool) -> impl Iterator<Item = (&Outcome, &Score)> {
        self.outcomes
            .iter()
            .filter(move |outcome| outcome.negative == negative)
            .filter_map(|outcome| Some((outcome, outcome.score()?)))
    }

    fn positives(&self) -> impl Iterator<Item = &Score> {
        self.scored(false).map(|(_, score)| score)
    }

    /// Prints everything; what is not right is explained, or, with `all`, every case.
    pub fn print(&self, all: bool) {
        self.print_table();
        for outcome in &self.outcomes {
            let right =
                outcome.score().is_none_or(Score::is_right) && outcome.early.is_empty() && outcome.late.is_empty();
            if all || !right {
                explain(outcome);
            }
        }
        for stray in &self.strays {
            println!("\nAn Issue about nothing that a case made:");
            say(stray);
        }
        for alarm in self.busy.iter().flat_map(|busy| &busy.said) {
            println!("\nAn Issue about the healthy neighbour:");
            say(alarm);
        }
        self.print_totals();
    }

    fn print_table(&self) {
        let width = self.outcomes.iter().map(|outcome| outcome.id.len()).max().unwrap_or(4).max(4);
        println!(
            "\n{:<width$}  {:<6} {:<7} {:>6}  {:<5} {:<5} {:>12} {:>13} {:>9}",
            "case", "tier", "noticed", "Issues", "cause", "exact", "after fault", "after symptom", "statement"
        );
        for outcome in &self.outcomes {
            let (id, tier) = (&outcome.id, &outcome.tier);
            match &outcome.verdict {
                Verdict::Scored(score) if outcome.negative => {
                    let word = if score.false_alarm { "FALSE ALARM" } else { "silent, as it should be" };
                    println!("{id:<width$}  {tier:<6} {:<7} {:>6}  {word}", "", score.issues);
                }
                Verdict::Scored(score) => println!(
                    "{id:<width$}  {tier:<6} {:<7} {:>6}  {:<5} {:<5} {:>12} {:>13} {:>9}",
                    yes(score.noticed),
                    format!("{}{}", score.issues, if score.one_issue { "" } else { "!" }),
                    yes(score.cause),
                    yes(score.exact),
                    time(score.delay),
                    time(score.from_symptom),
                    score.length.map_or_else(|| "–".to_owned(), |length| length.to_string()),
                ),
                Verdict::Invalid(why) => println!("{id:<width$}  {tier:<6} invalid: {why}"),
                Verdict::Skipped(why) => println!("{id:<width$}  {tier:<6} skipped: {why}"),
            }
            outcome.notes.iter().for_each(|note| println!("{:<width$}  note: {note}", ""));
        }
    }

    fn print_totals(&self) {
        let mut tiers: BTreeMap<&str, Vec<&Score>> = BTreeMap::new();
        for (outcome, score) in self.scored(false) {
            tiers.entry(&outcome.tier).or_default().push(score);
        }
        let all: Vec<&Score> = self.positives().collect();
        println!(
            "\n{:<8} {:>5}  {:>12} {:>12} {:>12} {:>12}",
            "tier", "cases", "noticed", "one Issue", "cause", "exact"
        );
        for (tier, scores) in tiers.into_iter().chain([("all", all)]) {
            let share = |is: fn(&Score) -> bool| Share::of(scores.iter().copied(), is).text();
            println!(
                "{tier:<8} {:>5}  {:>12} {:>12} {:>12} {:>12}",
                scores.len(),
                share(|score| score.noticed),
                share(|score| score.one_issue),
                share(|score| score.cause),
                share(|score| score.exact)
            );
        }
        println!("\n{:<22} {:>9} {:>9} {:>9}", "seconds", "p50", "p90", "longest");
        for (name, values) in self.delays() {
            let [p50, p90, longest] = spread(values).map(time);
            println!("{name:<22} {p50:>9} {p90:>9} {longest:>9}");
        }
        let lengths = self.positives().filter_map(|score| score.length).map(|length| length as f64).collect();
        let [p50, p90, longest] =
            spread(lengths).map(|value| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.0}")));
        println!("{:<22} {p50:>9} {p90:>9} {longest:>9}", "characters of a cause");

        println!("\n{:<24} {:>5} {:>12} {:>10}", "cause named", "cases", "exact", "said sure");
        for (class, share, sure) in self.classes() {
            println!("{class:<24} {:>5} {:>12} {sure:>10.2}", share.of, share.text());
        }

        let count = |of: fn(&Outcome) -> usize| self.outcomes.iter().map(of).sum::<usize>();
        println!("\nharmless changes: {}, false alarms: {}", self.scored(true).count(), self.false_alarms());
        if let Some(busy) = &self.busy {
            let changes: Vec<String> = busy.changes.iter().map(|(what, times)| format!("{times} × {what}")).collect();
            println!(
                "healthy neighbour: busy for {:.0} min ({}), false alarms: {}",
                busy.took / 60.0,
                changes.join(", "),
                busy.said.len()
            );
            busy.trouble.iter().for_each(|why| println!("healthy neighbour: ended early, {why}"));
        }
        println!("Issues on a healthy start: {}", count(|outcome| outcome.early.len()));
        println!("Issues while a case was removed: {}", count(|outcome| outcome.late.len()));
        println!("Issues about nothing that a case made: {}", self.strays.len());
        for (word, is) in [("invalid", true), ("skipped", false)] {
            let ids = self.outcomes.iter().filter(|outcome| match outcome.verdict {
                Verdict::Invalid(_) => is,
                Verdict::Skipped(_) => !is,
                Verdict::Scored(_) => false,
            });
            let ids: Vec<&str> = ids.map(|outcome| outcome.id.as_str()).collect();
            if !ids.is_empty() {
                println!("{word}: {} ({})", ids.len(), ids.join(", "));
            }
        }
        println!();
        for (name, value, target, reached) in self.targets() {
            println!("{name:<24} {value:>12}  target {target:<8} {}", if reached { "reached" } else { "NOT reached" });
        }
    }

    fn delays(&self) -> [(&'static str, Vec<f64>); 3] {
        let values = |of: fn(&Score) -> Option<f64>| self.positives().filter_map(of).collect();
        [
            ("fault → Issue", values(|score| score.delay)),
            ("symptom → Issue", values(|score| score.from_symptom)),
            ("fault → cause", values(|score| score.cause_delay)),
        ]
    }

    /// By class of the cause that was named: how often it was the right one, and how sure the platform said it was.
    fn classes(&self) -> Vec<(&str, Share, f64)> {
        let mut classes: BTreeMap<&str, (Share, f64)> = BTreeMap::new();
        for score in self.positives() {
            let Some(class) = &score.class else { continue };
            let (share, sure) = classes.entry(class).or_default();
            share.of += 1;
            share.yes += usize::from(score.exact);
            *sure += score.confidence.unwrap_or_default();
        }
        classes.into_iter().map(|(class, (share, sure))| (class, share, sure / share.of as f64)).collect()
    }

    fn false_alarms(&self) -> usize {
        self.scored(true).filter(|(_, score)| score.false_alarm).count()
    }

    fn targets(&self) -> Vec<(&'static str, String, String, bool)> {
        let share = |is: fn(&Score) -> bool| Share::of(self.positives(), is);
        let invalid = self.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Invalid(_))).count();
        let least =
            |name, share: Share, percent| (name, share.text(), format!("≥ {percent} %"), share.reaches(percent));
        let none = |name, count: usize| (name, count.to_string(), "0".to_owned(), count == 0);
        vec![
            least("noticed", share(|score| score.noticed), NOTICED),
            least("object and field exact", share(|score| score.exact), EXACT),
            least("one Issue", share(|score| score.one_issue), ONE_ISSUE),
            none("false alarms", self.false_alarms() + self.busy.as_ref().map_or(0, |busy| busy.said.len())),
            // A case that does not work proves nothing, and must not pass for one that was right.
            none("invalid cases", invalid),
        ]
    }

    /// The targets that are missed.
    pub fn missed(&self) -> Vec<String> {
        let missed = self.targets().into_iter().filter(|(_, _, _, reached)| !reached);
        missed.map(|(name, value, target, _)| format!("{name} {value}, target {target}")).collect()
    }

    /// Writes everything for machines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let targets: Vec<Value> = self
            .targets()
            .into_iter()
            .map(|(name, value, target, reached)| json!({"name": name, "value": value, "target": target, "reached": reached}))
            .collect();
        let delays: Vec<Value> = self
            .delays()
            .into_iter()
            .map(|(name, values)| {
                let [p50, p90, longest] = spread(values);
                json!({"name": name, "p50": p50, "p90": p90, "longest": longest})
            })
            .collect();
        let classes: Vec<Value> = self
            .classes()
            .into_iter()
            .map(|(class, share, sure)| json!({"class": class, "exact": share.yes, "cases": share.of, "confidence": sure}))
            .collect();
        let all = json!({"classes": classes, "busy": self.busy, "cases": self.outcomes, "strays": self.strays, "targets": targets, "delays": delays});
        std::fs::write(file, serde_json::to_vec_pretty(&all)?)?;
        Ok(())
    }
}

/// Median, ninth tenth and longest, each a value that was measured.
fn spread(mut values: Vec<f64>) -> [Option<f64>; 3] {
    values.sort_by(f64::total_cmp);
    let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    [rank(50), rank(90), rank(100)]
}

fn explain(outcome: &Outcome) {
    println!("\n{}  {}  {}", outcome.id, outcome.tier, outcome.fault);
    println!("  expected  {}", outcome.expected);
    if !outcome.fix.is_empty() {
        println!("  remedy    {}", outcome.fix);
    }
    if let Some((at, finding)) = &outcome.symptom {
        println!("  shown     {finding}, {at:.2} s after the fault");
    }
    if let Some(score) = outcome.score() {
        if !score.misses.is_empty() {
            println!("  missing   {}", score.misses.join("; "));
        }
        score.said.iter().for_each(say);
    }
    for (when, issues) in [("on a healthy start", &outcome.early), ("while it was removed", &outcome.late)] {
        for issue in issues {
            println!("  {when}:");
            say(issue);
        }
    }
}

fn say(said: &Said) {
    let objects: Vec<String> = said.objects.iter().map(Object::id).collect();
    println!("  Issue     {} ({}), {:.2} s: {}", said.issue, said.signal, said.after, said.description);
    println!("            about {}", objects.join(", "));
    for cause in &said.causes {
        let value = cause.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
        println!(
            "  cause     {} {}{value} (sure to {:.2}, {:.2} s)\n            “{}” ({} characters)",
            cause.object.id(),
            cause.path.as_deref().unwrap_or("without a field"),
            cause.confidence,
            cause.after,
            cause.statement,
            cause.statement.chars().count()
        );
    }
    if said.causes.is_empty() {
        println!("  cause     {}", if said.analyzed { "none is named" } else { "not analysed yet" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: &str, negative: bool, score: Score) -> Outcome {
        let verdict = Verdict::Scored(Box::new(score));
        Outcome { negative, tier: "T1".into(), ..Outcome::not_run(id, verdict) }
    }

    fn right() -> Score {
        Score {
            noticed: true,
            issues: 1,
            one_issue: true,
            cause: true,
            exact: true,
            delay: Some(1.0),
            ..Score::default()
        }
    }

    #[test]
    fn values_that_were_measured_are_reported() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), [Some(2.0), Some(3.0), Some(3.0)]);
        assert_eq!(spread((1..=100).map(f64::from).collect()), [Some(50.0), Some(90.0), Some(100.0)]);
        assert_eq!(spread(Vec::new()), [None, None, None]);
    }

    #[test]
    fn targets_are_shares_of_the_faults_and_counts_of_the_alarms() {
        let mut outcomes: Vec<Outcome> = (0..49).map(|i| outcome(&format!("a{i}"), false, right())).collect();
        outcomes.push(outcome("b", false, Score { exact: false, ..right() }));
        assert!(Report::new(outcomes, Vec::new(), None).missed().is_empty());

        let unseen = (0..2).map(|i| outcome(&format!("a{i}"), false, Score { noticed: i == 0, ..right() }));
        let missed = Report::new(unseen.collect(), Vec::new(), None).missed();
        assert_eq!(missed, ["noticed 1 (50 %), target ≥ 98 %"]);

        let alarm = outcome("c", true, Score { false_alarm: true, issues: 1, ..Score::default() });
        assert_eq!(Report::new(vec![alarm], Vec::new(), None).missed(), ["false alarms 1, target 0"]);
        let invalid = Outcome::not_run("d", Verdict::Invalid("no YAML".into()));
        assert_eq!(Report::new(vec![invalid], Vec::new(), None).missed(), ["invalid cases 1, target 0"]);
        let skipped = Outcome::not_run("e", Verdict::Skipped("needs node".into()));
        assert!(Report::new(vec![skipped], Vec::new(), None).missed().is_empty());
    }
}
