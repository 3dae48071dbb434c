//! The requests of a workload over its last minutes: which share fails, and how long the slowest take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};

use super::standing::{Level, Standing};
use super::{CLEAR, REQUESTS_HOLD, Requests, Tally, Thresholds, Times, percent, seconds};
use crate::detection::{Observation, Rule, Source, Symptom};

/// What is older than this says nothing about now.
const RECENT: SignedDuration = SignedDuration::from_mins(5);
/// A pod that was not read for so long begins anew: what it counted meanwhile cannot be told from what it counts now.
const GAP: SignedDuration = SignedDuration::from_mins(5);
/// Readings closer together than this are one.
const CLOSE: SignedDuration = SignedDuration::from_secs(10);
/// Requests that a judgement needs.
const ENOUGH: f64 = 20.0;
/// Requests that must fail, or be slow: fewer are no rule but an exception.
const SOME: f64 = 5.0;
/// Requests from which it is known what is usual.
const USUAL: f64 = 200.0;
/// A pod that was there for so long has counted mostly what is usual.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);
/// How often what was usual becomes half as important.
const HALF_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Slowest requests that are fast enough however fast they are usually.
const FAST: u64 = 1_000_000;
/// How many times slower than usual is slow.
const TIMES: u64 = 3;
/// Share of the requests that latency is about.
const SLOWEST: f64 = 0.99;
/// Share of what opens below which it closes.
const CLOSES: f64 = 0.8;
/// Share of the failed requests above which one pod, or one kind of request, is named.
const MOSTLY: f64 = 0.8;

/// What the workload counted between two readings.
#[derive(Clone, Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    growth: Tally,
    /// Failed requests by pod.
    failed: BTreeMap<String, f64>,
}

/// Whose requests they are.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The workload.
    pub workload: &'a ObjectRef,
    /// Container that tells the numbers, where it is known.
    pub container: Option<&'a str>,
    /// Thresholds of the target.
    pub thresholds: &'a Thresholds,
    /// Whether what is there was there before the process began to look: then no hold is asked for.
    pub began: bool,
}

/// The requests of a workload.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    pods: BTreeMap<String, (Timestamp, Tally)>,
    spans: VecDeque<Span>,
    usual: BTreeMap<String, Times>,
    halved: Option<Timestamp>,
    errors: Standing,
    latency: Standing,
}

impl Meter {
    /// Takes a reading of a pod. `age` is how long the pod has been there. Returns what it counted since the one before.
    pub fn read(&mut self, pod: &str, tally: Tally, age: SignedDuration, now: Timestamp) -> Option<Tally> {
        let known = self.pods.remove(pod).filter(|(then, _)| now.duration_since(*then) <= GAP && *then <= now);
        let growth = known.map(|(then, before)| (then, tally.since(&before)));
        if growth.is_none() && age >= SETTLED {
            // What it counted in its life is the best that is known of what is usual.
            for (family, times) in &tally.times {
                self.usual.entry(family.clone()).or_default().add(times);
            }
        }
        self.pods.insert(pod.to_owned(), (now, tally));
        let (then, growth) = growth?;
        self.grew(pod, &growth, then, now);
        Some(growth)
    }

    /// Takes what a pod has counted from one time to another, for sources that tell this by themselves.
    pub fn grew(&mut self, pod: &str, growth: &Tally, from: Timestamp, now: Timestamp) {
        let fresh = self.spans.back().is_none_or(|span| now.duration_since(span.from) >= CLOSE && span.to != now);
        if fresh {
            self.spans.push_back(Span { from, to: now, growth: Tally::default(), failed: BTreeMap::new() });
        }
        let Some(span) = self.spans.back_mut() else { return };
        (span.from, span.to) = (span.from.min(from), now);
        span.growth.add(growth);
        let failed: f64 = growth.requests.values().map(|requests| requests.failed).fold(0.0, f64::max);
        if failed > 0.0 {
            *span.failed.entry(pod.to_owned()).or_default() += failed;
        }
    }

    /// Forgets pods that are gone, and what is too old.
    fn tidy(&mut self, now: Timestamp) {
        self.pods.retain(|_, (then, _)| now.duration_since(*then) <= GAP);
        while self.spans.front().is_some_and(|span| now.duration_since(span.to) > RECENT) {
            self.spans.pop_front();
        }
        if now.duration_since(*self.halved.get_or_insert(now)) >= HALF_LIFE {
            self.halved = Some(now);
            self.usual.values_mut().for_each(Times::halve);
        }
    }

