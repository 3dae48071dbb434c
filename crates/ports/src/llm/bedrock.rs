//! Converse of Bedrock, signed with AWS Signature Version 4. The multi-provider crate signs only through the whole AWS SDK,
//! which brings a second TLS provider; a call is one POST, so it is made here.

use std::fmt::Write;

use domain::llm::{Class, Failure};
use jiff::Timestamp;
use reqwest::Url;
use ring::{digest, hmac};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::call::{Reply, Request, failed, unreachable};
use super::identity::{Identity, Keys, encoded};
use super::settings::Key;

/// How a call is let in.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// A Bedrock API key.
    Bearer(Key),
    /// A signature.
    Signed(Identity),
}

/// Bedrock in a region.
#[derive(Clone, Debug)]
pub(super) struct Bedrock {
    pub(super) url: Url,
    pub(super) region: String,
    pub(super) entry: Entry,
    /// A client with authorities of its own.
    pub(super) client: Option<reqwest::Client>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn sha256(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, data).as_ref())
}

fn mac(key: &[u8], data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec()
}

/// What a signature covers.
struct Signing<'a> {
    method: &'a str,
    /// Path as it is sent; all services but S3 have it encoded once more in the signature.
    path: &'a str,
    /// Headers by their lower-case names, sorted.
    headers: &'a [(&'a str, &'a str)],
    payload: &'a [u8],
    region: &'a str,
    service: &'a str,
}

/// The `authorization` header. `time` is `YYYYMMDDTHHMMSSZ`.
fn authorization(signing: &Signing<'_>, id: &str, secret: &str, time: &str) -> String {
    let path: Vec<String> = signing.path.split('/').map(encoded).collect();
    let mut canonical = format!("{}\n{}\n\n", signing.method, path.join("/"));
    for (name, value) in signing.headers {
        let _ = writeln!(canonical, "{name}:{}", value.trim());
    }
    let names: Vec<&str> = signing.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let _ = write!(canonical, "\n{names}\n{}", sha256(signing.payload));
    let day: String = time.chars().take(8).collect();
    let scope = format!("{day}/{}/{}/aws4_request", signing.region, signing.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = mac(format!("AWS4{secret}").as_bytes(), &day);
    let key = mac(&mac(&mac(&key, signing.region), signing.service), "aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={}", hex(&mac(&key, &to_sign)))
}

fn body(request: &Request<'_>) -> Value {
    let messages: Vec<Value> = request
        .turns
        .iter()
        .enumerate()
        .map(|(number, text)| {
            json!({ "role": if number % 2 == 0 { "user" } else { "assistant" }, "content": [{ "text": text }] })
        })
        .collect();
    json!({
        "system": [{ "text": request.system }],
        "messages": messages,
        "inferenceConfig": { "maxTokens": request.max_tokens },
    })
}

impl Bedrock {
    /// Asks once.
    pub(super) async fn call(
        &self,
        client: &reqwest::Client,
        model: &str,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let client = self.client.as_ref().unwrap_or(client);
        let mut url = self.url.clone();
        let path = format!("{}/model/{}/converse", url.path().trim_end_matches('/'), encoded(model));
        url.set_path(&path);
        let payload = body(request).to_string();
        let mut call = client.post(url.clone()).header("content-type", "application/json");
        match &self.entry {
            Entry::Bearer(key) => call = call.bearer_auth(key.expose_secret()),
            Entry::Signed(identity) => {
                let Keys { id, secret, session } = identity.keys(client, now).await?;
                let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let host = format!("{}{port}", url.host_str().unwrap_or_default());
                let mut headers = vec![("content-type", "application/json"), ("host", &*host), ("x-amz-date", &*time)];
                if let Some(token) = &session {
                    headers.push(("x-amz-security-token", token.expose_secret()));
                    call = call.header("x-amz-security-token", token.expose_secret());
                }
                let signing = Signing {
                    method: "POST",
                    path: url.path(),
                    headers: &headers,
                    payload: payload.as_bytes(),
                    region: &self.region,
                    service: "bedrock",
                };
                let signed = authorization(&signing, id.expose_secret(), secret.expose_secret(), &time);
                call = call.header("x-amz-date", &time).header("authorization", signed);
            }
        }
        let answer = call.body(payload).send().await.map_err(|error| unreachable(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| unreachable(&error))?;
        if !(200..300).contains(&status) {
            return Err(failed(status, &text, Some(&headers), now));
        }
        read(&text).ok_or_else(|| Failure::new(Class::Broken, "the answer is not that of Converse"))
    }
}

fn read(text: &str) -> Option<Reply> {
    let answer: Value = serde_json::from_str(text).ok()?;
    let content = answer.pointer("/output/message/content")?.as_array()?;
    let text: Vec<&str> = content.iter().filter_map(|part| part.get("text")?.as_str()).collect();
    let count = |name: &str| answer.pointer(&format!("/usage/{name}")).and_then(Value::as_i64).unwrap_or(0);
    let refused = answer
        .get("stopReason")
        .and_then(Value::as_str)
        .is_some_and(|why| why.contains("filtered") || why.contains("guardrail"));
    Some(Reply { text: text.concat(), input: count("inputTokens"), output: count("outputTokens"), refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example `get-vanilla` of the test suite that AWS publishes for Signature Version 4.
    #[test]
    fn signs_as_the_published_example() {
        let signing = Signing {
            method: "GET",
            path: "/",
            headers: &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")],
            payload: b"",
            region: "us-east-1",
            service: "service",
        };
        let secret = ["wJalrXUtnFEMI", "K7MDENG+bPxRfiCYEXAMPLEKEY"].join("/");
        assert_eq!(
            authorization(&signing, "AKIDEXAMPLE", &secret, "20150830T123600Z"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
