//! Rollouts of Argo: one that is degraded, and Services that it names and that do not exist.

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::Timestamp;

use super::super::fact;
use super::super::shape::proven;
use super::links::{Link, missing};
use super::object::{because, conditions, field, is_set, reference, text};
use super::{Finding, Graph, Standing, cause, finding, of};

const SERVICES: [&str; 6] = [
    "spec.strategy.canary.stableService",
    "spec.strategy.canary.canaryService",
    "spec.strategy.canary.pingPong.pingService",
    "spec.strategy.canary.pingPong.pongService",
    "spec.strategy.blueGreen.activeService",
    "spec.strategy.blueGreen.previewService",
];

/// Rollouts that cannot get on.
pub(in super::super) fn rollouts(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    for rollout in of(graph, "argoproj.io", &["Rollout"]).filter(|rollout| !is_set(rollout, "/spec/paused")) {
        let about = reference(rollout);
        // Its pods belong to the ReplicaSet of its revision, which speaks for itself.
        let set = text(rollout, "/status/currentPodHash").map(|hash| ObjectRef {
            kind: "ReplicaSet".to_owned(),
            namespace: about.namespace.clone(),
            name: format!("{}-{hash}", about.name),
            ..ObjectRef::default()
        });
        let concerns = super::here(graph, set);
        let known = out.len();
        for path in SERVICES {
            let Some(name) = text(rollout, &format!("/{}", path.replace('.', "/"))) else { continue };
            let link = Link { by: &about, path: path.to_owned(), kind: "Service", name };
            let found = missing(graph, &link, SignalType::DeployFailing);
            out.extend(found.map(|found| Finding { concerns: concerns.clone(), ..found }));
        }
        if out.len() > known || text(rollout, "/status/phase") != Some("Degraded") {
            continue;
        }
        let said = text(rollout, "/status/message").unwrap_or_default();
        let invalid =
            conditions(rollout).find(|condition| condition.type_ == "InvalidSpec" && condition.status == "True");
        let message = invalid.map_or(said, |condition| condition.message);
        let path = field(message).unwrap_or(if invalid.is_some() { "spec" } else { "status.phase" });
        let statement = format!("Rollout {} is Degraded{}", about.name, because(message));
        let cause = proven(
            cause((&about, path), "Degraded", statement, if invalid.is_some() { 0.85 } else { 0.7 }),
            vec![fact(&about, "status.phase", "Degraded", "its controller says so")],
        );
        out.push(Finding {
            concerns,
            recommendations: vec![format!("Look at kubectl argo rollouts get rollout {}.", about.name)],
            hold: 30,
            ..finding(SignalType::DeployFailing, (Standing::Outage, Severity::High), &about, cause)
        });
    }
}
