//! What the API server refuses an account: the rule that is missing, and where.

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::*;
use crate::graph::Grant;

fn object(kind: &str, name: &str) -> ObjectRef {
    let namespace = (!kind.starts_with("Cluster")).then(|| "shop".to_owned());
    ObjectRef { kind: kind.into(), name: name.into(), namespace, ..ObjectRef::default() }
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    serde_json::from_value(json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})).unwrap()
}

fn grant(role: &str, rules: Option<Vec<PolicyRule>>) -> Grant {
    let kind = if role.starts_with("cluster") { "ClusterRole" } else { "Role" };
    Grant { binding: object("RoleBinding", "keeper"), role: object(kind, role), rules, within: Some("shop".into()) }
}

/// What is concluded when the account may not list leases.
fn refused(grants: Option<Vec<Grant>>) -> RootCause {
    refused_in(" in the namespace \"shop\"", grants)
}

fn refused_in(place: &str, grants: Option<Vec<Grant>>) -> RootCause {
    let line = format!(
        "leases.coordination.k8s.io is forbidden: User \"system:serviceaccount:shop:keeper\" cannot list resource \"leases\" in API group \"coordination.k8s.io\"{place}"
    );
    let p = crashing("p").set("/spec/serviceAccountName", json!("keeper"));
    let v = WorkloadView { revisions: vec![], ..view([p]) };
    let e = Evidence { grants, ..told(evidence(v, 5), &[line.as_str()]) };
    at_second(&e, 5).cause
}

fn is(cause: &RootCause, object: &str, path: &str, says: &str) {
    let shown = format!("{}/{}", cause.object.kind, cause.object.name);
    assert_eq!((shown.as_str(), cause.path.as_deref()), (object, Some(path)), "{}", cause.statement);
    assert!(cause.statement.contains(says), "{says:?} not in {:?}", cause.statement);
    assert_eq!(cause.class, CauseClass::PermissionDenied);
}

const LEASES: &str = "coordination.k8s.io";

#[test]
fn the_rule_that_is_missing() {
    let other = rule("", "configmaps", &["get", "list"]);
    let cause = refused(Some(vec![grant("keeper", Some(vec![other.clone()]))]));
    is(&cause, "Role/keeper", "rules", "Role keeper, which is bound to it, has no rule for leases.coordination.k8s.io");
    let verbs = rule(LEASES, "leases", &["get", "create"]);
    let cause = refused(Some(vec![grant("keeper", Some(vec![other.clone(), verbs]))]));
    is(&cause, "Role/keeper", "rules[1].verbs", "allows only get, create of leases, not list");
    let group = rule("", "leases", &["list"]);
    let cause = refused(Some(vec![grant("keeper", Some(vec![group]))]));
    is(&cause, "Role/keeper", "rules[0].apiGroups", "and it is in coordination.k8s.io");
    let singular = rule(LEASES, "lease", &["list"]);
    let cause = refused(Some(vec![grant("keeper", Some(vec![singular]))]));
    is(&cause, "Role/keeper", "rules[0].resources", "names lease, and the resource is leases");
    // A Role of the namespace is the nearer place than a ClusterRole.
    let view = grant("cluster-view", Some(vec![other.clone()]));
    let cause = refused(Some(vec![view, grant("keeper", Some(vec![other]))]));
    assert_eq!(cause.object.name, "keeper");
}

#[test]
fn the_role_or_the_binding_that_is_missing() {
    let cause = refused(Some(vec![grant("keeper", None)]));
    is(&cause, "RoleBinding/keeper", "roleRef.name", "RoleBinding keeper refers to Role keeper, which does not exist");
    let cause = refused(Some(Vec::new()));
    is(&cause, "ServiceAccount/keeper", "rules", "no binding names it");
    let cause = refused(None);
    is(&cause, "ServiceAccount/keeper", "rules", "no Role or ClusterRole that is bound to it allows this");
    let whole = vec![grant("keeper", Some(vec![rule(LEASES, "leases", &["list"])]))];
    let cause = refused_in(" at the cluster scope", Some(whole.clone()));
    is(&cause, "RoleBinding/keeper", "metadata.namespace", "RoleBinding keeper grants this in namespace shop only");
    let cause = refused_in(" in the namespace \"other\"", Some(whole));
    is(&cause, "RoleBinding/keeper", "metadata.namespace", "grants this in namespace shop only");
}
