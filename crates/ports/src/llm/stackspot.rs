//! An agent of StackSpot: a token for the client, then one question. The agent has one text in and one out, so that roles,
//! the model and the form of the answer are its own matter; our instructions go before the data.

use std::sync::Arc;

use domain::llm::{Class, Failure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::call::{Reply, Request, failed, unreachable};
use super::identity::encoded;
use super::settings::Key;

/// A token is fetched anew this long before it ends.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// A client of StackSpot and the agent that it asks.
#[derive(Clone, Debug)]
pub(super) struct StackSpot {
    /// The address that gives tokens.
    pub(super) tokens: Url,
    /// The address of the agent.
    pub(super) chat: Url,
    pub(super) id: String,
    pub(super) key: Key,
    pub(super) fetched: Arc<Mutex<Option<(Key, Timestamp)>>>,
}

impl StackSpot {
    /// Asks once.
    pub(super) async fn call(
        &self,
        client: &reqwest::Client,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let token = self.token(client, now).await?;
        let mut prompt = request.system.to_owned();
        for turn in &request.turns {
            prompt.push_str("\n\n");
            prompt.push_str(turn);
        }
        let body = json!({
            "streaming": false, "user_prompt": prompt, "stackspot_knowledge": false, "return_ks_in_response": false,
        });
        let call = client
            .post(self.chat.clone())
            .header("content-type", "application/json")
            .bearer_auth(token.expose_secret())
            .body(body.to_string());
        let answer = answer(call, now).await;
        if matches!(&answer, Err(failure) if failure.class == Class::Auth) {
            *self.fetched.lock().await = None;
        }
        let answer = answer?;
        let text = answer.get("message").and_then(Value::as_str);
        let text = text.ok_or_else(|| Failure::new(Class::Broken, "the answer is not that of an agent"))?;
        let count = |name: &str| answer.pointer(&format!("/tokens/{name}")).and_then(Value::as_i64).unwrap_or(0);
        let input = count("user").saturating_add(count("enrichment"));
        Ok(Reply { text: text.to_owned(), input, output: count("output"), refused: false })
    }

    async fn token(&self, client: &reqwest::Client, now: Timestamp) -> Result<Key, Failure> {
        let mut fetched = self.fetched.lock().await;
        if let Some((token, end)) = &*fetched
            && now.saturating_add(MARGIN).is_ok_and(|soon| soon < *end)
        {
            return Ok(token.clone());
        }
        let (id, key) = (encoded(&self.id), encoded(self.key.expose_secret()));
        let call = client
            .post(self.tokens.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials&client_id={id}&client_secret={key}"));
        let answer = answer(call, now).await.map_err(|failure| {
            // Whatever is refused here is the client or its realm.
            let refused = matches!(failure.class, Class::BadRequest | Class::Model);
            Failure { class: if refused { Class::Auth } else { failure.class }, ..failure }
        })?;
        let token = answer.get("access_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| Failure::new(Class::Broken, "the answer holds no token"))?;
        let seconds = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(0).clamp(0, 86_400);
        let token = Key::from(token.to_owned());
        let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        *fetched = Some((token.clone(), end));
        Ok(token)
    }
}

async fn answer(call: reqwest::RequestBuilder, now: Timestamp) -> Result<Value, Failure> {
    let answer = call.send().await.map_err(|error| unreachable(&error))?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.map_err(|error| unreachable(&error))?;
    if !(200..300).contains(&status) {
        return Err(failed(status, &text, Some(&headers), now));
    }
    serde_json::from_str(&text).map_err(|_| Failure::new(Class::Broken, "the answer is no JSON"))
}
