//! Why a link has no answer.

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address or the CA cannot be used.
    #[error("server {address} cannot be used: {why}; remedy: correct --server or the CA file")]
    Settings {
        /// Address.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The token cannot be read.
    #[error("the token file {path} cannot be read; remedy: mount it, or leave the flag out")]
    Token {
        /// File.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The token cannot be sent.
    #[error(
        "the token for server {address} has characters that no header can have; remedy: make the Secret anew without line breaks in the token, kubectl create secret generic NAME --from-literal=token=TOKEN"
    )]
    TokenUnusable {
        /// Address.
        address: String,
    },
    /// The server is away, or did not answer in time.
    #[error("server {address} does not answer {call}: {why}")]
    Unavailable {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
        /// What happened.
        why: String,
    },
    /// The server refuses.
    #[error("server {address} refuses {call}: {why}; remedy: check the token and the version of the server")]
    Refused {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
        /// What it said.
        why: String,
    },
    /// The server does not have the call.
    #[error("server {address} has no {call}")]
    NotThere {
        /// Address.
        address: String,
        /// Call.
        call: &'static str,
    },
    /// The answer says nothing.
    #[error("server {address} answered the analysis with an empty text")]
    Empty {
        /// Address.
        address: String,
    },
}

impl LinkError {
    /// What happened, without the name of the server: for where that stands already.
    pub fn brief(&self) -> String {
        match self {
            Self::Unavailable { why, .. } => why.clone(),
            Self::Refused { why, .. } => {
                format!("{why}; remedy: check the token and the version of the server")
            }
            other => other.to_string(),
        }
    }
}
