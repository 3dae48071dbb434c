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
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: db}\nspec: {nodeName: n1, containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}\n";
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

const SPACE: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: shop, uid: ns, deletionTimestamp: '2026-11-25T09:50:00Z'}
spec: {finalizers: [kubernetes]}
status: {phase: Terminating}
";

#[test]
fn a_namespace_that_does_not_go() {
    let seal = "---
apiVersion: v1
kind: Secret
metadata: {name: seal, deletionTimestamp: '2026-11-25T09:50:00Z', finalizers: [vault.example.com/revoke]}
";
    let finding = one(namespace, &(SPACE.to_owned() + seal));
    is(&finding, "Secret/seal", "metadata.finalizers", "vault.example.com/revoke", Standing::Outage);
    says(
        &finding,
        &[
            "Namespace shop is being deleted and stays Terminating: finalizer vault.example.com/revoke of Secret seal is not removed",
        ],
    );
    assert_eq!((finding.about.kind.as_str(), finding.about.namespace.as_deref()), ("Namespace", None));
    // Nothing else is told of such a namespace.
    let g = graph(&(SPACE.to_owned() + seal + &claim("deletionTimestamp: '2026-11-25T09:00:00Z', finalizers: [a/b]")));
    let all = crate::graph::rules::findings(&g, crate::graph::rules::trial::now());
    assert_eq!(all.iter().map(|f| f.about.kind.as_str()).collect::<Vec<_>>(), ["Namespace"]);
    says(&all[0], &["of PersistentVolumeClaim data and Secret seal is not removed"]);
    // It has only just been deleted.
    silent(namespace, &(SPACE.replace("09:50:00", "09:59:30") + seal));
    silent(namespace, seal);
}

#[test]
fn what_the_controller_says_of_a_namespace() {
    let with = |type_: &str, message: &str, since: &str| {
        SPACE.replace("09:50:00", since).replace(
            "phase: Terminating",
            &format!(
                "phase: Terminating, conditions: [{{type: {type_}, status: 'True', reason: R, message: '{message}'}}]"
            ),
        )
    };
    let discovery = with(
        "NamespaceDeletionDiscoveryFailure",
        "Discovery failed for some groups, 1 failing: unable to retrieve metrics.k8s.io/v1beta1",
        "09:58:00",
    );
    let finding = one(namespace, &discovery);
    is(&finding, "Namespace/shop", "status.conditions", "NamespaceDeletionDiscoveryFailure", Standing::Outage);
    says(&finding, &["the API server cannot find out what is in it", "metrics.k8s.io/v1beta1"]);
    assert!(finding.recommendations[0].contains("APIService"));
    let remaining = with(
        "NamespaceFinalizersRemaining",
        "Some content in the namespace has finalizers remaining: example.com/x in 2 resource instances",
        "09:58:00",
    );
    is(&one(namespace, &remaining), "Namespace/shop", "status.conditions", "example.com/x", Standing::Outage);
    silent(namespace, &remaining.replace("example.com/x", "kubernetes.io/pvc-protection"));
    // Pods with a long grace end as they should.
    silent(
        namespace,
        &with("NamespaceContentRemaining", "Some resources are remaining: pods. has 3 resource instances", "09:58:00"),
    );
    let late =
        with("NamespaceContentRemaining", "Some resources are remaining: pods. has 3 resource instances", "09:50:00");
    says(&one(namespace, &late), &["Some resources are remaining: pods. has 3 resource instances"]);
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, deletionTimestamp: '2026-11-25T10:01:00Z'}\nspec: {nodeName: n1, containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}\n";
    let used = claim("deletionTimestamp: '2026-11-25T09:58:00Z', finalizers: [kubernetes.io/pvc-protection]");
    silent(namespace, &(SPACE.replace("09:50:00", "09:58:00") + &used + pod));
    silent(objects, &(used + pod));
}

#[test]
fn a_volume_that_goes_with_its_claim_and_workloads_that_stay() {
    let bound =
        claim("uid: c").replace("kind: PersistentVolumeClaim", "kind: PersistentVolumeClaim\nspec: {volumeName: pv-1}");
    let volume =
        |metadata: &str| format!("---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: pv-1, {metadata}}}\n");
    let gone = "deletionTimestamp: '2026-11-25T09:59:00Z', finalizers: [kubernetes.io/pv-protection]";
    let finding = one(objects, &(bound.clone() + &volume(gone)));
    is(&finding, "PersistentVolume/pv-1", "metadata.deletionTimestamp", "2026-11-25T09:59:00Z", Standing::Latent);
    says(&finding, &["while PersistentVolumeClaim data is bound to it"]);
    assert_eq!(finding.about.kind, "PersistentVolumeClaim");
    silent(objects, &(bound + &volume("finalizers: [kubernetes.io/pv-protection]")));
    let mut g = graph("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n");
    let object = ObjectRef {
        kind: "Deployment".into(),
        name: "web".into(),
        namespace: Some("shop".into()),
        ..Default::default()
    };
    let since = "2026-11-25T09:00:00Z".parse().unwrap();
    g.leaving = vec![(object.clone(), since, vec!["example.com/x".into()])];
    is(&on(objects, &g)[0], "Deployment/web", "metadata.finalizers", "example.com/x", Standing::Outage);
    g.leaving = vec![(object, since, vec!["foregroundDeletion".into()])];
    assert!(on(objects, &g).is_empty());
    // A load balancer outside of the cluster is not taken down in a minute.
    let lb = "apiVersion: v1\nkind: Service\nmetadata: {name: lb, deletionTimestamp: '2026-11-25T09:58:00Z', finalizers: [service.kubernetes.io/load-balancer-cleanup]}\n";
    silent(objects, lb);
}
