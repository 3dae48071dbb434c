//! Why a container was killed for its memory.

use std::fmt::Write as _;

use api::shared::CauseClass;

use super::{Conclusion, Evidence, amount, cause, fact, log, propose, ruled_out};

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let container = evidence.container();
    let resources = |spec: &k8s_openapi::api::core::v1::PodSpec, part: &str| {
        let found =
            spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == container)?;
        let resources = found.resources.as_ref()?;
        let map = if part == "limits" { resources.limits.as_ref() } else { resources.requests.as_ref() };
        map?.get("memory").map(|q| q.0.clone())
    };
    // A LimitRange gives the pod a limit that the template does not have.
    let of = |part: &str| {
        let template = evidence.spec().and_then(|(spec, _)| resources(spec, part));
        template.or_else(|| resources(evidence.pod()?.spec()?, part))
    };
    let limit = of("limits");
    let in_template = evidence.spec().and_then(|(spec, _)| resources(spec, "limits")).is_some();
    let request = evidence.spec().and_then(|(spec, _)| resources(spec, "requests"));
    let limit_bytes = limit.as_deref().and_then(amount::millis).map(|m| m / 1000);
    let used = evidence.memory_used.get(container).copied();
    let path = evidence.container_path(container).map(|p| format!("{p}.resources.limits.memory"));
    let observed = match (used, &limit) {
        (Some(used), Some(limit)) if limit_bytes.is_some_and(|l| used < l) => {
            format!("at least {limit} when it was killed, {} when it was last measured", amount::bytes(used))
        }
        (Some(used), _) => amount::bytes(used),
        (None, Some(limit)) => format!("at least {limit}"),
        (None, None) => "more than the node could give".to_owned(),
    };
    let before = evidence.previous().and_then(|r| r.template.spec.as_ref()).and_then(|spec| resources(spec, "limits"));
    let lowered = match (&before, limit_bytes) {
        (Some(before), Some(now)) => amount::millis(before).is_some_and(|b| b / 1000 > now),
        (None, Some(_)) => in_template && evidence.previous().is_some(),
        _ => false,
    };
    let mut statement = match &limit {
        Some(limit) => format!(
            "Container {container} of {} was OOMKilled: it exceeded its memory limit of {limit}, observed use {observed}",
            evidence.who()
        ),
        None => format!(
            "Container {container} of {} was OOMKilled: it has no memory limit and the node ran out of memory, observed use {observed}",
            evidence.who()
        ),
    };
    if lowered && let (Some(previous), Some(revision)) = (evidence.previous(), evidence.revision()) {
        let was = before.as_deref().unwrap_or("no limit");
        let _ = write!(
            statement,
            "; revision {} lowered it from {was}, which revision {} had",
            revision.number, previous.number
        );
    }
    let mut cause = cause(
        evidence,
        CauseClass::OutOfMemory,
        path.clone(),
        limit.clone(),
        statement,
        if lowered { 0.95 } else { 0.9 },
    );
    if let (Some(path), Some(limit)) = (&path, &limit) {
        cause.proof.push(fact(&evidence.view.workload, path, limit, "the kernel kills what exceeds this limit"));
    }
    if limit.is_some() {
        cause.ruled_out.push(ruled_out(
            "The node ran out of memory",
            "the container has a limit of its own, and the kubelet reports OOMKilled for it",
        ));
    }
    // The request follows only where it was equal to the limit, which keeps the quality of service.
    let equal = request.is_some() && request.as_deref().and_then(amount::millis).map(|m| m / 1000) == limit_bytes;
    let raise = |needed: i128, evidence: &Evidence| {
        let text = amount::bytes(amount::doubled(needed));
        propose::memory(
            evidence,
            container,
            &text,
            equal.then_some(text.as_str()),
            format!("Observed use is {observed}."),
        )
    };
    let mut candidates = Vec::new();
    if lowered {
        candidates.extend(propose::rollback(evidence, "lowered the memory limit"));
    }
    if let Some(limit) = limit_bytes {
        let bytes = limit.max(used.unwrap_or_default());
        candidates.extend(raise(bytes, evidence));
        candidates.extend(raise(amount::doubled(bytes), evidence));
    }
    let recommendations =
        vec![format!("Find out what {container} keeps in memory; a limit that is raised for a leak is reached again.")];
    let lines = log::lines(evidence);
    Conclusion { cause, candidates, recommendations, log_lines: lines }
}
