//! The environment of a server, read into providers that can be asked and reasons why others cannot.
//!
//! What lives here: names of variables and what they mean. What does not: calls.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use domain::llm::{Budget, PATTERNS, PRICES, Policy, Prices, Problem, Provider, Scrubber, budget};
use jiff::SignedDuration;
use secrecy::SecretString;

use super::target::{Target, target};

/// What is asked for, by the names of the variables.
pub(super) const FALLBACKS: &str = "CHATCLI_FALLBACK_PROVIDERS";

/// A key or token; it is never shown.
pub(super) type Key = SecretString;

/// An environment.
pub(super) struct Env<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The first of these variables that is set, as a key.
    pub(super) fn key(&self, names: &[&'static str]) -> Result<(Key, &'static str), Problem> {
        for name in names {
            if let Some(value) = self.get(name) {
                if value.chars().any(|c| !c.is_ascii_graphic()) {
                    return Err(Problem::new(
                        *name,
                        "holds spaces, line ends or characters that no key has",
                        "create the Secret again with the bare key, for example by --from-literal",
                    ));
                }
                return Ok((Key::from(value), name));
            }
        }
        let name = names.first().copied().unwrap_or_default();
        Err(Problem::new(
            names.join(" or "),
            "is not set",
            format!(
                "put it into the Secret of spec.apiKeys: kubectl create secret generic NAME --from-literal={name}=…"
            ),
        ))
    }

    /// A variable of another type; a value that is none is a problem.
    pub(super) fn typed<T: FromStr>(&self, name: &str, expects: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let bad = || Problem::new(name, format!("\"{text}\" is not {expects}"), format!("set it to {expects}"));
        text.parse().map(Some).map_err(|_| bad())
    }

    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(other) => {
                Err(Problem::new(name, format!("\"{other}\" is not true or false"), "set it to true or false"))
            }
        }
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let given = self.typed::<SignedDuration>(name, "a duration of 0 or more, such as 30s or 5m")?;
        given
            .map(|d| {
                Duration::try_from(d)
                    .map_err(|_| Problem::new(name, "is negative", "set it to a duration of 0 or more"))
            })
            .transpose()
    }
}

/// A provider to ask, and the model to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) provider: Provider,
    pub(super) model: String,
}

/// Everything that the environment says.
#[derive(Debug)]
pub(super) struct Settings {
    /// The providers of the contract.
    pub(super) targets: BTreeMap<Provider, Result<Target, Problem>>,
    /// Models by provider, where one is named.
    models: BTreeMap<Provider, String>,
    /// The one that is asked first.
    pub(super) primary: Result<Link, Problem>,
    /// Those that are asked after it.
    pub(super) fallbacks: Vec<Link>,
    pub(super) policy: Policy,
    pub(super) budget: Budget,
    pub(super) prices: Prices,
    pub(super) scrubber: Option<Scrubber>,
    /// Why no language model is asked at all.
    pub(super) fatal: Option<Problem>,
    /// What is not as it was meant, while the rest works.
    pub(super) problems: Vec<Problem>,
}

impl Settings {
    pub(super) fn read(env: &Env<'_>, provider: &str, model: &str) -> Self {
        let mut problems = Vec::new();
        let mut fatal: Option<Problem> = None;
        let mut models = BTreeMap::new();
        let mut targets = BTreeMap::new();
        for known in Provider::all() {
            targets.insert(known, target(env, known));
            let own = format!("{known}_MODEL");
            let named = env.get(&format!("CHATCLI_FALLBACK_MODEL_{known}")).or_else(|| env.get(&own));
            if let Some(model) = named {
                models.insert(known, model);
            }
        }
        let primary = primary(env, provider, model);
        let fallbacks = fallbacks(env, primary.as_ref().ok(), &mut problems);
        let policy = policy(env, &mut problems);
        let mut or_fatal = |problem: Problem| {
            fatal.get_or_insert(problem);
        };
        let scrubber = Scrubber::new(&env.get(PATTERNS).unwrap_or_default()).map_err(&mut or_fatal).ok();
        let (tokens, usd) = (env.get(budget::TOKENS), env.get(budget::USD));
        let budget = Budget::read(tokens.as_deref(), usd.as_deref()).map_err(&mut or_fatal).unwrap_or_default();
        let prices = Prices::read(&env.get(PRICES).unwrap_or_default()).map_err(&mut or_fatal).unwrap_or_default();
        Self { targets, models, primary, fallbacks, policy, budget, prices, scrubber, fatal, problems }
    }

