//! Policies and what lies outside of the namespace or the cluster.

use super::*;

fn policy(spec: &str) -> String {
    format!("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: out}}\nspec: {spec}\n")
}

fn leave(rules: &str) -> String {
    policy(&format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{rules}]}}"))
}

const DNS: &str = "{to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}]}";

#[test]
fn a_host_of_the_world() {
    let pay = client("pay", "CARDS_API_URL", "https://api.cards.example.org/v1");
    let found = outage(&(pay.clone() + &leave(DNS)));
    assert_eq!(at(&found), ("NetworkPolicy", "out", "spec.egress"));
    says(&found, &["denied port 443 of api.cards.example.org by NetworkPolicy out", "outside of the cluster"]);
    says(&outage(&(pay.clone() + &leave(""))), &["allows no egress"]);
    outage(&(client("pay", "MAIN", "postgres://db.example.org/x") + &leave(DNS)));
    for good in ["{}", "{ports: [{port: 443}]}", "{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 443}]}"] {
        silent(&(pay.clone() + &leave(&format!("{DNS}, {good}"))));
    }
    outage(&(pay.clone() + &leave(&format!("{DNS}, {{ports: [{{port: 80}}]}}"))));
    // It may be a link for people, and requests may take another way.
    quiet(&(client("pay", "SHOP_URL", "https://shop.example.org") + &leave(DNS)));
    silent(&(client("pay", "PUBLIC_API_URL", "https://shop.example.org") + &leave(DNS)));
    let proxied = "containers:\n- name: main\n  image: i\n  env: [{name: HTTPS_PROXY, value: 'http://10.0.0.1:3128'}, {name: CARDS_API_URL, value: 'https://api.cards.example.org'}]";
    silent(&(running("pay", proxied) + &leave(DNS)));
    // One finding for many.
    let many = pay + &client("ship", "POST_API_URL", "https://api.post.example.org") + &leave(DNS);
    assert_eq!(outage(&many).concerns.len(), 2);
}

#[test]
fn a_direction_that_nobody_meant() {
    let shop = server("db", 5432) + &service("db", "db", 5432, "5432") + &client("web", "DB_ADDR", "db:5432");
    let types = |types: &str| {
        policy(&format!("{{podSelector: {{matchLabels: {{app: db}}}}, policyTypes: [{types}], egress: [{DNS}]}}"))
    };
    let found = outage(&(shop.clone() + &types("Ingress, Egress")));
    assert_eq!(at(&found), ("NetworkPolicy", "out", "spec.policyTypes"));
    says(&found, &["policyTypes has Ingress while it has rules for egress only"]);
    silent(&(shop + &types("Egress")));
}

#[test]
fn a_route_to_pods_that_admit_their_own_namespace_only() {
    let text = server("web", 8080) + &service("web", "web", 80, "http") + &ingress("front", "web", "{number: 80}");
    let own = policy("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}");
    let late = changed(&changed(&(text.clone() + &own), "NetworkPolicy", "out", 9, 9), "Ingress", "front", 1, 1);
    let found = outage(&late);
    assert_eq!(at(&found), ("NetworkPolicy", "out", "spec.ingress[0].from[0]"));
    says(&found, &["pods of its own namespace only"]);
    // As it was from the beginning it may be right, and a controller may run here.
    quiet(&(text.clone() + &own));
    silent(&(late.clone() + "\n" + &server("ingress-edge", 80)));
    silent(&(text + &own.replace("{podSelector: {}}]", "{podSelector: {}}, {namespaceSelector: {}}]")));
}
