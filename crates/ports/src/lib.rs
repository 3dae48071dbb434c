//! The world outside the cluster, behind types that the rest knows.
//!
//! What lives here: the link to AI servers, language models. What does not: decisions, and anything that talks to an API server.

pub mod llm;
pub mod server_link;
