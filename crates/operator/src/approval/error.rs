//! What can go wrong around a request, and what the driver does about it.

use kit::classify::{Class, Classified, of_kube_unwatched};
use thiserror::Error;

/// A step of the reconcile that did not come through. The next attempt starts from what is recorded.
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
    /// A status could not be written.
    #[error("cannot write the status of {what}")]
    WriteStatus {
        /// Object.
        what: String,
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// A vote is recorded, but its annotation could not be taken away.
    #[error("cannot take the annotation of a recorded vote away")]
    Consume {
        /// Answer of the API server.
        #[source]
        source: kube::Error,
    },
    /// A patch could not be put into JSON.
    #[error("cannot make a patch")]
    Json {
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Read { source, .. } | Self::WriteStatus { source, .. } | Self::Consume { source } => {
                of_kube_unwatched(source)
            }
            Self::Json { .. } => Class::Invalid,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::WriteStatus { .. } => "StatusWriteFailed",
            Self::Consume { .. } => "ConsumeFailed",
            Self::Json { .. } => "JsonFailed",
        }
    }
}
