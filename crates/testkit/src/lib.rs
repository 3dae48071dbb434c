//! What tests need: an API server in memory with faults on demand, a real one on this machine, and a server that speaks
//! the formats of language models, and AI servers that tell what a test says. No product words.

// Tests may panic, and read the environment of the test run.
#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

pub mod brain;
pub mod cluster;
pub mod fake_api;
pub mod llm;
