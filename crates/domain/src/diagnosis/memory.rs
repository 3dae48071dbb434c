//! Why a container was killed for its memory: which limit, how soon, and whether the limit or the use has changed.

use std::fmt::Write as _;

use api::shared::CauseClass;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::PodSpec;

use super::link::{Place, heap_option};
use super::{Conclusion, Evidence, amount, cause, crash, fact, log, propose, ruled_out, suspects};

/// A container that is killed within this needs more than its limit to begin with; one that ran for longer grew.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(2);
/// A container that ran this long before it was killed most likely leaks, or was asked for more than usual.
const GROWN: SignedDuration = SignedDuration::from_mins(30);

/// What is known of the memory of the container.
struct Memory {
    limit: Option<String>,
    /// The limit in bytes.
    bytes: Option<i128>,
    /// Whether the template has it; else a LimitRange gave it to the pod.
    in_template: bool,
    request: Option<String>,
    /// The limit before the last revision, where that lowered it or set it first.
    lowered_from: Option<String>,
    /// Bytes that were measured.
    used: Option<i128>,
    /// How long the container ran before it was killed.
    ran: Option<SignedDuration>,
}

fn amount_of(spec: &PodSpec, container: &str, limits: bool) -> Option<String> {
    let found = spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == container)?;
    let resources = found.resources.as_ref()?;
    let map = if limits { resources.limits.as_ref() } else { resources.requests.as_ref() };
    map?.get("memory").map(|q| q.0.clone())
}

fn bytes(quantity: &str) -> Option<i128> {
    amount::millis(quantity).map(|millis| millis / 1000)
}

impl Memory {
    fn of(evidence: &Evidence) -> Self {
        let container = evidence.container();
        let template = evidence.spec().map(|(spec, _)| spec);
        let limit_there = template.and_then(|spec| amount_of(spec, container, true));
        let in_template = limit_there.is_some();
        // A LimitRange gives the pod a limit that the template does not have.
        let limit = limit_there.or_else(|| amount_of(evidence.pod()?.spec()?, container, true));
        let now = limit.as_deref().and_then(bytes);
        let before = evidence.previous().and_then(|r| r.template.spec.as_ref());
        let had = before.and_then(|spec| amount_of(spec, container, true));
        let lowered_from = match (&had, now) {
            (Some(had), Some(now)) if bytes(had).is_some_and(|had| had > now) => Some(had.clone()),
            (None, Some(_)) if in_template && before.is_some() => Some("no limit".to_owned()),
            _ => None,
        };
        Self {
            bytes: now,
            in_template,
            request: template.and_then(|spec| amount_of(spec, container, false)),
            lowered_from,
            used: evidence.memory_used.get(container).copied(),
            ran: ran(evidence),
            limit,
        }
    }

    /// What the container used, as far as is known.
    fn observed(&self) -> String {
        match (self.used, &self.limit) {
            (Some(used), Some(limit)) if self.bytes.is_some_and(|l| used < l) => {
                format!("at least {limit} when it was killed, {} when it was last measured", amount::bytes(used))
            }
            (Some(used), _) => amount::bytes(used),
            (None, Some(limit)) => format!("at least {limit}"),
            (None, None) => "more than the node could give".to_owned(),
        }
    }
}

/// How long the container ran before it was killed.
fn ran(evidence: &Evidence) -> Option<SignedDuration> {
    let pod = evidence.pod()?;
    let status = pod.statuses().map(|(_, s)| s).find(|s| s.name == evidence.container())?;
    let states = [status.state.as_ref(), status.last_state.as_ref()].into_iter().flatten();
    let end = states.filter_map(|s| s.terminated.as_ref()).find(|t| t.reason.as_deref() == Some("OOMKilled"))?;
    let ran = end.finished_at.as_ref()?.0.duration_since(end.started_at.as_ref()?.0);
    (!ran.is_negative()).then_some(ran)
}

