//! operator.
pub mod anomaly;
pub mod approval;
pub mod remediation_plan;
mod work;
