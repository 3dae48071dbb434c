//! Rules run on YAML, for tests; every sentence is checked for holes on the way.

use jiff::Timestamp;

use super::GraphRule;
use crate::graph::fixture::graph;
use crate::graph::{Finding, Graph, Standing};

/// The present of the tests.
pub(super) const NOW: &str = "2026-11-25T10:00:00Z";

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// What a rule finds in a graph.
pub(super) fn on(rule: GraphRule, graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    rule(graph, now(), &mut found);
    found.iter().for_each(reads_well);
    found
}

/// What a rule finds in YAML.
pub(super) fn found(rule: GraphRule, yaml: &str) -> Vec<Finding> {
    on(rule, &graph(yaml))
}

/// The only finding.
#[track_caller]
pub(super) fn one(rule: GraphRule, yaml: &str) -> Finding {
    let mut all = found(rule, yaml);
    assert_eq!(all.len(), 1, "{:?}", all.iter().map(|f| &f.cause.statement).collect::<Vec<_>>());
    all.remove(0)
}

/// Nothing is found.
#[track_caller]
pub(super) fn silent(rule: GraphRule, yaml: &str) {
    let all = found(rule, yaml);
    assert!(all.is_empty(), "{:?}", all.iter().map(|f| &f.cause.statement).collect::<Vec<_>>());
}

/// Asserts object, path and value of the cause, and how it stands.
#[track_caller]
pub(super) fn is(finding: &Finding, object: &str, path: &str, value: &str, standing: Standing) {
    let cause = &finding.cause;
    assert_eq!(format!("{}/{}", cause.object.kind, cause.object.name), object, "{}", cause.statement);
    assert_eq!(cause.path.as_deref(), Some(path), "{}", cause.statement);
    assert_eq!(cause.value.as_deref(), Some(value), "{}", cause.statement);
    assert_eq!(finding.standing, standing, "{}", cause.statement);
}

/// Asserts parts of the statement.
#[track_caller]
pub(super) fn says(finding: &Finding, parts: &[&str]) {
    for part in parts {
        assert!(finding.cause.statement.contains(part), "{part:?} not in {:?}", finding.cause.statement);
    }
}

#[track_caller]
fn reads_well(finding: &Finding) {
    let cause = &finding.cause;
    let mut sentences = vec![cause.statement.clone()];
    sentences.extend(finding.recommendations.clone());
    sentences.extend(cause.ruled_out.iter().map(|r| format!("{}: {}", r.hypothesis, r.because)));
    sentences.extend(cause.proof.iter().map(|p| p.rule.clone()));
    for text in sentences.into_iter().map(|text| text.replace("dnsPolicy None", "dnsPolicy")) {
        for hole in ["  ", "()", "( ", " )", ": ;", ";;", "..", " .", " ;", ", ,", " \"\"", "None", "Some(", "; ;"] {
            assert!(!text.contains(hole), "{hole:?} in {text:?}");
        }
        assert!(!text.trim().is_empty() && text == text.trim() && !text.ends_with([':', ';', ',', '(']), "{text:?}");
    }
    assert!(cause.statement.len() <= 420, "{} characters: {:?}", cause.statement.len(), cause.statement);
    assert!(!cause.proof.is_empty() && (0.0..=1.0).contains(&cause.confidence));
    let placed = finding.about.namespace.is_some() || finding.about.kind == "Namespace";
    assert!(placed, "an incident has a namespace: {:?}", finding.about);
    assert!(!cause.object.kind.is_empty() && !cause.object.name.is_empty());
    assert!(!finding.recommendations.is_empty() && finding.words.iter().all(|word| !word.is_empty()));
    // What people do by hand takes longest.
    assert!((0..=1800).contains(&finding.hold));
}

#[test]
fn what_is_only_wrong_after_a_while_says_when() {
    let at = |text: &str| super::next_look(&graph(text), now()).map(|at| at.to_string());
    assert_eq!(at("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"), None);
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a, creationTimestamp: '2026-11-25T09:59:50Z'}\nstatus: {phase: Pending}\n";
    assert_eq!(at(claim).as_deref(), Some("2026-11-25T10:00:51Z"));
    let cron = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a, creationTimestamp: '2026-11-25T09:59:50Z'}\nspec: {schedule: '*/30 * * * *', jobTemplate: {}}\n";
    assert_eq!(at(cron).as_deref(), Some("2026-11-25T10:00:11Z"));
    assert_eq!(at(&cron.replace("09:59:50", "10:00:00")).as_deref(), Some("2026-11-25T10:33:01Z"));
    let gone = "apiVersion: v1\nkind: Service\nmetadata: {name: a, deletionTimestamp: '2026-11-25T09:59:30Z', finalizers: [a/b]}\n";
    assert_eq!(at(gone).as_deref(), Some("2026-11-25T10:00:31Z"));
    // What has turned already turns no more.
    assert_eq!(at(&gone.replace("09:59:30", "08:00:00")), None);
}

#[test]
fn a_large_namespace_is_judged_quickly() {
    let spec = "containers: [{name: a, env: [{name: A, value: b}], envFrom: [{configMapRef: {name: settings}}], readinessProbe: {httpGet: {port: 8080}}, ports: [{containerPort: 8080}]}]\nvolumes: [{name: v, persistentVolumeClaim: {claimName: data}}]";
    let more = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {A: b}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {volumeName: pv}\nstatus: {phase: Bound}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}\n---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: r}\nspec: {limits: [{type: Container, max: {cpu: '4'}}]}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {pods: '9999'}}\nstatus: {hard: {pods: '9999'}, used: {pods: '1'}}\n";
    let mut g = graph(&(crate::graph::fixture::running("web", spec) + more));
    for n in 0..500 {
        let mut workload = g.workloads[0].clone();
        workload.object.name = format!("web-{n}");
        g.workloads.push(workload);
        for p in 0..10 {
            let mut pod = g.pods[0].clone();
            (pod.object.name, pod.workload.name) = (format!("web-{n}-{p}"), format!("web-{n}"));
            g.pods.push(pod);
        }
    }
    for rule in super::RULES {
        let start = std::time::Instant::now();
        rule(&g, now(), &mut Vec::new());
        assert!(start.elapsed() < std::time::Duration::from_secs(3), "{:?}", start.elapsed());
    }
}
