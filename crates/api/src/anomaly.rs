//! The `Anomaly` resource: one signal that something is wrong with a workload.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::{IssueRef, ObjectRef, ResourceRef, Severity, SignalType, Source};
use crate::{formats, references};

/// What became of the signal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyStatus {
    /// Whether the anomaly has been given to an Issue; it is not looked at again then.
    #[serde(default)]
    pub correlated: bool,
    /// Issue that the anomaly belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_ref: Option<IssueRef>,
    /// Whether the signal is still there: `Firing` or `Resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AnomalyState>,
    /// When the signal was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// How often the signal was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// When the signal cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// `Correlated`: whether the anomaly belongs to an Issue, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the Anomaly that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What was seen, where, and how it differs from what is expected.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "platform.chatcli.io",
    version = "v1alpha1",
    kind = "Anomaly",
    plural = "anomalies",
    doc = "One signal that something is wrong with a workload. The operator writes them from the alerts of the servers; other tools may create them too. Anomalies with the same root become one Issue.",
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
    /// The signal in words; it becomes the description of the Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub description: Option<String>,
    /// Workload that is affected. It must be in the namespace of the Anomaly, or have none, as a node.
    #[schemars(schema_with = "references::affected")]
    pub resource: ResourceRef,
    /// What kind of signal it is, such as `oom_kill`. Severity and risk of the Issue follow from it.
    pub signal_type: SignalType,
    /// Where the signal comes from; `watcher` is an AI server of this platform.
    pub source: Source,
    /// What was expected, as text, such as `80%` or `normal`.
    #[schemars(schema_with = "observation")]
    pub threshold: String,
    /// What was seen instead, as text, such as `97%`.
    #[schemars(schema_with = "observation")]
    pub value: String,
    /// Identity of the alert behind the anomaly; the same fault of the same object keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub alert_id: Option<String>,
    /// Severity that the detector gave. Without it, it follows from the signals of the Issue together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When the signal was first seen. Without it, when the Anomaly was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// UID of the resource when the signal was seen; a resource that was made anew is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::uid")]
    pub resource_uid: Option<String>,
    /// Object that the signal points to as its root. Anomalies with the same root belong to one Issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::object")]
    pub root: Option<ObjectRef>,
    /// Observations behind the signal, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub evidence: Vec<AnomalyEvidence>,
    /// Instance that saw the signal, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instance")]
    pub instance: Option<String>,
    /// For how many seconds the signal counts as there after it was last seen, unless its end is told. For sources that
    /// tell a thing once and repeat it seldom, such as Alertmanager; without it, the Instance tells what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub kept_seconds: Option<i64>,
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

fn observation(_: &mut SchemaGenerator) -> Schema {
    formats::prose(65536)
}

fn instance(_: &mut SchemaGenerator) -> Schema {
    formats::worded(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        317,
        "must be namespace/name of an Instance, such as chatcli-system/chatcli-prod",
    )
}
