//! Where each provider is and how it is let in.

use std::sync::Arc;

use domain::llm::{Problem, Provider, Wire};
use genai::adapter::AdapterKind;
use reqwest::Url;
use secrecy::ExposeSecret;

use super::bedrock::{Bedrock, Entry};
use super::call::http;
use super::identity::{Identity, Keys, Source};
use super::settings::{Env, Key};
use super::stackspot::StackSpot;

/// How a provider is let in.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Chat completions at exactly this address, with the key as a bearer token; some local servers want none.
    Exact { url: String, key: Option<Key> },
    /// Anthropic's messages at exactly this address, with an OAuth token.
    OAuth { url: String, key: Key },
    /// By the ways of the adapter, from a base address.
    Base { url: String, key: Option<Key> },
    /// Bedrock.
    Bedrock(Bedrock),
    /// An agent of StackSpot.
    StackSpot(StackSpot),
}

/// A provider that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) adapter: AdapterKind,
    pub(super) door: Door,
    /// Variable that holds the key, for texts.
    pub(super) key_name: &'static str,
    /// Longest answer that is asked for.
    pub(super) max_tokens: Option<u32>,
    /// Whether it can be held to a schema.
    pub(super) structured: bool,
}

/// Where a provider that speaks chat completions is, by default.
struct Place {
    keys: &'static [&'static str],
    urls: &'static [&'static str],
    default: &'static str,
    suffix: &'static str,
    adapter: AdapterKind,
    structured: bool,
}

const CHAT: &str = "chat/completions";

fn place(provider: Provider) -> Option<Place> {
    let (keys, urls, default): (&'static [&'static str], &'static [&'static str], &'static str) = match provider {
        Provider::OpenAi => {
            (&["OPENAI_API_KEY"], &["OPENAI_API_URL", "OPENAI_BASE_URL"], "https://api.openai.com/v1/chat/completions")
        }
        Provider::Xai => (&["XAI_API_KEY"], &["XAI_API_URL"], "https://api.x.ai/v1/chat/completions"),
        Provider::Zai => (&["ZAI_API_KEY"], &["ZAI_API_URL"], "https://api.z.ai/api/paas/v4/chat/completions"),
        Provider::MiniMax => {
            (&["MINIMAX_API_KEY"], &["MINIMAX_API_URL"], "https://api.minimax.io/v1/text/chatcompletion_v2")
        }
        Provider::Moonshot => {
            (&["MOONSHOT_API_KEY"], &["MOONSHOT_API_URL"], "https://api.moonshot.ai/v1/chat/completions")
        }
        Provider::Copilot => (&["GITHUB_COPILOT_TOKEN"], &["COPILOT_API_BASE_URL"], ""),
        Provider::GithubModels => (
            &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_MODELS_TOKEN"],
            &["GITHUB_MODELS_API_URL"],
            "https://models.github.ai/inference/chat/completions",
        ),
        Provider::OpenRouter => {
            (&["OPENROUTER_API_KEY"], &["OPENROUTER_API_URL"], "https://openrouter.ai/api/v1/chat/completions")
        }
        _ => return None,
    };
    let (adapter, structured) = match provider {
        Provider::Xai => (AdapterKind::Xai, true),
        // They take no schema; what the prompt says is enough for them.
        Provider::Zai | Provider::MiniMax | Provider::Moonshot => (AdapterKind::OpenAI, false),
        _ => (AdapterKind::OpenAI, true),
    };
    let suffix = if provider == Provider::MiniMax { "text/chatcompletion_v2" } else { CHAT };
    Some(Place { keys, urls, default, suffix, adapter, structured })
}

