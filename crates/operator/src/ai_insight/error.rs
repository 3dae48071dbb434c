//! What can go wrong around an analysis, and what the driver does about it.

use kit::classify::{Class, Classified, of_kube};
use thiserror::Error;

/// An analysis that did not come through.
#[derive(Debug, Error)]
pub enum Error {
    /// An object could not be read.
    #[error("cannot read {what}")]
    Read {
        /// Object.
        what: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("cannot write the status of the AIInsight")]
    WriteStatus {
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// There is no server to ask.
    #[error("no ready Instance found: this operator has no AI server")]
    NoServer,
    /// No server answered.
    #[error("no analysis: {why}")]
    NoAnswer {
        /// What they said.
        why: String,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } | Self::WriteStatus { source } => match of_kube(source) {
                Class::Conflict => Class::Conflict,
                _ => Class::Transient,
            },
            Self::NoServer => Class::Blocked,
            Self::NoAnswer { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::WriteStatus { .. } => "StatusWriteFailed",
            Self::NoServer => "NoServer",
            Self::NoAnswer { .. } => "NoAnswer",
        }
    }
}
