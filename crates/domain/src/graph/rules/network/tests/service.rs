use super::*;

#[test]
fn a_selector_with_a_slip_is_told_from_a_workload_that_left() {
    let text = server("web", 8080) + &service("web", "wbe", 80, "http");
    let found = outage(&text);
    assert_eq!(at(&found), ("Service", "web", "spec.selector.app"));
    assert_eq!(found.cause.value.as_deref(), Some("wbe"));
    says(&found, &["Service web selects no pods", "app=wbe", "app=web", "Deployment web"]);
    assert!(found.concerns.iter().any(|c| c.kind == "Deployment" && c.name == "web"));

    let labelled = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api, tier: backend-new}}
    spec: {containers: [{name: main, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api, tier: backend}, ports: [{port: 80}]}
";
    let found = outage(labelled);
    assert_eq!(at(&found), ("Service", "api", "spec.selector.tier"));
    let later = changed(&changed(labelled, "Service", "api", 1, 1), "Deployment", "api", 1, 9);
    let found = outage(&later);
    assert_eq!(at(&found), ("Deployment", "api", "spec.template.metadata.labels.tier"));
    assert_eq!(found.cause.value.as_deref(), Some("backend-new"));
    says(&found, &["tier=backend-new", "tier=backend", "selects no pods"]);
}

#[test]
fn a_later_change_of_a_workload_does_not_make_a_fixed_label_its_fault() {
    let text = server("web", 8080) + &service("web", "wbe", 80, "http");
    let text = changed(&changed(&text, "Service", "web", 1, 5), "Deployment", "web", 1, 9);
    assert_eq!(at(&outage(&text)).0, "Service");
}

#[test]
fn a_service_whose_pods_are_gone_says_so() {
    let found =
        outage(&(server("web", 8080) + &service("web", "web", 80, "http") + &service("cart", "cart", 80, "8080")));
    assert_eq!(at(&found), ("Service", "cart", "spec.selector.app"));
    says(&found, &["Service cart selects no pods", "app=cart"]);
    assert_eq!(found.severity, api::shared::Severity::Medium);
    // Nothing else of the selector holds either, so it is not only a label that comes later.
    outage(&service("cart", "cart", 80, "8080").replace("{app: cart}", "{app: cart, role: leader}"));
}

#[test]
fn services_that_are_meant_to_have_no_pods_are_left_alone() {
    silent(
        "
kind: Service
apiVersion: v1
metadata: {name: outside}
spec: {type: ExternalName, externalName: db.example.org, selector: {app: gone}}
---
kind: Service
apiVersion: v1
metadata: {name: by-hand}
spec: {ports: [{port: 5432}]}
",
    );
    // A preview of the next version, a replica that a controller labels, a Service that an operator owns.
    let twins = server("web", 8080)
        + &service("web", "web", 80, "http")
        + "---
kind: Service
apiVersion: v1
metadata: {name: web-preview}
spec: {clusterIP: 10.0.0.7, selector: {app: web, track: canary}, ports: [{port: 80, targetPort: http}]}
---
kind: Service
apiVersion: v1
metadata: {name: web-ro}
spec: {clusterIP: 10.0.0.7, selector: {app: web, role: replica}, ports: [{port: 80, targetPort: http}]}
---
kind: Service
apiVersion: v1
metadata: {name: owned, ownerReferences: [{apiVersion: x/v1, kind: Cluster, name: c, uid: u}]}
spec: {clusterIP: 10.0.0.7, selector: {cluster: c}, ports: [{port: 80, targetPort: http}]}
---
kind: Service
apiVersion: v1
metadata: {name: scrape}
spec: {clusterIP: None, selector: {component: scheduler}, ports: [{port: 80}]}
";
    quiet(&twins);
}

#[test]
fn what_cannot_be_read_is_not_taken_for_absent() {
    let mut graph = crate::graph::fixture::graph(&service("web", "web", 80, "http"));
    graph.unreadable.insert("Pod".into());
    let mut found = Vec::new();
    super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
    assert!(found.is_empty(), "{}", said(&found));
}

const ASLEEP: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec:
  replicas: 0
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: main, image: i, ports: [{containerPort: 8080}]}]}
";

#[test]
fn scaled_to_zero_matters_when_somebody_needs_it() {
    let alone = ASLEEP.to_owned() + &service("cart", "cart", 80, "8080");
    quiet(&alone);
    for need in [ingress("shop", "cart", "{number: 80}"), client("web", "CART_URL", "http://cart:80/")] {
        let found = outage(&(alone.clone() + &need));
        assert_eq!(at(&found), ("Deployment", "cart", "spec.replicas"));
        assert_eq!((found.cause.class, found.about.kind.as_str()), (api::shared::CauseClass::ScaledToZero, "Service"));
        says(&found, &["scaled to zero", "Service cart"]);
    }
    let resting = client("web", "CART_URL", "http://cart:80/").replacen("replicas: 1", "replicas: 0", 1);
    quiet(&(alone.clone() + &resting));
    let woken = "---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: cart}
spec: {scaleTargetRef: {name: cart}}
";
    silent(&(alone + &ingress("shop", "cart", "{number: 80}") + woken));
}

