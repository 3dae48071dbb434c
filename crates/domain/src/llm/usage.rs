//! What calls of language models have taken: tokens, money, calls.

use std::ops::AddAssign;

/// Tokens, money and calls. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens that were sent.
    pub input_tokens: i64,
    /// Tokens that came back.
    pub output_tokens: i64,
    /// Cost in US dollars by the price list; what has no known price counts as nothing.
    pub cost_usd: f64,
    /// Calls that reached a provider.
    pub calls: i32,
}

impl Usage {
    /// Tokens of both directions.
    pub fn tokens(&self) -> i64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The same without what cannot be: negative numbers, and money that is no number.
    #[must_use]
    pub fn sane(self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(0),
            output_tokens: self.output_tokens.max(0),
            cost_usd: if self.cost_usd.is_finite() { self.cost_usd.max(0.0) } else { 0.0 },
            calls: self.calls.max(0),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_usd += other.cost_usd;
        self.calls = self.calls.saturating_add(other.calls);
    }
}
