//! An incident made on a real cluster, and what is heard of it: what `scenarios` and `signals` have in common.
//!
//! - `scene`: the healthy state of a case, and the name of a run
//! - `pattern`: the expressions of a case
//! - `object`: the name of an object, and whose it is
//! - `site`: the cluster, with the platform, the watches and the players of nodes
//! - `stage`: what is done to the cluster for one run
//! - `health`: when the state before the fault is healthy
//! - `symptom`: when a fault shows
//! - `world`, `watch`, `said`: what the cluster and the platform say, with its times
//! - `nodes`: nodes without machines
//! - `crew`: work that goes on side by side

pub mod crew;
pub mod health;
pub mod nodes;
pub mod object;
pub mod pattern;
pub mod said;
pub mod scene;
mod site;
pub mod stage;
mod symptom;
pub mod watch;
pub mod world;

pub use site::{Options, Site, on};
