//! What a status says, growth between two readings, and questions to histograms.

use std::collections::BTreeMap;

use super::Sample;
use super::shape::{INFINITE, ROUTES, Requests, Tally, Times};

/// Characters of a route or method that are kept.
const ROUTE: usize = 60;

/// Whose fault the answer to a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nobody's, or that of who asked.
    Served,
    /// The server's.
    Failed,
}

const HTTP: [&str; 9] = [
    "code",
    "status",
    "status_code",
    "response_code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_status",
    "statuscode",
];
const GRPC: [&str; 4] = ["grpc_code", "rpc_grpc_status_code", "grpc_status", "rpc_response_status_code"];

/// The statuses of gRPC that are the server's fault, as OpenTelemetry has it: by number, by Go's and by the long name.
const FAULTS: [(&str, &str, &str); 6] = [
    ("2", "Unknown", "UNKNOWN"),
    ("4", "DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("12", "Unimplemented", "UNIMPLEMENTED"),
    ("13", "Internal", "INTERNAL"),
    ("14", "Unavailable", "UNAVAILABLE"),
    ("15", "DataLoss", "DATA_LOSS"),
];
const SERVED: [&str; 22] = [
    "OK",
    "Canceled",
    "Cancelled",
    "CANCELLED",
    "InvalidArgument",
    "INVALID_ARGUMENT",
    "NotFound",
    "NOT_FOUND",
    "AlreadyExists",
    "ALREADY_EXISTS",
    "PermissionDenied",
    "PERMISSION_DENIED",
    "Unauthenticated",
    "UNAUTHENTICATED",
    "ResourceExhausted",
    "RESOURCE_EXHAUSTED",
    "FailedPrecondition",
    "FAILED_PRECONDITION",
    "Aborted",
    "ABORTED",
    "OutOfRange",
    "OUT_OF_RANGE",
];

fn grpc_word(value: &str) -> Option<Answer> {
    if FAULTS.iter().any(|(_, go, long)| *go == value || *long == value) {
        return Some(Answer::Failed);
    }
    SERVED.contains(&value).then_some(Answer::Served)
}

fn grpc(value: &str) -> Option<Answer> {
    let number = value.parse::<u8>().ok().filter(|number| *number <= 16);
    let by_number =
        number.map(|_| if FAULTS.iter().any(|(code, _, _)| *code == value) { Answer::Failed } else { Answer::Served });
    by_number.or_else(|| grpc_word(value))
}

/// `500`, `5xx`, `5XX` or `5`; `0` and `-1` are answers that nobody got.
fn http(value: &str) -> Option<Answer> {
    let (class, rest) = value.split_at_checked(1)?;
    let class = class.parse::<u8>().ok().filter(|class| (1..=5).contains(class))?;
    let fits = matches!(rest, "" | "xx" | "XX") || (rest.len() == 2 && rest.bytes().all(|c| c.is_ascii_digit()));
    fits.then_some(if class == 5 { Answer::Failed } else { Answer::Served })
}

/// What a sample says of its requests, and which they are; none where it has no status.
pub(super) fn status(sample: &Sample<'_>) -> Option<(Answer, String)> {
    let mut found = None;
    let (mut method, mut route) = (None, None);
    for (name, value) in sample.labels() {
        let name = name.to_ascii_lowercase();
        let said = if GRPC.contains(&name.as_str()) {
            grpc(&value)
        } else if HTTP.contains(&name.as_str()) {
            http(&value).or_else(|| grpc_word(&value))
        } else {
            None
        };
        match name.as_str() {
            _ if said.is_some() => found = said.map(|said| (said, value)),
            "method" | "http_request_method" | "http_method" | "verb" | "grpc_method" | "rpc_method" => {
                method = Some(value);
            }
            name if ROUTES.contains(&name) || matches!(name, "grpc_service" | "rpc_service") => route = Some(value),
            _ => {}
        }
    }
    let (answer, code) = found?;
    let parts = [method.as_deref(), route.as_deref(), Some(&*code)];
    let words: Vec<String> = parts.into_iter().flatten().map(word).filter(|word| !word.is_empty()).collect();
    Some((answer, words.join(" ")))
}

/// A value of a label for a sentence.
fn word(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(ROUTE).collect()
}

/// A number of microseconds.
pub(super) fn bounded(micros: f64) -> u64 {
    micros.round().clamp(0.0, 1e15) as u64
}

impl Tally {
    /// What was counted since an earlier reading of the same pod. Counters that are smaller than they were began anew.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let anew = match (self.started, before.started) {
            (Some(now), Some(then)) => (now - then).abs() > 2.0,
            _ => false,
        };
        let none = Self::default();
        let before = if anew { &none } else { before };
        Self {
            started: self.started,
            cpu: self.cpu.map(|now| grown(now, before.cpu.unwrap_or_default())),
            resident: self.resident,
            requests: self
                .requests
                .iter()
                .map(|(name, now)| (name.clone(), now.since(before.requests.get(name))))
                .collect(),
            times: self.times.iter().map(|(name, now)| (name.clone(), now.since(before.times.get(name)))).collect(),
        }
    }

    /// Adds what another pod or another time has counted.
    pub fn add(&mut self, other: &Self) {
        for (name, requests) in &other.requests {
            self.requests.entry(name.clone()).or_default().add(requests);
        }
        for (name, times) in &other.times {
            self.times.entry(name.clone()).or_default().add(times);
        }
    }
}

