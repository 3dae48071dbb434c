//! The bearer token that callers must show.

use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};

/// A token without characters protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty")]
pub struct EmptyToken;

/// The token; clones share it, so that a new one holds for open servers too. Only its digest is kept.
#[derive(Clone, Debug)]
pub struct Token(Arc<RwLock<[u8; 32]>>);

impl Token {
    /// A token; white space around it does not count.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn new(text: &str) -> Result<Self, EmptyToken> {
        digest_of(text).map(|digest| Self(Arc::new(RwLock::new(digest))))
    }

    /// Puts another token in its place; returns whether it is another one.
    ///
    /// # Errors
    /// When it is empty; the old one stays.
    pub fn replace(&self, text: &str) -> Result<bool, EmptyToken> {
        let new = digest_of(text)?;
        let mut digest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut *digest, new) != new)
    }

    /// Whether the value of an `authorization` header shows it. Digests of equal length are compared to their end: the
    /// time says nothing about how much of the token is right.
    pub(crate) fn permits(&self, header: &[u8]) -> bool {
        let Some(shown) = bearer(header) else { return false };
        let shown: [u8; 32] = Sha256::digest(shown).into();
        let wanted = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        let differences = wanted.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differences) == 0
    }
}

/// What stands behind `Bearer`, in any case.
pub(super) fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, shown) = header.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| shown.trim_ascii())
}

fn digest_of(text: &str) -> Result<[u8; 32], EmptyToken> {
    let text = text.trim();
    if text.is_empty() { Err(EmptyToken) } else { Ok(Sha256::digest(text).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_permitted() {
        let token = Token::new(" s3cret\n").unwrap();
        assert!(token.permits(b"Bearer s3cret"));
        assert!(token.permits(b"bearer s3cret"));
        for wrong in ["", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer"] {
            assert!(!token.permits(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(Token::new(" \n").unwrap_err(), EmptyToken);
    }

    #[test]
    fn a_new_token_holds_at_once_and_an_empty_one_never() {
        let token = Token::new("old").unwrap();
        let shared = token.clone();
        assert_eq!(token.replace("old"), Ok(false));
        assert_eq!(token.replace("new"), Ok(true));
        assert_eq!(token.replace(""), Err(EmptyToken));
        assert!(shared.permits(b"Bearer new") && !shared.permits(b"Bearer old"));
    }
}
