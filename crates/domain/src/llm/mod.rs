//! Everything about language models that is decided and not done: what they are told, what of their answer counts, when to
//! ask again, whom to ask next, and when not to ask.
//!
//! What lives here: pure functions. What does not: calls (`ports::llm`), reading the environment.

mod answer;
mod ask;
pub mod budget;
mod chain;
mod context;
mod failure;
mod guard;
mod merge;
mod price;
mod problem;
mod prompt;
mod provider;
mod scrub;
mod usage;

pub use answer::parse;
pub use ask::{Answer, Ask, SaidAction};
pub use budget::{Budget, LEAST_ANSWER};
pub use chain::{Cooldown, Next, Policy};
pub use context::{Keep, Section, assemble, material};
pub use failure::{Class, Failure};
pub use guard::admit;
pub use merge::{Said, merge};
pub use price::{PRICES, Price, Prices};
pub use problem::Problem;
pub use prompt::{Prompt, repair, schema};
pub use provider::{Provider, Wire};
pub use scrub::{PATTERNS, REMOVED, Scrubber, logged, told};
pub use usage::Usage;

#[cfg(test)]
mod tests;
