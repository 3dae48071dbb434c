//! Services whose addresses stand elsewhere.

use super::*;

fn alias(host: &str) -> String {
    format!(
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: db}}\nspec: {{type: ExternalName, externalName: {host}}}\n"
    )
}

#[test]
fn names_that_dns_cannot_answer_with() {
    let store = server("store", 5432) + &service("store", "store", 5432, "5432");
    for (host, words) in [
        ("10.1.2.3", "an address is no name"),
        ("db.shop.svc.cluster.local", "its own name"),
        ("store", "did you mean store.shop.svc.cluster.local?"),
        ("store.shop.svc", "did you mean store.shop.svc.cluster.local?"),
        ("store.svc.cluster.local", "has no namespace"),
    ] {
        let found = outage(&(store.clone() + &alias(host)));
        assert_eq!(at(&found), ("Service", "db", "spec.externalName"), "{host}");
        says(&found, &[words]);
    }
    for good in ["store.shop.svc.cluster.local", "store.shop.svc.example.net", "db.example.org", "mainframe"] {
        silent(&(store.clone() + &alias(good)));
    }
}

fn slice(label: &str, ports: &str, ready: &str) -> String {
    format!(
        "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {{name: db-1, labels: {{kubernetes.io/service-name: {label}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [192.0.2.9], conditions: {{ready: {ready}}}}}]\nports: [{ports}]\n"
    )
}

#[test]
fn addresses_that_somebody_writes_down() {
    let db = "---\nkind: Service\napiVersion: v1\nmetadata: {name: db}\nspec: {ports: [{name: sql, port: 5432}]}\n"
        .to_owned()
        + &client("web", "DB_ADDR", "db:5432");
    let port = "{name: sql, port: 5432, protocol: TCP}";
    silent(&(db.clone() + &slice("db", port, "true")));
    let found = outage(&(db.clone() + &slice("db", port, "false")));
    assert_eq!(at(&found), ("EndpointSlice", "db-1", "endpoints[*].conditions.ready"));
    let found = outage(&(db.clone() + &slice("db-", port, "true").replace("name: db-}", "name: dbb}")));
    says(&found, &["EndpointSlice db-1 belongs to Service dbb", "did you mean db?"]);
    let found = outage(&(db.clone() + &slice("db", "{name: psql, port: 5432}", "true")));
    assert_eq!(at(&found), ("EndpointSlice", "db-1", "ports[0].name"));
    says(&found, &["has port psql", "is called sql"]);
    let found = outage(&(db.clone() + &slice("db", "{name: sql, port: 5432, protocol: UDP}", "true")));
    says(&found, &["port sql over UDP", "over TCP"]);
    let moved = changed(&(db + &slice("db", "{name: psql, port: 5432}", "true")), "Service", "db", 1, 9);
    let moved = changed(&moved, "EndpointSlice", "db-1", 1, 1);
    assert_eq!(at(&outage(&moved)), ("Service", "db", "spec.ports[0].name"));
}

#[test]
fn a_selector_that_is_gone() {
    let kept = |pod: &str| {
        server("web", 8080)
            + &service("web", "web", 80, "http").replace("  selector: {app: web}\n", "")
            + &format!(
                "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {{name: web-1, labels: {{kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}}}\naddressType: IPv4\nendpoints: [{{addresses: [192.0.2.9], targetRef: {{kind: Pod, name: {pod}}}}}]\nports: [{{name: http, port: 8080}}]\n"
            )
    };
    let found = look(&kept("web-5d8c9f-x2x4z"));
    assert_eq!((found.len(), found[0].standing, at(&found[0]).2), (1, Standing::Latent, "spec.selector"));
    assert_eq!(at(&outage(&kept("web-gone"))), ("Service", "web", "spec.selector"));
    silent(&kept("web-gone").replace("endpointslice-controller", "endpointslicemirroring-controller"));
}
