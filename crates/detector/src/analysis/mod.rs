//! From a question to a diagnosis: which symptom is meant, what is to be gathered, and what could not be read.
//!
//! What lives here: the choice of the symptom and the deadline. What does not: the reads themselves (`evidence`, `logs`),
//! and what follows from them (`domain::diagnosis`).

mod evidence;
mod logs;

use std::cmp::Reverse;

use api::shared::ObjectRef;
use domain::detection::{Alert, Symptom, WorkloadView, evaluate, evaluate_node};
use domain::diagnosis::{Diagnosis, Evidence, cleared, diagnose, of_finding, unseen};
use domain::graph::{Finding, Graph, KINDS, Standing, WhatIf, rules, same};
use kube::Client;

use crate::eyes::Eyes;
use crate::key::{Key, Kind};
use crate::{Analysis, Question};

/// Finds the cause of what is wrong with the workload of a question.
pub(crate) async fn analyze(eyes: &Eyes, client: &Client, question: &Question) -> Analysis {
    let now = eyes.clock.now();
    let resource = &question.resource;
    // An incident about a namespace as a whole is no part of it.
    let whole = resource.kind == "Namespace";
    let asked = ObjectRef {
        api_version: None,
        kind: resource.kind.clone(),
        namespace: Some(resource.namespace.clone()).filter(|namespace| !namespace.is_empty() && !whole),
        name: resource.name.clone(),
        uid: None,
    };
    let namespace = if whole { resource.name.as_str() } else { resource.namespace.as_str() };
    let covered = eyes.caches.pods.covers(namespace);
    let graph = covered.then(|| eyes.graph(namespace));
    let findings = graph.as_ref().map(|graph| rules::findings(graph, now)).unwrap_or_default();
    let plain = |diagnosis| Analysis { diagnosis, evidence: None };
    // What the graph shows of the object, where its pods show nothing.
    let shown = || Some(plain(of_finding(about(&findings, &asked, question)?, &question.failed, now)));
    let Some(key) = Key::of(resource).and_then(|key| eyes.workload(key)) else {
        return shown().unwrap_or_else(|| {
            if covered && KINDS.contains(&asked.kind.as_str()) {
                return plain(cleared(asked.clone(), now));
            }
            let remedy = "Look at it with kubectl describe.";
            plain(unseen(asked.clone(), "it is of no kind that is watched", remedy, now))
        });
    };
    if key.kind != Kind::Node && !eyes.caches.pods.covers(&key.place.namespace) {
        let why = format!("namespace {} is not among those that this server watches", key.place.namespace);
        return plain(unseen(asked, &why, "Add it to the watched namespaces.", now));
    }
    let Some((view, found)) = look(eyes, &key, now) else {
        return shown().unwrap_or_else(|| {
            // A CronJob has no pods of its own.
            if key.kind == Kind::CronJob && eyes.exists(&key) {
                return plain(cleared(asked.clone(), now));
            }
            let remedy = "Close the incident when it was deleted on purpose.";
            plain(unseen(asked.clone(), "it does not exist", remedy, now))
        });
    };
    let Some(symptom) = choose(found, question).or_else(|| remembered(eyes, &view, question)) else {
        return shown().unwrap_or_else(|| plain(cleared(view.workload, now)));
    };
    let (mut evidence, gaps) = Box::pin(evidence::gather(eyes, client, view, symptom, &question.failed, now)).await;
    evidence.grants = graph.as_ref().and_then(|graph| graph.grants(evidence.pod_spec()?));
    evidence.around = graph.as_ref().map(|graph| graph.around(evidence.view.root(), &findings)).unwrap_or_default();
    evidence.suspects = rules::suspects(&findings, evidence.view.root()).into_iter().cloned().collect();
    let diagnosis = offered(&mut evidence, graph.as_ref(), &findings, now);
    Analysis { diagnosis: with(diagnosis, gaps), evidence: Some(Box::new(evidence)) }
}

/// The diagnosis with a remedy that helps on a copy of the namespace; those that would not are told, with the reason.
fn offered(evidence: &mut Evidence, graph: Option<&Graph>, before: &[Finding], now: jiff::Timestamp) -> Diagnosis {
    let mut refused = Vec::new();
    loop {
        let mut diagnosis = diagnose(evidence, now);
        let objection = graph.zip(diagnosis.actions.first()).and_then(|(graph, action)| {
            let (workload, revisions) = (evidence.view.root(), &evidence.view.revisions);
            let trial = WhatIf { graph, before, workload, revisions, cause: &diagnosis.cause, now };
            Some((action.clone(), trial.objection(action)?))
        });
        let Some((action, why)) = objection else {
            if !refused.is_empty() {
                diagnosis.analysis.push_str("\n\n");
                diagnosis.analysis.push_str(&refused.join(" "));
                diagnosis.recommendations.extend(refused);
            }
            return diagnosis;
        };
        refused.push(format!("Not offered: {}, because {}.", action.name, why.trim_end_matches('.')));
        // It is not proposed again, so that this comes to an end.
        evidence.failed.push(action);
    }
}

