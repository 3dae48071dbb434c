use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::graph::Graph;

/// A namespace with something for every rule.
fn everything() -> Vec<Value> {
    let text = server("web", 8080)
        + &service("web", "wbe", 80, "htttp")
        + &server("db", 5432)
        + &service("db", "db", 5432, "5433")
        + &client("shop", "DB_URL", "postgres://dbb:5432/x")
        + &client("cart", "DB_HOST", "db.shop.svc")
        + &ingress("front", "wbe", "{number: 81}")
        + "---
kind: ConfigMap
apiVersion: v1
metadata: {name: settings}
data: {A_HOST: db, A_PORT: '1', file: \"x.url=http://db:9/\\n# c\\n\"}
---
kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {name: p}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}], ports: [{port: x}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: c, listeners: [{name: a, port: 80, tls: {certificateRefs: [{name: s}]}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{name: g, sectionName: b}], rules: [{backendRefs: [{name: q, port: 1}]}]}
";
    serde_saphyr::from_multiple(&text).expect("YAML")
}

fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(path.clone());
                places(inner, &path, found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                let path = format!("{at}/{index}");
                found.push(path.clone());
                places(inner, &path, found);
            }
        }
        _ => {}
    }
}

fn run(objects: &[Value]) {
    if let Ok(graph) = Graph::load("shop", objects) {
        let mut found = Vec::new();
        super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
        for finding in found {
            assert!((0.0..=1.0).contains(&finding.cause.confidence));
            assert!(finding.cause.statement.chars().count() < 700, "{}", finding.cause.statement);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fields_that_are_missing_or_strange(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8), 1..12)) {
        let mut objects = everything();
        for (object, place, what) in cuts {
            let index = object.index(objects.len());
            let mut paths = Vec::new();
            places(&objects[index], "", &mut paths);
            if paths.is_empty() {
                continue;
            }
            let path = &paths[place.index(paths.len())];
            let (parent, key) = path.rsplit_once('/').expect("a path");
            let new = match what {
                0 => None,
                1 => Some(json!("ä://$(\u{0}:9@")),
                2 => Some(json!({})),
                _ => Some(json!([])),
            };
            match objects[index].pointer_mut(parent) {
                Some(Value::Object(map)) => {
                    let key = key.replace("~1", "/").replace("~0", "~");
                    match new {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                Some(Value::Array(list)) => {
                    let _ = list.pop();
                }
                _ => {}
            }
        }
        run(&objects);
    }

    #[test]
    fn any_text_for_a_value(text in "\\PC{0,200}") {
        let mut objects = everything();
        for object in &mut objects {
            if object["kind"] == "Deployment" {
                object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "DB_URL", "value": text}, {"name": "LOOP", "value": "$(LOOP)$(DB_URL)"}]);
                object["spec"]["template"]["spec"]["containers"][0]["args"] = json!([text, "--x", format!("a {text}")]);
            }
        }
        run(&objects);
    }

    #[test]
    fn the_order_of_objects_does_not_matter(seed in any::<u64>()) {
        let mut objects = everything();
        let facts = |objects: &[Value]| {
            let graph = Graph::load("shop", objects).expect("objects");
            let mut found = Vec::new();
            super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
            let mut facts: Vec<String> = found.iter().map(|f| format!("{:?} {} {:?}", f.standing, f.cause.object.name, f.cause.path)).collect();
            facts.sort();
            facts
        };
        let before = facts(&objects);
        let mut state = seed | 1;
        for last in (1..objects.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            objects.swap(last, (state >> 33) as usize % (last + 1));
        }
        prop_assert_eq!(before, facts(&objects));
    }
}

#[test]
fn values_that_grow_and_names_that_go_round() {
    let env: Vec<Value> =
        (0..200).map(|n| json!({"name": format!("V{n}"), "value": format!("$(V{})$(V{})x", n - 1, n - 1)})).collect();
    let hosts: Vec<String> = (0..5_000).map(|n| format!("http://h{n}:80")).collect();
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "big"}, "spec": {
        "replicas": 1, "selector": {}, "template": {"metadata": {"labels": {"app": "big"}}, "spec": {"containers": [
            {"name": "c", "env": env, "args": [hosts.join(","), "x ".repeat(500_000), "$(V199) ".repeat(1_000)]}]}}}});
    let started = Instant::now();
    run(&[deployment]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_large_namespace_costs_little() {
    let mut objects = Vec::new();
    for n in 0..500 {
        let labels = json!({"app": format!("w{n}"), "part-of": "all"});
        let pod = json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}],
            "env": (0..20).map(|e| json!({"name": format!("V{e}_URL"), "value": format!("http://w{}:80/", (n + e) % 500)})).collect::<Vec<_>>()}]});
        objects.push(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": format!("w{n}")},
            "spec": {"replicas": 10, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}}));
        objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("w{n}")},
            "spec": {"selector": labels, "ports": [{"port": 80}]}}));
        objects.push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": format!("w{n}")},
            "spec": {"podSelector": {"matchLabels": {"app": format!("w{n}")}}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}]}}));
    }
    let mut graph = Graph::load("shop", &objects).expect("objects");
    let template = graph.workloads.clone();
    for (n, workload) in (0..5_000).zip(template.iter().cycle()) {
        graph.pods.push(crate::graph::Member {
            object: api::shared::ObjectRef { name: format!("p{n}"), kind: "Pod".into(), ..workload.object.clone() },
            labels: workload.pod_labels.clone().into(),
            workload: workload.object.clone(),
            node: None,
            made: None,
            judged: false,
            started: false,
            ready: true,
            terminating: None,
            finalizers: Vec::new(),
            ended: Vec::new(),
            spec: workload.spec.clone(),
        });
    }
    let started = Instant::now();
    let mut found = Vec::new();
    super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
    assert!(found.is_empty(), "{}", said(&found));
    // Without optimisation; with it a tenth of that.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
