//! Objects of Flux: sources, Kustomizations and HelmReleases that are not Ready, and names in them that lead nowhere.

use api::shared::{ObjectRef, RootCause, Severity, SignalType};
use jiff::Timestamp;
use serde_json::Value;

use super::super::fact;
use super::super::shape::{ago, not, proven, who};
use super::links::{Link, missing};
use super::object::{Condition, because, blamed, condition, field, is_set, kind, list, named_in, reference, text};
use super::{AWAY, Finding, Graph, Standing, TRIED, cause, find, finding, here, of};

const GROUP: &str = "toolkit.fluxcd.io";
const KINDS: [&str; 7] =
    ["GitRepository", "OCIRepository", "HelmRepository", "Bucket", "HelmChart", "Kustomization", "HelmRelease"];
/// Fields that a message may speak of, the most telling first.
const FIELDS: [&str; 13] = [
    "spec.path",
    "spec.chart.spec.chart",
    "spec.chart.spec.version",
    "spec.chart",
    "spec.version",
    "spec.ref.branch",
    "spec.ref.tag",
    "spec.ref.semver",
    "spec.ref.commit",
    "spec.ref.name",
    "spec.bucketName",
    "spec.url",
    "spec.endpoint",
];

/// Objects that are not as their source says.
pub(in super::super) fn synced(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    for object in of(graph, GROUP, &KINDS) {
        let ready = condition(object, "Ready");
        let rests = is_set(object, "/spec/suspend") || ready.is_some_and(|ready| ready.status == "True");
        if rests || made_by_release(graph, object) {
            continue;
        }
        let about = reference(object);
        let known = out.len();
        for link in links(graph, object, &about) {
            out.extend(missing(graph, &link, signal(object)));
        }
        if out.len() == known
            && let Some(ready) = ready.filter(|ready| ready.status == "False")
        {
            out.extend(not_ready(graph, object, &ready, now));
        }
    }
}

fn signal(object: &Value) -> SignalType {
    match kind(object) {
        "HelmRelease" | "HelmChart" => SignalType::HelmReleaseFailed,
        _ => SignalType::ConfigDrift,
    }
}

/// The HelmRelease that a HelmChart was made for speaks for it.
fn made_by_release(graph: &Graph, object: &Value) -> bool {
    kind(object) == "HelmChart"
        && object.pointer("/metadata/labels").and_then(Value::as_object).is_some_and(|labels| {
            let label = |key: &str| labels.get(key).and_then(Value::as_str).unwrap_or_default();
            find(graph, GROUP, "HelmRelease", label("helm.toolkit.fluxcd.io/name")).is_some()
                || !label("helm.toolkit.fluxcd.io/name").is_empty()
                    && label("helm.toolkit.fluxcd.io/namespace") != graph.namespace
        })
}

/// Names of other objects of this namespace.
fn links<'a>(graph: &Graph, object: &'a Value, about: &'a ObjectRef) -> Vec<Link<'a>> {
    let mut found = Vec::new();
    let local = |value: &Value| text(value, "/namespace").is_none_or(|space| space == graph.namespace);
    let mut add = |path: String, kind: Option<&'a str>, name: Option<&'a str>| {
        if let (Some(kind), Some(name)) = (kind, name) {
            found.push(Link { by: about, path: format!("{path}.name"), kind, name });
        }
    };
    for path in ["spec.sourceRef", "spec.chart.spec.sourceRef", "spec.chartRef"] {
        if let Some(value) = object.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| local(value)) {
            add(path.to_owned(), text(value, "/kind"), text(value, "/name"));
        }
    }
    for (at, value) in list(object, "/spec/dependsOn").iter().enumerate().filter(|(_, value)| local(value)) {
        add(format!("spec.dependsOn[{at}]"), text(object, "/kind"), text(value, "/name"));
    }
    for path in ["spec.valuesFrom", "spec.postBuild.substituteFrom"] {
        for (at, value) in list(object, &format!("/{}", path.replace('.', "/"))).iter().enumerate() {
            if !is_set(value, "/optional") {
                add(format!("{path}[{at}]"), text(value, "/kind"), text(value, "/name"));
            }
        }
    }
    for path in ["spec.secretRef", "spec.certSecretRef", "spec.decryption.secretRef", "spec.kubeConfig.secretRef"] {
        add(path.to_owned(), Some("Secret"), text(object, &format!("/{}/name", path.replace('.', "/"))));
    }
    found
}