    /// The last spans, newest first, as far as they speak of now.
    fn recent(&self, now: Timestamp) -> impl Iterator<Item = &Span> {
        self.spans.iter().rev().filter(move |span| now.duration_since(span.to) <= RECENT)
    }

    /// What is a symptom now.
    pub fn judge(&mut self, subject: Subject<'_>, now: Timestamp) -> Vec<Symptom> {
        self.tidy(now);
        let hold = subject.thresholds.hold(REQUESTS_HOLD);
        let since = if subject.began { now.saturating_sub(hold).unwrap_or(now) } else { now };
        let errors = self.worst_errors(subject.thresholds, now);
        let failing =
            self.errors.turn(errors.level, (since, now), (hold, CLEAR), |since| errors.symptom(subject, since));
        let slow = self.worst_latency(subject.thresholds, now);
        let level = slow.as_ref().map_or(Level::Unknown, |slow| slow.level);
        let slow = self.latency.turn(level, (since, now), (hold, CLEAR), |since| match slow {
            Some(slow) => slow.symptom(subject, since),
            None => blank(Rule::Latency, subject.workload, since),
        });
        // What is slow now must not become what is usual.
        if self.latency.is_idle()
            && let Some(span) = self.spans.back().filter(|span| span.to == now)
        {
            for (family, times) in &span.growth.times {
                self.usual.entry(family.clone()).or_default().add(times);
            }
        }
        failing.into_iter().chain(slow).collect()
    }

    /// Whether nothing must be kept: nothing is told of it any more.
    pub fn is_idle(&self) -> bool {
        self.spans.is_empty() && self.pods.is_empty() && self.errors.is_idle() && self.latency.is_idle()
    }

    fn worst_errors(&self, thresholds: &Thresholds, now: Timestamp) -> Errors {
        let families: BTreeSet<&String> = self.spans.iter().flat_map(|span| span.growth.requests.keys()).collect();
        let mut worst = Errors::none(now);
        for family in families {
            let mut errors = Errors::none(now);
            for span in self.recent(now) {
                if let Some(requests) = span.growth.requests.get(family) {
                    errors.sum.add(requests);
                }
                errors.from = span.from;
                for (pod, failed) in &span.failed {
                    *errors.by_pod.entry(pod.clone()).or_default() += failed;
                }
                if errors.sum.all >= ENOUGH {
                    break;
                }
            }
            let (share, opens) = (errors.sum.share(), thresholds.errors());
            errors.level = match Level::of(share, opens, opens * CLOSES) {
                Level::Over if errors.sum.failed < SOME => Level::Between,
                level => level,
            };
            errors.family.clone_from(family);
            errors.opens = opens;
            // Nothing is less than what is not known.
            if errors.level != Level::Unknown && (worst.level == Level::Unknown || worst.sum.share() < share) {
                worst = errors;
            }
        }
        worst
    }

    fn worst_latency(&self, thresholds: &Thresholds, now: Timestamp) -> Option<Slow> {
        let families: BTreeSet<&String> = self.spans.iter().flat_map(|span| span.growth.times.keys()).collect();
        let mut worst: Option<Slow> = None;
        for family in families {
            let (mut sum, mut from) = (Times::default(), now);
            for span in self.recent(now) {
                if let Some(times) = span.growth.times.get(family) {
                    sum.add(times);
                }
                from = span.from;
                if sum.all() >= ENOUGH {
                    break;
                }
            }
            let usual = self.usual.get(family).filter(|usual| usual.all() >= USUAL).and_then(|u| u.within(SLOWEST));
            let opens = match thresholds.latency_millis {
                Some(millis) => u64::from(millis) * 1000,
                None => match usual {
                    Some(usual) => FAST.max(usual.saturating_mul(TIMES)),
                    None => continue,
                },
            };
            let Some(longer) = sum.longer(opens).filter(|_| sum.all() > 0.0) else { continue };
            let slow = longer > sum.all() * (1.0 - SLOWEST);
            let level = match (slow, longer >= SOME) {
                (true, true) => Level::Over,
                (true, false) => Level::Between,
                _ => Level::Under,
            };
            let fresh = Slow { level, family: family.clone(), usual, opens, longer, sum, from, to: now };
            let graver = |worst: &Slow| worst.share() < fresh.share();
            if worst.as_ref().is_none_or(graver) {
                worst = Some(fresh);
            }
        }
        worst
    }
}

