//! What an approval annotation says: who, and why.
//!
//! The form is `who:why`. Both parts may hold colons, so the text is cut where it is sensible, in this order:
//!
//! 1. Kubernetes identities keep their own colons: `system:serviceaccount:<namespace>:<name>`, `system:node:<name>`,
//!    `system:bootstrap:<id>`, and `system:<name>` for the others.
//! 2. Else at the first colon that a space follows, when what stands before it holds no space: `oidc:alice: looks good`
//!    is `oidc:alice`.
//! 3. Else at the first colon: `alice:see ticket: OPS-1` is `alice`. Never later, because a longer identity would let one
//!    person vote under several names.

use thiserror::Error;

/// Longest identity that is stored.
const MAX_IDENTITY: usize = 253;
/// Longest reason that is stored.
const MAX_REASON: usize = 1024;

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub who: String,
    /// Why, if it was said.
    pub why: Option<String>,
}

/// Why an annotation is no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VoteError {
    /// Nobody is named.
    #[error("the annotation names nobody; its form is \"who:why\"")]
    Nobody,
    /// The name holds spaces, control characters or ones that cannot be seen.
    #[error("the identity holds spaces, control characters or invisible ones; the form is \"who:why\"")]
    NotAnIdentity,
    /// The name is longer than 253 characters.
    #[error("the identity is longer than 253 characters; the form is \"who:why\"")]
    TooLong,
    /// The name is one that only the operator itself may use.
    #[error("identities that begin with \"policy:\" are the operator's own; name a person")]
    Reserved,
}

/// Reads an approval annotation.
pub fn parse_vote(text: &str) -> Result<Vote, VoteError> {
    let text = text.trim();
    let (who, why) = split(text);
    let who = who.trim();
    if who.is_empty() {
        return Err(VoteError::Nobody);
    }
    if who.chars().any(|c| c.is_whitespace() || c.is_control() || invisible(c)) {
        return Err(VoteError::NotAnIdentity);
    }
    if who.chars().count() > MAX_IDENTITY {
        return Err(VoteError::TooLong);
    }
    if who.eq_ignore_ascii_case("policy") {
        return Err(VoteError::Reserved);
    }
    let why = why.map(str::trim).filter(|w| !w.is_empty()).map(|w| w.chars().take(MAX_REASON).collect());
    Ok(Vote { who: who.to_owned(), why })
}

/// Zero widths and changes of direction: with them, one name that people read could vote twice.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether two identities are the same person. Letter case does not make another person.
pub fn same_identity(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

fn split(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix("system:") {
        let own_colons = match rest.split(':').next() {
            Some("serviceaccount") => 3,
            Some("node" | "bootstrap") => 2,
            _ => 1,
        };
        return match text.match_indices(':').nth(own_colons) {
            Some((at, _)) => cut(text, at),
            None => (text, None),
        };
    }
    if text.starts_with("policy:") {
        return ("policy", None);
    }
    if let Some(at) = text.find(": ")
        && !text.get(..at).unwrap_or_default().contains(char::is_whitespace)
    {
        return cut(text, at);
    }
    match text.find(':') {
        Some(at) => cut(text, at),
        None => (text, None),
    }
}

fn cut(text: &str, at: usize) -> (&str, Option<&str>) {
    (text.get(..at).unwrap_or_default(), text.get(at + 1..))
}
