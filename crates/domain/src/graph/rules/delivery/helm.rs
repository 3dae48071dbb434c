//! Releases of Helm, by the labels of the Secrets in which it notes them. What is in these Secrets is never read.

use std::collections::BTreeMap;

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::fact;
use super::super::shape::{ago, not, proven};
use super::object::{kind, reference, text, time};
use super::{Finding, Graph, Standing, cause, finding};
use crate::graph::HELM_RECORD;

/// Helm waits five minutes unless it is told to wait longer, which people do; what is pending longer than this was left.
const LEFT: SignedDuration = SignedDuration::from_mins(30);
/// An atomic upgrade that fails is rolled back at once.
const ROLLED_BACK: i64 = 45;

/// A revision of a release.
struct Revision<'a> {
    number: u64,
    status: &'a str,
    /// When Helm wrote it last.
    at: Option<Timestamp>,
    record: ObjectRef,
}

fn label<'a>(record: &'a Value, key: &str) -> Option<&'a str> {
    record.get("metadata")?.get("labels")?.get(key)?.as_str()
}

fn written(record: &Value) -> Option<Timestamp> {
    let noted = label(record, "modifiedAt").or_else(|| label(record, "createdAt"));
    let noted = noted.and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    noted.or_else(|| time(record, "/metadata/creationTimestamp"))
}

fn is_record(object: &Value) -> bool {
    kind(object) == "Secret" && text(object, "/type") == Some(HELM_RECORD)
}

pub(super) fn turns(object: &Value, after: &mut dyn FnMut(Option<Timestamp>, &[SignedDuration])) {
    if is_record(object) {
        after(written(object), &[LEFT]);
    }
}

/// Releases whose last revision failed, or was left half done.
pub(in super::super) fn releases(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let mut all: BTreeMap<&str, Vec<Revision>> = BTreeMap::new();
    for record in graph.others.iter().filter(|object| is_record(object)) {
        let (Some(name), Some(status)) = (label(record, "name"), label(record, "status")) else { continue };
        let Some(number) = label(record, "version").and_then(|version| version.parse().ok()) else { continue };
        let revision = Revision { number, status, at: written(record), record: reference(record) };
        all.entry(name).or_default().push(revision);
    }
    for (name, mut revisions) in all {
        revisions.sort_by_key(|revision| revision.number);
        // Flux says more of the releases that it makes.
        out.extend(judge(graph, name, &revisions, now).filter(|_| !by_flux(graph, name)));
    }
}

fn judge(graph: &Graph, name: &str, revisions: &[Revision], now: Timestamp) -> Option<Finding> {
    let last = revisions.last()?;
    let works = |revision: &&Revision| matches!(revision.status, "deployed" | "superseded");
    let good = revisions.iter().rev().find(works);
    // Somebody who tries again and again has the same trouble: it is that of the first revision that went wrong.
    let first = revisions.iter().find(|r| good.is_none_or(|good| r.number > good.number)).unwrap_or(last);
    let since = last.at.map(|at| at.strftime(" since %Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let before = good.map(|good| good.number);
    let (statement, severity, hold) = match last.status {
        "failed" => {
            let times = if first.number == last.number {
                format!("revision {}", last.number)
            } else {
                format!("revisions {} to {}", first.number, last.number)
            };
            let state = before.map_or_else(
                || "it was never deployed".to_owned(),
                |number| format!("revision {number} was the last that was deployed"),
            );
            let severity = if before.is_some() { Severity::Medium } else { Severity::High };
            (format!("Helm release {name} has failed at {times}; {state}"), severity, ROLLED_BACK)
        }
        status @ ("pending-install" | "pending-upgrade" | "pending-rollback" | "uninstalling") => {
            if ago(last.at?, now) < LEFT {
                return None;
            }
            let statement = format!(
                "Helm release {name} is {status} at revision {}{since}: that operation was left, and Helm refuses any other",
                last.number
            );
            (statement, Severity::Medium, 15)
        }
        _ => return None,
    };
    let path = "metadata.labels.status";
    let mut facts = vec![fact(&last.record, path, last.status, "Helm notes the state of a revision there")];
    if let Some(good) = good {
        facts.push(fact(&good.record, path, good.status, "this revision was deployed before"));
    }
    let cause = proven(cause((&last.record, path), last.status, statement, 0.9), facts);
    let cause = api::shared::RootCause {
        ruled_out: vec![not("it is being worked on", format!("no later revision than {} exists", last.number))],
        ..cause
    };
    let remedy = if last.status == "failed" {
        format!(
            "Look at helm history {name} and helm status {name}, mend what it says and upgrade again, or helm rollback {name}."
        )
    } else {
        format!(
            "Make sure that no helm process still works on it, then helm rollback {name} to the last deployed revision."
        )
    };
    Some(Finding {
        concerns: workloads(graph, name),
        recommendations: vec![remedy],
        words: vec![first.record.name.clone()],
        hold,
        ..finding(SignalType::HelmReleaseFailed, (Standing::Outage, severity), &first.record, cause)
    })
}

/// Workloads of a release, by the labels that charts give them: what is wrong with one of them says why.
fn workloads(graph: &Graph, release: &str) -> Vec<ObjectRef> {
    let is = |labels: &BTreeMap<String, String>| {
        let label = |key: &str| labels.get(key).map(String::as_str);
        label("app.kubernetes.io/managed-by") == Some("Helm")
            && [label("app.kubernetes.io/instance"), label("release")].contains(&Some(release))
    };
    let found = graph.workloads.iter().filter(|workload| is(&workload.labels));
    found.map(|workload| workload.object.clone()).take(32).collect()
}

/// Whether an object of Flux makes this release.
fn by_flux(graph: &Graph, release: &str) -> bool {
    super::of(graph, "helm.toolkit.fluxcd.io", &["HelmRelease"]).any(|object| {
        let name = super::object::name(object);
        let named = text(object, "/spec/releaseName");
        let target = text(object, "/spec/targetNamespace");
        named.map_or_else(
            || name == release || target.is_some_and(|target| format!("{target}-{name}") == release),
            |named| named == release,
        )
    })
}
