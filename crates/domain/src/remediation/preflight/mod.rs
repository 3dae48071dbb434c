//! Whether an action may be done to its target now, and exactly what it would change.
//!
//! What lives here: refusals and effects, from objects as they were read (JSON, so that fields unknown to this version
//! survive a rollback). What does not: the server-side dry run, which the API server answers.

mod changes;
mod guards;
mod quota;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::actions::{Action, Quantity};
use super::fields::Fields;

pub use guards::{ALLOW_GITOPS_DRIFT, gitops_owner};

/// Objects that an action looks at.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The Deployment; none when it does not exist.
    pub deployment: Option<Value>,
    /// ReplicaSets of its namespace.
    pub replica_sets: Vec<Value>,
    /// Pods that its selector matches.
    pub pods: Vec<Value>,
    /// ConfigMap that the action names; none when it does not exist.
    pub config_map: Option<Value>,
    /// HorizontalPodAutoscalers of its namespace.
    pub autoscalers: Vec<Value>,
    /// ResourceQuotas of its namespace.
    pub quotas: Vec<Value>,
    /// PodDisruptionBudgets of its namespace.
    pub disruption_budgets: Vec<Value>,
    /// Most that a single node can give to pods; none when it is not known.
    pub largest_node: Option<LargestNode>,
}

/// Most that a single node can give to pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargestNode {
    /// CPU.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
}

/// Why an action is not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// Reason for conditions and Events.
    pub reason: &'static str,
    /// What is in the way, where, and what mends it.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Object that an effect changes, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Kind.
    pub kind: TargetKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
}

/// Kinds that effects change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `v1` Pod.
    Pod,
}

impl TargetKind {
    /// The kind as Kubernetes names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ConfigMap => "ConfigMap",
            Self::Pod => "Pod",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Deployment, Self::ConfigMap, Self::Pod].into_iter().find(|k| k.name() == name)
    }
}

/// One side effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What is changed.
    pub target: Target,
    /// How.
    pub change: Change,
    /// In words.
    pub describe: String,
}

/// How an effect changes its target.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Fields are set; `before` is the snapshot.
    Set {
        /// What stands there.
        before: Fields,
        /// What shall stand there; `null` removes.
        wanted: Fields,
    },
    /// The object is deleted.
    Delete,
}

impl Effect {
    /// Whether the target is that way already.
    pub fn changes_nothing(&self) -> bool {
        matches!(&self.change, Change::Set { before, wanted } if wanted.iter().all(|(p, v)| before.get(p) == Some(v)))
    }
}

/// Checks an action against its target and says what it would change: one effect, or two for PatchConfig.
///
/// `uid` is the UID that the plan was made for. `stamp` is when the intent is recorded; it makes repeated computations
/// equal.
pub fn effects(action: &Action, uid: Option<&str>, world: &World, stamp: Timestamp) -> Result<Vec<Effect>, Refusal> {
    let deployment = guards::target(world, uid)?;
    match action {
        Action::RollbackDeployment { to } => {
            guards::not_paused(deployment)?;
            guards::not_gitops(deployment)?;
            changes::rollback(deployment, world, to).map(|e| vec![e])
        }
        Action::RestartDeployment => {
            guards::not_paused(deployment)?;
            changes::restart(deployment, stamp).map(|e| vec![e])
        }
        Action::ScaleDeployment { replicas, .. } => {
            guards::not_gitops(deployment)?;
            guards::no_autoscaler(deployment, &world.autoscalers)?;
            let effect = changes::scale(deployment, *replicas)?;
            quota::room(deployment, &effect, &world.quotas)?;
            Ok(vec![effect])
        }
        Action::AdjustResources { container, values } => {
            guards::not_paused(deployment)?;
            guards::not_gitops(deployment)?;
            let effect = changes::resources(deployment, container.as_deref(), values, world.largest_node.as_ref())?;
            quota::room(deployment, &effect, &world.quotas)?;
            Ok(vec![effect])
        }
        Action::PatchConfig { config_map, key, value } => {
            guards::not_paused(deployment)?;
            let object = guards::config_map(deployment, world, config_map)?;
            guards::not_gitops(object)?;
            Ok(vec![changes::config(object, key, value)?, changes::restart(deployment, stamp)?])
        }
        Action::DeletePod { pod } => {
            let object = guards::pod(deployment, world, pod)?;
            changes::delete(object).map(|e| vec![e])
        }
    }
}

/// How many effects an action has.
pub fn effect_count(action: &Action) -> usize {
    if matches!(action, Action::PatchConfig { .. }) { 2 } else { 1 }
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn target(object: &Value, kind: TargetKind) -> Result<Target, Refusal> {
    let target = Target {
        kind,
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        uid: text(object, "/metadata/uid").to_owned(),
        resource_version: text(object, "/metadata/resourceVersion").to_owned(),
    };
    if target.uid.is_empty() || target.resource_version.is_empty() {
        return Err(Refusal::new(
            "TargetUnreadable",
            format!("{} {}/{} was read without UID or resourceVersion", kind.name(), target.namespace, target.name),
        ));
    }
    Ok(target)
}