    /// The model of a provider when a question names none.
    pub(super) fn model(&self, provider: Provider) -> String {
        if let Ok(link) = &self.primary
            && link.provider == provider
        {
            return link.model.clone();
        }
        let named = self.models.get(&provider).cloned();
        named.unwrap_or_else(|| provider.default_model().unwrap_or_default().to_owned())
    }
}

fn primary(env: &Env<'_>, provider: &str, model: &str) -> Result<Link, Problem> {
    let name = Some(provider.trim())
        .filter(|name| !name.is_empty())
        .map_or_else(|| env.get("LLM_PROVIDER"), |n| Some(n.into()));
    let Some(name) = name else { return Ok(Link { provider: Provider::Builtin, model: String::new() }) };
    let provider = known(&name, "spec.provider")?;
    let model = Some(model.trim()).filter(|model| !model.is_empty()).map(str::to_owned);
    let model = model.or_else(|| env.get(&format!("{provider}_MODEL")));
    let model = model.unwrap_or_else(|| provider.default_model().unwrap_or_default().to_owned());
    Ok(Link { provider, model: named(provider, model) })
}

/// GitHub Models wants the maker before the name; the contract's names have none.
pub(super) fn named(provider: Provider, model: String) -> String {
    if provider == Provider::GithubModels && !model.is_empty() && !model.contains('/') {
        format!("openai/{model}")
    } else {
        model
    }
}

pub(super) fn known(name: &str, field: &str) -> Result<Provider, Problem> {
    Provider::named(name).ok_or_else(|| {
        let names: Vec<&str> = Provider::all().map(Provider::name).collect();
        let shown: String = name.chars().take(60).collect();
        Problem::new(field, format!("\"{shown}\" is no provider"), format!("set it to one of {}", names.join(", ")))
    })
}

fn fallbacks(env: &Env<'_>, primary: Option<&Link>, problems: &mut Vec<Problem>) -> Vec<Link> {
    match env.switch("CHATCLI_FALLBACK_ENABLED") {
        Ok(Some(false)) => return Vec::new(),
        Ok(_) => {}
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    }
    let mut links: Vec<Link> = Vec::new();
    for name in env.get(FALLBACKS).unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let provider = match known(name, FALLBACKS) {
            // What stands behind it would never be asked: the rules always answer.
            Ok(Provider::Builtin) => break,
            Ok(provider) => provider,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let variable = format!("CHATCLI_FALLBACK_MODEL_{provider}");
        let Some(model) = env.get(&variable) else {
            problems.push(Problem::new(
                variable,
                format!("is not set, and {provider} does not know the models of another provider: it is not asked"),
                format!("name the model of {provider}, in spec.fallback.providers"),
            ));
            continue;
        };
        let link = Link { provider, model: named(provider, model) };
        if primary != Some(&link) && !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

fn policy(env: &Env<'_>, problems: &mut Vec<Problem>) -> Policy {
    let default = Policy::default();
    let mut or = |read: Result<Option<Duration>, Problem>, otherwise| match read {
        Ok(value) => value.unwrap_or(otherwise),
        Err(problem) => {
            problems.push(problem);
            otherwise
        }
    };
    let cooldown_base = or(env.duration("CHATCLI_FALLBACK_COOLDOWN_BASE"), default.cooldown_base);
    let cooldown_max = or(env.duration("CHATCLI_FALLBACK_COOLDOWN_MAX"), default.cooldown_max).max(cooldown_base);
    let retries = env.typed::<u32>("CHATCLI_FALLBACK_MAX_RETRIES", "a number from 0 to 10");
    let max_retries = match retries {
        Ok(value) => value.unwrap_or(default.max_retries).min(10),
        Err(problem) => {
            problems.push(problem);
            default.max_retries
        }
    };
    Policy { max_retries, cooldown_base, cooldown_max }
}
