//! Everything about language models that is decided and not done: what they are told, what of their answer counts, when to
//! ask again, whom to ask next, and when not to ask.
//!
//! What lives here: pure functions. What does not: calls (`ports::llm`), reading the environment.

mod ask;
mod problem;
mod provider;
mod usage;

pub use ask::{Answer, Ask, SaidAction};
pub use problem::Problem;
pub use provider::{Provider, Wire};
pub use usage::Usage;
