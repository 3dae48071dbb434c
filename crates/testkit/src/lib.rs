//! What tests need: an API server in memory with faults on demand, a real one on this machine, and a server that speaks
//! the formats of language models, and AI servers that tell what a test says. No product words.

// Tests may panic, and read the environment of the test run.
#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

pub mod brain;
pub mod cluster;
pub mod fake_api;
pub mod llm;

use std::time::Duration;

use tokio::time::Instant;

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within a minute.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        // Ten calls a second are what a caller of our own server may make.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}
