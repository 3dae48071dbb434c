//! The pods of a node against the number that it may have.

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};

use super::meter::blank;
use super::standing::{Level, Standing};
use super::{CLEAR, percent};
use crate::detection::{Observation, Rule, Source, Symptom};

/// Share of the places that may be taken.
const OPENS: f64 = 0.9;
const CLOSES: f64 = 0.85;
/// A rollout that makes room as it goes, a Job of many pods: both are over within this.
const HOLD: SignedDuration = SignedDuration::from_secs(60);

/// How many pods a node has, and may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Pods that take a place.
    pub taken: u32,
    /// `status.allocatable.pods`.
    pub allocatable: u32,
}

/// How the pods of a node stand to its places.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    standing: Standing,
}

impl Crowd {
    /// The symptom that is there now.
    pub fn judge(&mut self, node: &ObjectRef, places: Places, began: bool, now: Timestamp) -> Option<Symptom> {
        let Places { taken, allocatable } = places;
        let share = f64::from(taken) / f64::from(allocatable.max(1));
        let level = if allocatable == 0 { Level::Unknown } else { Level::of(share, OPENS, CLOSES) };
        let since = if began { now.saturating_sub(HOLD).unwrap_or(now) } else { now };
        let detail = format!("{taken} pods, status.allocatable.pods: {allocatable}");
        self.standing.turn(level, (since, now), (HOLD, CLEAR), |since| Symptom {
            severity: if taken >= allocatable { Severity::High } else { Severity::Medium },
            message: format!("node {} has {taken} of the {allocatable} pods that it may have", node.name),
            value: format!("{taken} of {allocatable} pods"),
            threshold: format!("less than {}", percent(OPENS)),
            evidence: vec![Observation { source: Source::Metric, object: node.clone(), detail, time: Some(now) }],
            ..blank(Rule::PodCapacity, node, since)
        })
    }

    /// Whether nothing must be kept.
    pub fn is_idle(&self) -> bool {
        self.standing.is_idle()
    }
}
