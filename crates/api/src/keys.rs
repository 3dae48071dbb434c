//! Label and annotation keys, finalizers and field-manager names.

/// Annotation of an ApprovalRequest: `who:why` approves it.
pub const APPROVE: &str = "platform.chatcli.io/approve";
/// Annotation of an ApprovalRequest: `who:why` rejects it.
pub const REJECT: &str = "platform.chatcli.io/reject";
/// Label of an Issue: incident number.
pub const INCIDENT_ID: &str = "platform.chatcli.io/inc-id";
/// Label of an Issue: name of the workload.
pub const RESOURCE: &str = "platform.chatcli.io/resource";
/// Label of an Issue: signal that opened it.
pub const SIGNAL: &str = "platform.chatcli.io/signal";
/// Label: where an object comes from.
pub const SOURCE: &str = "platform.chatcli.io/source";
/// Label of an Anomaly: workload of the alert.
pub const DEPLOYMENT: &str = "platform.chatcli.io/deployment";
/// Label of an Anomaly: Instance that saw it.
pub const INSTANCE: &str = "platform.chatcli.io/instance";
/// Label of an Anomaly: namespace of that Instance.
pub const INSTANCE_NAMESPACE: &str = "platform.chatcli.io/instance-namespace";
/// Label: Issue that an object belongs to.
pub const ISSUE: &str = "platform.chatcli.io/issue";
/// Label of a PostMortem: UID of the Issue that it is about, which it outlives.
pub const ISSUE_UID: &str = "platform.chatcli.io/issue-uid";
/// Label of an ApprovalRequest: its plan.
pub const REMEDIATION_PLAN: &str = "platform.chatcli.io/remediation-plan";
/// Label of an ApprovalRequest: its policy.
pub const POLICY: &str = "platform.chatcli.io/policy";
/// Label: severity of an object.
pub const SEVERITY: &str = "platform.chatcli.io/severity";
/// Annotation that an action leaves on its target, so that a repeated attempt recognises its own side effect.
pub const ACTION: &str = "platform.chatcli.io/last-action";
