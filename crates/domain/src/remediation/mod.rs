//! What a plan does to the cluster: the action registry, preflight, write-ahead log, verification, rollback.
//!
//! What lives here: pure decisions. What does not: reading and writing objects (`operator::remediation_plan`), who must
//! approve (`approval`).

pub mod actions;
pub mod agentic;
pub mod fields;
pub mod history;
pub mod plan;
pub mod preflight;
pub mod rollback;
pub mod steps;
pub mod verification;