#[test]
fn a_target_port_that_no_container_has() {
    let found = outage(&(server("web", 8080) + &service("web", "web", 80, "htttp")));
    assert_eq!(at(&found), ("Service", "web", "spec.ports[0].targetPort"));
    says(&found, &["htttp", "did you mean http?"]);

    let found = outage(&(server("web", 8080) + &service("web", "web", 80, "8081")));
    assert_eq!(at(&found), ("Service", "web", "spec.ports[0].targetPort"));
    says(&found, &["port 8081", "8080", "did you mean 8080?"]);

    let text = server("web", 9090) + &service("web", "web", 80, "8080");
    let text = changed(&changed(&text, "Service", "web", 1, 1), "Deployment", "web", 1, 9);
    let found = outage(&text);
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].ports[0].containerPort"));
    assert_eq!(found.cause.value.as_deref(), Some("9090"));

    let udp = server("web", 8080)
        + &service("web", "web", 80, "8080").replace("targetPort: 8080", "targetPort: 8080, protocol: UDP");
    let found = outage(&udp);
    assert_eq!(at(&found), ("Service", "web", "spec.ports[0].protocol"));
    says(&found, &["over protocol UDP", "did you mean TCP?"]);

    let renamed = server("web", 8080) + &service("web", "web", 80, "web");
    let found = outage(&changed(&changed(&renamed, "Service", "web", 1, 1), "Deployment", "web", 1, 9));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].ports[0].name"));
    says(&found, &["has a port web", "targetPort", "called http"]);
}

#[test]
fn ports_that_nobody_declares_may_be_served() {
    let to = |spec: &str| running("web", spec) + &service("web", "web", 80, "8081");
    silent(&(server("web", 8080) + &service("web", "web", 80, "http")));
    // No container declares anything.
    quiet(&to("containers:\n- {name: main, image: i}"));
    // One of two declares nothing.
    quiet(&to("containers:\n- {name: main, image: i}\n- name: proxy\n  image: p\n  ports: [{containerPort: 15090}]"));
    // Only an aside is declared.
    quiet(&to("containers:\n- name: main\n  image: i\n  ports: [{name: metrics, containerPort: 9100}]"));
    for hint in [
        "args: ['--port=8081']",
        "env: [{name: PORT, value: '8081'}]",
        "readinessProbe: {httpGet: {port: 8081, path: /}}",
        "command: [sh, -c, 'exec httpd -f -p 8081']",
    ] {
        silent(&to(&format!("containers:\n- name: main\n  image: i\n  ports: [{{containerPort: 9000}}]\n  {hint}")));
    }
    // A container that was added to the pods at their admission has the port.
    let added = to("containers:\n- name: main\n  image: i\n  ports: [{containerPort: 9000}]");
    let (before, pod) = added.split_once("kind: Pod").unwrap();
    quiet(&(before.to_owned() + "kind: Pod" + &pod.replace("9000", "8081")));
    // Both protocols of one port, declared once.
    let both = running("dns", "containers:\n- name: main\n  image: i\n  ports: [{containerPort: 53, protocol: UDP}]")
        + "---
kind: Service
apiVersion: v1
metadata: {name: dns}
spec:
  selector: {app: dns}
  ports: [{name: a, port: 53, targetPort: 53, protocol: UDP}, {name: b, port: 53, targetPort: 53, protocol: TCP}]
";
    silent(&both);
}

#[test]
fn a_selector_that_takes_in_strangers() {
    let both = |wanted: &str| {
        let label = |text: String| {
            text.replace("{app: web}", "{app: web, part: shop}").replace("{app: db}", "{app: db, part: shop}")
        };
        label(server("web", 8080))
            + &label(server("db", 5432))
            + &service("web", "web", 80, "8080").replace("{app: web}", wanted)
            + &service("db", "db", 5432, "5432")
    };
    let found = outage(&both("{part: shop}"));
    assert_eq!(at(&found), ("Service", "web", "spec.selector.part"));
    says(&found, &["selects too much", "Deployment web", "Deployment db", "8080"]);
    silent(&both("{app: web, part: shop}"));
}

