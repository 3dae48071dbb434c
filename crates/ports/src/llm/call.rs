//! One call of a provider, and what its failure means.

use std::error::Error;
use std::time::Duration;

use domain::llm::{Class, Failure, schema};
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat, JsonSpec, StopReason};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, Headers, ModelIden, ServiceTarget};
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;

use super::target::{Door, Target};

/// Longest part of an answer that an error repeats.
const SHOWN: usize = 200;
/// Longest wait that a provider may ask for.
const LONGEST: Duration = Duration::from_hours(1);

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) system: &'a str,
    /// What was said: a question, its answer, a question.
    pub(super) turns: Vec<String>,
    pub(super) max_tokens: i64,
    pub(super) structured: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) input: i64,
    pub(super) output: i64,
    pub(super) refused: bool,
}

/// A client that trusts what the machine trusts, and these authorities.
pub(super) fn http(authorities: Vec<reqwest::Certificate>) -> Result<reqwest::Client, String> {
    // The client takes the provider of the process. When there is one already it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_mins(1))
        // A key must not follow a redirect to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("chatcli-aiops/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(authorities)
        .build()
        .map_err(|error| error.to_string())
}

/// The clients of a server, made once.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    http: reqwest::Client,
    models: Client,
}

impl Clients {
    pub(super) fn new() -> Result<Self, String> {
        let http = http(Vec::new())?;
        let models = Client::builder().with_reqwest(http.clone()).build().map_err(|error| error.to_string())?;
        Ok(Self { http, models })
    }

    /// Asks once. The caller sets the deadline.
    pub(super) async fn call(
        &self,
        target: &Target,
        model: &str,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let (url, auth) = match &target.door {
            Door::Bedrock(bedrock) => return bedrock.call(&self.http, model, request, now).await,
            Door::StackSpot(agent) => return agent.call(&self.http, request, now).await,
            Door::Base { url, key } => {
                let key = key.as_ref().map_or(AuthData::None, |key| AuthData::Key(key.expose_secret().to_owned()));
                (url.clone(), key)
            }
            Door::Exact { url, key } => {
                let headers = match key {
                    Some(key) => Headers::from(("authorization", format!("Bearer {}", key.expose_secret()))),
                    None => Headers::default(),
                };
                (url.clone(), AuthData::RequestOverride { url: url.clone(), headers })
            }
            Door::OAuth { url, key } => {
                let headers = Headers::from(vec![
                    ("authorization".to_owned(), format!("Bearer {}", key.expose_secret())),
                    ("anthropic-version".to_owned(), "2023-06-01".to_owned()),
                    ("anthropic-beta".to_owned(), "oauth-2025-04-20".to_owned()),
                ]);
                (url.clone(), AuthData::RequestOverride { url: url.clone(), headers })
            }
        };
        let service = ServiceTarget {
            endpoint: Endpoint::from_owned(url),
            auth,
            model: ModelIden::new(target.adapter, model.to_owned()),
        };
        let mut options = ChatOptions::default()
            .with_max_tokens(u32::try_from(request.max_tokens).unwrap_or(u32::MAX))
            .with_normalize_reasoning_content(true);
        if request.structured {
            let form = JsonSpec::new("analysis", schema());
            options = options.with_response_format(ChatResponseFormat::JsonSpec(form));
        }
        let turns = request.turns.iter().enumerate().map(|(number, text)| {
            if number % 2 == 0 { ChatMessage::user(text.as_str()) } else { ChatMessage::assistant(text.as_str()) }
        });
        let chat = ChatRequest::new(turns.collect()).with_system(request.system);
        let response = self.models.exec_chat(service, chat, Some(&options)).await.map_err(|e| failure(&e, now))?;
        let count = |tokens: Option<i32>| i64::from(tokens.unwrap_or(0).max(0));
        Ok(Reply {
            input: count(response.usage.prompt_tokens),
            output: count(response.usage.completion_tokens),
            refused: matches!(response.stop_reason, Some(StopReason::ContentFilter(_))),
            text: response.texts().concat(),
        })
    }
}

