//! Rights: what a server needs to watch, and what the operator needs for Instances. Roles and the chart come from here.

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::graph::OPTIONAL;
use crate::remediation::actions::Right;

/// The ClusterRole for what belongs to no namespace; every Instance with a watcher shares it.
pub const NODE_ROLE: &str = "chatcli-watcher-nodes";

const LOOK: &[&str] = &["get", "list", "watch"];
const READ: &[&str] = &["get", "list"];
/// Of objects that are applied, repaired and removed again.
const KEEP: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, verbs }
}

/// What a server may do in a namespace that it watches. No Secret is read.
pub fn watcher_rights() -> Vec<Right> {
    vec![
        right("", "pods", LOOK),
        right("", "pods/log", &["get"]),
        right("", "events", LOOK),
        right("", "services", LOOK),
        right("", "endpoints", LOOK),
        right("", "configmaps", LOOK),
        right("", "persistentvolumeclaims", LOOK),
        right("", "serviceaccounts", LOOK),
        right("", "resourcequotas", LOOK),
        right("", "limitranges", LOOK),
        right("apps", "deployments", LOOK),
        right("apps", "replicasets", LOOK),
        right("apps", "statefulsets", LOOK),
        right("apps", "daemonsets", LOOK),
        right("apps", "controllerrevisions", LOOK),
        right("batch", "jobs", LOOK),
        right("batch", "cronjobs", LOOK),
        right("autoscaling", "horizontalpodautoscalers", LOOK),
        right("discovery.k8s.io", "endpointslices", LOOK),
        right("events.k8s.io", "events", LOOK),
        right("networking.k8s.io", "ingresses", LOOK),
        right("networking.k8s.io", "networkpolicies", LOOK),
        right("policy", "poddisruptionbudgets", LOOK),
        right("rbac.authorization.k8s.io", "roles", LOOK),
        right("rbac.authorization.k8s.io", "rolebindings", LOOK),
        right("metrics.k8s.io", "pods", READ),
    ]
    .into_iter()
    .chain(optional_rights(true))
    .collect()
}

/// Kinds that a cluster may have or not: a right to what is not there is worth nothing and harms nobody.
fn optional_rights(namespaced: bool) -> impl Iterator<Item = Right> {
    OPTIONAL.iter().filter(move |kind| kind.namespaced == namespaced).map(|kind| right(kind.group, kind.plural, LOOK))
}

/// What a server may do beside that in a namespace with a target whose metrics it reads: where the addresses of pods are
/// not reached, it asks them through the API server.
pub(super) fn metrics_rights() -> Vec<Right> {
    vec![right("", "pods/proxy", &["get"])]
}

/// What a server may do in the cluster.
pub fn node_rights() -> Vec<Right> {
    vec![
        right("", "nodes", LOOK),
        right("", "namespaces", LOOK),
        right("", "persistentvolumes", LOOK),
        right("storage.k8s.io", "storageclasses", LOOK),
        right("networking.k8s.io", "ingressclasses", LOOK),
        right("scheduling.k8s.io", "priorityclasses", LOOK),
        right("rbac.authorization.k8s.io", "clusterroles", LOOK),
        right("rbac.authorization.k8s.io", "clusterrolebindings", LOOK),
        right("admissionregistration.k8s.io", "validatingwebhookconfigurations", LOOK),
        right("admissionregistration.k8s.io", "mutatingwebhookconfigurations", LOOK),
        right("metrics.k8s.io", "nodes", READ),
        // Only the names of definitions are read: they say which of the optional kinds there are.
        right("apiextensions.k8s.io", "customresourcedefinitions", LOOK),
    ]
    .into_iter()
    .chain(optional_rights(false))
    .collect()
}

/// What a server may do to agree with its replicas who watches, in the namespace of its pods.
pub(super) fn lease_rights() -> Vec<Right> {
    vec![right("coordination.k8s.io", "leases", &["get", "list", "watch", "create", "update", "patch"])]
}

/// What the operator itself must be allowed for Instances, beside everything that it grants: nobody may grant more than
/// they have. Secrets are watched by their metadata and read by name; Kubernetes has one right for both.
pub fn operator_rights() -> Vec<Right> {
    let mut all = vec![
        right("platform.chatcli.io", "instances", &["get", "list", "watch", "patch"]),
        right("platform.chatcli.io", "instances/status", &["patch"]),
        // Owner references that block deletion, where the API server checks that.
        right("platform.chatcli.io", "instances/finalizers", &["update"]),
        right("", "secrets", KEEP),
        right("", "configmaps", KEEP),
        right("", "serviceaccounts", KEEP),
        right("", "services", KEEP),
        right("", "pods", LOOK),
        right("", "persistentvolumeclaims", &["get", "list", "watch", "patch"]),
        right("apps", "deployments", KEEP),
        right("apps", "statefulsets", KEEP),
        right("policy", "poddisruptionbudgets", KEEP),
        right("rbac.authorization.k8s.io", "roles", KEEP),
        right("rbac.authorization.k8s.io", "rolebindings", KEEP),
        right("rbac.authorization.k8s.io", "clusterroles", KEEP),
        right("rbac.authorization.k8s.io", "clusterrolebindings", KEEP),
    ];
    all.extend(watcher_rights());
    all.extend(metrics_rights());
    all.extend(node_rights());
    all.extend(lease_rights());
    all
}

/// As rules of a role: resources of one group with the same verbs share a rule.
pub(super) fn rules(rights: &[Right]) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    for right in rights {
        let group = Some(vec![right.group.to_owned()]);
        let verbs: Vec<String> = right.verbs.iter().map(|verb| (*verb).to_owned()).collect();
        match rules.iter_mut().find(|rule| rule.api_groups == group && rule.verbs == verbs) {
            Some(rule) => rule.resources.get_or_insert_default().push(right.resource.to_owned()),
            None => rules.push(PolicyRule {
                api_groups: group,
                resources: Some(vec![right.resource.to_owned()]),
                verbs,
                ..PolicyRule::default()
            }),
        }
    }
    rules
}