#[test]
fn stateful_sets_need_their_service() {
    let set = |replicas: u8, service: &str| {
        format!(
            "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: {replicas}
  serviceName: {service}
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: main, image: i, ports: [{{containerPort: 5432}}]}}]}}
"
        )
    };
    let headless = service("db", "db", 5432, "5432").replace("10.0.0.9", "None");
    silent(&(set(3, "db") + &headless));
    let found = outage(&(set(1, "db-headles") + &headless.replace("name: db}", "name: db-headless}")));
    assert_eq!(at(&found), ("StatefulSet", "db", "spec.serviceName"));
    says(&found, &["does not exist", "did you mean db-headless?"]);
    outage(&set(3, "peers"));
    quiet(&set(1, "peers"));
}

#[test]
fn traffic_that_stays_on_a_node_without_pods() {
    let on =
        |text: String, node: &str| text.replacen("\n  containers", &format!("\n  nodeName: {node}\n  containers"), 1);
    let local = service("cart", "cart", 80, "http").replace("clusterIP", "internalTrafficPolicy: Local\n  clusterIP");
    let text =
        |node: &str| on(server("cart", 8080), "a") + &local + &on(client("web", "CART_URL", "http://cart"), node);
    let found = outage(&text("b"));
    assert_eq!(at(&found), ("Service", "cart", "spec.internalTrafficPolicy"));
    silent(&text("a"));
}

#[test]
fn services_that_lead_elsewhere() {
    let alias = |host: &str| {
        format!(
            "---\nkind: Service\napiVersion: v1\nmetadata: {{name: db}}\nspec: {{type: ExternalName, externalName: {host}}}\n"
        )
    };
    silent(&alias("db.example.org"));
    let other = server("store", 5432) + &service("store", "store", 5432, "5432");
    silent(&(other.clone() + &alias("store.shop.svc.cluster.local")));
    let found = outage(&(other + &alias("stor.shop.svc.cluster.local")));
    assert_eq!(at(&found), ("Service", "db", "spec.externalName"));
    says(&found, &["does not exist", "did you mean store?"]);

    let by_hand =
        "---\nkind: Service\napiVersion: v1\nmetadata: {name: db}\nspec: {ports: [{port: 5432}]}\n".to_owned();
    let slice = "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {name: db-1, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.9]}]\nports: []\n";
    let web = client("web", "DB_ADDR", "db:5432");
    silent(&by_hand);
    silent(&(by_hand.clone() + slice + &web));
    silent(&(by_hand.clone() + &web + "---\nkind: Endpoints\napiVersion: v1\nmetadata: {name: db}\n"));
    let found = outage(&(by_hand + &web));
    assert_eq!(at(&found), ("Service", "db", "spec.selector"));
    says(&found, &["no selector and no EndpointSlice", "Deployment web"]);
}

#[test]
fn the_dns_of_the_cluster_is_needed_by_all() {
    let dns = |namespace: &str| {
        let objects = format!(
            "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: coredns, namespace: {namespace}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{k8s-app: kube-dns}}}}
  template:
    metadata: {{labels: {{k8s-app: kube-dns}}}}
    spec: {{containers: [{{name: coredns, image: i}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: {namespace}}}
spec: {{clusterIP: 10.0.0.10, selector: {{k8s-app: kube-dns}}, ports: [{{port: 53, protocol: UDP}}]}}
"
        );
        let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&objects).unwrap();
        let mut found = Vec::new();
        let graph = crate::graph::Graph::load(namespace, &objects).unwrap();
        super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
        found
    };
    let found = dns("kube-system");
    assert_eq!((found.len(), found[0].standing, at(&found[0]).1), (1, Standing::Outage, "coredns"));
    says(&found[0], &["Service kube-dns, the DNS of the cluster, has no pods"]);
    assert_eq!(dns("shop")[0].standing, Standing::Suspect);
}

#[test]
fn a_selector_that_takes_in_a_neighbour() {
    let labelled = |name: &str| {
        server(name, 8080)
            .replace(&format!("{{app: {name}}}}}\n    spec"), &format!("{{app: {name}, part: shop}}}}\n    spec"))
            .replace(
                &format!("labels: {{app: {name}}}\n  owner"),
                &format!("labels: {{app: {name}, part: shop}}\n  owner"),
            )
    };
    let both = |a: &str, b: &str| {
        labelled(a)
            + &labelled(b)
            + &service(a, a, 80, "8080").replace(&format!("{{app: {a}}}"), "{part: shop}")
            + &service(b, b, 80, "8080")
    };
    let found = outage(&both("cart", "till"));
    assert_eq!(at(&found), ("Service", "cart", "spec.selector.part"));
    says(&found, &["selects too much", "Deployment cart", "Deployment till", "a Service of its own"]);
    // A variant of the same application is meant.
    silent(&both("cart", "cart-canary"));
    // One Service for all, with a name of its own.
    silent(
        &both("cart", "till")
            .replace("metadata: {name: cart}\nspec:\n  clusterIP", "metadata: {name: all}\nspec:\n  clusterIP"),
    );
}
