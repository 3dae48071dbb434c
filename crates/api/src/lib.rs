//! The 17 custom resources of `platform.chatcli.io/v1alpha1`, declared once.
//!
//! What lives here: CRD types, their validation (schema and CEL), condition types, label and annotation keys.
//! What does not: decisions (`domain`), anything that talks to an API server (`kit`).

#![allow(clippy::duplicated_attributes, reason = "each printer column repeats the same words")]

pub mod ai_insight;
pub mod anomaly;
pub mod approval_policy;
pub mod approval_request;
pub mod audit_event;
pub mod chaos_experiment;
pub mod cluster_registration;
pub mod conditions;
pub mod crds;
pub mod escalation_policy;
pub mod formats;
pub mod incident_sla;
pub mod instance;
pub mod issue;
pub mod keys;
pub mod notification_policy;
pub mod post_mortem;
pub mod references;
pub mod remediation_plan;
pub mod runbook;
pub mod service_level_objective;
pub mod shared;
pub mod source_repository;
mod vocabulary;

pub use ai_insight::AIInsight;
pub use anomaly::Anomaly;
pub use approval_policy::ApprovalPolicy;
pub use approval_request::ApprovalRequest;
pub use audit_event::AuditEvent;
pub use chaos_experiment::ChaosExperiment;
pub use cluster_registration::ClusterRegistration;
pub use escalation_policy::EscalationPolicy;
pub use incident_sla::IncidentSLA;
pub use instance::Instance;
pub use issue::Issue;
pub use notification_policy::NotificationPolicy;
pub use post_mortem::PostMortem;
pub use remediation_plan::RemediationPlan;
pub use runbook::Runbook;
pub use service_level_objective::ServiceLevelObjective;
pub use source_repository::SourceRepository;
