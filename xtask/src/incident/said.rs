//! What the platform said: Issues with their causes, and Anomalies.

use serde::Serialize;

use super::object::Object;

/// An Issue, and what was said about it.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// Identity of the Issue.
    #[serde(skip)]
    pub uid: String,
    /// `namespace/name` of the Issue.
    pub issue: String,
    /// Noticed that opened it.
    pub signal: String,
    /// What it says is wrong.
    pub description: String,
    /// When it came to be.
    pub after: f64,
    /// Its root and the objects that it affects.
    pub objects: Vec<Object>,
    /// Whether an analysis of it is there, with a cause or without.
    pub analyzed: bool,
    /// The causes in its analyses.
    pub causes: Vec<Cause>,
}

/// A cause, as an analysis states it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// Object at fault.
    pub object: Object,
    /// Field at fault.
    pub path: Option<String>,
    /// What stands there.
    pub value: Option<String>,
    /// The sentence.
    pub statement: String,
    /// What sort of cause it is.
    pub class: String,
    /// How sure it is.
    pub confidence: f64,
    /// When the first answer was there.
    pub after: f64,
}

/// An Anomaly.
#[derive(Clone, Debug, Serialize)]
pub struct Noticed {
    /// Its identity.
    #[serde(skip)]
    pub uid: String,
    /// `namespace/name` of it.
    pub anomaly: String,
    /// What kind of signal it is.
    pub signal: String,
    /// What it says is wrong.
    pub description: String,
    /// The object that is affected, and its root.
    pub objects: Vec<Object>,
    /// When it came to be.
    pub after: f64,
    /// When it was over, if it is.
    pub resolved: Option<f64>,
}