/// The finding about an object that a question means: the one whose object at fault it names, or else the worst.
fn about<'a>(findings: &'a [Finding], asked: &ObjectRef, question: &Question) -> Option<&'a Finding> {
    let root = question.root.as_ref();
    let told = findings.iter().filter(|finding| finding.standing > Standing::Suspect && same(&finding.about, asked));
    // The findings come worst first, and of equal ones the last is taken.
    told.rev().max_by_key(|finding| root.is_some_and(|root| same(root, &finding.cause.object)))
}

fn look(eyes: &Eyes, key: &Key, now: jiff::Timestamp) -> Option<(WorkloadView, Vec<Symptom>)> {
    if key.kind != Kind::Node {
        let view = eyes.view(key)?;
        let found = evaluate(&view, now).symptoms;
        return Some((view, found));
    }
    let node = eyes.caches.nodes.find("", &key.place.name)?;
    let view = WorkloadView {
        workload: key.reference(node.metadata.uid.clone()),
        resource_version: node.metadata.resource_version.clone(),
        desired: 0,
        paused: false,
        current: None,
        conditions: Vec::new(),
        revisions: Vec::new(),
        pods: Vec::new(),
        events: Vec::new(),
        job: None,
    };
    Some((view, evaluate_node(&node, eyes.graphs.fell(&key.place.name), now).symptoms))
}

/// How well a fault fits what was asked: its signal or rule first, then the object that it points to.
fn fit(signal: &str, rule: &str, root: &ObjectRef, question: &Question) -> (bool, bool) {
    let asked = question.signal.as_str();
    let points = question.root.as_ref().is_some_and(|r| {
        r.kind == root.kind && r.name == root.name && (r.namespace.is_none() || r.namespace == root.namespace)
    });
    (signal == asked || rule.eq_ignore_ascii_case(asked), points)
}

/// The symptom that was asked about; when it is not there, the most specific one.
fn choose(found: Vec<Symptom>, question: &Question) -> Option<Symptom> {
    let fitting = |(position, symptom): &(usize, Symptom)| {
        let rule: &str = symptom.rule.into();
        (fit(&signal(symptom.signal), rule, &symptom.root, question), Reverse(*position))
    };
    found.into_iter().enumerate().max_by_key(fitting).map(|(_, symptom)| symptom)
}

fn signal(signal: api::shared::SignalType) -> String {
    serde_json::to_value(signal).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What an open alert says although this moment shows nothing: between two crashes a container runs. What the graph shows is
/// asked of the graph.
fn remembered(eyes: &Eyes, view: &WorkloadView, question: &Question) -> Option<Symptom> {
    let alert = eyes.alerts_of(&view.workload).into_iter().max_by_key(|alert| {
        let rule: &str = alert.rule.into();
        (fit(&signal(alert.signal), rule, &alert.root, question), alert.rule)
    })?;
    Some(symptom_of(alert, view))
}

fn symptom_of(alert: Alert, view: &WorkloadView) -> Symptom {
    let of_pod = alert.pod.as_ref().and_then(|pod| view.pods.iter().find(|p| p.reference() == *pod));
    Symptom {
        rule: alert.rule,
        signal: alert.signal,
        severity: alert.severity,
        root: alert.root,
        group: of_pod.map_or_else(|| view.current.clone().unwrap_or_default(), |pod| pod.revision.clone()),
        pod: alert.pod,
        container: alert.container,
        message: alert.message,
        value: alert.value,
        threshold: alert.threshold,
        since: alert.first_seen,
        count: alert.count,
        evidence: alert.evidence,
    }
}

/// A diagnosis that says what it was made without.
fn with(mut diagnosis: Diagnosis, gaps: Vec<String>) -> Diagnosis {
    if !gaps.is_empty() {
        diagnosis.analysis.push_str("\n\nNot known: ");
        diagnosis.analysis.push_str(&gaps.join(" "));
        diagnosis.recommendations.extend(gaps);
    }
    diagnosis
}
