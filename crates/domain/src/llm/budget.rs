//! Whether an incident may still cost something.

use super::price::PRICES;
use super::{Price, Problem, Usage};

/// Fewest tokens of an answer that are worth a call.
pub const LEAST_ANSWER: i64 = 256;
/// The setting that limits the tokens of an incident.
pub const TOKENS: &str = "CHATCLI_BUDGET_TOKENS_PER_INCIDENT";
/// The setting that limits the money of an incident.
pub const USD: &str = "CHATCLI_BUDGET_USD_PER_INCIDENT";

/// What an incident may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Tokens; none for no limit.
    pub tokens: Option<i64>,
    /// US dollars; none for no limit.
    pub usd: Option<f64>,
}

impl Budget {
    /// Reads the settings; empty is no limit.
    pub fn read(tokens: Option<&str>, usd: Option<&str>) -> Result<Self, Problem> {
        let given = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let bad = |field: &str, text: &str| {
            Problem::new(field, format!("\"{text}\" is no amount"), "set it to a number of 0 or more, or leave it out")
        };
        let tokens = given(tokens)
            .map(|text| text.parse::<i64>().ok().filter(|n| *n >= 0).ok_or_else(|| bad(TOKENS, &text)))
            .transpose()?;
        let usd = given(usd)
            .map(|text| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(|| bad(USD, &text)))
            .transpose()?;
        Ok(Self { tokens, usd })
    }

    /// How long an answer may be, at most `wanted` tokens, when `input` tokens are sent and `spent` is gone already; or why
    /// nothing may be asked.
    pub fn allows(&self, spent: Usage, input: i64, wanted: i64, price: Option<Price>) -> Result<i64, String> {
        let spent = spent.sane();
        let mut answer = wanted;
        if let Some(limit) = self.tokens {
            let left = limit.saturating_sub(spent.tokens()).saturating_sub(input);
            if left < LEAST_ANSWER.min(wanted) {
                return Err(format!(
                    "the budget of {limit} tokens per incident ({TOKENS}) does not allow another call: {} are spent and this one needs about {input}; raise it to have a language model asked again",
                    spent.tokens()
                ));
            }
            answer = answer.min(left);
        }
        if let Some(limit) = self.usd {
            let Some(price) = price else {
                return Err(format!(
                    "the budget of {limit} US dollars per incident ({USD}) cannot be kept, because the price of the model is not known; add it to {PRICES} as model=input/output per million tokens"
                ));
            };
            let left = limit - spent.cost_usd - price.of(input, 0);
            let needed = price.of(0, LEAST_ANSWER.min(wanted));
            if left < needed {
                return Err(format!(
                    "the budget of {limit} US dollars per incident ({USD}) does not allow another call: {:.4} are spent and this one costs {:.4} or more; raise it to have a language model asked again",
                    spent.cost_usd,
                    price.of(input, 0) + needed
                ));
            }
            if price.output > 0.0 {
                answer = answer.min((left / price.output * 1e6) as i64);
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 1.0, output: 10.0 };

    #[test]
    fn what_is_spent_counts_and_the_answer_is_cut_to_what_is_left() {
        let budget = Budget::read(Some("10000"), Some("")).unwrap();
        let spent = |tokens| Usage { input_tokens: tokens, ..Usage::default() };
        assert_eq!(budget.allows(spent(0), 2000, 4000, None), Ok(4000));
        assert_eq!(budget.allows(spent(7000), 2000, 4000, None), Ok(1000));
        let refused = budget.allows(spent(8000), 2000, 4000, None).unwrap_err();
        assert!(refused.contains("10000") && refused.contains("8000") && refused.contains(TOKENS), "{refused}");
        assert!(Budget { tokens: Some(0), usd: None }.allows(spent(0), 0, 4000, None).is_err());
        let absurd = Usage { input_tokens: -50_000, cost_usd: f64::NAN, ..Usage::default() };
        assert_eq!(budget.allows(absurd, 2000, 4000, None), Ok(4000), "a negative past buys nothing");
        assert!(budget.allows(spent(i64::MAX), i64::MAX, 4000, None).is_err());
    }

    #[test]
    fn money_is_kept_and_an_unknown_price_is_a_refusal() {
        let budget = Budget::read(None, Some("0.05")).unwrap();
        let spent = |cost_usd| Usage { cost_usd, ..Usage::default() };
        assert_eq!(budget.allows(spent(0.0), 10_000, 4000, Some(PRICE)), Ok(4000));
        assert_eq!(budget.allows(spent(0.03), 10_000, 4000, Some(PRICE)), Ok(1000));
        assert!(budget.allows(spent(0.04), 10_000, 4000, Some(PRICE)).unwrap_err().contains("0.0400"));
        assert!(budget.allows(spent(0.0), 10, 4000, None).unwrap_err().contains(PRICES));
        assert_eq!(Budget::default().allows(spent(1e9), i64::MAX, 4000, None), Ok(4000));
    }

    #[test]
    fn an_amount_that_is_none_is_named() {
        for (tokens, usd) in [(Some("x"), None), (Some("-1"), None), (None, Some("nan")), (None, Some("-0.1"))] {
            assert!(Budget::read(tokens, usd).unwrap_err().reason.contains("no amount"));
        }
    }
}
