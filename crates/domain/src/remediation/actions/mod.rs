//! The action registry: the only source for what an action takes, needs, changes, checks and undoes.
//!
//! What lives here: the typed actions, their parameters, the rights they need. What does not: whether the target may be
//! acted on now (`preflight`), how the log is kept (`steps`).

mod params;
mod quantity;
mod rights;

#[cfg(test)]
mod tests;

use api::shared::{ActionType, RemediationAction};
use thiserror::Error;

pub use quantity::Quantity;
pub use rights::{Right, rights};

/// Most replicas that an action may ask for.
pub const MAX_REPLICAS: i32 = 100;
/// Most that replicas may grow at once.
pub const MAX_REPLICA_FACTOR: i32 = 10;
/// Most that a memory or CPU value may grow at once.
pub const MAX_RESOURCE_FACTOR: i128 = 8;
/// Most bytes of a ConfigMap value that is written or saved.
pub const MAX_CONFIG_VALUE: usize = 128 * 1024;

/// Which revision a rollback goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToRevision {
    /// This one.
    Number(i64),
    /// The one before the current one.
    Previous,
    /// The newest other one whose pods are available now.
    Healthy,
}

/// Values that AdjustResources sets; at least one is there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Resources {
    /// Memory limit.
    pub memory_limit: Option<Quantity>,
    /// Memory request.
    pub memory_request: Option<Quantity>,
    /// CPU limit.
    pub cpu_limit: Option<Quantity>,
    /// CPU request.
    pub cpu_request: Option<Quantity>,
}

/// An action that this version can do, its parameters checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts the pod template of an earlier revision back.
    RollbackDeployment {
        /// Which one.
        to: ToRevision,
    },
    /// Replaces the pods, one after another, with the same template.
    RestartDeployment,
    /// Sets the replica count.
    ScaleDeployment {
        /// Wanted count.
        replicas: i32,
        /// Whether silencing the workload is meant; only then may the count be 0.
        containment: bool,
    },
    /// Sets requests and limits of a container.
    AdjustResources {
        /// Container; may be left out when there is only one.
        container: Option<String>,
        /// Values.
        values: Resources,
    },
    /// Sets one key of a ConfigMap that the workload uses, and restarts the workload.
    PatchConfig {
        /// ConfigMap.
        config_map: String,
        /// Key.
        key: String,
        /// New value.
        value: String,
    },
    /// Deletes a pod of the workload, which its controller replaces.
    DeletePod {
        /// Pod.
        pod: String,
    },
}

/// Why an action is refused before anything is read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParamError {
    /// This version does not do it.
    #[error("{0:?} is not available in this version; do it by hand, or use one of {AVAILABLE}")]
    NotAvailable(ActionType),
    /// A parameter is missing.
    #[error("{action:?} needs the parameter \"{param}\" ({expects})")]
    Missing {
        /// Action.
        action: ActionType,
        /// Parameter.
        param: &'static str,
        /// What belongs there.
        expects: &'static str,
    },
    /// A parameter is not one of the action's.
    #[error("{action:?} has no parameter \"{param}\"; it takes {takes}")]
    Unknown {
        /// Action.
        action: ActionType,
        /// Parameter.
        param: String,
        /// What it takes.
        takes: String,
    },
    /// A parameter holds something that does not belong there.
    #[error("parameter \"{param}\" of {action:?} is \"{value}\"; expected {expects}")]
    Bad {
        /// Action.
        action: ActionType,
        /// Parameter.
        param: &'static str,
        /// What stands there, shortened.
        value: String,
        /// What belongs there.
        expects: String,
    },
}

/// The actions of this version, for texts.
const AVAILABLE: &str =
    "RollbackDeployment, RestartDeployment, ScaleDeployment, AdjustResources, PatchConfig, DeletePod";

/// What undoing an action means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// The changed fields are put back as they were.
    RestoresFields,
    /// It changes no configuration: there is nothing to put back.
    NothingToUndo,
}

/// What is known of an action by its type alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionInfo {
    /// Its type.
    pub type_: ActionType,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters: name, whether it must be given, what belongs there.
    pub params: &'static [(&'static str, bool, &'static str)],
    /// Kind of workload that it acts on.
    pub target_kind: &'static str,
    /// What undoing it means.
    pub reversal: Reversal,
    /// What is looked at before.
    pub preflight: &'static str,
    /// What tells that it has worked, besides the signals that have to clear.
    pub verification: &'static str,
}

