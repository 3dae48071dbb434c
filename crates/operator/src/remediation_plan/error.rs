//! What can go wrong around a plan, and what the driver does about it.

use kit::classify::{Class, Classified, of_kube, of_kube_unwatched};
use thiserror::Error;

/// A step of the reconcile that did not come through. None of them means that something was done halfway: the log in
/// the plan's status says how far it came, and the next attempt goes on from there.
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
    /// The plan's status could not be written.
    #[error("cannot write the status of the plan")]
    WriteStatus {
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The approval request could not be made or decided.
    #[error("cannot write ApprovalRequest {name}")]
    WriteRequest {
        /// Its name.
        name: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// Every name for a request is taken by requests of something else.
    #[error(
        "cannot find a free name for the ApprovalRequest; {name} and those after it belong to something else, delete them"
    )]
    NoRequestName {
        /// First name that was tried.
        name: String,
    },
    /// The side effect could not be brought to an end that is known.
    #[error("cannot act on {what}; whether it happened is found out at the next attempt")]
    Act {
        /// Target.
        what: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The target moved between reading and writing.
    #[error("{what} changed between reading and writing")]
    Moved {
        /// Target.
        what: String,
    },
    /// An object could not be put into JSON.
    #[error("cannot handle {what} as JSON")]
    Json {
        /// Object.
        what: String,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } | Self::WriteRequest { source, .. } | Self::WriteStatus { source } => {
                of_kube_unwatched(source)
            }
            Self::Act { source, .. } => match of_kube(source) {
                Class::Conflict => Class::Conflict,
                _ => Class::Transient,
            },
            Self::Moved { .. } => Class::Conflict,
            Self::NoRequestName { .. } | Self::Json { .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::WriteStatus { .. } => "StatusWriteFailed",
            Self::WriteRequest { .. } => "RequestWriteFailed",
            Self::NoRequestName { .. } => "NoRequestName",
            Self::Act { .. } => "ActFailed",
            Self::Moved { .. } => "TargetMoved",
            Self::Json { .. } => "JsonFailed",
        }
    }
}
