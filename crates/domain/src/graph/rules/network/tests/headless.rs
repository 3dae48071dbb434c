//! Services without an address of their own.

use super::*;

fn shop(ports: (u16, &str), url: &str) -> String {
    server("cart", 8080)
        + &service("cart", "cart", ports.0, ports.1).replace("10.0.0.9", "None")
        + &client("web", "CART_URL", url)
}

#[test]
fn nothing_maps_the_ports_of_a_headless_service() {
    let bad = shop((80, "8080"), "http://cart");
    let found = outage(&bad);
    assert_eq!(at(&found), ("Service", "cart", "spec.clusterIP"));
    says(&found, &["headless", "port 80", "targetPort 8080", "Deployment web"]);
    // Whoever began to ask later asks wrongly.
    let late = changed(&changed(&bad, "Service", "cart", 1, 1), "Deployment", "web", 1, 9);
    let found = outage(&late);
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].env[0].value"));
    says(&found, &["did you mean 8080?"]);
    silent(&shop((8080, "8080"), "http://cart:8080"));
    silent(&shop((8080, "http"), "http://cart:8080"));
    silent(&shop((80, "http"), "http://cart:8080"));
    silent(&bad.replace("None", "10.0.0.9"));
    // A container that says nothing of its ports may serve any.
    silent(&bad.replace("ports: [{name: http, containerPort: 8080}]", "args: [serve]"));
    let told = "containers:\n- name: main\n  image: i\n  args: ['--listen=:80']\n  ports: [{containerPort: 8080}]";
    silent(
        &(running("cart", told)
            + &service("cart", "cart", 80, "8080").replace("10.0.0.9", "None")
            + &client("web", "CART_URL", "http://cart")),
    );
}

fn set(replicas: u8, url: &str) -> String {
    let pods: Vec<String> = (0..replicas)
        .map(|n| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: db-{n}\n  labels: {{app: db}}\n  ownerReferences: [{{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}}]\nspec: {{containers: [{{name: main, image: i}}]}}\nstatus: {{phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}\n"
            )
        })
        .collect();
    format!(
        "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: {replicas}
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: main, image: i}}]}}
{}",
        pods.concat()
    ) + &service("db", "db", 5432, "5432").replace("10.0.0.9", "None")
        + &client("web", "DB_URL", url)
}

#[test]
fn a_pod_that_a_stateful_set_does_not_make() {
    let bad = set(2, "postgres://db-3.db:5432/x");
    let found = outage(&bad);
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].env[0].value"));
    says(&found, &["pod db-3 of StatefulSet db, which does not exist", "db-0 to db-1 only"]);
    outage(&set(2, "postgres://mysql-0.db.shop.svc.cluster.local:5432/x"));
    outage(&set(2, "postgres://mysql-0.db:5432/x"));
    let shrunk = changed(&changed(&bad, "StatefulSet", "db", 1, 9), "Deployment", "web", 1, 1);
    assert_eq!(at(&outage(&shrunk)), ("StatefulSet", "db", "spec.replicas"));
    silent(&set(2, "postgres://db-1.db:5432/x"));
    silent(&set(2, "postgres://db.shop:5432/x"));
    // In a list one may be missing.
    quiet(&set(2, "amqp://db-0.db:5432,amqp://db-2.db:5432"));
    // Its numbers begin elsewhere.
    silent(&bad.replace("name: db-0\n", "name: db-2\n").replace("name: db-1\n", "name: db-3\n"));
}
