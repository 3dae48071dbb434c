use super::*;
use crate::graph::Certificate;

const EDGE: &str = "---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: example.org/edge}
";

/// An Ingress of the class, with more of its spec.
fn classed(class: &str, more: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: front}}
spec:
  {class}
  {more}
  rules:
  - host: shop.example.org
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}
"
    )
}

fn web() -> String {
    server("web", 8080) + &service("web", "web", 80, "http") + EDGE
}

#[test]
fn a_class_that_does_not_exist() {
    silent(&(web() + &classed("ingressClassName: edge", "")));
    let found = outage(&(web() + &classed("ingressClassName: egde", "")));
    assert_eq!(at(&found), ("Ingress", "front", "spec.ingressClassName"));
    says(&found, &["egde", "does not exist", "did you mean edge?"]);
    assert!(found.concerns.iter().any(|c| c.name == "web"));
    // None set: a controller may take it all the same.
    assert_eq!(quiet(&(web() + &classed("", ""))).len(), 1);
    let default = EDGE
        .replace("{name: edge}", "{name: other, annotations: {ingressclass.kubernetes.io/is-default-class: 'true'}}");
    silent(&(web() + &default + &classed("", "")));
}

#[test]
fn a_backend_that_is_missing() {
    let text = server("web", 8080) + &service("web", "web", 80, "http");
    let found = outage(&(text.clone() + &ingress("front", "wbe", "{number: 80}")));
    assert_eq!(at(&found), ("Ingress", "front", "spec.rules[0].http.paths[0].backend.service.name"));
    says(&found, &["shop.example.org/", "Service wbe", "does not exist", "did you mean web?"]);
    // Nothing is near and the Ingress was never changed: the Service is gone.
    let gone = changed(&(text.clone() + &ingress("front", "checkout", "{number: 80}")), "Ingress", "front", 1, 1);
    assert_eq!(at(&outage(&gone)), ("Service", "checkout", "metadata.name"));
    let renamed = changed(&(text + &ingress("front", "checkout", "{number: 80}")), "Ingress", "front", 1, 9);
    assert_eq!(at(&outage(&renamed)).0, "Ingress");
}

#[test]
fn a_port_of_a_backend_that_is_missing() {
    let text = server("web", 8080) + &service("web", "web", 80, "http");
    silent(&(text.clone() + &ingress("front", "web", "{number: 80}")));
    silent(&(text.clone() + &ingress("front", "web", "{name: http}")));
    let found = outage(&(text.clone() + &ingress("front", "web", "{number: 8080}")));
    assert_eq!(at(&found), ("Ingress", "front", "spec.rules[0].http.paths[0].backend.service.port.number"));
    says(&found, &["port 8080 of Service web", "offers 80 only", "did you mean 80?"]);
    let found = outage(&(text.clone() + &ingress("front", "web", "{name: htpp}")));
    assert_eq!(at(&found).2, "spec.rules[0].http.paths[0].backend.service.port.name");
    says(&found, &["did you mean http?"]);
    let moved = changed(&(text + &ingress("front", "web", "{number: 8080}")), "Ingress", "front", 1, 1);
    let found = outage(&changed(&moved, "Service", "web", 1, 9));
    assert_eq!(at(&found), ("Service", "web", "spec.ports[0].port"));
    // Another name for a host elsewhere has no ports.
    silent(
        &(ingress("front", "out", "{number: 443}")
            + "---\nkind: Service\napiVersion: v1\nmetadata: {name: out}\nspec: {type: ExternalName, externalName: a.example.org}\n"),
    );
}

#[test]
fn a_backend_without_pods_is_a_fault_of_the_service() {
    let found =
        outage(&(server("web", 8080) + &service("web", "wbe", 80, "http") + &ingress("front", "web", "{number: 80}")));
    assert_eq!(at(&found).0, "Service");
    assert!(found.concerns.iter().any(|c| c.kind == "Ingress"), "{:?}", found.concerns);
    assert_eq!(found.severity, api::shared::Severity::High);
}

fn tls(secret: &str) -> String {
    web() + &classed("ingressClassName: edge", &format!("tls: [{{hosts: [shop.example.org], secretName: {secret}}}]"))
}

fn secret(name: &str, type_: &str, keys: &str) -> String {
    format!("---\nkind: Secret\napiVersion: v1\nmetadata: {{name: {name}}}\ntype: {type_}\nstringData: {keys}\n")
}

