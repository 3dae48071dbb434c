//! domain.
pub mod approval;
pub mod detection;
pub mod diagnosis;
pub mod incident;
pub mod remediation;
