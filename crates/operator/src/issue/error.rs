//! What can go wrong around an Issue, and what the driver does about it.

use kit::classify::{Class, Classified, of_kube};
use thiserror::Error;

/// A step of the reconcile that did not come through. Every step may be done again.
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
    /// An object could not be made or changed.
    #[error("cannot write {what}")]
    Write {
        /// Object.
        what: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("cannot write the status of the Issue")]
    WriteStatus {
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The API server refuses the plan as it is.
    #[error("RemediationPlan {name} is refused: {why}")]
    Refused {
        /// Its name.
        name: String,
        /// Which field, what stands there, what would be right.
        why: String,
    },
    /// The name is taken by an object of another Issue.
    #[error("{what} belongs to something else; remedy: delete it, it is made again for this Issue")]
    NameTaken {
        /// Object.
        what: String,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            // A missing right is mended in a role, which wakes nobody: try again with a growing delay.
            Self::Read { source, .. } | Self::Write { source, .. } | Self::WriteStatus { source } => {
                match of_kube(source) {
                    Class::Blocked | Class::Invalid => Class::Transient,
                    class => class,
                }
            }
            // The garbage collector may be about to take away what has the name.
            Self::Refused { .. } | Self::NameTaken { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::Write { .. } => "WriteFailed",
            Self::WriteStatus { .. } => "StatusWriteFailed",
            Self::Refused { .. } => "PlanRefused",
            Self::NameTaken { .. } => "NameTaken",
        }
    }
}
