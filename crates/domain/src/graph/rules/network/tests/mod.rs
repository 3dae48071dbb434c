//! Each rule with faults and with their harmless twins.

mod bad_input;
mod balancer;
mod dependency;
mod down;
mod external;
mod gateway;
mod headless;
mod hosts;
mod ingress;
mod moved;
mod names;
mod outside;
mod reach;
mod scheme;
mod scripts;
mod service;

use crate::graph::fixture::{graph, running};
use crate::graph::{Finding, Standing};

/// What the rules find in a namespace.
fn look(yaml: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    super::findings(&graph(yaml), jiff::Timestamp::UNIX_EPOCH, &mut found);
    found
}

fn said(found: &[Finding]) -> String {
    let line = |f: &Finding| {
        let c = &f.cause;
        format!("{:?} {} {} {:?}: {}", f.standing, c.object.kind, c.object.name, c.path, c.statement)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The only finding that somebody must look at.
#[track_caller]
fn outage(yaml: &str) -> Finding {
    let found = look(yaml);
    let mut outages = found.iter().filter(|f| f.standing == Standing::Outage);
    let first = outages.next().unwrap_or_else(|| panic!("no outage among:\n{}", said(&found)));
    assert!(outages.next().is_none(), "more than one outage:\n{}", said(&found));
    assert!(!first.cause.proof.is_empty(), "no proof");
    let length = first.cause.statement.chars().count();
    assert!(length <= 260, "{length} characters: {}", first.cause.statement);
    first.clone()
}

/// Nothing that somebody must look at.
#[track_caller]
fn quiet(yaml: &str) -> Vec<Finding> {
    let found = look(yaml);
    assert!(found.iter().all(|f| f.standing == Standing::Suspect), "{}", said(&found));
    found
}

/// Nothing at all.
#[track_caller]
fn silent(yaml: &str) {
    let found = look(yaml);
    assert!(found.is_empty(), "{}", said(&found));
}

/// Kind, name and path of the cause.
fn at(found: &Finding) -> (&str, &str, &str) {
    (&found.cause.object.kind, &found.cause.object.name, found.cause.path.as_deref().unwrap_or_default())
}

#[track_caller]
fn says(found: &Finding, words: &[&str]) {
    for word in words {
        assert!(found.cause.statement.contains(word), "{word:?} is not in {:?}", found.cause.statement);
    }
}

/// A workload that serves a port.
fn server(name: &str, port: u16) -> String {
    running(name, &format!("containers:\n- name: main\n  image: i\n  ports: [{{name: http, containerPort: {port}}}]"))
}

/// A workload with one variable.
fn client(name: &str, variable: &str, value: &str) -> String {
    let env = format!("[{{name: {variable}, value: '{value}'}}]");
    running(name, &format!("containers:\n- name: main\n  image: i\n  env: {env}"))
}

/// A Service for the pods of a workload.
fn service(name: &str, app: &str, port: u16, target: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  clusterIP: 10.0.0.9
  selector: {{app: {app}}}
  ports: [{{name: http, port: {port}, targetPort: {target}}}]
"
    )
}

/// An Ingress that leads to a Service.
fn ingress(name: &str, service: &str, port: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{kubernetes.io/ingress.class: edge}}}}
spec:
  rules:
  - host: shop.example.org
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {port}}}}}}}
"
    )
}

/// Says of an object when it was made and when changed last, in minutes of an hour.
fn changed(yaml: &str, kind: &str, name: &str, made: u8, last: u8) -> String {
    let mut objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    for object in objects.iter_mut().filter(|o| o["kind"] == kind && o["metadata"]["name"] == name) {
        object["metadata"]["creationTimestamp"] = format!("2026-01-01T00:{made:02}:00Z").into();
        object["metadata"]["managedFields"] =
            serde_json::json!([{"manager": "kubectl", "time": format!("2026-01-01T00:{last:02}:00Z")}]);
    }
    objects.iter().map(serde_json::Value::to_string).collect::<Vec<_>>().join("\n---\n")
}
