//! ServiceAccount, Roles and bindings: what the server's pods may do, namespace by namespace.

use std::collections::BTreeMap;

use api::instance::WatchTarget;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::desired::{labels, owned};
use super::rights::{NODE_ROLE, lease_rights, metrics_rights, node_rights, rules, watcher_rights};
use super::spec::View;
use super::{MANAGED_BY, MANAGED_BY_LABEL, OWNER, OWNER_UID};

/// Name of the Role and its binding in a namespace other than the Instance's. A namespace has no dot in its name, so two
/// Instances never share one.
pub fn foreign_name(view: View<'_>) -> String {
    format!("{}.{}-watcher", view.namespace(), view.name())
}

/// Name of the binding to the ClusterRole for nodes.
pub fn node_binding_name(view: View<'_>) -> String {
    format!("{}.{}-watcher-nodes", view.namespace(), view.name())
}

pub(super) fn service_account(view: View<'_>) -> ServiceAccount {
    let annotations = view.instance.spec.service_account.as_ref().map(|account| account.annotations.clone());
    ServiceAccount {
        metadata: ObjectMeta {
            annotations: annotations.filter(|annotations| !annotations.is_empty()),
            ..owned(view, view.name())
        },
        ..ServiceAccount::default()
    }
}

/// Metadata of an object that no owner reference can bind to the Instance.
fn elsewhere(view: View<'_>, namespace: Option<&str>, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: namespace.map(str::to_owned),
        labels: Some(labels(view)),
        annotations: Some(BTreeMap::from([
            (OWNER_UID.to_owned(), view.uid().to_owned()),
            (OWNER.to_owned(), format!("{}/{}", view.namespace(), view.name())),
        ])),
        ..ObjectMeta::default()
    }
}

fn subject(view: View<'_>) -> Vec<Subject> {
    vec![Subject {
        kind: "ServiceAccount".to_owned(),
        name: view.name().to_owned(),
        namespace: Some(view.namespace().to_owned()),
        ..Subject::default()
    }]
}

fn refers(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

/// Roles with their bindings, in pairs.
pub(super) fn roles(view: View<'_>) -> Vec<(Role, RoleBinding)> {
    let pair = |metadata: ObjectMeta, rights: &[_]| {
        let name = metadata.name.clone().unwrap_or_default();
        let binding =
            RoleBinding { metadata: metadata.clone(), role_ref: refers("Role", &name), subjects: Some(subject(view)) };
        (Role { metadata, rules: Some(rules(rights)) }, binding)
    };
    let mut pairs = vec![pair(owned(view, &view.named("lease")), &lease_rights())];
    for namespace in view.watched_namespaces() {
        let metadata = if namespace == view.namespace() {
            owned(view, &view.named("watcher"))
        } else {
            elsewhere(view, Some(&namespace), foreign_name(view))
        };
        let mut rights = watcher_rights();
        // Only where there is something to read, because it reaches every port of the pods.
        let metrics = |t: &WatchTarget| t.namespace == namespace && t.metrics_port.is_some_and(|port| port > 0);
        if view.targets().iter().any(metrics) {
            rights.extend(metrics_rights());
        }
        pairs.push(pair(metadata, &rights));
    }
    pairs
}

/// The shared ClusterRole for nodes, and this Instance's binding to it.
pub(super) fn nodes(view: View<'_>) -> Option<(ClusterRole, ClusterRoleBinding)> {
    view.watcher()?;
    let role = ClusterRole {
        metadata: ObjectMeta {
            name: Some(NODE_ROLE.to_owned()),
            labels: Some(BTreeMap::from([(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned())])),
            ..ObjectMeta::default()
        },
        rules: Some(rules(&node_rights())),
        ..ClusterRole::default()
    };
    let binding = ClusterRoleBinding {
        metadata: elsewhere(view, None, node_binding_name(view)),
        role_ref: refers("ClusterRole", NODE_ROLE),
        subjects: Some(subject(view)),
    };
    Some((role, binding))
}
