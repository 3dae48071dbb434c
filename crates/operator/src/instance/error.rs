//! What can go wrong around an Instance, and what the driver does about it.

use kit::classify::{Class, Classified, of_kube, of_kube_unwatched};
use thiserror::Error;

/// A reconcile that did not come through. What it could do is done, and what it could not is said in the conditions.
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
    /// An object could not be written or removed.
    #[error("cannot write {what}")]
    Write {
        /// Object.
        what: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// The status could not be written.
    #[error("cannot write the status of the Instance")]
    WriteStatus {
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// No certificate could be issued.
    #[error("cannot issue a certificate")]
    Issue(#[from] pki::IssueError),
    /// Some objects could not be brought to where they must be; they are tried again, ever more seldom.
    #[error("{count} objects are not as they must be: {first}")]
    Partly {
        /// How many.
        count: usize,
        /// The first, with the reason.
        first: String,
        /// Whether only a change of the Instance can help.
        invalid: bool,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } => of_kube_unwatched(source),
            Self::Write { source, .. } | Self::WriteStatus { source } => match of_kube(source) {
                Class::Conflict => Class::Conflict,
                _ => Class::Transient,
            },
            Self::Partly { invalid: true, .. } => Class::Invalid,
            Self::Issue(_) | Self::Partly { invalid: false, .. } => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::Write { .. } => "WriteFailed",
            Self::WriteStatus { .. } => "StatusWriteFailed",
            Self::Issue(_) => "IssueFailed",
            Self::Partly { .. } => "ObjectsRefused",
        }
    }
}
