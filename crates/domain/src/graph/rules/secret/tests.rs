use super::*;
use crate::graph::fixture::graph;
use crate::graph::rules::trial::{NOW, is, on, says};
use crate::graph::{Certificate, Touch};

const INGRESS: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: public}
spec: {tls: [{hosts: [shop.example.com], secretName: cert}]}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
";

fn with(text: &str, from: i64, until: i64, by: &str) -> Vec<Finding> {
    let mut g = graph(text);
    let day = |days: i64| {
        NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * days) + SignedDuration::from_secs(1)
    };
    g.secrets[0].certificate =
        Some(Certificate { not_before: day(from), not_after: day(until), names: vec!["shop.example.com".into()] });
    g.secrets[0].touched = Some(Touch { at: day(from), by: by.into() });
    on(certificates, &g)
}

#[test]
fn certificates_by_their_end() {
    for (from, until, expected) in [
        (-90, -1, Some((Standing::Outage, Severity::Critical))),
        (2, 90, Some((Standing::Outage, Severity::High))),
        (-88, 2, Some((Standing::Latent, Severity::High))),
        (-1, 5, Some((Standing::Latent, Severity::High))),
        (-70, 20, Some((Standing::Latent, Severity::Low))),
        (-60, 30, None),
    ] {
        let found = with(INGRESS, from, until, "kubectl");
        assert_eq!(found.first().map(|f| (f.standing, f.severity)), expected, "{from} {until}");
    }
    let found = with(INGRESS, -90, -1, "kubectl");
    is(&found[0], "Secret/cert", "data[tls.crt]", "2026-11-24 10:00 UTC", Standing::Outage);
    says(
        &found[0],
        &[
            "The certificate for shop.example.com in Secret cert, which Ingress public serves, has expired: it ended at 2026-11-24",
        ],
    );
}

#[test]
fn what_a_controller_renews_is_not_late_before_its_time() {
    assert!(with(INGRESS, -2, 4, "cert-manager-certificates-issuing").is_empty());
    assert!(with(INGRESS, -70, 20, "cert-manager-certificates-issuing").len() == 1);
    assert!(with(INGRESS, -5, 1, "cert-manager-certificates-issuing").len() == 1);
}

#[test]
fn only_what_is_served_counts() {
    let alone = INGRESS.replace("secretName: cert", "secretName: other");
    assert!(with(&alone, -90, -1, "kubectl").is_empty());
    let gateway = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {listeners: [{name: a, tls: {certificateRefs: [{name: cert}, {name: cert, namespace: bank}, {kind: Other, name: cert}]}}, {name: b}]}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
";
    let found = with(gateway, -90, -1, "kubectl");
    says(&found[0], &["which Gateway edge serves"]);
    assert_eq!(found[0].concerns.len(), 1);
    assert!(on(certificates, &graph(INGRESS)).is_empty(), "nothing is known of the certificate");
}
