//! CPU and memory of containers against their limits.

use std::collections::BTreeMap;

use api::shared::{ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodSpec;

use super::meter::{blank, of_pod};
use super::standing::{Level, Standing};
use super::{CLEAR, LOAD_HOLD, Thresholds, percent};
use crate::detection::{Observation, PodView, Rule, Source, Symptom, WorkloadView};
use crate::diagnosis::amount;

/// Share of what opens below which it closes. Memory that was allocated falls slowly, and by little.
const CPU_CLOSES: f64 = 0.9;
const MEMORY_CLOSES: f64 = 0.95;
/// Share of a memory limit that is too much although it does not grow. A heap of a fixed size, and the cache of a database,
/// may stand for ever a little below a limit.
const FULL: f64 = 0.97;
/// Share of a memory limit by which it must grow to count as growing.
const GROWTH: f64 = 0.01;

/// What a container uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Cores.
    pub cpu: Option<f64>,
    /// Bytes of the working set.
    pub memory: Option<f64>,
}

/// Limits of a container: cores and bytes.
pub fn limits(spec: &PodSpec, container: &str) -> (Option<f64>, Option<f64>) {
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let Some(found) = containers.find(|c| c.name == container) else { return (None, None) };
    let limits = found.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let of = |resource: &str| {
        let millis = amount::millis(&limits?.get(resource)?.0)?;
        (millis > 0).then(|| millis as f64 / 1000.0)
    };
    (of("cpu"), of("memory"))
}

/// How the containers of a workload stand to their limits.
#[derive(Clone, Debug, Default)]
pub struct Load {
    cpu: Standing,
    memory: Standing,
    /// Memory of each container when it came near its limit, to tell whether it grows.
    first: BTreeMap<(String, String), (Timestamp, f64)>,
}

/// The container that is nearest to its limit.
struct Nearest<'a> {
    usage: &'a Usage,
    used: f64,
    limit: f64,
}

impl Nearest<'_> {
    fn share(&self) -> f64 {
        self.used / self.limit
    }
}

type Pods<'a> = BTreeMap<String, &'a PodView>;

fn nearest<'a>(
    pods: &Pods<'_>,
    used: &'a [Usage],
    of: impl Fn(&Usage) -> Option<f64>,
    limit: impl Fn((Option<f64>, Option<f64>)) -> Option<f64>,
    now: Timestamp,
) -> Option<Nearest<'a>> {
    let found = used.iter().filter_map(|usage| {
        let pod = pods.get(&usage.pod).filter(|pod| settled(pod, &usage.container, now))?;
        let limit = limit(limits(pod.spec()?, &usage.container))?;
        Some(Nearest { used: of(usage)?, limit, usage })
    });
    found.max_by(|a, b| a.share().total_cmp(&b.share()))
}

/// Whether a container is past its start, in which many use all that they may.
fn settled(pod: &PodView, container: &str, now: Timestamp) -> bool {
    let status = pod.statuses().map(|(_, status)| status).find(|status| status.name == container);
    let running = status.and_then(|status| status.state.as_ref()?.running.as_ref()?.started_at.clone());
    running.is_some_and(|since| now.duration_since(since.0) >= LOAD_HOLD)
}

