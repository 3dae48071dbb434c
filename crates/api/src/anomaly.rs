//! The `Anomaly` resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, ObjectRef, ResourceRef, Severity, SignalType, Source};

/// Observed state of Anomaly.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyStatus {
    /// Already grouped or suppressed; stops reprocessing
    #[serde(default)]
    pub correlated: bool,
    /// Issue joined, or pseudo-name "suppressed:<reason>"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_ref: Option<IssueRef>,
    /// Whether the signal is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AnomalyState>,
    /// When the signal was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// How often it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// When the signal cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// Latest observations of this object, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Desired state of Anomaly.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Anomaly",
    plural = "anomalies",
    namespaced,
    status = "AnomalyStatus",
    shortname = "anom",
    category = "chatcli",
    derive = "PartialEq",
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source"),
    printcolumn(name = "Signal", type_ = "string", json_path = ".spec.signalType"),
    printcolumn(name = "Correlated", type_ = "boolean", json_path = ".status.correlated"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AnomalySpec {
    /// Alert text copied into the Issue
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Affected workload; correlation key
    pub resource: ResourceRef,
    /// Signal class; drives weight and severity
    pub signal_type: SignalType,
    /// System that raised the signal
    pub source: Source,
    /// Expected value as text; bridge always writes "normal"
    pub threshold: String,
    /// Observed value as text
    pub value: String,
    /// Stable identity of the alert behind this anomaly; the same fault on the same object keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// Severity that the detector gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When the signal was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// UID of the resource when the signal was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uid: Option<String>,
    /// Object that the signal points to as its root; anomalies with the same root belong to one Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<ObjectRef>,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<AnomalyEvidence>,
    /// Instance that saw it, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// One observation behind an anomaly.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyEvidence {
    /// Kind of observation: `status`, `event`, `log`, `spec` or `metric`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Object that was looked at.
    pub object: ObjectRef,
    /// What was seen.
    pub detail: String,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// Whether the signal is still there.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnomalyState {
    /// The signal is there.
    Firing,
    /// The signal has cleared.
    Resolved,
}
