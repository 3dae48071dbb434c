//! Support for the tests on real pods with the real binary.
//!
//! - `build`: the binaries and the image
//! - `chart`: the chart on a cluster, by helm
//! - `process`: `chatcli` as a process that can be killed and started again
//! - `platform`: server and operator against a cluster
//! - `shop`: a workload of the demo shop in a namespace of its own, and its faults
//! - `look`: waiting for what is expected
//! - `runner`: cases in stages, printed as cargo's own harness prints them
//!
//! The cases themselves are in `tests/e2e` and, for the chart, in `tests/install`.

// Tests may panic, and run where the clock and the environment are their input.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::missing_panics_doc
)]

pub mod build;
pub mod chart;
pub mod look;
pub mod platform;
pub mod process;
pub mod runner;
pub mod shop;
