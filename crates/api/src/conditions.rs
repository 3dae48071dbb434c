//! Condition types that our resources carry. Reasons live beside the decisions that give them.

/// Issue: its analysis is under way or done.
pub const ANALYZING: &str = "Analyzing";
/// Issue: a plan is under way.
pub const REMEDIATING: &str = "Remediating";
/// Issue: the service is silenced, not fixed.
pub const CONTAINED: &str = "Contained";
/// Issue: a person must act.
pub const REQUIRES_HUMAN_ACTION: &str = "RequiresHumanAction";
/// Issue: it is over.
pub const RESOLVED: &str = "Resolved";
/// Issue: its PostMortem is written.
pub const REPORTED: &str = "Reported";
/// Issue: it was handed to people.
pub const ESCALATED: &str = "Escalated";
/// Anomaly: it belongs to an Issue.
pub const CORRELATED: &str = "Correlated";
/// AIInsight: the analysis is there.
pub const ANALYZED: &str = "Analyzed";
/// RemediationPlan: policy or people let it run.
pub const APPROVED: &str = "Approved";
/// RemediationPlan: its actions are done.
pub const EXECUTED: &str = "Executed";
/// RemediationPlan: the fault is gone and stays gone.
pub const VERIFIED: &str = "Verified";
/// Any object: its spec can be used as it is.
pub const VALID: &str = "Valid";
/// Any object: it is ready.
pub const READY: &str = "Ready";