/// Growth of a counter.
fn grown(now: f64, before: f64) -> f64 {
    if now < before { now } else { now - before }
}

impl Requests {
    fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|before| before.all <= self.all) else { return self.clone() };
        let what = self
            .what
            .iter()
            .map(|(what, now)| (what.clone(), grown(*now, before.what.get(what).copied().unwrap_or_default())));
        let failed = grown(self.failed, before.failed);
        Self {
            all: (self.all - before.all).max(failed),
            failed,
            what: what.filter(|(_, count)| *count > 0.0).collect(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.failed += other.failed;
        for (what, count) in &other.what {
            *self.what.entry(what.clone()).or_default() += count;
        }
    }

    /// Share that failed; NaN without requests.
    pub fn share(&self) -> f64 {
        self.failed / self.all
    }

    /// What failed most, with its share of the failed ones.
    pub fn most(&self) -> Option<(&str, f64)> {
        let (what, count) = self.what.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
        Some((what, count / self.failed))
    }
}

impl Times {
    /// All requests.
    pub fn all(&self) -> f64 {
        self.buckets.get(&INFINITE).copied().unwrap_or_default()
    }

    fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|before| before.all() <= self.all()) else { return self.clone() };
        let of = |(bound, now): (&u64, &f64)| {
            (*bound, (now - before.buckets.get(bound).copied().unwrap_or_default()).max(0.0))
        };
        Self { buckets: self.buckets.iter().map(of).collect() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            return;
        }
        // Pods of two revisions may have other bounds: what is not known at a bound counts as fast as it may have been.
        let bounds: Vec<u64> = self.buckets.keys().chain(other.buckets.keys()).copied().collect();
        let mine = std::mem::take(&mut self.buckets);
        let at = |of: &BTreeMap<u64, f64>, bound: u64| of.range(bound..).next().map_or(0.0, |(_, count)| *count);
        self.buckets = bounds.into_iter().map(|bound| (bound, at(&mine, bound) + at(&other.buckets, bound))).collect();
    }

    /// Makes everything half as important.
    pub(super) fn halve(&mut self) {
        self.buckets.values_mut().for_each(|count| *count /= 2.0);
    }

    /// The upper bound, in microseconds, of the bucket in which this share of the requests is reached; none without
    /// requests, and where only the last bucket is enough, which has no bound.
    pub fn within(&self, share: f64) -> Option<u64> {
        let wanted = self.all() * share;
        let (bound, _) = self.buckets.iter().find(|(_, count)| **count >= wanted && wanted > 0.0)?;
        (*bound != INFINITE).then_some(*bound)
    }

    /// How many requests took longer than this for certain; none where the bounds do not tell.
    pub fn longer(&self, micros: u64) -> Option<f64> {
        let (bound, count) = self.buckets.range(micros..).next()?;
        (*bound != INFINITE).then(|| (self.all() - count).max(0.0))
    }

    /// An estimate of the time within which this share of the requests is answered, in microseconds: between the bounds
    /// of its bucket, as far as its share reaches into it.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = self.all() * share;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= wanted && wanted > 0.0 {
                if *bound == INFINITE {
                    return (low > 0.0).then_some(low);
                }
                let inside = (count - below).max(f64::MIN_POSITIVE);
                return Some(low + (*bound as f64 - low) * ((wanted - below) / inside).clamp(0.0, 1.0));
            }
            (low, below) = (*bound as f64, *count);
        }
        None
    }
}