impl Load {
    /// What is a symptom now. A Job is there to use what it may; it has an end.
    pub fn judge(
        &mut self,
        (view, used): (&WorkloadView, &[Usage]),
        thresholds: &Thresholds,
        began: bool,
        now: Timestamp,
    ) -> Vec<Symptom> {
        if view.job.is_some() {
            return Vec::new();
        }
        let pods: Pods<'_> = view.live_pods().map(|pod| (pod.reference().name, pod)).collect();
        let hold = thresholds.hold(LOAD_HOLD);
        let since = if began { now.saturating_sub(hold).unwrap_or(now) } else { now };
        let cpu = nearest(&pods, used, |usage| usage.cpu, |limits| limits.0, now);
        let opens = thresholds.cpu();
        let level = cpu.as_ref().map_or(Level::Unknown, |n| Level::of(n.share(), opens, opens * CPU_CLOSES));
        let words = |cores: f64| format!("{}m", (cores * 1000.0).round());
        let cpu = self.cpu.turn(level, (since, now), (hold, CLEAR), |since| {
            symptom(Rule::CpuHigh, view, cpu.as_ref(), opens, (since, now), ("CPU", &words))
        });
        let memory = nearest(&pods, used, |usage| usage.memory, |limits| limits.1, now);
        let opens = thresholds.memory();
        let level = memory.as_ref().map_or(Level::Unknown, |n| Level::of(n.share(), opens, opens * MEMORY_CLOSES));
        let near = memory.as_ref().filter(|memory| memory.share() >= opens);
        if near.is_none() {
            self.first.clear();
        }
        let growth = near.and_then(|memory| grows(&mut self.first, memory, now));
        let steady = growth.is_none() && thresholds.memory_percent.is_none();
        let level = if near.is_some_and(|memory| steady && memory.share() < FULL) { Level::Between } else { level };
        let words = |bytes: f64| amount::bytes(bytes.round() as i128);
        let memory = self.memory.turn(level, (since, now), (hold, CLEAR), |since| {
            let found = symptom(Rule::MemoryHigh, view, memory.as_ref(), opens, (since, now), ("memory", &words));
            Symptom { message: found.message + &growth.unwrap_or_default(), ..found }
        });
        cpu.into_iter().chain(memory).collect()
    }

    /// Whether nothing must be kept.
    pub fn is_idle(&self) -> bool {
        self.cpu.is_idle() && self.memory.is_idle() && self.first.is_empty()
    }
}

/// What to say of memory that grows; none while it does not.
fn grows(
    first: &mut BTreeMap<(String, String), (Timestamp, f64)>,
    memory: &Nearest<'_>,
    now: Timestamp,
) -> Option<String> {
    let key = (memory.usage.pod.clone(), memory.usage.container.clone());
    let (from, before) = *first.entry(key).or_insert((now, memory.used));
    let (grown, time) = (memory.used - before, now.duration_since(from));
    if grown <= memory.limit * GROWTH || time < SignedDuration::from_mins(1) {
        return None;
    }
    let per_minute = grown * 60.0 / time.as_secs_f64();
    let left = ((memory.limit - memory.used).max(0.0) / per_minute).ceil();
    Some(format!(", and reaches it in about {left:.0} min"))
}

fn symptom(
    rule: Rule,
    view: &WorkloadView,
    nearest: Option<&Nearest<'_>>,
    opens: f64,
    (since, now): (Timestamp, Timestamp),
    (resource, words): (&str, &dyn Fn(f64) -> String),
) -> Symptom {
    let Some(nearest) = nearest else { return blank(rule, view.root(), since) };
    let pod: ObjectRef = of_pod(&view.workload, &nearest.usage.pod);
    let known = view.pods.iter().map(PodView::reference).find(|known| known.name == pod.name);
    let pod = known.unwrap_or(pod);
    let detail = format!(
        "container {} uses {} of its {resource} limit of {}",
        nearest.usage.container,
        words(nearest.used),
        words(nearest.limit)
    );
    Symptom {
        severity: Severity::Medium,
        message: format!(
            "container {} of pod {} uses {} of its {resource} limit of {}",
            nearest.usage.container,
            pod.name,
            percent(nearest.share()),
            words(nearest.limit)
        ),
        value: percent(nearest.share()),
        threshold: format!("less than {} of the {resource} limit", percent(opens)),
        container: Some(nearest.usage.container.clone()),
        evidence: vec![Observation { source: Source::Metric, object: pod.clone(), detail, time: Some(now) }],
        pod: Some(pod),
        ..blank(rule, view.root(), since)
    }
}