/// Whether what an object waits for is not well itself: that is told there.
fn waits(graph: &Graph, object: &Value, ready: &Condition, about: &ObjectRef) -> bool {
    let unwell = |link: &Link| {
        let other = find(graph, GROUP, link.kind, link.name);
        other.is_some_and(|other| condition(other, "Ready").is_none_or(|ready| ready.status != "True"))
    };
    let all = links(graph, object, about);
    let depends = matches!(ready.reason, "DependencyNotReady" | "SourceNotReady" | "ArtifactFailed");
    let of_depends = |link: &&Link| link.path.starts_with("spec.dependsOn") || link.path.contains("sourceRef");
    all.iter().filter(|link| depends || link.path.contains("sourceRef")).filter(of_depends).any(unwell)
}

/// The chart that was made for a HelmRelease, when it is the chart that cannot be had.
fn chart<'a>(graph: &'a Graph, object: &Value) -> Option<Condition<'a>> {
    let (_, name) = text(object, "/status/helmChart")?.split_once('/')?;
    condition(find(graph, GROUP, "HelmChart", name)?, "Ready").filter(|ready| ready.status == "False")
}

fn not_ready(graph: &Graph, object: &Value, ready: &Condition, now: Timestamp) -> Option<Finding> {
    let about = reference(object);
    if waits(graph, object, ready, &about) {
        return None;
    }
    let release = kind(object) == "HelmRelease";
    let stalled = condition(object, "Stalled").is_some_and(|stalled| stalled.status == "True");
    let wait = if release || stalled { TRIED } else { AWAY };
    if ready.since.is_some_and(|since| ago(since, now) < wait) {
        return None;
    }
    let chart = chart(graph, object).filter(|_| release);
    let message = chart.map_or(ready.message, |chart| chart.message);
    // Sources only speak of themselves.
    let applies = release || kind(object) == "Kustomization";
    let named = named_in(message, text(object, "/spec/targetNamespace").unwrap_or(&graph.namespace))
        .filter(|named| applies && named.kind != about.kind);
    let own = blamed(object, message, &FIELDS);
    let (root, path, value) = match (&named, own) {
        (Some(named), _) => (named.clone(), field(message).unwrap_or("status").to_owned(), ready.reason),
        (None, Some((path, value))) => (about.clone(), path, value),
        (None, None) => {
            let secret = kind(object) != "HelmRelease" && message.contains("authentication");
            (about.clone(), if secret { "spec.secretRef" } else { "status.conditions" }.to_owned(), ready.reason)
        }
    };
    let statement = format!("{} is not Ready ({}){}", who(&about), reason(ready), because(message));
    let mut facts = vec![fact(&about, "status.conditions", format!("Ready=False {}", ready.reason), "Flux says so")];
    if root == about && path != "status.conditions" {
        facts.push(fact(&about, &path, value, "its message speaks of this"));
    }
    let cause = proven(cause((&root, &path), value, statement, if named.is_some() { 0.85 } else { 0.8 }), facts);
    let since = ready.since.map(|since| format!("it has lasted since {since}"));
    let cause = RootCause {
        ruled_out: since.map(|since| not("it is only being worked on", since)).into_iter().collect(),
        ..cause
    };
    let severity = if release { Severity::High } else { Severity::Medium };
    Some(Finding {
        concerns: here(graph, named),
        words: vec![about.name.clone()],
        recommendations: vec![if release {
            format!("Mend {path}, then flux reconcile helmrelease {} --force.", about.name)
        } else {
            format!("Mend {path} of {}; Flux tries again by itself.", who(&root))
        }],
        hold: if ready.since.is_some() { 15 } else { 120 },
        ..finding(signal(object), (Standing::Outage, severity), &about, cause)
    })
}

fn reason<'a>(ready: &Condition<'a>) -> &'a str {
    if ready.reason.is_empty() { "no reason given" } else { ready.reason }
}