/// A provider as the environment has it, or why it cannot be asked.
pub(super) fn target(env: &Env<'_>, provider: Provider) -> Result<Target, Problem> {
    let wire = provider.wire().map_err(|(reason, remedy)| Problem::new(provider.name(), reason, remedy))?;
    match wire {
        Wire::OpenAi => match provider {
            Provider::MiniMax if env.get("MINIMAX_API_COMPAT").is_some_and(|v| v.eq_ignore_ascii_case("anthropic")) => {
                let url =
                    address(env, &["MINIMAX_API_URL"], "https://api.minimax.io/anthropic/v1/messages", "messages")?;
                anthropic(env, &["MINIMAX_API_KEY"], &url)
            }
            Provider::OpenAi if env.switch("OPENAI_USE_RESPONSES")? == Some(true) => responses(env),
            _ => chat(env, provider),
        },
        Wire::Anthropic => {
            let url = address(env, &["ANTHROPIC_BASE_URL"], "https://api.anthropic.com/v1/messages", "messages")?;
            if env.get("ANTHROPIC_OAUTH_TOKEN").is_some() {
                let (key, key_name) = env.key(&["ANTHROPIC_OAUTH_TOKEN"])?;
                let max_tokens = env.typed("ANTHROPIC_MAX_TOKENS", "a number")?;
                let door = Door::OAuth { url, key };
                return Ok(Target { adapter: AdapterKind::Anthropic, door, key_name, max_tokens, structured: true });
            }
            anthropic(env, &["ANTHROPIC_API_KEY"], &url)
        }
        Wire::Gemini => {
            let (key, key_name) = env.key(&["GOOGLEAI_API_KEY"])?;
            let base = env
                .get("GOOGLEAI_BASE_URL")
                .unwrap_or_else(|| "https://generativelanguage.googleapis.com/v1beta".into());
            let url = with_slash(checked("GOOGLEAI_BASE_URL", &base)?, "v1beta/");
            let door = Door::Base { url, key: Some(key) };
            Ok(Target { adapter: AdapterKind::Gemini, door, key_name, max_tokens: None, structured: true })
        }
        Wire::Ollama => {
            if env.switch("OLLAMA_ENABLED")? == Some(false) {
                return Err(Problem::new("OLLAMA_ENABLED", "is false", "set it to true or leave it out"));
            }
            let base = env.get("OLLAMA_BASE_URL").unwrap_or_else(|| "http://localhost:11434".into());
            let mut url = checked("OLLAMA_BASE_URL", &base)?;
            // Its two interfaces share one root.
            let root = url.path().trim_end_matches('/');
            let root = root.trim_end_matches("/api/chat").trim_end_matches("/api").trim_end_matches("/v1").to_owned();
            url.set_path(&format!("{root}/"));
            let door = Door::Base { url: url.into(), key: None };
            let key_name = "OLLAMA_BASE_URL";
            Ok(Target { adapter: AdapterKind::Ollama, door, key_name, max_tokens: None, structured: false })
        }
        Wire::Bedrock => bedrock(env),
        Wire::StackSpot => stackspot(env),
    }
}

fn chat(env: &Env<'_>, provider: Provider) -> Result<Target, Problem> {
    let place = place(provider)
        .ok_or_else(|| Problem::new(provider.name(), "has no known address", "choose another provider"))?;
    let own = place.urls.iter().any(|name| env.get(name).is_some());
    if provider == Provider::Copilot && !own {
        return Err(Problem::new(
            "COPILOT",
            "GitHub Copilot has no public API for servers",
            "set the provider to GITHUB_MODELS, or COPILOT_API_BASE_URL to a gateway of yours that speaks chat completions",
        ));
    }
    let url = address(env, place.urls, place.default, place.suffix)?;
    let first = place.keys.first().copied().unwrap_or_default();
    let (key, key_name) = match env.key(place.keys) {
        Ok((key, name)) => (Some(key), name),
        // A model of one's own behind OPENAI_API_URL often wants no key.
        Err(problem) if own && provider == Provider::OpenAi && problem.reason == "is not set" => (None, first),
        Err(problem) => return Err(problem),
    };
    let max_tokens = if provider == Provider::OpenAi { env.typed("OPENAI_MAX_TOKENS", "a number")? } else { None };
    let door = Door::Exact { url, key };
    Ok(Target { adapter: place.adapter, door, key_name, max_tokens, structured: place.structured })
}

