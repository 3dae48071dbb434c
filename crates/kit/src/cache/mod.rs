//! One watch per kind and process; everybody reads the same cache and hears of every change, deletes included.
//!
//! `Cache` is the store and its listeners, `Hub` starts the watches and knows which are not there yet, and why.

mod hub;
mod store;
mod watching;

pub use hub::{Hub, Undecodable, config};
pub use store::{Cache, CacheEvent, Change, Key};

#[cfg(test)]
mod tests;
