//! domain.
pub mod approval;
pub mod remediation;
