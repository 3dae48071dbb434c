//! From anomalies to a closed incident: names, correlation, the state machine of an Issue, the report.
//!
//! What lives here: pure decisions over Anomalies, Issues, insights and plans. What does not: reading and writing them
//! (`operator`), what makes an alert (`detection`), what may act (`approval`, `remediation`).

mod correlation;
mod lessons;
mod naming;
mod post_mortem;
mod settings;
mod state;
mod storm;
mod tracking;

pub use correlation::{RootKey, Scored, home, incident_severity, open_issue, root_of, score, signal_name};
pub use naming::{
    anomaly_name, audit_name, hash_hex, incident_id, insight_name, issue_name, label, plan_name, post_mortem_name,
};
pub use post_mortem::{ReportInput, report};
pub use settings::Settings;
pub use state::{Decision, Effect, Facts, Members, Moved, decide, plan_refused};
pub use storm::analysis_waits;
pub use tracking::{Sighting, Tracked, track};

#[cfg(test)]
mod tests;
