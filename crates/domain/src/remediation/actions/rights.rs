//! What the operator must be allowed to do for an action; the ClusterRole is generated from it.

use api::shared::ActionType;

/// One rule of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, plural.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, verbs }
}

const LOOK: &[&str] = &["get", "list"];

/// Rights that an action needs; empty for one that this version does not do.
pub fn rights(type_: ActionType) -> Vec<Right> {
    let deployments = right("apps", "deployments", &["get", "list", "patch"]);
    let replica_sets = right("apps", "replicasets", LOOK);
    let pods = right("", "pods", LOOK);
    let quotas = right("", "resourcequotas", LOOK);
    match type_ {
        ActionType::RollbackDeployment | ActionType::RestartDeployment => vec![deployments, replica_sets, pods],
        ActionType::ScaleDeployment => {
            vec![deployments, replica_sets, pods, right("autoscaling", "horizontalpodautoscalers", LOOK), quotas]
        }
        ActionType::AdjustResources => vec![deployments, replica_sets, pods, right("", "nodes", LOOK), quotas],
        ActionType::PatchConfig => {
            vec![deployments, replica_sets, pods, right("", "configmaps", &["get", "patch"])]
        }
        ActionType::DeletePod => vec![
            right("apps", "deployments", LOOK),
            replica_sets,
            right("", "pods", &["get", "list", "delete"]),
            right("policy", "poddisruptionbudgets", LOOK),
        ],
        _ => Vec::new(),
    }
}
