//! What keeps a pod from a node, in words, and the smallest change that takes it away.

use crate::diagnosis::amount;

/// Beginning of the taints of nodes that are in trouble.
pub(super) const TROUBLE: &str = "node.kubernetes.io/";
/// Beginning of the taints of nodes that are for the cluster itself.
const ROLE: &str = "node-role.kubernetes.io/";

/// What keeps a pod from a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The node takes nobody.
    Cordoned,
    /// A taint that the pod does not tolerate.
    Taint { key: String, value: String, effect: String },
    /// A label of the nodeSelector that the node does not have.
    Selector { key: String, value: String, has: Option<String> },
    /// No term of the node affinity holds; what the nearest one asks for.
    Affinity { asks: String, key: String },
    /// Not enough of a resource; in thousandths.
    Short { resource: String, wished: i128, free: i128, of: i128 },
    /// A port of the node is taken.
    Port { port: i32, by: String, path: String },
    /// A pod is there that this one must not be beside.
    Apart { by: String, key: String, asks: String, index: usize },
    /// No pod is there that this one must be beside.
    Beside { key: String, asks: String, index: usize },
    /// One domain would have too many.
    Spread { key: String, skew: i32, index: usize },
    /// A volume is elsewhere.
    Volume { claim: String, volume: String, asks: String },
    /// A pod is there that wants none like this one beside it.
    Unwanted { by: String, key: String, asks: String },
    /// A claim for one pod is in use.
    Single { claim: String, by: String },
}

impl Obstacle {
    /// The obstacle in words, as part of what a node says.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Cordoned => "cordoned".into(),
            Self::Taint { key, value, effect } => format!("taint {}", taint(key, value, effect)),
            Self::Selector { key, value, has: None } => format!("no label {key}={value}"),
            Self::Selector { key, value, has: Some(has) } => format!("no label {key}={value} but {key}={has}"),
            Self::Affinity { asks, .. } => format!("does not match nodeAffinity {asks}"),
            Self::Short { resource, of: 0, .. } => format!("no {resource} at all"),
            Self::Short { resource, wished, free, of } => format!(
                "{resource} {} requested, {} free of {}",
                amount::show(resource, *wished),
                amount::show(resource, *free),
                amount::show(resource, *of)
            ),
            Self::Port { port, by, .. } => format!("hostPort {port} taken by pod {by}"),
            Self::Apart { by, key, .. } => format!("pod {by} in the same {key}, which podAntiAffinity forbids"),
            Self::Beside { key, asks, .. } => format!("no pod with {asks} in its {key}, which podAffinity asks for"),
            Self::Spread { key, skew, .. } => format!("one more in its {key} exceeds maxSkew {skew}"),
            Self::Volume { claim, asks, .. } => format!("volume of claim {claim} only where {asks}"),
            Self::Unwanted { by, key, .. } => format!("pod {by} in the same {key}, whose podAntiAffinity forbids it"),
            Self::Single { claim, by } => format!("claim {claim} in use by pod {by}"),
        }
    }

    /// Whether it makes the node one that was never meant for the pod: other nodes tell more.
    pub(super) fn elsewhere(&self) -> bool {
        matches!(self, Self::Selector { .. } | Self::Affinity { .. } | Self::Volume { .. } | Self::Short { of: 0, .. })
    }

    /// Whether somebody closed the node.
    pub(super) fn closed(&self) -> bool {
        matches!(self, Self::Cordoned) || (matches!(self, Self::Taint { .. }) && !self.of_role())
    }

    /// Whether it says that the node is for the cluster itself.
    pub(super) fn of_role(&self) -> bool {
        matches!(self, Self::Taint { key, .. } if key.starts_with(ROLE))
    }

    /// Whether it says that the node is in trouble.
    pub(super) fn of_trouble(&self) -> bool {
        matches!(self, Self::Taint { key, .. } if key.starts_with(TROUBLE))
    }

    /// One word for its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Cordoned => "cordoned",
            Self::Taint { .. } => "taint",
            Self::Selector { .. } => "selector",
            Self::Affinity { .. } => "affinity",
            Self::Short { .. } => "short",
            Self::Port { .. } => "port",
            Self::Apart { .. } => "apart",
            Self::Beside { .. } => "beside",
            Self::Spread { .. } => "spread",
            Self::Volume { .. } => "volume",
            Self::Unwanted { .. } => "unwanted",
            Self::Single { .. } => "single",
        }
    }

    /// The single change that takes it away, as the end of "it fits node with …".
    pub(super) fn change(&self) -> Option<String> {
        Some(match self {
            Self::Cordoned => "the node uncordoned".into(),
            Self::Taint { key, value, effect } => format!("a toleration for {}", taint(key, value, effect)),
            Self::Selector { key, value, .. } => format!("the label {key}={value} on the node"),
            Self::Affinity { asks, .. } => format!("another nodeAffinity than {asks}"),
            Self::Short { of: 0, resource, .. } => format!("no {resource} requested"),
            Self::Short { resource, wished, free, .. } => {
                format!("{} less {resource}", amount::show(resource, wished - free))
            }
            Self::Port { port, .. } => format!("another hostPort than {port}"),
            Self::Apart { .. } => "a podAntiAffinity that is only preferred".into(),
            Self::Beside { asks, .. } => format!("a pod with {asks} there"),
            Self::Spread { .. } => "whenUnsatisfiable ScheduleAnyway".into(),
            Self::Unwanted { by, .. } => format!("pod {by} elsewhere"),
            Self::Volume { .. } | Self::Single { .. } => return None,
        })
    }
}

pub(super) fn taint(key: &str, value: &str, effect: &str) -> String {
    if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
}