/// How long that was, for a sentence.
fn soon(ran: Option<SignedDuration>) -> String {
    match ran {
        Some(ran) if ran.as_secs() < 2 => " at its start".to_owned(),
        Some(ran) if ran < AT_ONCE => format!(" {} s after its start", ran.as_secs()),
        Some(ran) if ran < SignedDuration::from_hours(2) => format!(" {} min after its start", ran.as_mins()),
        Some(ran) => format!(" {} h after its start", ran.as_hours()),
        None => String::new(),
    }
}

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let reading = log::read(evidence);
    let memory = Memory::of(evidence);
    let container = evidence.container();
    let observed = memory.observed();
    let path = evidence.container_path(container).map(|p| format!("{p}.resources.limits.memory"));
    let mut statement = match &memory.limit {
        Some(limit) => {
            format!("{} was OOMKilled{}: it exceeded its memory limit of {limit}", evidence.part(), soon(memory.ran))
        }
        None => format!("{} was OOMKilled: it has no memory limit, and its node had no memory left", evidence.part()),
    };
    if let (Some(was), Some(revision)) = (&memory.lowered_from, evidence.revision()) {
        let _ = write!(statement, "; revision {} lowered it from {was}", revision.number);
    } else if memory.limit.is_some() && !memory.in_template {
        statement.push_str(", which a LimitRange of its namespace gives it");
    } else if memory.ran.is_some_and(|ran| ran >= GROWN) {
        statement.push_str("; its use grew while it ran");
    }
    // The limit is as it was, and what runs within it is not.
    let changed = evidence.changes().into_iter().filter(|_| memory.lowered_from.is_none() && evidence.introduced());
    let change = changed.max_by_key(crash::weight);
    if let (Some(change), Some(revision)) = (&change, evidence.revision()) {
        let _ = write!(statement, "; {} brought it: {}", evidence.named(revision), change.words());
    }
    let sure = if memory.lowered_from.is_some() { 0.95 } else { 0.9 };
    let mut cause = cause(evidence, CauseClass::OutOfMemory, path.clone(), memory.limit.clone(), statement, sure);
    if let (Some(path), Some(limit)) = (&path, &memory.limit) {
        cause.proof.push(fact(evidence.culprit(), path, limit, "the kernel kills what exceeds this limit"));
    }
    if let Some(pod) = evidence.symptom.pod.as_ref().filter(|_| memory.used.is_some()) {
        cause.proof.push(fact(pod, "memory in use", &observed, "this was measured"));
    }
    if memory.limit.is_some() {
        cause.ruled_out.push(ruled_out(
            "The node ran out of memory",
            "the container has a limit of its own, and the kubelet reports OOMKilled for it",
        ));
    }
    if evidence.previous().is_some() && memory.lowered_from.is_none() {
        cause.ruled_out.push(ruled_out("The limit was lowered", "the revision before had no higher one"));
    }
    let mut candidates = Vec::new();
    if memory.lowered_from.is_some() {
        candidates.extend(propose::rollback(evidence, "lowered the memory limit"));
    } else if change.is_some() {
        candidates.extend(propose::rollback(evidence, "needs more memory than its limit"));
    }
    candidates.extend(raises(evidence, &memory, &observed));
    let advice = if memory.ran.is_some_and(|ran| ran < AT_ONCE) {
        format!("Find out what {container} loads when it starts; its limit is too small for it.")
    } else {
        format!("Find out what {container} keeps in memory; a limit that is raised for a leak is reached again.")
    };
    let mut conclusion = Conclusion { cause, candidates, recommendations: vec![advice], log_lines: reading.lines() };
    heap(evidence, &memory, &mut conclusion);
    let told = suspects::told(evidence, reading.trouble(), &[&evidence.symptom.message]);
    suspects::rule_out(evidence, None, reading.trouble(), &mut conclusion);
    // A suspect about this very field, such as a LimitRange, has its proof here too.
    if let Some(suspicion) = told.filter(|s| s.finding.cause.class == CauseClass::OutOfMemory) {
        conclusion.cause.proof.extend(suspicion.finding.cause.proof.iter().cloned());
    }
    defaulted(evidence, &memory, &mut conclusion);
    conclusion
}

