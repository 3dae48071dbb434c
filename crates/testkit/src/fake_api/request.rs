//! A request that was seen, and what it does.

use std::collections::HashMap;

use http::Method;
use kit::still::request::Target;
use serde_json::Value;

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// get, list, watch, create, update, patch, delete.
    pub verb: &'static str,
    /// Path, without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The body; null without one.
    pub body: Value,
    /// The answer's HTTP status; 0 when there was none.
    pub code: u16,
    /// Whether it changed something, or would have if it had not been so already. Dry runs do not.
    pub written: bool,
}

/// What is done.
pub(super) fn verb(target: &Target, method: &Method, query: &HashMap<String, String>) -> Option<&'static str> {
    Some(match (method, &target.name) {
        (&Method::GET, _) if query.get("watch").is_some_and(|watch| watch == "true") => "watch",
        (&Method::GET, Some(_)) => "get",
        (&Method::GET, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, Some(_)) => "update",
        (&Method::PATCH, Some(_)) => "patch",
        (&Method::DELETE, _) => "delete",
        _ => return None,
    })
}
