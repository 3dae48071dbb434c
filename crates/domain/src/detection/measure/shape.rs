//! What of an application's metrics speaks of requests, by the shapes that the usual libraries give them.
//!
//! | kind | name | told by |
//! |---|---|---|
//! | requests | has `request`, `response` or `http`, ends in `_total`, `_count` or `_requests` | a label with a status of HTTP: `500`, `5xx`, `5` |
//! | calls of gRPC | has `grpc` or `rpc`, and the same endings | a label `grpc_code`, `rpc_grpc_status_code` or `code` with a status of gRPC |
//! | latency | has one of these words, and `seconds`, `milliseconds` or `ms` before `_bucket` | a label `le` |
//!
//! What a process asks of others (`client`, `upstream`) is not what it is asked. Streams and watches last as long as they
//! are wanted.

use std::collections::BTreeMap;

use super::Sample;
use super::tally::{Answer, bounded, status};

/// Families of one kind that are kept of a pod.
const FAMILIES: usize = 8;
/// Bounds of a histogram that are kept.
const BOUNDS: usize = 64;
/// Kinds of failed requests that are kept of a family.
const KINDS: usize = 12;

/// Requests of one family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    /// All of them.
    pub all: f64,
    /// Those that failed by the server's fault.
    pub failed: f64,
    /// Which failed: method, route and status.
    pub what: BTreeMap<String, f64>,
}

/// How long the requests of one family took: cumulative counts by upper bound, in microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// Counts by upper bound; the last is without one.
    pub buckets: BTreeMap<u64, f64>,
}

/// The bound that is none.
pub(super) const INFINITE: u64 = u64::MAX;

/// What a pod has counted, or what it has counted between two readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// When the process began, in seconds of the epoch.
    pub started: Option<f64>,
    /// Seconds of CPU that the process has used.
    pub cpu: Option<f64>,
    /// Bytes of memory that the process has.
    pub resident: Option<f64>,
    /// Requests by family.
    pub requests: BTreeMap<String, Requests>,
    /// Latencies by family.
    pub times: BTreeMap<String, Times>,
}

const OUTWARD: [&str; 7] = ["client", "upstream", "outbound", "outgoing", "egress", "remote", "scrape"];

/// Whether a name has one of these words as a part of its own, or at the end of one.
fn has(name: &str, words: &[&str]) -> bool {
    name.split(['_', ':']).any(|part| words.iter().any(|word| part == *word || part.strip_suffix('s') == Some(*word)))
}

fn inward(name: &str) -> bool {
    has(name, &["request", "response", "http", "grpc", "rpc", "handling", "handled"]) && !has(name, &OUTWARD)
}

/// Whether a sample counts requests, by its name alone.
fn counts(name: &str) -> bool {
    (name.ends_with("_total") || name.ends_with("_count") || name.ends_with("_requests")) && inward(name)
}

/// What one unit of a family of latencies is in microseconds; none for families that are no latencies.
fn unit(family: &str) -> Option<f64> {
    if !inward(family) || has(family, &["byte", "size", "wait", "age"]) {
        return None;
    }
    let last = family.rsplit('_').next()?;
    match last {
        "seconds" => Some(1_000_000.0),
        "milliseconds" | "ms" => Some(1000.0),
        "microseconds" | "us" => Some(1.0),
        _ => None,
    }
}

/// Whether a sample is of requests that last as long as they are wanted.
fn lasting(sample: &Sample<'_>) -> bool {
    sample.labels().any(|(name, value)| match name {
        "grpc_type" | "rpc_type" => value != "unary",
        "verb" | "method" => matches!(&*value, "WATCH" | "CONNECT" | "watch" | "connect"),
        _ => false,
    })
}

/// Labels that name what is asked.
pub(super) const ROUTES: [&str; 6] = ["route", "http_route", "path", "handler", "uri", "endpoint"];

/// Whether a sample is of requests to one of these routes.
fn asks(sample: &Sample<'_>, routes: &[String]) -> bool {
    sample.labels().any(|(name, value)| ROUTES.contains(&name) && routes.iter().any(|route| *route == value))
}

impl Tally {
    /// Counts what a text tells; `wanted` says which names count. Requests to these routes do not: probes and scrapes ask
    /// them, and a pod that waits may answer as it should with an error.
    pub fn read(body: &[u8], wanted: impl Fn(&str) -> bool, skipped: &[String]) -> Self {
        let mut tally = Self::default();
        for sample in super::samples(body).filter(|sample| sample.value >= 0.0) {
            if wanted(sample.name) && (skipped.is_empty() || !asks(&sample, skipped)) {
                tally.take(&sample);
            }
        }
        tally
    }

    fn take(&mut self, sample: &Sample<'_>) {
        match sample.name {
            "process_start_time_seconds" => self.started = Some(sample.value),
            "process_cpu_seconds_total" => self.cpu = Some(self.cpu.unwrap_or_default() + sample.value),
            "process_resident_memory_bytes" => self.resident = Some(sample.value),
            name => {
                if let Some(family) = name.strip_suffix("_bucket") {
                    self.take_time(family, sample);
                } else if counts(name) {
                    self.take_requests(name, sample);
                }
            }
        }
    }

    fn take_requests(&mut self, name: &str, sample: &Sample<'_>) {
        let Some((answer, what)) = status(sample) else { return };
        if !self.requests.contains_key(name) && self.requests.len() >= FAMILIES {
            return;
        }
        let family = self.requests.entry(name.to_owned()).or_default();
        family.all += sample.value;
        if answer == Answer::Failed && sample.value > 0.0 {
            family.failed += sample.value;
            let known = family.what.contains_key(&what);
            if known || family.what.len() < KINDS {
                *family.what.entry(what).or_default() += sample.value;
            }
        }
    }

    fn take_time(&mut self, family: &str, sample: &Sample<'_>) {
        let Some(unit) = unit(family).filter(|_| !lasting(sample)) else { return };
        let Some(bound) = sample.label("le").and_then(|le| bound(&le, unit)) else { return };
        if !self.times.contains_key(family) && self.times.len() >= FAMILIES {
            return;
        }
        let times = self.times.entry(family.to_owned()).or_default();
        if bound == INFINITE || times.buckets.contains_key(&bound) || times.buckets.len() < BOUNDS {
            *times.buckets.entry(bound).or_default() += sample.value;
        }
    }

    /// Whether nothing in it speaks of requests.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.times.is_empty()
    }
}

fn bound(le: &str, unit: f64) -> Option<u64> {
    let le: f64 = le.parse().ok()?;
    if le == f64::INFINITY {
        return Some(INFINITE);
    }
    // Bounds beyond a year are of nobody.
    (le >= 0.0 && le.is_finite()).then(|| bounded(le * unit))
}
