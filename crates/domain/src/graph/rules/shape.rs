//! What the rules about the configuration of workloads share: findings with their usual values, and who is looked at.

use std::collections::BTreeMap;

use api::shared::{ObjectRef, Proof, RootCause, RuledOut, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::detection::Rule;
use crate::graph::{Finding, Graph, Member, Standing, Workload};

/// Objects that belong together are seldom applied at once.
pub(super) const HOLD: i64 = 5;

/// A finding about an object, with the usual signal and hold.
pub(super) fn finding(
    rule: Rule,
    standing: Standing,
    severity: Severity,
    about: &ObjectRef,
    cause: RootCause,
) -> Finding {
    Finding {
        rule,
        signal: rule.signal(),
        standing,
        severity,
        about: about.clone(),
        concerns: Vec::new(),
        cause,
        words: Vec::new(),
        candidates: Vec::new(),
        recommendations: Vec::new(),
        hold: HOLD,
    }
}

/// A cause with its proof.
pub(super) fn proven(cause: RootCause, proof: Vec<Proof>) -> RootCause {
    RootCause { proof, ..cause }
}

/// An explanation that does not hold.
pub(super) fn not(hypothesis: &str, because: impl Into<String>) -> RuledOut {
    RuledOut { hypothesis: hypothesis.to_owned(), because: because.into() }
}

/// What breaks at the next start of an untroubled workload; what is troubled already speaks through its pods.
pub(super) fn latent(workload: &Workload) -> Standing {
    if workload.troubled { Standing::Suspect } else { Standing::Latent }
}

/// Words that mean this fault and nothing else: a log line with such a word speaks of it. A plain word, such as `data` or
/// `info`, stands in any line.
pub(super) fn telling(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let marked = |word: &String| {
        (4..=200).contains(&word.len())
            && word.chars().any(|c| matches!(c, '-' | '_' | '.' | '/' | ':' | '$' | ' ') || c.is_ascii_digit())
    };
    words.into_iter().filter(marked).collect()
}

/// Kind and name, for sentences.
pub(super) fn who(object: &ObjectRef) -> String {
    format!("{} {}", object.kind, object.name)
}

/// How long ago something was; never negative, whatever the clocks say.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(then).max(SignedDuration::ZERO)
}

/// A whole number or a percentage of `total`, rounded as asked.
pub(super) fn share(value: &IntOrString, total: i32, up: bool) -> Option<i32> {
    match value {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.trim().parse().ok()?;
            let exact = percent.checked_mul(i64::from(total))?;
            let part = if up { exact.checked_add(99)?.div_euclid(100) } else { exact.div_euclid(100) };
            i32::try_from(part).ok()
        }
    }
}

/// Pods by the kind and name of their workload.
pub(super) type Pods<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Member>>;

/// The pods of all workloads.
pub(super) fn pods(graph: &Graph) -> Pods<'_> {
    let mut found = Pods::new();
    for pod in &graph.pods {
        found.entry((pod.workload.kind.as_str(), pod.workload.name.as_str())).or_default().push(pod);
    }
    found
}

/// The pods of one workload.
pub(super) fn of<'a>(pods: &'a Pods<'a>, workload: &'a ObjectRef) -> &'a [&'a Member] {
    pods.get(&(workload.kind.as_str(), workload.name.as_str())).map(Vec::as_slice).unwrap_or_default()
}

/// Claims that a pod uses; those that a StatefulSet makes for it are named after it and stand in no shared spec.
pub(super) fn claims(workload: Option<&Workload>, pod: &Member) -> Vec<String> {
    let sources = pod.spec.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    let own = workload.iter().flat_map(|workload| &workload.claim_templates);
    let mut found: Vec<String> = sources.map(|source| source.claim_name.clone()).collect();
    found.extend(own.map(|template| format!("{template}-{}", pod.object.name)));
    found.sort();
    found.dedup();
    found
}

/// Workloads by kind and name.
pub(super) fn workloads(graph: &Graph) -> BTreeMap<(&str, &str), &Workload> {
    graph.workloads.iter().map(|w| ((w.object.kind.as_str(), w.object.name.as_str()), w)).collect()
}

/// Workloads that will start a pod again, by kind and name: not those at rest, scaled to zero or done.
pub(super) fn starting(graph: &Graph) -> impl Iterator<Item = &Workload> {
    let done: std::collections::BTreeSet<&str> = graph
        .jobs
        .iter()
        .filter(|job| {
            let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|c| c.status == "True" && matches!(c.type_.as_str(), "Complete" | "Failed"))
        })
        .filter_map(|job| job.metadata.name.as_deref())
        .collect();
    let alone: std::collections::BTreeSet<&str> =
        graph.pods.iter().filter(|pod| pod.workload.kind == "Pod").map(|pod| pod.object.name.as_str()).collect();
    let starts = |workload: &&Workload| {
        !workload.paused
            && match workload.object.kind.as_str() {
                "CronJob" => true,
                "Pod" => alone.contains(workload.object.name.as_str()),
                "Job" => workload.desired > 0 && !done.contains(workload.object.name.as_str()),
                _ => workload.desired > 0,
            }
    };
    let mut found: Vec<&Workload> = graph.workloads.iter().filter(starts).collect();
    // Caches have no order; what several workloads share is told of the same one at every look.
    found.sort_by(|a, b| (&a.object.kind, &a.object.name).cmp(&(&b.object.kind, &b.object.name)));
    found.into_iter()
}
