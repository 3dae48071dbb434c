//! Names of ApprovalRequests.

use sha2::{Digest, Sha256};

/// Longest name, which is also the longest label value.
const MAX: usize = 63;

/// `text` itself when it fits in 63 characters, else its beginning and a hash of the whole, so that two long names stay two.
pub fn short_name(text: &str) -> String {
    cut_to(text, MAX)
}

/// Name of the first request of a plan: `approval-<plan>`.
pub fn request_name(plan: &str) -> String {
    short_name(&format!("approval-{plan}"))
}

/// Name of the request that follows `current` when what was to be approved has changed: `…-r2`, `…-r3`.
pub fn next_request_name(plan: &str, current: &str) -> String {
    let round =
        current.rsplit_once("-r").and_then(|(_, n)| n.parse::<u32>().ok()).filter(|_| current != request_name(plan));
    let suffix = format!("-r{}", round.map_or(2, |n| n.saturating_add(1)));
    format!("{}{suffix}", cut_to(&format!("approval-{plan}"), MAX.saturating_sub(suffix.len())))
}

fn cut_to(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes());
    let tail = digest.iter().take(4).fold(String::with_capacity(8), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    });
    let head: String = text.chars().take(max.saturating_sub(tail.len() + 1)).collect();
    format!("{}-{tail}", head.trim_end_matches(['-', '.']))
}
