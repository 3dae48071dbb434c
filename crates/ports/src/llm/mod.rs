//! Language models: the providers, and the chain that asks one after another.
//!
//! What lives here: the configuration from an environment, the calls, their usage and metrics. What does not: what is told
//! to a model, what of its answer counts, when to ask again (`domain::llm`).

mod bedrock;
mod call;
mod chain;
mod identity;
mod metrics;
mod settings;
mod stackspot;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::llm::{Answer, Cooldown, Failure, Problem, Provider, Usage};
use jiff::Timestamp;

use call::Clients;
pub use metrics::Metrics;
use settings::{Env, Settings};

/// Characters that are told about an incident unless said otherwise, and the bounds of what may be said.
const MATERIAL: usize = 32_000;
const LEAST_MATERIAL: usize = 2_000;
const MOST_MATERIAL: usize = 400_000;

/// How the provider of a server stands.
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

/// A wait.
pub type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the time is, and how to wait.
#[derive(Clone)]
pub struct Time {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    wait: Arc<dyn Fn(Duration) -> Waiting + Send + Sync>,
}

impl Time {
    /// Time by this clock; waits are real.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), wait: Arc::new(|wait| Box::pin(tokio::time::sleep(wait))) }
    }

    /// The same with other waits, for tests.
    #[must_use]
    pub fn waiting(self, wait: impl Fn(Duration) -> Waiting + Send + Sync + 'static) -> Self {
        Self { wait: Arc::new(wait), ..self }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time").finish_non_exhaustive()
    }
}

/// How a provider did so far.
#[derive(Clone, Debug, Default)]
struct Standing {
    cooldown: Cooldown,
    /// What its last analysis failed with.
    problem: Option<String>,
}

/// The language models of a server: one that is asked first, and those that are asked when it fails.
#[derive(Debug)]
pub struct Llm {
    settings: Settings,
    /// None only when `settings.fatal` says why.
    clients: Option<Clients>,
    metrics: Metrics,
    time: Time,
    standings: Mutex<BTreeMap<Provider, Standing>>,
    material: usize,
}

impl Llm {
    /// Reads the configuration of an environment. It never fails: what cannot be used is told by [`Llm::state`] and
    /// [`Llm::problems`], and is not asked. An empty provider takes `LLM_PROVIDER`, else BUILTIN.
    pub fn from_env(env: &impl Fn(&str) -> Option<String>, provider: &str, model: &str, time: Time) -> Self {
        let mut settings = Settings::read(&Env(env), provider, model);
        let clients = Clients::new().map_err(|error| {
            let remedy = "run the process on an image with a bundle of root certificates";
            settings.fatal.get_or_insert(Problem::new("HTTP client", error, remedy));
        });
        let (metrics, standings) = (Metrics::default(), Mutex::default());
        Self { settings, clients: clients.ok(), metrics, time, standings, material: MATERIAL }
    }

    /// The same, telling at most so many characters about an incident.
    #[must_use]
    pub fn telling_at_most(mut self, characters: Option<usize>) -> Self {
        self.material = characters.unwrap_or(MATERIAL).clamp(LEAST_MATERIAL, MOST_MATERIAL);
        self
    }

    /// Counters, to be registered.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How the provider that is asked first stands.
    pub fn state(&self) -> State {
        let (provider, model, problem) = match &self.settings.primary {
            Err(problem) => (String::new(), String::new(), Some(problem.to_string())),
            Ok(link) => {
                let name = link.provider.name().to_owned();
                (name, link.model.clone(), self.trouble(link.provider))
            }
        };
        State { provider, model, ready: problem.is_none(), problem: problem.unwrap_or_default() }
    }

    fn trouble(&self, provider: Provider) -> Option<String> {
        if provider == Provider::Builtin {
            return None;
        }
        if let Some(problem) = &self.settings.fatal {
            return Some(problem.to_string());
        }
        match self.settings.targets.get(&provider) {
            Some(Err(problem)) => Some(problem.to_string()),
            _ => self.standing(provider)?.problem,
        }
    }

    /// What is not as it was meant: fallbacks that cannot be asked, settings that are not understood.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.settings.problems.clone();
        problems.extend(self.settings.fatal.clone());
        let fallbacks = self.settings.fallbacks.iter().filter_map(|link| self.settings.targets.get(&link.provider));
        problems.extend(fallbacks.filter_map(|target| target.as_ref().err().cloned()));
        problems
    }

    /// Providers that can be asked, for `GetServerInfo`; the rules always can.
    pub fn available(&self) -> Vec<String> {
        let ready = self.settings.targets.iter().filter(|(_, target)| target.is_ok());
        ready.map(|(provider, _)| provider.name().to_owned()).chain([Provider::Builtin.name().to_owned()]).collect()
    }

    fn standing(&self, provider: Provider) -> Option<Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(&provider).cloned()
    }

    fn mark(&self, provider: Provider, failed: Option<(&Failure, &str)>) {
        let now = (self.time.now)();
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = standings.entry(provider).or_default();
        match failed {
            None => *standing = Standing::default(),
            Some((failure, text)) => {
                standing.cooldown.failed(failure, &self.settings.policy, now);
                standing.problem = Some(text.to_owned());
            }
        }
    }
}