fn responses(env: &Env<'_>) -> Result<Target, Problem> {
    let url = address(env, &["OPENAI_RESPONSES_API_URL"], "https://api.openai.com/v1/responses", "responses")?;
    let (key, key_name) = env.key(&["OPENAI_API_KEY"])?;
    let max_tokens = env.typed("OPENAI_MAX_TOKENS", "a number")?;
    let door = Door::Exact { url, key: Some(key) };
    Ok(Target { adapter: AdapterKind::OpenAIResp, door, key_name, max_tokens, structured: true })
}

fn anthropic(env: &Env<'_>, keys: &[&'static str], url: &str) -> Result<Target, Problem> {
    let (key, key_name) = env.key(keys)?;
    let base = url.strip_suffix("messages").unwrap_or(url).to_owned();
    let max_tokens = env.typed("ANTHROPIC_MAX_TOKENS", "a number")?;
    let door = Door::Base { url: base, key: Some(key) };
    Ok(Target { adapter: AdapterKind::Anthropic, door, key_name, max_tokens, structured: true })
}

fn bedrock(env: &Env<'_>) -> Result<Target, Problem> {
    let region = env.get("BEDROCK_REGION").or_else(|| env.get("AWS_REGION")).unwrap_or_else(|| "us-east-1".into());
    if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err(Problem::new(
            "BEDROCK_REGION",
            format!("\"{region}\" is no region"),
            "set it to one such as us-east-1",
        ));
    }
    let base = env.get("BEDROCK_BASE_URL").unwrap_or_else(|| format!("https://bedrock-runtime.{region}.amazonaws.com"));
    let url = checked("BEDROCK_BASE_URL", &base)?;
    let (entry, key_name) = if env.get("AWS_BEARER_TOKEN_BEDROCK").is_some() {
        let (key, name) = env.key(&["AWS_BEARER_TOKEN_BEDROCK"])?;
        (Entry::Bearer(key), name)
    } else {
        let (source, name) = amazon(env, &region)?;
        (Entry::Signed(Identity::new(source)), name)
    };
    let client =
        env.get("CHATCLI_BEDROCK_CA_BUNDLE").map(|file| trusting("CHATCLI_BEDROCK_CA_BUNDLE", &file)).transpose()?;
    let door = Door::Bedrock(Bedrock { url, region, entry, client });
    Ok(Target { adapter: AdapterKind::BedrockApi, door, key_name, max_tokens: None, structured: false })
}

/// A client that trusts the authorities of a file, too.
fn trusting(field: &str, file: &str) -> Result<reqwest::Client, Problem> {
    let remedy = "mount a file with the certificates of the authorities in PEM, and name its path";
    let bad = |why: String| Problem::new(field, why, remedy);
    let pem = std::fs::read(file).map_err(|error| bad(format!("{file} cannot be read ({error})")))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(format!("{file}: {error}")))?;
    if authorities.is_empty() {
        return Err(bad(format!("{file} holds no certificate in PEM")));
    }
    http(authorities).map_err(bad)
}

