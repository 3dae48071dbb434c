use super::*;

/// A shop that speaks to its database.
fn shop() -> String {
    server("db", 5432) + &service("db", "db", 5432, "5432") + &client("web", "DB_ADDR", "db:5432")
}

fn policy(name: &str, spec: &str) -> String {
    format!("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn admit(name: &str, from: &str, ports: &str) -> String {
    policy(
        name,
        &format!("{{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{from}], ports: [{ports}]}}]}}"),
    )
}

const FROM_WEB: &str = "{podSelector: {matchLabels: {app: web}}}";
const CLOSED: &str = "{podSelector: {}, policyTypes: [Ingress]}";

#[test]
fn what_is_allowed_or_not_needed_is_silent() {
    silent(&(shop() + &admit("in", FROM_WEB, "{port: 5432}")));
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", FROM_WEB, "{port: 5432}")));
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", FROM_WEB, "{port: http}")));
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", FROM_WEB, "{port: 5000, endPort: 6000}")));
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", "{namespaceSelector: {}}", "")));
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", "{ipBlock: {cidr: 0.0.0.0/0}}", "")));
    silent(
        &(shop()
            + &policy("closed", CLOSED)
            + &admit("in", "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}}", "")),
    );
    // Nobody is known to need it.
    silent(&(server("db", 5432) + &service("db", "db", 5432, "5432") + &policy("closed", CLOSED)));
    // Addresses that are not known.
    silent(&(shop() + &policy("closed", CLOSED) + &admit("in", "{ipBlock: {cidr: 10.0.0.0/8}}", "")));
}

#[test]
fn a_policy_that_closes_the_namespace() {
    let found = outage(&(shop() + &policy("closed", CLOSED)));
    assert_eq!(at(&found), ("NetworkPolicy", "closed", "spec.ingress"));
    assert_eq!((found.cause.class, found.about.name.as_str()), (api::shared::CauseClass::NetworkDenied, "web"));
    says(
        &found,
        &[
            "Deployment web (DB_ADDR=db:5432) is denied port 5432 of Deployment db by NetworkPolicy closed",
            "allows no ingress",
        ],
    );
    assert!(found.concerns.iter().any(|c| c.name == "db"));
    assert!(found.words.contains(&"5432".to_owned()));
}

#[test]
fn a_label_that_does_not_match() {
    let closed = shop() + &policy("closed", CLOSED);
    let found = outage(&(closed.clone() + &admit("in", "{podSelector: {matchLabels: {app: webb}}}", "{port: 5432}")));
    assert_eq!(at(&found), ("NetworkPolicy", "in", "spec.ingress[0].from[0].podSelector.matchLabels.app"));
    says(&found, &["ingress rule 0 allows pods with app=webb", "pods of Deployment web have app=web"]);
    assert!(found.recommendations[0].contains("matchLabels.app to web"));
    assert_eq!(found.cause.ruled_out.len(), 1);
    // It is meant for something else: the one that closes is at fault.
    let found =
        outage(&(closed.clone() + &admit("other", "{podSelector: {matchLabels: {app: exporter}}}", "{port: 5432}")));
    assert_eq!(at(&found).1, "closed");
    // It is the label of the pods that went away.
    let labelled =
        |text: String| text.replace("metadata: {labels: {app: web}}", "metadata: {labels: {app: web, zone: blue}}");
    let text = labelled(closed) + &admit("in", "{podSelector: {matchLabels: {zone: green}}}", "{port: 5432}");
    let text = changed(&changed(&text, "Deployment", "web", 1, 9), "NetworkPolicy", "in", 1, 1);
    let text = changed(&text, "NetworkPolicy", "closed", 1, 1);
    let found = look(&text);
    assert!(found.iter().all(|f| f.cause.object.kind == "NetworkPolicy"), "{}", said(&found));
    let near = text.replace("green", "bluee");
    let found = outage(&near);
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.metadata.labels.zone"));
}

#[test]
fn a_port_that_does_not_match() {
    let text = server("db", 5432) + &service("db", "db", 80, "5432") + &client("web", "DB_ADDR", "db:80");
    // The port of the Service is not that of the pods.
    let found = outage(&(text.clone() + &admit("in", FROM_WEB, "{port: 80}")));
    assert_eq!(at(&found), ("NetworkPolicy", "in", "spec.ingress[0].ports[0].port"));
    says(&found, &["allows port 80 and not 5432"]);
    assert!(found.recommendations[0].contains("set spec.ingress[0].ports[0].port to 5432"));
    let found = outage(&(text + &admit("in", FROM_WEB, "{port: 5432, protocol: UDP}")));
    assert_eq!(at(&found).2, "spec.ingress[0].ports[0].protocol");
}

#[test]
fn a_namespace_that_does_not_match() {
    let space = "---\nkind: Namespace\napiVersion: v1\nmetadata: {name: shop, labels: {team: shop}}\n";
    let text = space.to_owned() + &shop();
    silent(&(text.clone() + &admit("in", "{namespaceSelector: {matchLabels: {team: shop}}}", "")));
    silent(
        &(text.clone() + &admit("in", "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}", "")),
    );
    let found = outage(&(text + &admit("in", "{namespaceSelector: {matchLabels: {team: shoop}}}", "")));
    assert_eq!(at(&found).2, "spec.ingress[0].from[0].namespaceSelector.matchLabels.team");
    says(&found, &["namespaces with team=shoop", "namespace shop has team=shop"]);
}

const DNS: &str = "{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}]}";

fn leave(rules: &str) -> String {
    policy("out", &format!("{{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [{rules}]}}"))
}

#[test]
fn egress_of_the_client() {
    let to_db = "{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}";
    silent(&(shop() + &leave(&format!("{to_db}, {DNS}"))));
    silent(&(shop() + &leave("{}")));
    let found = outage(&(shop() + &leave("")));
    assert_eq!(at(&found), ("NetworkPolicy", "out", "spec.egress"));
    says(&found, &["allows no egress"]);
    let found = outage(&(shop() + &leave(&format!("{DNS}, {}", to_db.replace("5432", "5433")))));
    assert_eq!(at(&found).2, "spec.egress[1].ports[0].port");
    // The policy selects its own pods, and no others.
    silent(&(shop() + &leave("").replace("app: web", "app: api")));
}

#[test]
fn dns_that_was_forgotten() {
    let to_db = "{to: [{podSelector: {matchLabels: {app: db}}}]}";
    let found = outage(&(shop() + &leave(to_db)));
    assert_eq!((at(&found).0, at(&found).1), ("NetworkPolicy", "out"));
    says(&found, &["denied DNS (UDP port 53)", "cannot resolve db"]);
    // TCP is what a port without protocol means.
    let found = outage(&(shop() + &leave(&format!("{to_db}, {}", DNS.replace(", protocol: UDP", "")))));
    assert_eq!(at(&found).2, "spec.egress[1].ports[0].protocol");
    for good in [
        "{ports: [{port: 53, protocol: UDP}]}",
        "{to: [{ipBlock: {cidr: 10.96.0.10/32}}]}",
        "{to: [{namespaceSelector: {}}]}",
        DNS,
    ] {
        silent(&(shop() + &leave(&format!("{to_db}, {good}"))));
    }
    // Nothing is looked for by name.
    silent(
        &(running("web", "containers:\n- {name: main, image: i}")
            + &leave(to_db)
            + &server("db", 5432)
            + &service("db", "db", 5432, "5432")),
    );
}

#[test]
fn services_of_other_namespaces() {
    let bank = "---\nkind: Namespace\napiVersion: v1\nmetadata: {name: bank, labels: {team: bank}}\n---\nkind: Service\napiVersion: v1\nmetadata: {name: ledger, namespace: bank}\nspec: {selector: {app: ledger}, ports: [{port: 80, targetPort: 8080}]}\n";
    let text = bank.to_owned() + &client("web", "LEDGER_URL", "http://ledger.bank:80");
    let to = |peer: &str, port: u16| leave(&format!("{{to: [{peer}], ports: [{{port: {port}}}]}}, {DNS}"));
    let peer = "{namespaceSelector: {matchLabels: {team: bank}}}";
    silent(&(text.clone() + &to(peer, 8080)));
    // It has more labels than the Service selects it by.
    silent(&(text.clone() + &to("{namespaceSelector: {}, podSelector: {matchLabels: {tier: core}}}", 8080)));
    let found = outage(&(text.clone() + &to(peer, 80)));
    says(&found, &["Service ledger of namespace bank", "allows port 80 and not 8080"]);
    let found = outage(&(text + &to("{podSelector: {matchLabels: {app: ledger}}}", 8080)));
    says(&found, &["its own namespace only"]);
    assert!(found.recommendations[0].contains("kubernetes.io/metadata.name: bank"));
}

#[test]
fn a_policy_that_by_a_slip_selects_no_pods() {
    let slipped = admit("in", FROM_WEB, "{port: 5432}").replace("app: db", "app: dbb");
    let found = outage(&(shop() + &policy("closed", CLOSED) + &slipped));
    assert_eq!(at(&found), ("NetworkPolicy", "in", "spec.podSelector.matchLabels.app"));
    says(&found, &["selects no pods", "app=dbb", "app=db"]);
    silent(&(shop() + &slipped));
}

#[test]
fn policies_of_other_kinds_may_allow_it() {
    let cilium = "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {}\n";
    quiet(&(shop() + &policy("closed", CLOSED) + cilium));
}

#[test]
fn a_route_to_pods_that_admit_nobody() {
    let text = server("web", 8080) + &service("web", "web", 80, "http") + &ingress("front", "web", "{number: 80}");
    let found = outage(&(text.clone() + &policy("closed", CLOSED)));
    assert_eq!((at(&found).1, found.about.kind.as_str()), ("closed", "Ingress"));
    let somebody =
        admit("in", "{namespaceSelector: {matchLabels: {a: b}}}", "{port: 8080}").replace("app: db", "app: web");
    silent(&(text + &policy("closed", CLOSED) + &somebody));
}

#[test]
fn what_is_only_a_hint_is_a_suspicion() {
    let text = server("db", 5432)
        + &service("db", "db", 5432, "5432")
        + &running("web", "containers:\n- name: main\n  image: i\n  command: [sh, -c, 'sleep 1; wget http://db:5432']");
    let found = quiet(&(text + &policy("closed", CLOSED)));
    assert!(found.iter().any(|f| f.cause.object.name == "closed"), "{}", said(&found));
}

#[test]
fn one_policy_against_many_is_one_finding() {
    let clients: String = (0..5).map(|n| client(&format!("web-{n}"), "DB_ADDR", "db:5432")).collect();
    let found =
        outage(&(server("db", 5432) + &service("db", "db", 5432, "5432") + &clients + &policy("closed", CLOSED)));
    assert_eq!(found.concerns.len(), 6, "{:?}", found.concerns);
}

#[test]
fn policies_of_other_namespaces() {
    let bank = |policy: &str, labels: &str| {
        format!(
            "---\nkind: Namespace\napiVersion: v1\nmetadata: {{name: shop, labels: {labels}}}\n---\nkind: Service\napiVersion: v1\nmetadata: {{name: ledger, namespace: bank}}\nspec: {{selector: {{app: ledger}}, ports: [{{port: 80, targetPort: 8080}}]}}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: in, namespace: bank}}\nspec: {policy}\n"
        ) + &client("web", "LEDGER_URL", "http://ledger.bank:80")
    };
    let from = |peer: &str| format!("{{podSelector: {{matchLabels: {{app: ledger}}}}, ingress: [{{from: [{peer}]}}]}}");
    let teams = from("{namespaceSelector: {matchLabels: {zone: apps}}}");
    silent(&bank(&teams, "{zone: apps}"));
    let found = outage(&bank(&teams, "{}"));
    assert_eq!(at(&found), ("NetworkPolicy", "in", "spec.ingress[0].from[0].namespaceSelector.matchLabels.zone"));
    assert_eq!((found.cause.object.namespace.as_deref(), found.about.name.as_str()), (Some("bank"), "web"));
    says(&found, &["namespaces with zone=apps", "namespace shop has no zone"]);
    // Pods of its own namespace only.
    says(&outage(&bank(&from("{podSelector: {}}"), "{}")), &["its own namespace only"]);
    // Whether it selects the pods is not known.
    silent(&bank(&teams.replace("app: ledger", "tier: core"), "{}"));
}
