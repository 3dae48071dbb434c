//! From numbers to symptoms: error ratio, latency, CPU, memory, and the pods of a node.
//!
//! What lives here: the reading of an application's own metrics, growth between two readings, thresholds with their holds,
//! and what makes a symptom of them. What does not: whom to ask and how often (`detector`), and causes (`diagnosis`).
//!
//! | signal | opens when | closes when |
//! |---|---|---|
//! | `error_rate` | ≥ 5 % of the requests, and at least 5 of them, fail for 60 s | < 4 % for 60 s |
//! | `latency` | the slowest 1 % take longer than 1 s and than 3 times the usual, at least 5 of them, for 60 s | not for 60 s |
//! | `cpu_high` | a container uses ≥ 90 % of its CPU limit for 5 min | < 81 % for 60 s |
//! | `memory_high` | a container's working set is ≥ 90 % of its limit and grows, or ≥ 97 %, for 5 min | < 86 % for 60 s |
//! | `pod_capacity_high` | a node has ≥ 90 % of the pods that it may have for 60 s | < 85 % for 60 s |
//!
//! Errors and latency are those of the last readings that have at least 20 requests together, not older than 5 min: what
//! counters hold since the process began says nothing about now. What probes ask is not counted where it can be told.
//! [`Thresholds`] are of each target.

mod load;
mod meter;
mod room;
mod shape;
mod standing;
mod tally;
mod text;

pub use load::{Load, Usage, limits};
pub use meter::{Meter, Subject};
pub use room::{Crowd, Places};
pub use shape::{Requests, Tally, Times};
pub use standing::{Level, Standing};
pub use text::{Sample, samples};

use jiff::SignedDuration;

/// From which values on something is a symptom; none is the usual one of the table above.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thresholds {
    /// Percent of the requests that fail.
    pub error_percent: Option<u32>,
    /// Milliseconds that the slowest 1 % of the requests take, whatever is usual.
    pub latency_millis: Option<u32>,
    /// Percent of the CPU limit.
    pub cpu_percent: Option<u32>,
    /// Percent of the memory limit.
    pub memory_percent: Option<u32>,
    /// Seconds for which it must hold.
    pub hold_seconds: Option<u32>,
}

/// A burst of errors during a rollout or a drain is over within this.
const REQUESTS_HOLD: SignedDuration = SignedDuration::from_secs(60);
/// The start of a runtime, a cache that fills, a scale-up: all are over within this.
const LOAD_HOLD: SignedDuration = SignedDuration::from_mins(5);
/// For how long all must be well again.
const CLEAR: SignedDuration = SignedDuration::from_secs(60);

impl Thresholds {
    /// Share of the requests that may fail.
    pub fn errors(&self) -> f64 {
        f64::from(self.error_percent.unwrap_or(5)) / 100.0
    }

    /// Share of a CPU limit.
    pub fn cpu(&self) -> f64 {
        f64::from(self.cpu_percent.unwrap_or(90)) / 100.0
    }

    /// Share of a memory limit.
    pub fn memory(&self) -> f64 {
        f64::from(self.memory_percent.unwrap_or(90)) / 100.0
    }

    fn hold(&self, usual: SignedDuration) -> SignedDuration {
        self.hold_seconds.map_or(usual, |seconds| SignedDuration::from_secs(seconds.into()))
    }
}

/// A share as people write it: `12.5 %`.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// Seconds as people write them: `250 ms`, `1.5 s`.
fn seconds(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    let text = format!("{seconds:.1}");
    format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests;
