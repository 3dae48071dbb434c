//! Applications of Argo CD: what cannot be compared, what failed to sync, what is degraded, what differs from its source.

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::fact;
use super::super::shape::{ago, not, proven, who};
use super::object::{because, blamed, conditions, field, is_set, list, name, reference, said, text, time};
use super::{AWAY, Finding, Graph, Standing, cause, finding, here, of};

/// Who syncs by hand does it within this time after a change of the source.
const BY_HAND: SignedDuration = SignedDuration::from_mins(30);
/// What is synced by itself should be so after a few rounds, which are three minutes apart.
const BY_ITSELF: SignedDuration = SignedDuration::from_mins(10);
/// Health comes and goes while something is rolled out; an autoscaler is degraded until it has its first metrics.
const SETTLED: i64 = 120;
/// Fields of an Application that a message may speak of, the most telling first.
const FIELDS: [&str; 8] = [
    "spec.source.path",
    "spec.source.targetRevision",
    "spec.source.chart",
    "spec.destination.server",
    "spec.destination.name",
    "spec.destination.namespace",
    "spec.source.repoURL",
    "spec.project",
];
const SYNC: &str = "status.sync.status";
const PHASE: &str = "status.operationState.phase";

pub(super) fn turns(object: &Value, after: &mut dyn FnMut(Option<Timestamp>, &[SignedDuration])) {
    after(time(object, "/status/operationState/finishedAt"), &[BY_ITSELF, BY_HAND]);
}

/// What is wrong with each Application; the most telling thing only.
pub(in super::super) fn applications(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    for app in of(graph, "argoproj.io", &["Application"]) {
        // Somebody has just asked for a sync, or one is going on.
        let busy = app.pointer("/operation").is_some()
            || text(app, "/status/operationState/phase")
                .is_some_and(|phase| matches!(phase, "Running" | "Terminating"));
        let found = incomparable(app, now)
            .or_else(|| failed(app).filter(|_| !busy))
            .or_else(|| degraded(graph, app))
            .or_else(|| differs(app, now).filter(|_| !busy));
        out.extend(found);
    }
}

/// The source cannot be read, or the Application itself is wrong.
fn incomparable(app: &Value, now: Timestamp) -> Option<Finding> {
    let bad = |type_: &str| matches!(type_, "InvalidSpecError" | "ComparisonError" | "UnknownError");
    let condition = conditions(app).find(|condition| bad(condition.type_))?;
    if condition.since.is_some_and(|since| ago(since, now) < AWAY) {
        return None;
    }
    let about = reference(app);
    let (path, value) = blamed(app, condition.message, &FIELDS).unwrap_or_else(|| {
        let path = if condition.type_ == "InvalidSpecError" { "spec" } else { "spec.source" };
        (path.to_owned(), condition.type_)
    });
    let what = if condition.type_ == "InvalidSpecError" { "is invalid" } else { "cannot be compared with its source" };
    let statement = format!("Application {} {what}{}", about.name, because(condition.message));
    let cause = proven(
        cause((&about, &path), value, statement, 0.85),
        vec![
            fact(&about, "status.conditions", condition.type_, "Argo CD says so"),
            fact(&about, &path, value, "its message speaks of this"),
        ],
    );
    let hold = if condition.since.is_some() { 15 } else { 120 };
    Some(Finding {
        recommendations: vec![format!("Correct {path} of Application {}, or what it refers to.", about.name)],
        hold,
        ..finding(SignalType::ArgocdDegraded, (Standing::Outage, Severity::High), &about, cause)
    })
}

/// The object of an entry in one of the lists of a status.
fn listed(app: &Value, entry: &Value) -> ObjectRef {
    let (group, version) = (text(entry, "/group"), text(entry, "/version").unwrap_or("v1"));
    let default = text(app, "/spec/destination/namespace").map(str::to_owned);
    ObjectRef {
        api_version: Some(group.map_or_else(|| version.to_owned(), |group| format!("{group}/{version}"))),
        kind: text(entry, "/kind").unwrap_or_default().to_owned(),
        namespace: text(entry, "/namespace").map(str::to_owned).or(default),
        name: text(entry, "/name").unwrap_or_default().to_owned(),
        uid: None,
    }
}

