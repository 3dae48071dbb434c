//! What an installation does beside running: it brings the definitions up to date, and lets go of what an uninstall leaves.
//!
//! - `definitions`: server-side apply of the CustomResourceDefinitions
//! - `release`: Instances without their operator

mod definitions;
mod release;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use kit::classify::{Class, of_kube};
use thiserror::Error;
use tokio::time::{Instant, sleep};

pub use definitions::{Applied, apply};
pub use release::{Released, release};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Why it was given up.
#[derive(Debug, Error)]
pub enum Error {
    /// The API server refuses, or does not answer in time.
    #[error("{what}: {source}; remedy: {remedy}")]
    Api {
        /// What was tried.
        what: String,
        /// What it answers.
        source: kube::Error,
        /// What mends it.
        remedy: &'static str,
    },
    /// A definition that was applied is not served in time.
    #[error("{name} is applied, but the API server does not serve it: {why}; remedy: kubectl describe crd {name}")]
    NotServed {
        /// The definition.
        name: String,
        /// Which condition is missing.
        why: String,
    },
    /// A definition of ours cannot be rendered.
    #[error("{0}")]
    Render(String),
}

/// Repeats what fails for a reason that passes, until the deadline.
async fn patiently<T, F: Future<Output = Result<T, kube::Error>>>(
    deadline: Instant,
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Error> {
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => {
                let class = of_kube(&error);
                let passes = matches!(class, Class::Transient | Class::Conflict);
                if !passes || Instant::now() + PAUSE > deadline {
                    let remedy = match class {
                        Class::Blocked => "give the account the rights that `helm template` shows in its ClusterRole",
                        Class::Invalid => "use the version of chatcli that belongs to the chart",
                        _ => "see whether the API server answers, and try again",
                    };
                    return Err(Error::Api { what: what.to_owned(), source: error, remedy });
                }
                tracing::debug!(%error, "{what}: it is tried again");
                sleep(PAUSE).await;
            }
        }
    }
}