/// A limit that nobody set at the workload: the LimitRange that gives it is at fault.
fn defaulted(evidence: &Evidence, memory: &Memory, conclusion: &mut Conclusion) {
    if memory.in_template || memory.limit.is_none() {
        return;
    }
    let ranges = evidence.suspects.iter().filter(|finding| finding.cause.class == CauseClass::OutOfMemory);
    let mut given = ranges.filter(|finding| finding.cause.object.kind == "LimitRange");
    let (Some(range), None) = (given.next(), given.next()) else { return };
    let cause = &mut conclusion.cause;
    cause.statement = cause.statement.replace(
        "a LimitRange of its namespace gives it",
        &format!("LimitRange {} gives it as the default", range.cause.object.name),
    );
    cause.proof.extend(range.cause.proof.iter().cloned());
    cause.object = range.cause.object.clone();
    cause.path.clone_from(&range.cause.path);
    cause.value.clone_from(&range.cause.value);
    let set = format!("Set resources.limits.memory of container {}, or raise the default.", evidence.container());
    conclusion.recommendations.insert(0, set);
}

/// A heap that may grow beyond the limit is the cause: the runtime was told to use more than there is.
fn heap(evidence: &Evidence, memory: &Memory, conclusion: &mut Conclusion) {
    let (Some(limit), Some(bytes)) = (&memory.limit, memory.bytes) else { return };
    let Some(place) = Place::of(evidence).filter(|_| memory.lowered_from.is_none()) else { return };
    let found = place.settings().into_iter().find_map(|setting| {
        let option = heap_option(setting.value)?;
        (heap_bytes(option)? >= bytes).then_some((setting, option))
    });
    let Some((setting, option)) = found else { return };
    let cause = &mut conclusion.cause;
    cause.statement = format!(
        "{} was OOMKilled{}: {} sets {option}, and its memory limit is only {limit}",
        evidence.part(),
        soon(memory.ran),
        setting.what
    );
    cause.proof.push(fact(&setting.object, &setting.path, setting.value, "the runtime takes its heap from this"));
    cause.object = setting.object;
    cause.path = Some(setting.path);
    cause.value = Some(setting.value.to_owned());
    cause.confidence = 0.92;
    conclusion
        .recommendations
        .insert(0, format!("Let the heap be smaller than the limit of {limit}, or raise the limit."));
}

/// Bytes of `-Xmx512m` or `--max-old-space-size=512`; none for options in other units.
fn heap_bytes(option: &str) -> Option<i128> {
    if let Some(megabytes) = option.strip_prefix("--max-old-space-size=") {
        return megabytes.parse::<i128>().ok()?.checked_mul(1 << 20);
    }
    let text = option.strip_prefix("-Xmx").or_else(|| option.strip_prefix("-XX:MaxHeapSize="))?;
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i128 = text.get(..end)?.parse().ok()?;
    let unit = match text.get(end..)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.checked_mul(1 << unit)
}

/// Limits that are worth trying, each once.
fn raises(evidence: &Evidence, memory: &Memory, observed: &str) -> Vec<api::ai_insight::AIInsightSuggestedAction> {
    let Some(limit) = memory.bytes else { return Vec::new() };
    // The request follows only where it was equal to the limit, which keeps the quality of service.
    let equal = memory.request.is_some() && memory.request.as_deref().and_then(bytes) == memory.bytes;
    let raise = |needed: i128| {
        let text = amount::bytes(amount::doubled(needed));
        propose::memory(
            evidence,
            evidence.container(),
            &text,
            equal.then_some(text.as_str()),
            format!("Observed use is {observed}."),
        )
    };
    let needed = limit.max(memory.used.unwrap_or_default());
    [raise(needed), raise(amount::doubled(needed))].into_iter().flatten().collect()
}
