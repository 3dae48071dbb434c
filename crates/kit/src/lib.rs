//! Kubernetes plumbing without product words.
//!
//! What lives here: the client, caches, apply, status, events, conditions, leader election, the controller driver,
//! supervision, metrics, probes, a cluster that stands still. What does not: anything that knows our resources, and any decision about them.

pub mod apply;
pub mod cache;
pub mod classify;
pub mod client;
pub mod clock;
pub mod condition;
pub mod controller;
pub mod events;
pub mod lease;
pub mod metrics;
pub mod serve;
pub mod shutdown;
pub mod status;
pub mod still;
pub mod supervisor;
pub mod telemetry;
pub mod work;
