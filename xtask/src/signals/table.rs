//! What people and machines read: a row per signal, in the order of the platform's vocabulary.

use std::path::Path;

use serde_json::json;

use super::run::Outcome;
use crate::incident::object::Object;

/// Signals of the contract; those after them are the platform's own.
const CONTRACT: usize = 24;

/// All that came of the cases.
pub struct Table {
    /// The signals that should be there.
    signals: Vec<String>,
    outcomes: Vec<Outcome>,
}

impl Table {
    /// Of these signals.
    pub fn new(signals: Vec<String>, mut outcomes: Vec<Outcome>) -> Self {
        let place = |outcome: &Outcome| signals.iter().position(|signal| *signal == outcome.signal);
        outcomes.sort_by_key(place);
        Self { signals, outcomes }
    }

    fn of(&self, signal: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.signal == signal)
    }

    /// Prints the table, and what is not as it should be.
    pub fn print(&self) {
        let time = |took: Option<f64>| took.map_or_else(|| "–".to_owned(), |took| format!("{took:.1}"));
        println!("\n{:<22} {:<78} {:>10} {:>11}  target reached", "signal", "cause made", "to Anomaly", "to resolved");
        for signal in &self.signals {
            let Some(outcome) = self.of(signal) else {
                println!("{signal:<22} no case");
                continue;
            };
            let [within, over_within] = outcome.within;
            println!(
                "{signal:<22} {:<78} {:>8} s {:>9} s  {} ({within:.0} s, {over_within:.0} s)",
                outcome.cause,
                time(outcome.anomaly),
                time(outcome.resolved),
                if outcome.is_right() { "yes" } else { "NO" },
            );
        }
        println!();
        for outcome in &self.outcomes {
            outcome.trouble.iter().for_each(|why| println!("{}: {why}", outcome.signal));
            for (when, signals) in [("in the healthy state", &outcome.early), ("beside it", &outcome.others)] {
                for other in signals {
                    let objects: Vec<String> = other.objects.iter().map(Object::id).collect();
                    println!(
                        "{}: {when} {} about {}, {:.1} s: {}",
                        outcome.signal,
                        other.signal,
                        objects.join(", "),
                        other.after,
                        other.description
                    );
                }
            }
        }
        let right = self.outcomes.iter().filter(|outcome| outcome.is_right()).count();
        println!("\n{right} of {} signals as they should be", self.signals.len());
    }

    /// Signals that are missing, do not end, or are late.
    pub fn missed(&self) -> Vec<String> {
        let missed = |signal: &String| match self.of(signal) {
            None => Some(format!("{signal} has no case")),
            Some(outcome) if !outcome.is_right() => Some(format!("{signal}: {}", outcome.line())),
            Some(_) => None,
        };
        self.signals.iter().filter_map(missed).collect()
    }

    /// Writes everything for machines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let all =
            json!({"signals": self.signals, "contract": CONTRACT, "cases": self.outcomes, "missed": self.missed()});
        std::fs::write(file, serde_json::to_vec_pretty(&all)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(signal: &str, anomaly: Option<f64>, resolved: Option<f64>) -> Outcome {
        Outcome {
            signal: signal.into(),
            cause: String::new(),
            anomaly,
            resolved,
            within: [10.0, 20.0],
            description: String::new(),
            trouble: None,
            early: Vec::new(),
            others: Vec::new(),
            took: 0.0,
        }
    }

    #[test]
    fn a_signal_that_is_missing_late_or_stays_is_told() {
        let signals = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let outcomes = vec![
            outcome("c", Some(11.0), Some(1.0)),
            outcome("a", Some(1.0), Some(1.0)),
            outcome("b", Some(1.0), None),
        ];
        let missed = Table::new(signals, outcomes).missed();
        assert_eq!(missed.len(), 3, "{missed:?}");
        assert!(missed[0].starts_with('b') && missed[1].starts_with("c: LATE") && missed[2] == "d has no case");
    }
}