/// Keys of Amazon: given, or fetched with the identity of the pod.
fn amazon(env: &Env<'_>, region: &str) -> Result<(Source, &'static str), Problem> {
    let given = env.get("AWS_ACCESS_KEY_ID").is_some();
    if let (false, Some(token)) = (given, env.get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let role = env.get("AWS_ROLE_ARN").ok_or_else(|| {
            let remedy = "annotate the ServiceAccount with eks.amazonaws.com/role-arn";
            Problem::new("AWS_ROLE_ARN", "is not set, although AWS_WEB_IDENTITY_TOKEN_FILE is", remedy)
        })?;
        let base = env.get("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        let sts = checked("AWS_ENDPOINT_URL_STS", &base)?;
        return Ok((Source::WebIdentity { sts, role, token: token.into() }, "AWS_ROLE_ARN"));
    }
    if let (false, Some(text)) = (given, env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        let url = checked("AWS_CONTAINER_CREDENTIALS_FULL_URI", &text)?;
        let token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Into::into);
        return Ok((Source::Container { url, token }, "AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }
    let (id, name) = env.key(&["AWS_ACCESS_KEY_ID"])?;
    let (secret, _) = env.key(&["AWS_SECRET_ACCESS_KEY"])?;
    let session = match env.get("AWS_SESSION_TOKEN") {
        Some(_) => Some(env.key(&["AWS_SESSION_TOKEN"])?.0),
        None => None,
    };
    Ok((Source::Given(Keys { id, secret, session }), name))
}

fn stackspot(env: &Env<'_>) -> Result<Target, Problem> {
    let (id, _) = env.key(&["CLIENT_ID"])?;
    let (key, key_name) = env.key(&["CLIENT_KEY"])?;
    let realm = env.get("STACKSPOT_REALM").unwrap_or_else(|| "zup".into());
    let agent = env.get("STACKSPOT_AGENT_ID").unwrap_or_else(|| "default".into());
    for (name, value) in [("STACKSPOT_REALM", &realm), ("STACKSPOT_AGENT_ID", &agent)] {
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err(Problem::new(
                name,
                format!("\"{value}\" is no name of StackSpot"),
                "copy it from the StackSpot portal",
            ));
        }
    }
    let mut tokens = checked(
        "STACKSPOT_AUTH_URL",
        &env.get("STACKSPOT_AUTH_URL").unwrap_or_else(|| "https://idm.stackspot.com".into()),
    )?;
    tokens.set_path(&format!("{}/{realm}/oidc/oauth/token", tokens.path().trim_end_matches('/')));
    let base = env.get("STACKSPOT_API_URL").unwrap_or_else(|| "https://genai-inference-app.stackspot.com/v1".into());
    let mut chat = checked("STACKSPOT_API_URL", &base)?;
    let path = chat.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
    chat.set_path(&format!("{path}/v1/agent/{agent}/chat"));
    let id = id.expose_secret().to_owned();
    let door = Door::StackSpot(StackSpot { tokens, chat, id, key, fetched: Arc::default() });
    // No adapter of the crate is used; the field only has to be there.
    Ok(Target { adapter: AdapterKind::OpenAI, door, key_name, max_tokens: None, structured: false })
}

fn checked(field: &str, text: &str) -> Result<Url, Problem> {
    let remedy = "set it to an address such as https://gateway.example.com/v1";
    // The address may hold a password: it is not repeated.
    let url = Url::parse(text).map_err(|error| Problem::new(field, format!("is no address ({error})"), remedy))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Problem::new(field, "is no address of HTTP", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new(field, "holds a user or a password", "take them out; keys have their own variables"));
    }
    Ok(url)
}

/// The address of a call: as it is given when it names the call, else with what is missing at its end.
fn address(env: &Env<'_>, names: &[&str], default: &str, suffix: &str) -> Result<String, Problem> {
    let given = names.iter().find_map(|name| Some((*name, env.get(name)?)));
    let Some((name, text)) = given else { return Ok(default.to_owned()) };
    let mut url = checked(name, &text)?;
    let path = url.path().trim_end_matches('/').to_owned();
    let last = suffix.rsplit('/').next().unwrap_or(suffix);
    if path.rsplit('/').next() == Some(last) || path.ends_with("/completions") {
        url.set_path(&path);
    } else if path.is_empty() {
        url.set_path(&format!("/v1/{suffix}"));
    } else {
        url.set_path(&format!("{path}/{suffix}"));
    }
    Ok(url.into())
}

fn with_slash(mut url: Url, default: &str) -> String {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.is_empty() { format!("/{default}") } else { format!("{path}/") });
    url.into()
}
