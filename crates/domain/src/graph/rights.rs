//! What ServiceAccounts may do, by the Roles and ClusterRoles that are bound to them.

use api::shared::ObjectRef;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Graph;
use super::query::{name, named, reference};

const VERSION: &str = "rbac.authorization.k8s.io/v1";

/// What one binding gives to an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The RoleBinding or ClusterRoleBinding.
    pub binding: ObjectRef,
    /// The Role or ClusterRole that it refers to.
    pub role: ObjectRef,
    /// The rules of that; none when it does not exist, or may not be read.
    pub rules: Option<Vec<PolicyRule>>,
    /// The namespace that it holds in; none for the whole cluster.
    pub within: Option<String>,
}

/// A binding of either kind.
pub(super) struct Binding<'a> {
    pub(super) object: ObjectRef,
    pub(super) metadata: &'a ObjectMeta,
    pub(super) role: &'a RoleRef,
    pub(super) subjects: &'a [Subject],
}

/// The ServiceAccount that a pod runs as.
pub(super) fn account(spec: &PodSpec) -> &str {
    let named = spec.service_account_name.as_deref().or(spec.service_account.as_deref());
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

impl Binding<'_> {
    /// Whether a subject is this account, by itself or as one of a group that all accounts are in.
    pub(super) fn holds(&self, namespace: &str, account: &str) -> bool {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ];
        self.subjects.iter().any(|subject| match subject.kind.as_str() {
            "ServiceAccount" => {
                subject.name == account
                    && subject.namespace.as_deref().or(self.object.namespace.as_deref()) == Some(namespace)
            }
            "Group" => groups.contains(&subject.name),
            "User" => subject.name == format!("system:serviceaccount:{namespace}:{account}"),
            _ => false,
        })
    }
}

impl Graph {
    /// Bindings of this namespace, and those of the cluster.
    pub(super) fn bindings(&self) -> impl Iterator<Item = Binding<'_>> {
        let own = self.role_bindings.iter().map(|binding| Binding {
            object: reference(VERSION, "RoleBinding", &binding.metadata),
            metadata: &binding.metadata,
            role: &binding.role_ref,
            subjects: binding.subjects.as_deref().unwrap_or_default(),
        });
        let all = self.cluster.cluster_role_bindings.iter().map(|binding| Binding {
            object: reference(VERSION, "ClusterRoleBinding", &binding.metadata),
            metadata: &binding.metadata,
            role: &binding.role_ref,
            subjects: binding.subjects.as_deref().unwrap_or_default(),
        });
        own.chain(all)
    }

    /// The rules of the role that a binding refers to; none when it does not exist.
    pub(super) fn rules_of(&self, role: &RoleRef) -> Option<&[PolicyRule]> {
        if role.kind == "Role" {
            let found = self.roles.iter().find(|found| name(&found.metadata) == role.name)?;
            return Some(found.rules.as_deref().unwrap_or_default());
        }
        let found = self.cluster.cluster_roles.iter().find(|found| name(&found.metadata) == role.name)?;
        Some(found.rules.as_deref().unwrap_or_default())
    }

    /// Whether roles and bindings of every kind were read.
    pub fn knows_rights(&self) -> bool {
        ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"].iter().all(|kind| self.knows(kind))
    }

    /// Everything that is granted to the account of a pod spec; none where rights cannot be read. Every cluster binds
    /// something: where there is no binding at all, nobody looked.
    pub fn grants(&self, spec: &PodSpec) -> Option<Vec<Grant>> {
        let looked = !self.role_bindings.is_empty() || !self.cluster.cluster_role_bindings.is_empty();
        if !looked || !self.knows_rights() {
            return None;
        }
        let account = account(spec);
        let ours = self.bindings().filter(|binding| binding.holds(&self.namespace, account));
        let of = |binding: Binding<'_>| {
            let space = if binding.role.kind == "Role" { self.namespace.as_str() } else { "" };
            Grant {
                role: named(VERSION, &binding.role.kind, space, &binding.role.name),
                rules: self.rules_of(binding.role).map(<[PolicyRule]>::to_vec),
                within: binding.metadata.namespace.clone(),
                binding: binding.object,
            }
        };
        Some(ours.map(of).collect())
    }
}
