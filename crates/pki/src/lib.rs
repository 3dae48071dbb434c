//! X.509: what is wrong with a certificate, in the words that people search for, and how to mend it; the verifier of our
//! links; issuing.
//!
//! What lives here: certificates, keys and trust as bytes in memory, and the system's trust store. What does not:
//! Secrets and conditions (`operator`), connections (`ports`). `now` is an argument; only a handshake brings its own.

mod finding;
mod inspect;
mod issue;
mod names;
mod read;
mod trust;
mod verifier;

#[cfg(test)]
mod tests;

pub use finding::{Field, Finding, Problem};
pub use inspect::{Given, inspect};
pub use issue::{Authority, IssueError, Issued, issue_ca, issue_leaf, renew_at, stand_in};
pub use read::{Validity, identity, validity};
pub use trust::Trust;
pub use verifier::{Verifier, explain};
