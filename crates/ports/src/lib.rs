//! The world outside the cluster, behind types that the rest knows.
//!
//! What lives here: the link to AI servers. What does not: decisions, and anything that talks to an API server.

pub mod server_link;
