//! Alerts that Alertmanager reports: from its webhook (version 4) to alerts of ours.
//!
//! What lives here: how its messages are read, which signal, severity and object an alert is about, its words, and the
//! inbox that knows what is open, repeated, late or over. What does not: HTTP (`grpc`), the caches (`detector`).
//!
//! Whatever a message says is a claim of somebody outside: names are checked, texts are bounded and scrubbed, and no part
//! of it decides more than which object is looked at.

mod inbox;
mod payload;
mod place;
mod report;
mod signal;
mod words;

pub use inbox::{Heard, Inbox, kept_for};
pub use payload::{BadPayload, Notice, Payload};
pub use place::{Objects, Place, place};
pub use report::Report;
pub use signal::{Said, said};

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};

use super::{Alert, Observation, Rule, Source};
use crate::llm::Scrubber;

/// How far a clock may be ahead before a time is not believed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The alert of a notice, about an object and with the root that it belongs to. `kept` is how long it counts as there
/// without being repeated.
pub fn alert(
    notice: &Notice,
    (place, root): (Place, ObjectRef),
    severity: Severity,
    scrubber: Option<&Scrubber>,
    kept: SignedDuration,
    now: Timestamp,
) -> Alert {
    let began = notice.starts_at.filter(|at| *at <= now.saturating_add(AHEAD).unwrap_or(now)).unwrap_or(now).min(now);
    let words = words::Words::of(notice, scrubber);
    Alert {
        id: notice.id(),
        signal: said(notice, &place.object).signal,
        rule: Rule::Reported,
        severity,
        root,
        pod: place.pod,
        container: place.container,
        message: words.message,
        value: words.value,
        threshold: "the alert does not fire".to_owned(),
        first_seen: began,
        last_seen: now,
        count: 1,
        evidence: vec![Observation {
            source: Source::Metric,
            object: place.object.clone(),
            detail: words.labels,
            time: Some(began),
        }],
        workload: place.object,
        resolved_at: None,
        kept: Some(kept),
    }
}

#[cfg(test)]
mod tests;