/// The family of which the largest share fails.
struct Errors {
    level: Level,
    family: String,
    opens: f64,
    sum: Requests,
    by_pod: BTreeMap<String, f64>,
    from: Timestamp,
    to: Timestamp,
}

impl Errors {
    fn none(now: Timestamp) -> Self {
        Self {
            level: Level::Unknown,
            family: String::new(),
            opens: 0.0,
            sum: Requests::default(),
            by_pod: BTreeMap::new(),
            from: now,
            to: now,
        }
    }

    fn symptom(self, subject: Subject<'_>, since: Timestamp) -> Symptom {
        let share = self.sum.share();
        let (name, failed) = (&subject.workload.name, self.sum.failed.round());
        let mut message = format!("{} of the requests to {} {name} fail", percent(share), subject.workload.kind);
        if let Some((what, of)) = self.sum.most() {
            let mostly = if of >= MOSTLY { "mostly " } else { "most often " };
            let _ = write!(message, " ({mostly}{what})");
        }
        let total: f64 = self.by_pod.values().sum();
        let worst = self.by_pod.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let pod = worst.map(|(pod, _)| of_pod(subject.workload, pod));
        let mut evidence = vec![Observation {
            source: Source::Metric,
            object: subject.workload.clone(),
            detail: format!(
                "{}: {failed} of {} requests failed in {} s",
                self.family,
                self.sum.all.round(),
                self.to.duration_since(self.from).as_secs()
            ),
            time: Some(self.to),
        }];
        if let (Some(pod), Some((_, count))) = (&pod, worst) {
            evidence.push(Observation {
                source: Source::Metric,
                object: pod.clone(),
                detail: format!("{} of the failed requests were its own", percent(count / total)),
                time: Some(self.to),
            });
        }
        Symptom {
            severity: if share >= 0.5 { Severity::Critical } else { Severity::High },
            pod,
            container: subject.container.map(str::to_owned),
            value: percent(share),
            threshold: format!("less than {}", percent(self.opens)),
            message,
            evidence,
            ..blank(Rule::ErrorRate, subject.workload, since)
        }
    }
}

/// The family of which the largest share is slow.
struct Slow {
    level: Level,
    family: String,
    usual: Option<u64>,
    opens: u64,
    longer: f64,
    sum: Times,
    from: Timestamp,
    to: Timestamp,
}

impl Slow {
    fn share(&self) -> f64 {
        self.longer / self.sum.all()
    }

    fn symptom(self, subject: Subject<'_>, since: Timestamp) -> Symptom {
        let took = self.sum.quantile(SLOWEST).unwrap_or(self.opens as f64) / 1e6;
        // An estimate within a bucket may fall below what is known for certain.
        let took = took.max(self.opens as f64 / 1e6);
        let opens = self.opens as f64 / 1e6;
        let (kind, name) = (&subject.workload.kind, &subject.workload.name);
        let usual = match self.usual {
            Some(usual) => format!(", usually at most {}", seconds(usual as f64 / 1e6)),
            None => String::new(),
        };
        let message =
            format!("the slowest 1 % of the requests to {kind} {name} take more than {}{usual}", seconds(took));
        let detail = format!(
            "{}: {} of {} requests took more than {} in {} s",
            self.family,
            self.longer.round(),
            self.sum.all().round(),
            seconds(opens),
            self.to.duration_since(self.from).as_secs()
        );
        Symptom {
            severity: Severity::Medium,
            container: subject.container.map(str::to_owned),
            value: format!("p99 {}", seconds(took)),
            threshold: format!("p99 of at most {}", seconds(opens)),
            message,
            evidence: vec![Observation {
                source: Source::Metric,
                object: subject.workload.clone(),
                detail,
                time: Some(self.to),
            }],
            ..blank(Rule::Latency, subject.workload, since)
        }
    }
}

pub(super) fn of_pod(workload: &ObjectRef, pod: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".into()),
        kind: "Pod".into(),
        namespace: workload.namespace.clone(),
        name: pod.to_owned(),
        uid: None,
    }
}

/// A symptom of a measurement, to be filled in.
pub(super) fn blank(rule: Rule, object: &ObjectRef, since: Timestamp) -> Symptom {
    Symptom {
        rule,
        signal: rule.signal(),
        severity: Severity::Medium,
        root: object.clone(),
        group: <&str>::from(rule).to_owned(),
        pod: None,
        container: None,
        message: String::new(),
        value: String::new(),
        threshold: String::new(),
        since,
        count: 1,
        evidence: Vec::new(),
    }
}
