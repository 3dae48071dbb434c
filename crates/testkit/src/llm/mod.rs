//! An HTTP server on loopback that speaks the formats of language models: chat completions and responses of OpenAI, messages
//! of Anthropic, `generateContent` of Gemini, chat of Ollama, Converse of Bedrock. A test scripts what it answers.

mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use wire::Wire;

/// The key that the server takes.
pub const KEY: &str = "right-key";
/// Tokens that each answer says were sent.
pub const INPUT: i64 = 1000;
/// Tokens that each answer says came back.
pub const OUTPUT: i64 = 100;

/// What the server answers to one request with the right key.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The model says this.
    Says(String),
    /// An error in the provider's form.
    Error(u16, String),
    /// 429, with this `Retry-After`.
    RateLimited(String),
    /// Nothing, until the client gives up.
    Silence,
    /// Success, with a body that ends in the middle.
    Half,
    /// Success, with a page of HTML.
    Html,
    /// An object of JSON that is no answer.
    Other,
}

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Path.
    pub path: String,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Value,
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Answer>,
    always: Option<Answer>,
    seen: Vec<Seen>,
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct LlmServer {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl LlmServer {
    /// Starts it; it answers `always`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(always: Answer) -> Self {
        let script = Arc::new(Mutex::new(Script { always: Some(always), ..Script::default() }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("no port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let router = Router::new().fallback(handle).with_state(script.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the server ended");
        });
        Self { address, script, task }
    }

    /// Its root, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers these first, one a request.
    ///
    /// # Panics
    /// When a handler has panicked.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().expect("not poisoned").next.extend(answers);
    }

    /// What was received so far.
    ///
    /// # Panics
    /// When a handler has panicked.
    pub fn seen(&self) -> Vec<Seen> {
        self.script.lock().expect("not poisoned").seen.clone()
    }
}

impl Drop for LlmServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address where nobody listens.
///
/// # Panics
/// When no port is free.
pub async fn nowhere() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("no port is free");
    format!("http://{}", listener.local_addr().expect("a listener has an address"))
}

async fn handle(State(script): State<Arc<Mutex<Script>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    if let Some(answer) = tokens(uri.path(), &body) {
        return answer;
    }
    let Some(wire) = Wire::of(uri.path()) else {
        return respond(404, "text/plain", &[], format!("no provider answers at {}", uri.path()));
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = {
        let mut script = script.lock().expect("not poisoned");
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
        script.seen.push(Seen { path: uri.path().to_owned(), headers, body: body.clone() });
        if wire.lets_in(&headers_of(&script)) {
            script.next.pop_front().or_else(|| script.always.clone()).unwrap_or(Answer::Other)
        } else {
            Answer::Error(wire.wrong_key(), "invalid key".into())
        }
    };
    if let Some(wrong) = wire.malformed(&body) {
        return respond(400, "application/json", &[], wire.error(400, &wrong).to_string());
    }
    match answer {
        Answer::Says(text) => respond(200, "application/json", &[], wire.says(&text).to_string()),
        Answer::Error(status, message) => {
            respond(status, "application/json", &[], wire.error(status, &message).to_string())
        }
        Answer::RateLimited(wait) => {
            respond(429, "application/json", &[("retry-after", &wait)], wire.error(429, "slow down").to_string())
        }
        Answer::Silence => std::future::pending().await,
        Answer::Half => {
            let whole = wire.says("{}").to_string();
            let half: String = whole.chars().take(whole.len() / 2).collect();
            respond(200, "application/json", &[], half)
        }
        Answer::Html => respond(200, "text/html", &[], "<html>please log in</html>".into()),
        Answer::Other => respond(200, "application/json", &[], "{\"hello\":1}".into()),
    }
}

/// The places that give tokens and keys: StackSpot's, and Amazon's for the role of a pod.
fn tokens(path: &str, body: &[u8]) -> Option<Response<Body>> {
    let form = String::from_utf8_lossy(body);
    let json = |status, value: Value| Some(respond(status, "application/json", &[], value.to_string()));
    if path.ends_with("/oidc/oauth/token") {
        if form.contains(&format!("client_secret={KEY}")) {
            return json(200, json!({ "access_token": KEY, "expires_in": 1200 }));
        }
        return json(401, json!({ "error": "invalid_client" }));
    }
    if form.starts_with("Action=AssumeRoleWithWebIdentity") {
        let keys = format!(
            "<R><AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></R>"
        );
        return Some(respond(200, "text/xml", &[], keys));
    }
    None
}

fn headers_of(script: &Script) -> BTreeMap<String, String> {
    script.seen.last().map(|seen| seen.headers.clone()).unwrap_or_default()
}

fn respond(status: u16, kind: &str, more: &[(&str, &str)], body: String) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", kind);
    for (name, value) in more {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).expect("a response")
}
