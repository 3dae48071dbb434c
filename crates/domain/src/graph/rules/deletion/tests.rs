use super::*;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{is, on, one, says, silent};

fn claim(metadata: &str) -> String {
    format!("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, {metadata}}}\n")
}

#[test]
fn a_pod_that_a_finalizer_holds() {
    let gone = |at: &str| {
        running("web", "containers: [{name: web}]").replace(
            "  name: web-5d8c9f-x2x4z\n",
            &format!("  name: web-5d8c9f-x2x4z\n  deletionTimestamp: '{at}'\n  finalizers: [example.com/hold]\n"),
        )
    };
    let finding = one(pods, &gone("2026-11-25T09:50:00Z"));
    is(&finding, "Pod/web-5d8c9f-x2x4z", "metadata.finalizers", "example.com/hold", Standing::Outage);
    says(&finding, &["is being deleted and does not go: finalizer example.com/hold is not removed"]);
    assert_eq!((finding.rule, finding.concerns.len()), (Rule::DeletionStuck, 0));
    silent(pods, &gone("2026-11-25T09:59:30Z"));
    // A clock that runs ahead.
    silent(pods, &gone("2026-11-25T11:00:00Z"));
    // Many of them are one fault.
    let mut g = graph(&gone("2026-11-25T09:50:00Z"));
    for n in 0..100 {
        let mut pod = g.pods[0].clone();
        pod.object.name = format!("web-{n}");
        g.pods.push(pod);
    }
    let found = on(pods, &g);
    assert_eq!(found.len(), 1);
    says(&found[0], &["and 100 more"]);
}

#[test]
fn a_pod_that_its_node_does_not_end() {
    let text = running("web", "nodeName: n1\ncontainers: [{name: web}]").replace(
        "  name: web-5d8c9f-x2x4z\n",
        "  name: web-5d8c9f-x2x4z\n  deletionTimestamp: '2026-11-25T09:50:00Z'\n",
    );
    let with = |ready: bool| {
        let mut g = graph(&text);
        let node = crate::diagnosis::NodeRoom { name: "n1".into(), ready, ..Default::default() };
        g.cluster = std::sync::Arc::new(crate::graph::Surroundings { nodes: vec![node], ..Default::default() });
        on(pods, &g)
    };
    says(&with(true)[0], &["node n1 has not ended its containers"]);
    assert!(with(false).is_empty(), "that is the node's fault");
}

#[test]
fn a_claim_in_use_waits_as_it_should() {
    let deleted = "deletionTimestamp: '2026-11-25T09:00:00Z', finalizers: [kubernetes.io/pvc-protection]";
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: db}\nspec: {containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}\n";
    let finding = one(objects, &(claim(deleted) + pod));
    is(&finding, "PersistentVolumeClaim/data", "metadata.finalizers", "kubernetes.io/pvc-protection", Standing::Latent);
    says(&finding, &["is being deleted (Terminating): Pod db still uses it"]);
    assert_eq!(one(objects, &claim(deleted)).standing, Standing::Outage);
    silent(objects, &(claim("finalizers: [kubernetes.io/pvc-protection]") + pod));
}

#[test]
fn other_objects_that_stay() {
    let service = |at: &str, finalizer: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: lb, deletionTimestamp: '{at}', finalizers: [{finalizer}]}}\n"
        )
    };
    let finding = one(objects, &service("2026-11-25T09:00:00Z", "service.kubernetes.io/load-balancer-cleanup"));
    is(&finding, "Service/lb", "metadata.finalizers", "service.kubernetes.io/load-balancer-cleanup", Standing::Outage);
    silent(objects, &service("2026-11-25T09:59:50Z", "service.kubernetes.io/load-balancer-cleanup"));
    silent(objects, &service("2026-11-25T09:00:00Z", "foregroundDeletion"));
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plan, deletionTimestamp: '2026-11-25T09:00:00Z', finalizers: [example.com/x]}\n";
    is(&one(objects, map), "ConfigMap/plan", "metadata.finalizers", "example.com/x", Standing::Outage);
    assert_eq!(one(objects, &map.replace("ConfigMap", "Secret")).about.kind, "Secret");
    let other = |kind: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: g, deletionTimestamp: '2026-11-25T09:00:00Z', finalizers: [example.com/x]}}\n"
        )
    };
    assert_eq!(one(objects, &other("Gateway")).about.kind, "Gateway");
    silent(objects, &other("SomethingElse"));
}
