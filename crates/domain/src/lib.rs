//! domain.
pub mod approval;
pub mod incident;
pub mod remediation;
pub mod detection;
pub mod diagnosis;