const ROLLOUT_DONE: &str =
    "the rollout is complete: generation observed, all replicas updated and ready, none left over";

/// The registry.
pub const REGISTRY: &[ActionInfo] = &[
    ActionInfo {
        type_: ActionType::RollbackDeployment,
        summary: "Puts the pod template of an earlier revision back.",
        params: &[("toRevision", false, "a revision number, \"previous\" (default) or \"healthy\"")],
        target_kind: "Deployment",
        reversal: Reversal::RestoresFields,
        preflight: "target UID, not paused, not owned by a GitOps tool, the revision exists and differs, server-side dry run",
        verification: ROLLOUT_DONE,
    },
    ActionInfo {
        type_: ActionType::RestartDeployment,
        summary: "Replaces the pods, one after another, with the same template.",
        params: &[],
        target_kind: "Deployment",
        reversal: Reversal::NothingToUndo,
        preflight: "target UID, not paused, server-side dry run",
        verification: ROLLOUT_DONE,
    },
    ActionInfo {
        type_: ActionType::ScaleDeployment,
        summary: "Sets the replica count.",
        params: &[
            ("replicas", true, "a number from 0 to 100, at most ten times the current one"),
            ("containment", false, "\"true\" or \"false\"; replicas 0 needs \"true\""),
        ],
        target_kind: "Deployment",
        reversal: Reversal::RestoresFields,
        preflight: "target UID, not owned by a GitOps tool, no HorizontalPodAutoscaler owns the count, ResourceQuotas have room, server-side dry run",
        verification: ROLLOUT_DONE,
    },
    ActionInfo {
        type_: ActionType::AdjustResources,
        summary: "Sets requests and limits of a container.",
        params: &[
            ("container", false, "name of a container; may be left out when there is only one"),
            ("memory_limit", false, "a quantity such as 256Mi"),
            ("memory_request", false, "a quantity such as 128Mi"),
            ("cpu_limit", false, "a quantity such as 500m"),
            ("cpu_request", false, "a quantity such as 250m"),
        ],
        target_kind: "Deployment",
        reversal: Reversal::RestoresFields,
        preflight: "target UID, not paused, not owned by a GitOps tool, at most eight times the current value and no more than the largest node has, request not above limit, ResourceQuotas have room, server-side dry run",
        verification: ROLLOUT_DONE,
    },
    ActionInfo {
        type_: ActionType::PatchConfig,
        summary: "Sets one key of a ConfigMap that the workload uses, and restarts the workload.",
        params: &[
            ("configmap", true, "name of a ConfigMap in the workload's namespace"),
            ("key", true, "a key of its data"),
            ("value", true, "the new value"),
        ],
        target_kind: "Deployment",
        reversal: Reversal::RestoresFields,
        preflight: "target UID, not paused, the ConfigMap is not owned by a GitOps tool, the workload uses it, it is not immutable, server-side dry run",
        verification: ROLLOUT_DONE,
    },
    ActionInfo {
        type_: ActionType::DeletePod,
        summary: "Deletes a pod of the workload, which its controller replaces.",
        params: &[("pod", true, "name of a pod of the workload")],
        target_kind: "Deployment",
        reversal: Reversal::NothingToUndo,
        preflight: "target UID, the pod belongs to the workload, it is not its last ready one, PodDisruptionBudgets allow it, server-side dry run",
        verification: ROLLOUT_DONE,
    },
];

/// Entry of a type; none when this version does not do it.
pub fn info(type_: ActionType) -> Option<&'static ActionInfo> {
    REGISTRY.iter().find(|i| i.type_ == type_)
}

/// Reads an action. Refuses what this version does not do and every parameter that is missing, unknown or absurd.
pub fn parse(action: &RemediationAction) -> Result<Action, ParamError> {
    let Some(info) = info(action.type_) else { return Err(ParamError::NotAvailable(action.type_)) };
    params::parse(action, info)
}

impl Action {
    /// What undoing it means.
    pub fn reversal(&self) -> Reversal {
        match self {
            Self::RestartDeployment | Self::DeletePod { .. } => Reversal::NothingToUndo,
            _ => Reversal::RestoresFields,
        }
    }
}