fn failure(error: &genai::Error, now: Timestamp) -> Failure {
    use genai::webc::Error as Web;
    match error {
        genai::Error::HttpError { status, body, headers, .. } => failed(status.as_u16(), body, Some(headers), now),
        genai::Error::WebModelCall { webc_error, .. } | genai::Error::WebAdapterCall { webc_error, .. } => {
            match webc_error {
                Web::ResponseFailedStatus { status, body, headers } => {
                    failed(status.as_u16(), body, Some(headers), now)
                }
                Web::Reqwest(error) => unreachable(error),
                Web::ResponseFailedNotJson { content_type, .. } => {
                    Failure::new(Class::Broken, format!("the answer is \"{}\", not JSON", shown(content_type)))
                }
                Web::ResponseFailedInvalidJson { cause, .. } => {
                    Failure::new(Class::Broken, format!("the answer is broken JSON ({})", shown(cause)))
                }
                Web::JsonValueExt(_) => Failure::new(Class::Broken, "the answer has another form than this provider's"),
            }
        }
        genai::Error::ChatResponseGeneration { .. }
        | genai::Error::ChatResponse { .. }
        | genai::Error::NoChatResponse { .. }
        | genai::Error::InvalidJsonResponseElement { .. }
        | genai::Error::JsonValueExt(_)
        | genai::Error::SerdeJson(_) => Failure::new(Class::Broken, "the answer has another form than this provider's"),
        other => Failure::new(Class::BadRequest, shown(&other.to_string())),
    }
}

/// An HTTP answer that is no success.
pub(super) fn failed(status: u16, body: &str, headers: Option<&HeaderMap>, now: Timestamp) -> Failure {
    let class = if (300..400).contains(&status) { Class::BadRequest } else { Class::of_status(status, body) };
    let said = serde_json::from_str::<serde_json::Value>(body).ok();
    let said = said.as_ref().and_then(|value| {
        ["/error/message", "/message", "/error", "/0/error/message", "/detail"]
            .into_iter()
            .find_map(|path| value.pointer(path)?.as_str())
    });
    let said = shown(said.unwrap_or(body));
    let message = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    Failure { class, message, retry_after: headers.and_then(|headers| retry_after(headers, now)) }
}

/// A call without an answer. The error's own text would repeat the address with whatever stands in it.
pub(super) fn unreachable(error: &reqwest::Error) -> Failure {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let class = if error.is_timeout() { Class::Timeout } else { Class::Network };
    Failure::new(class, shown(&cause.to_string()))
}

/// The wait that a provider asks for: milliseconds, seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok().map(|wait| wait.min(LONGEST));
    }
    let text = text("retry-after")?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO).min(LONGEST))
}

fn shown(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN { line } else { format!("{}…", line.chars().take(SHOWN).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_every_notation() {
        let now: Timestamp = "2025-11-25T03:00:00Z".parse().unwrap();
        let read = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(read("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(read("retry-after", "Tue, 25 Nov 2025 03:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("retry-after", "Tue, 25 Nov 2025 02:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "999999999"), Some(LONGEST));
        for nonsense in ["soon", "-5", "NaN", ""] {
            assert_eq!(read("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_error_repeats_what_the_provider_says_and_not_more() {
        let failure =
            failed(401, "{\"error\":{\"message\":\"invalid x-api-key\",\"type\":\"t\"}}", None, Timestamp::UNIX_EPOCH);
        assert_eq!((failure.class, failure.message.as_str()), (Class::Auth, "HTTP 401: invalid x-api-key"));
        assert_eq!(failed(302, "", None, Timestamp::UNIX_EPOCH).class, Class::BadRequest);
        assert!(failed(500, &"<p> x".repeat(500), None, Timestamp::UNIX_EPOCH).message.chars().count() < 230);
    }
}
