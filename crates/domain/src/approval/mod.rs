//! Who must approve a plan: policies, change windows, votes, the hash that an approval binds to.
//!
//! What lives here: pure decisions over policies and requests. What does not: reading or writing objects
//! (`operator::approval`, `operator::remediation_plan`).
//!
//! Everything fails closed. Whatever cannot be decided (no policy, no matching rule, an unreadable policy, a condition
//! without data, an unknown time zone) ends in "a person must approve" or in "not now", never in "go".

mod auto;
mod blast;
mod gate;
mod hash;
mod identity;
mod naming;
mod policy;
mod request;
mod window;

#[cfg(test)]
mod tests;

pub use auto::{AutoFacts, Settled, settle};
pub use blast::{BlastInput, blast_radius};
pub use gate::{Gate, GateInput, gate};
pub use hash::actions_hash;
pub use identity::{Vote, VoteError, parse_vote, same_identity};
pub use naming::{next_request_name, request_name, short_name};
pub use policy::{Governing, Policies, Question, Requirement, UnreadablePolicy, resolve};
pub use request::{
    Consumed, Counter, RequestContext, RequestDecision, RequestNote, approve_command, approvers, counter_of,
    decide_request, reject_command,
};
pub use window::{WindowState, window_state, windows_state};