#[test]
fn a_tls_secret_that_is_missing_or_of_another_form() {
    let good = secret("front-cert", "kubernetes.io/tls", "{tls.crt: a, tls.key: b}");
    silent(&(tls("front-cert") + &good));
    silent(&(tls("front-cert") + &good.replace("kubernetes.io/tls", "Opaque")));
    let found = outage(&(tls("front-cert-new") + &good));
    assert_eq!(at(&found), ("Ingress", "front", "spec.tls[0].secretName"));
    says(&found, &["front-cert-new", "does not exist", "did you mean front-cert?"]);
    let gone = changed(&tls("front-cert"), "Ingress", "front", 1, 1);
    assert_eq!(at(&outage(&gone)), ("Secret", "front-cert", "metadata.name"));
    let found = outage(&(tls("front-cert") + &secret("front-cert", "Opaque", "{cert.pem: a, key.pem: b}")));
    assert_eq!(at(&found), ("Secret", "front-cert", "data.tls.crt"));
    says(&found, &["has no tls.crt and no tls.key", "cert.pem"]);
    // Somebody will make it.
    quiet(
        &tls("front-cert").replace("{name: front}", "{name: front, annotations: {cert-manager.io/cluster-issuer: le}}"),
    );
    quiet(
        &(tls("front-cert")
            + "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: front-cert}\n"),
    );
}

#[test]
fn a_certificate_for_other_names() {
    let look = |names: &[&str]| {
        let mut graph = crate::graph::fixture::graph(
            &(tls("cert") + &secret("cert", "kubernetes.io/tls", "{tls.crt: a, tls.key: b}")),
        );
        graph.secrets[0].certificate = Some(Certificate {
            not_before: jiff::Timestamp::UNIX_EPOCH,
            not_after: jiff::Timestamp::MAX,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        let mut found = Vec::new();
        super::super::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
        found
    };
    for good in [&["shop.example.org"][..], &["*.example.org"], &["a.b", "SHOP.example.org"], &[]] {
        assert!(look(good).is_empty(), "{good:?}");
    }
    for bad in [&["www.example.org"][..], &["*.org"], &["*.shop.example.org"]] {
        let found = look(bad);
        assert_eq!(found.len(), 1, "{bad:?}");
        assert_eq!(found[0].cause.class, api::shared::CauseClass::CertificateInvalid);
        says(&found[0], &["not for shop.example.org", "Secret cert"]);
    }
}

#[test]
fn two_claims_of_one_path() {
    let two = |other: &str| {
        server("web", 8080)
            + &service("web", "web", 80, "http")
            + &server("api", 8080)
            + &service("api", "api", 80, "http")
            + &ingress("a", "web", "{number: 80}")
            + &ingress("b", other, "{number: 80}")
    };
    let both = changed(&changed(&two("api"), "Ingress", "a", 1, 9), "Ingress", "b", 1, 1);
    let found = look(&both);
    assert_eq!((found.len(), found[0].standing, at(&found[0]).1), (1, Standing::Latent, "a"));
    says(&found[0], &["shop.example.org/", "Ingress b already claims"]);
    silent(&two("web"));
    silent(&two("api").replace(
        "{kubernetes.io/ingress.class: edge}",
        "{kubernetes.io/ingress.class: edge, nginx.ingress.kubernetes.io/canary: 'true'}",
    ));
}

#[test]
fn a_claim_of_another_namespace() {
    let theirs = ingress("a", "web", "{number: 80}").replace("name: a,", "name: a, namespace: bank,");
    let class =
        "---\nkind: IngressClass\napiVersion: networking.k8s.io/v1\nmetadata: {name: edge}\nspec: {controller: a/b}\n";
    let ours = class.to_owned()
        + &server("web", 8080)
        + &service("web", "web", 80, "http")
        + &ingress("b", "web", "{number: 80}");
    let both = changed(&(ours.clone() + &theirs), "Ingress", "a", 1, 1);
    let found = look(&changed(&both, "Ingress", "b", 1, 9));
    assert_eq!((found.len(), found[0].standing, at(&found[0]).1), (1, Standing::Latent, "b"));
    says(&found[0], &["which Ingress a of namespace bank already claims"]);
    // The other namespace tells it, where the other came in between.
    silent(&changed(&changed(&both, "Ingress", "a", 1, 9), "Ingress", "b", 1, 1));
    silent(&(ours.clone() + &theirs.replace("shop.example.org", "bank.example.org")));
    // Nobody serves either.
    silent(&(ours.replace("metadata: {name: edge}", "metadata: {name: other}") + &theirs));
}

#[test]
fn a_host_that_the_certificate_is_not_served_for() {
    let with = |tls: &str| {
        server("web", 8080)
            + &service("web", "web", 80, "http")
            + &ingress("front", "web", "{number: 80}")
                .replace("  rules:", &format!("  tls: [{{hosts: [{tls}], secretName: cert}}]\n  rules:"))
            + &secret("cert", "kubernetes.io/tls", "{tls.crt: '', tls.key: ''}")
    };
    let found = outage(&with("shpo.example.org"));
    assert_eq!(at(&found), ("Ingress", "front", "spec.tls[0].hosts[0]"));
    says(&found, &["TLS for host shpo.example.org", "did you mean shop.example.org?"]);
    for good in ["shop.example.org", "'*.example.org'", "admin.example.org", "shop.example.org, shpo.example.org"] {
        silent(&with(good));
    }
}
