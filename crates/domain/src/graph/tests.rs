use super::fixture::{graph, running};
use super::{nearest, selects};

#[test]
fn pods_know_their_workload_and_services_their_pods() {
    let text = running("web", "containers:\n- name: web\n  image: web\n  ports: [{name: http, containerPort: 8080}]");
    let found = graph(&format!(
        "{text}---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: http}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: elsewhere, namespace: bank}}
spec: {{ports: [{{port: 1}}]}}
"
    ));
    assert_eq!((found.workloads.len(), found.pods.len(), found.services.len()), (1, 1, 1));
    assert_eq!(found.pods[0].workload, found.workloads[0].object);
    let service = found.service("web").unwrap();
    assert_eq!(found.selected(service).count(), 1);
    assert_eq!(found.behind(service).count(), 1);
    assert_eq!(found.fronts(&found.workloads[0]).count(), 1);
    assert!(found.cluster.services.contains_key(&("bank".to_owned(), "elsewhere".to_owned())));
}

#[test]
fn selectors_are_those_of_kubernetes() {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    let parse = |text: &str| serde_json::from_str(text).unwrap();
    for (selector, holds) in [
        ("{}", true),
        (r#"{"matchLabels":{"app":"web"}}"#, true),
        (r#"{"matchLabels":{"app":"web","tier":"x"}}"#, false),
        (r#"{"matchExpressions":[{"key":"app","operator":"In","values":["a","web"]}]}"#, true),
        (r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["a"]}]}"#, true),
        (r#"{"matchExpressions":[{"key":"tier","operator":"Exists"}]}"#, false),
        (r#"{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}"#, true),
        (r#"{"matchExpressions":[{"key":"app","operator":"Sounds"}]}"#, false),
    ] {
        assert_eq!(selects(&parse(selector), &labels), holds, "{selector}");
    }
}

#[test]
fn a_name_that_is_near_is_meant() {
    assert_eq!(nearest("catalogue-db", ["catalog-db", "orders"]), Some("catalog-db"));
    assert_eq!(nearest("web", ["orders", "api"]), None);
    assert_eq!(nearest("web", ["web"]), None);
    assert_eq!(nearest("wbe", ["api", "web"]), Some("web"));
}

#[test]
fn slips_of_the_hand_are_counted() {
    use super::query::distance;
    for (a, b, slips) in [
        ("", "", 0),
        ("", "ab", 2),
        ("ab", "", 2),
        ("web", "web", 0),
        ("web", "wbe", 1),
        ("web", "webb", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
        ("ä", "a", 1),
    ] {
        assert_eq!(distance(a, b), slips, "{a} {b}");
    }
}
