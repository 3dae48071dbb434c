//! Who asks Amazon: keys from the environment, or keys that are fetched with the identity of the pod (roles of service
//! accounts, EKS Pod Identity) and kept until they are about to end.

use std::path::PathBuf;
use std::sync::Arc;

use domain::llm::{Class, Failure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;

use super::call::{failed, unreachable};
use super::settings::Key;

/// Keys are fetched anew this long before they end.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: Key,
    pub(super) secret: Key,
    pub(super) session: Option<Key>,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The environment.
    Given(Keys),
    /// The role of the pod's service account.
    WebIdentity { sts: Url, role: String, token: PathBuf },
    /// An address on the node that knows the pod, with the file of a token for it.
    Container { url: Url, token: Option<PathBuf> },
}

/// Keys and their end.
type Fetched = Arc<Mutex<Option<(Keys, Timestamp)>>>;

/// A source of keys with those that were fetched last.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    source: Source,
    fetched: Fetched,
}

impl Identity {
    pub(super) fn new(source: Source) -> Self {
        Self { source, fetched: Arc::default() }
    }

    /// Keys that hold now.
    pub(super) async fn keys(&self, client: &reqwest::Client, now: Timestamp) -> Result<Keys, Failure> {
        if let Source::Given(keys) = &self.source {
            return Ok(keys.clone());
        }
        let mut fetched = self.fetched.lock().await;
        if let Some((keys, end)) = &*fetched
            && now.saturating_add(MARGIN).is_ok_and(|soon| soon < *end)
        {
            return Ok(keys.clone());
        }
        let (keys, end) = self.fetch(client, now).await?;
        *fetched = Some((keys.clone(), end));
        Ok(keys)
    }

    async fn fetch(&self, client: &reqwest::Client, now: Timestamp) -> Result<(Keys, Timestamp), Failure> {
        let request = match &self.source {
            Source::Given(_) => return Err(Failure::new(Class::Auth, "keys that are given are not fetched")),
            Source::WebIdentity { sts, role, token } => {
                let token = read(token).await?;
                let body = format!(
                    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=chatcli&RoleArn={}&WebIdentityToken={}",
                    encoded(role),
                    encoded(&token)
                );
                client.post(sts.clone()).header("content-type", "application/x-www-form-urlencoded").body(body)
            }
            Source::Container { url, token } => {
                let mut request = client.get(url.clone());
                if let Some(token) = token {
                    request = request.header("authorization", read(token).await?);
                }
                request
            }
        };
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| unreachable(&error))?;
        if !(200..300).contains(&status) {
            let mut failure = failed(status, field(&text, "Message").unwrap_or(&text), Some(&headers), now);
            // A refusal says that the role is wrong, not the question.
            failure.class = if failure.class == Class::BadRequest { Class::Auth } else { failure.class };
            failure.message = format!("no keys for the role of the pod: {}", failure.message);
            return Err(failure);
        }
        understood(&text).ok_or_else(|| Failure::new(Class::Auth, "the answer for the role of the pod holds no keys"))
    }
}

/// Keys in XML as STS writes them, or in JSON as nodes do.
fn understood(text: &str) -> Option<(Keys, Timestamp)> {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let get = |name: &str| match &json {
        Some(value) => value.get(name)?.as_str().map(str::to_owned),
        None => field(text, name).map(str::to_owned),
    };
    let session = get("SessionToken").or_else(|| get("Token"))?;
    let keys = Keys {
        id: Key::from(get("AccessKeyId")?),
        secret: Key::from(get("SecretAccessKey")?),
        session: Some(Key::from(session)),
    };
    Some((keys, get("Expiration")?.parse().ok()?))
}

/// The text of an element.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

async fn read(file: &PathBuf) -> Result<String, Failure> {
    let text = tokio::fs::read_to_string(file).await;
    let text =
        text.map_err(|error| Failure::new(Class::Auth, format!("{} cannot be read ({error})", file.display())))?;
    Ok(text.trim().to_owned())
}

/// Text as a part of a path or a form.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn keys_are_read_from_both_forms() {
        let xml = "<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>\
                   <SessionToken>t</SessionToken><Expiration>2025-11-25T04:00:00Z</Expiration></Credentials></R>";
        let json =
            r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"s/+=","Token":"t","Expiration":"2025-11-25T04:00:00Z"}"#;
        for text in [xml, json] {
            let (keys, end) = understood(text).unwrap();
            assert_eq!((keys.id.expose_secret(), keys.secret.expose_secret()), ("ASIA1", "s/+="));
            assert_eq!(keys.session.as_ref().map(ExposeSecret::expose_secret), Some("t"));
            assert_eq!(end.to_string(), "2025-11-25T04:00:00Z");
        }
        assert!(understood("<html>").is_none() && understood("{}").is_none());
    }

    #[test]
    fn a_model_with_a_colon_is_one_segment() {
        assert_eq!(encoded("anthropic.claude-sonnet-4-5-20250929-v1:0"), "anthropic.claude-sonnet-4-5-20250929-v1%3A0");
        assert_eq!(encoded(&encoded("a:b")), "a%253Ab");
    }
}
