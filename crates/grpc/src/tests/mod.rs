//! The service on a real port of the loopback interface, with the operator's own link as its client.
#![allow(clippy::disallowed_methods)] // A test ends its tasks with its runtime.

mod access;
mod alertmanager;
mod calls;
mod fake;
mod gate;
mod link;
mod old;
mod state;
mod steps;
mod tls;
