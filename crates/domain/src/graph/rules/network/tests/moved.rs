//! A server that a rollout moved to another port explains who is refused; every other change of a number does not.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::*;
use crate::graph::{Before, Graph};

const BANK: &str = "containers:
- name: bank
  image: i
  command: [sh, -c, 'exec httpd -f -p $LISTEN']
  env: [{name: LISTEN, value: '5400'}]
  ports: [{name: http, containerPort: 5400}]";

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The pods of before are of the one spec, those of now of the other; the rollout was at second 0.
fn shop(before: &str, now: &str, target: &str) -> Graph {
    let old = graph(&running("bank", before)).workloads.remove(0);
    let template = PodTemplateSpec { metadata: None, spec: Some((*old.spec).clone()) };
    let clients = client("desk", "BANK", "bank:5400") + &client("till", "BANK", "bank:5400");
    let mut graph = graph(&(running("bank", now) + &service("bank", "bank", 5400, target) + &clients));
    graph.workloads[0].before = Some(Before { at: second(0), number: 2, template: Arc::new(template) });
    for pod in &mut graph.pods {
        pod.made = Some(second(1));
    }
    graph
}

fn at_second(graph: &Graph, now: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    crate::graph::rules::network::findings(graph, second(now), &mut found);
    found.retain(|finding| finding.cause.proof.iter().any(|proof| proof.time.is_some()));
    found
}

#[test]
fn a_server_on_another_port_behind_a_service_that_stayed() {
    let graph = shop(BANK, &BANK.replace("'5400'", "'5500'"), "5400");
    let found = at_second(&graph, 60);
    assert_eq!(found.len(), 1, "{}", said(&found));
    let finding = &found[0];
    assert_eq!(at(finding), ("Deployment", "bank", "spec.template.spec.containers[0].env[LISTEN].value"));
    assert_eq!(finding.standing, Standing::Suspect, "it explains who is refused, and tells nothing by itself");
    assert_eq!(
        finding.cause.statement,
        "Revision 2 of Deployment bank changed env LISTEN from 5400 to 5500, while Service bank still sends to port 5400 of its pods"
    );
    assert_eq!(finding.concerns.iter().map(|by| by.name.as_str()).collect::<Vec<_>>(), ["desk", "till"]);
    // A name that still stands for the old number, and a flag.
    assert_eq!(at_second(&shop(BANK, &BANK.replace("'5400'", "'5500'"), "http"), 60).len(), 1);
    let flag = BANK.replace("-f -p $LISTEN'", "-f', '-p', '5400'").replace("[{name: LISTEN, value: '5400'}]", "[]");
    let found = at_second(&shop(&flag, &flag.replace("'5400'", "'5500'"), "5400"), 60);
    assert_eq!(at(&found[0]).2, "spec.template.spec.containers[0].command", "{}", said(&found));
}

#[test]
fn other_numbers_move_nothing() {
    let none = |before: &str, now: &str, target: &str| {
        let found = at_second(&shop(before, now, target), 60);
        assert!(found.is_empty(), "{}", said(&found));
    };
    let with = |name: &str, value: &str| {
        BANK.replace("[{name: LISTEN", &format!("[{{name: {name}, value: '{value}'}}, {{name: LISTEN"))
    };
    none(&with("WORKERS", "4"), &with("WORKERS", "8"), "5400");
    none(&with("CACHE_TIMEOUT", "5400"), &with("CACHE_TIMEOUT", "5500"), "5400");
    none(&with("LEDGER", "ledger:5400"), &with("LEDGER", "ledger:5500"), "5400");
    // The Service moved along: by its number, or because it follows a name.
    none(BANK, &BANK.replace("'5400'", "'5500'"), "5500");
    none(BANK, &BANK.replace("5400", "5500"), "http");
    // Something still says that the old port is served, and a pod is ready over it.
    let probe = |text: &str| text.to_owned() + "\n  readinessProbe: {tcpSocket: {port: 5400}}";
    none(&probe(BANK), &probe(&BANK.replace("'5400'", "'5500'")), "5400");
    let fixed = BANK.replace("$LISTEN", "5400");
    none(&fixed, &fixed.replace("'5400'", "'5500'"), "5400");
}

#[test]
fn who_moved_long_ago_or_does_not_serve_is_not_the_one() {
    let moved = || shop(BANK, &BANK.replace("'5400'", "'5500'"), "5400");
    let late = SignedDuration::from_hours(3).as_secs();
    assert!(at_second(&moved(), late).is_empty());
    let none = |change: fn(&mut Graph)| {
        let mut graph = moved();
        change(&mut graph);
        let found = at_second(&graph, 60);
        assert!(found.is_empty(), "{}", said(&found));
    };
    none(|graph| graph.pods.iter_mut().for_each(|pod| pod.ready = false));
    none(|graph| graph.workloads[0].troubled = true);
    // A pod of before still serves.
    none(|graph| graph.pods.iter_mut().for_each(|pod| pod.made = Some(second(-900))));
    none(|graph| graph.workloads[0].before = None);
}

#[test]
fn the_revision_before_is_read_from_replica_sets() {
    let set = |number: u8, port: u16| {
        format!(
            "---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: bank-{number}
  creationTimestamp: 2026-01-01T00:0{number}:00Z
  annotations: {{deployment.kubernetes.io/revision: '{number}'}}
  ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: bank, uid: u, controller: true}}]
spec:
  selector: {{matchLabels: {{app: bank}}}}
  template: {{spec: {{containers: [{{name: bank, image: i, env: [{{name: LISTEN, value: '{port}'}}]}}]}}}}
"
        )
    };
    let graph = graph(&(running("bank", BANK) + &set(1, 5300) + &set(3, 5400) + &set(2, 5350)));
    let bank = graph.workloads.iter().find(|workload| workload.object.name == "bank").unwrap();
    let before = bank.before.as_ref().unwrap();
    assert_eq!((before.number, before.at.to_string().as_str()), (3, "2026-01-01T00:03:00Z"));
    assert!(format!("{:?}", before.template).contains("5350"));
}
