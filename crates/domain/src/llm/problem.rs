//! Why something that was configured cannot be used.

use thiserror::Error;

/// What cannot be used, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {reason}; remedy: {remedy}")]
pub struct Problem {
    /// The setting at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem with a setting.
    pub fn new(field: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), remedy: remedy.into() }
    }
}
