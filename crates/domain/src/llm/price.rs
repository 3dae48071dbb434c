//! What tokens cost. A list that ships with the product ages: an entry of the configuration always wins.

use super::{Problem, Provider};

/// US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Sent.
    pub input: f64,
    /// Received.
    pub output: f64,
}

impl Price {
    const FREE: Self = Self { input: 0.0, output: 0.0 };

    /// What so many tokens cost.
    pub fn of(self, input: i64, output: i64) -> f64 {
        (input as f64).mul_add(self.input, output as f64 * self.output) / 1e6
    }
}

/// List prices by the beginning of the model's name, without the name of its maker.
const LIST: &[(&str, f64, f64)] = &[
    ("claude-opus-4-5", 5.0, 25.0),
    ("claude-opus-4-6", 5.0, 25.0),
    ("claude-opus-4", 15.0, 75.0),
    ("claude-sonnet-4", 3.0, 15.0),
    ("claude-haiku-4-5", 1.0, 5.0),
    ("claude-3-5-haiku", 0.8, 4.0),
    ("gpt-5.4-mini", 0.75, 4.5),
    ("gpt-5.4", 2.5, 15.0),
    ("gpt-5.2", 1.75, 14.0),
    ("gpt-5-mini", 0.25, 2.0),
    ("gpt-5-nano", 0.05, 0.4),
    ("gpt-5", 1.25, 10.0),
    ("gpt-4.1-mini", 0.4, 1.6),
    ("gpt-4.1", 2.0, 8.0),
    ("gpt-4o-mini", 0.15, 0.6),
    ("gpt-4o", 2.5, 10.0),
    ("gemini-2.5-flash-lite", 0.1, 0.4),
    ("gemini-2.5-flash", 0.3, 2.5),
    ("gemini-2.5-pro", 1.25, 10.0),
    ("grok-4-1", 0.2, 0.5),
    ("grok-4", 3.0, 15.0),
    ("glm-5", 1.0, 3.2),
    ("glm-4", 0.6, 2.2),
    ("minimax-m2", 0.3, 1.2),
    ("kimi-k2", 0.95, 4.0),
    ("amazon.nova-pro", 0.8, 3.2),
    ("amazon.nova-lite", 0.06, 0.24),
];

/// The prices that hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices {
    own: Vec<(String, Price)>,
}

/// The setting that holds own prices.
pub const PRICES: &str = "CHATCLI_LLM_PRICES";

impl Prices {
    /// Reads own prices: `model=input/output`, separated by commas or line ends, in US dollars per million tokens.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let mut own = Vec::new();
        for entry in text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
            let read = || {
                let (model, price) = entry.rsplit_once('=')?;
                let (input, output) = price.split_once('/')?;
                let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
                Some((model.trim().to_ascii_lowercase(), Price { input: number(input)?, output: number(output)? }))
            };
            own.push(read().filter(|(model, _)| !model.is_empty()).ok_or_else(|| {
                Problem::new(
                    PRICES,
                    format!("\"{entry}\" is no price"),
                    "write model=input/output in US dollars per million tokens, such as my-model=0.5/2",
                )
            })?);
        }
        Ok(Self { own })
    }

    /// Price of a model; none when it is not known.
    pub fn of(&self, provider: Provider, model: &str) -> Option<Price> {
        let model = model.to_ascii_lowercase();
        if let Some((_, price)) = self.own.iter().find(|(name, _)| *name == model) {
            return Some(*price);
        }
        if provider == Provider::Ollama {
            return Some(Price::FREE);
        }
        let name = model.rsplit('/').next().unwrap_or(&model);
        let bare = name.rsplit_once("anthropic.").map_or(name, |(_, rest)| rest);
        // `us.amazon.nova-pro-v1:0` is the same model in one region.
        let bare = bare.find("amazon.").and_then(|at| bare.get(at..)).unwrap_or(bare);
        let fits = |(prefix, ..): &&(&str, f64, f64)| bare.starts_with(prefix);
        let (_, input, output) = LIST.iter().filter(fits).max_by_key(|(prefix, ..)| prefix.len())?;
        Some(Price { input: *input, output: *output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_its_price_under_each_makers_prefix() {
        let prices = Prices::default();
        let sonnet = Some(Price { input: 3.0, output: 15.0 });
        assert_eq!(prices.of(Provider::ClaudeAi, "claude-sonnet-4-6"), sonnet);
        assert_eq!(prices.of(Provider::Bedrock, "global.anthropic.claude-sonnet-4-6"), sonnet);
        assert_eq!(prices.of(Provider::OpenRouter, "anthropic/claude-sonnet-4-6"), sonnet);
        assert_eq!(prices.of(Provider::OpenAi, "gpt-5.4-mini-2026").map(|p| p.input), Some(0.75));
        assert_eq!(prices.of(Provider::Bedrock, "us.amazon.nova-pro-v1:0").map(|p| p.input), Some(0.8));
        assert_eq!(prices.of(Provider::Ollama, "anything"), Some(Price::FREE));
        assert_eq!(prices.of(Provider::OpenAi, "my-own-model"), None);
    }

    #[test]
    fn every_provider_that_is_asked_has_a_price_for_its_default_model() {
        for provider in Provider::all() {
            // What an agent of StackSpot costs is a matter of the contract with them.
            if let Some(model) = provider.default_model().filter(|_| provider != Provider::StackSpot) {
                assert!(Prices::default().of(provider, model).is_some(), "{provider}: {model}");
            }
        }
    }

    #[test]
    fn own_prices_win_and_a_bad_one_is_named() {
        let prices = Prices::read("My-Model=0.5/2,\ngpt-4o=1/1").unwrap();
        assert_eq!(prices.of(Provider::OpenAi, "my-model"), Some(Price { input: 0.5, output: 2.0 }));
        assert_eq!(prices.of(Provider::OpenAi, "gpt-4o"), Some(Price { input: 1.0, output: 1.0 }));
        for bad in ["x", "x=1", "x=a/b", "=1/2", "x=-1/2", "x=inf/2"] {
            let problem = Prices::read(bad).unwrap_err();
            assert!(problem.reason.contains(bad), "{problem}");
        }
        assert!((Price { input: 3.0, output: 15.0 }.of(1000, 100) - 0.0045).abs() < 1e-12);
    }
}
