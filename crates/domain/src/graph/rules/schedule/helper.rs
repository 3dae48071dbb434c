//! Helpers that keep a Job alive after its work is done.

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;

use crate::detection::Rule;
use crate::graph::rules::shape::{self, finding, proven, who};
use crate::graph::rules::{cause, fact};
use crate::graph::{Finding, Graph, Standing, Workload};

/// A helper that is given this long to end after the work.
const HELPER: i64 = 30;

/// Jobs that cannot end: the first container, which does the work, has ended well, and another one of the pod runs on.
pub(in crate::graph::rules) fn lingering(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let known = shape::workloads(graph);
    for pod in graph.pods.iter().filter(|pod| !pod.ended.is_empty() && pod.terminating.is_none()) {
        let kind = pod.workload.kind.as_str();
        let Some(workload) = known.get(&(kind, pod.workload.name.as_str())) else { continue };
        let Some(work) = workload.spec.containers.first() else { continue };
        let mut others = pod.spec.containers.iter().filter(|container| !pod.ended.contains(&container.name));
        let (Some(helper), true) = (others.next(), matches!(kind, "Job" | "CronJob")) else { continue };
        if !pod.ended.contains(&work.name) {
            continue;
        }
        let at = workload.spec.containers.iter().position(|container| container.name == helper.name);
        let path = at.map_or_else(|| "containers".to_owned(), |at| format!("containers[{at}]"));
        let path = format!("{}.{path}", workload.spec_path);
        let statement = format!(
            "{} cannot complete: container {} has done its work and ended, and its sidecar {} still runs and keeps the pod alive",
            who(&workload.object),
            work.name,
            helper.name
        );
        let root = proven(
            cause(&workload.object, CauseClass::JobMisconfigured, &path, &helper.name, statement, 0.9),
            vec![
                fact(
                    &pod.object,
                    &format!("status.containerStatuses[{}].state", work.name),
                    "terminated, exit code 0",
                    "the work is done",
                ),
                fact(
                    &pod.object,
                    &format!("status.containerStatuses[{}].state", helper.name),
                    "running",
                    "a pod ends only when all of its containers do",
                ),
            ],
        );
        out.push(Finding {
            concerns: vec![workload.object.clone()],
            recommendations: vec![format!(
                "Move {} to initContainers with restartPolicy Always, so that it ends with the work, or let it end by itself.",
                helper.name
            )],
            hold: HELPER,
            ..finding(Rule::JobFailed, outage(workload), Severity::Medium, &workload.object, root)
        });
    }
}

/// An outage, unless the workload speaks for itself.
fn outage(workload: &Workload) -> Standing {
    if workload.troubled { Standing::Suspect } else { Standing::Outage }
}