/// The last sync has failed, and nothing has put it right since.
fn failed(app: &Value) -> Option<Finding> {
    let phase = text(app, "/status/operationState/phase").filter(|phase| matches!(*phase, "Failed" | "Error"))?;
    let about = reference(app);
    let bad = |entry: &&Value| {
        text(entry, "/status") == Some("SyncFailed")
            || text(entry, "/hookPhase").is_some_and(|phase| matches!(phase, "Failed" | "Error"))
    };
    let entry = list(app, "/status/operationState/syncResult/resources").iter().find(bad);
    let hook = entry.is_some_and(|entry| text(entry, "/status") != Some("SyncFailed"));
    let revision = text(app, "/status/operationState/syncResult/revision");
    if text(app, "/status/sync/status") == Some("Synced") && !(hook && revision == text(app, "/status/sync/revision")) {
        return None;
    }
    let whole = text(app, "/status/operationState/message").unwrap_or_default();
    let of = revision.map(|revision| format!(" revision {}", revision.chars().take(8).collect::<String>()));
    let of = of.unwrap_or_default();
    let (object, path, message, statement) = if let Some(entry) = entry {
        let message = text(entry, "/message").unwrap_or(whole);
        let object = listed(app, entry);
        let what = if hook { "has failed" } else { "is refused" };
        let statement =
            format!("Application {} fails to sync{of}: {} {what}{}", about.name, who(&object), because(message));
        let path = field(message).unwrap_or(if hook { "status" } else { "spec" });
        (object, path.to_owned(), message, statement)
    } else {
        let path = blamed(app, whole, &FIELDS).map_or(PHASE.to_owned(), |(path, _)| path);
        (about.clone(), path, whole, format!("Application {} fails to sync{of}{}", about.name, because(whole)))
    };
    let cause = proven(
        cause((&object, &path), &said(message), statement, if entry.is_some() { 0.88 } else { 0.75 }),
        vec![
            fact(&about, PHASE, phase, "the last sync ended so"),
            fact(&about, "status.operationState.message", said(whole), "and this is why, says Argo CD"),
        ],
    );
    let cause = api::shared::RootCause {
        ruled_out: vec![not("a sync is still going on", format!("its last one has ended as {phase}"))],
        ..cause
    };
    Some(Finding {
        words: vec![about.name.clone()],
        recommendations: vec![format!(
            "Mend {} in the source of Application {}, and sync again.",
            who(&object),
            about.name
        )],
        ..finding(SignalType::ArgocdDegraded, (Standing::Outage, Severity::High), &about, cause)
    })
}

/// Something that the Application made is not well.
fn degraded(graph: &Graph, app: &Value) -> Option<Finding> {
    if text(app, "/status/health/status") != Some("Degraded") {
        return None;
    }
    let about = reference(app);
    let is = |entry: &&Value| text(entry, "/health/status") == Some("Degraded");
    let entries: Vec<&Value> = list(app, "/status/resources").iter().filter(is).collect();
    let more = match entries.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let (object, path, message) = match entries.first() {
        Some(entry) => (listed(app, entry), "status", text(entry, "/health/message").unwrap_or_default()),
        None => (about.clone(), "status.health.status", text(app, "/status/health/message").unwrap_or_default()),
    };
    let whose =
        if entries.is_empty() { String::new() } else { format!(": {}{more} does not become healthy", who(&object)) };
    let tail = if entries.is_empty() {
        because(message)
    } else {
        Some(said(message)).filter(|said| !said.is_empty()).map(|said| format!(", {said}")).unwrap_or_default()
    };
    let statement = format!("Application {} is Degraded{whose}{tail}", about.name);
    let cause = proven(
        cause((&object, path), "Degraded", statement, 0.7),
        vec![fact(&about, "status.health.status", "Degraded", "Argo CD says so, after it looked at what it made")],
    );
    Some(Finding {
        concerns: here(graph, entries.iter().map(|entry| listed(app, entry))),
        recommendations: vec![format!("Look at {} with kubectl describe.", who(&object))],
        hold: SETTLED,
        ..finding(SignalType::ArgocdDegraded, (Standing::Outage, Severity::Medium), &about, cause)
    })
}

/// What is in the cluster is not what the source says, and it stays so.
fn differs(app: &Value, now: Timestamp) -> Option<Finding> {
    if text(app, "/status/sync/status") != Some("OutOfSync") {
        return None;
    }
    let automated = app.pointer("/spec/syncPolicy/automated");
    let automated = automated
        .is_some_and(|policy| policy.is_object() && policy.get("enabled").and_then(Value::as_bool) != Some(false));
    let wait = if automated { BY_ITSELF } else { BY_HAND };
    // It cannot differ for longer than since its last sync.
    let last = time(app, "/status/operationState/finishedAt").or_else(|| time(app, "/metadata/creationTimestamp"));
    if last.is_some_and(|last| ago(last, now) < wait) {
        return None;
    }
    let all: Vec<&Value> =
        list(app, "/status/resources").iter().filter(|entry| text(entry, "/status") == Some("OutOfSync")).collect();
    // What the source no longer has may stay, where nothing is pruned.
    let different: Vec<&&Value> = all.iter().filter(|entry| !is_set(entry, "/requiresPruning")).collect();
    let first = different.first();
    if first.is_none() && !all.is_empty() {
        return None;
    }
    let about = reference(app);
    let which = first.map(|entry| who(&listed(app, entry))).unwrap_or_default();
    let which = match different.len() {
        0 => String::new(),
        1 => format!(": {which} differs"),
        count => format!(": {which} and {} more differ", count - 1),
    };
    let how = if automated { "although it syncs by itself" } else { "and nobody syncs it" };
    let statement = format!("Application {} is OutOfSync, {how}{which}", about.name);
    let mut facts = vec![fact(&about, SYNC, "OutOfSync", "the cluster is not as the source says")];
    facts.extend(different.iter().take(5).map(|entry| fact(&listed(app, entry), "spec", "OutOfSync", "it differs")));
    let cause = proven(cause((&about, SYNC), "OutOfSync", statement, 0.8), facts);
    Some(Finding {
        recommendations: vec![format!(
            "Look at argocd app diff {}; sync it, or bring the change into the source.",
            name(app)
        )],
        hold: wait.as_secs(),
        ..finding(SignalType::ConfigDrift, (Standing::Latent, Severity::Low), &about, cause)
    })
}
