//! What tests need: an API server in memory with faults on demand, and a real one on this machine. No product words.

pub mod fake_api;
