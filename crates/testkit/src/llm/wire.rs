//! The formats, as far as one question and its answer need them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{INPUT, KEY, OUTPUT};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Chat completions.
    OpenAi,
    /// Responses.
    Responses,
    /// Messages.
    Anthropic,
    /// `generateContent`.
    Gemini,
    /// Chat of Ollama.
    Ollama,
    /// Converse.
    Bedrock,
    /// An agent of StackSpot.
    StackSpot,
}

impl Wire {
    /// The format of a path.
    pub fn of(path: &str) -> Option<Self> {
        let last = path.rsplit('/').next().unwrap_or_default();
        match last {
            "completions" | "chatcompletion_v2" => Some(Self::OpenAi),
            "responses" => Some(Self::Responses),
            "messages" => Some(Self::Anthropic),
            "converse" => Some(Self::Bedrock),
            "chat" if path.ends_with("/api/chat") => Some(Self::Ollama),
            "chat" if path.contains("/agent/") => Some(Self::StackSpot),
            _ if last.ends_with(":generateContent") => Some(Self::Gemini),
            _ => None,
        }
    }

    /// Whether the right key is there, where this format has it.
    pub(super) fn lets_in(self, headers: &BTreeMap<String, String>) -> bool {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let bearer = format!("Bearer {KEY}");
        match self {
            Self::Ollama => true,
            Self::OpenAi | Self::Responses | Self::StackSpot => is("authorization", &bearer),
            Self::Anthropic => {
                (is("x-api-key", KEY) || is("authorization", &bearer)) && is("anthropic-version", "2023-06-01")
            }
            Self::Gemini => is("x-goog-api-key", KEY),
            Self::Bedrock => {
                let signed = format!("AWS4-HMAC-SHA256 Credential={KEY}/");
                let header = headers.get("authorization").map_or("", String::as_str);
                header == bearer || (header.starts_with(&signed) && headers.contains_key("x-amz-date"))
            }
        }
    }

    pub(super) fn wrong_key(self) -> u16 {
        match self {
            Self::Gemini => 400,
            Self::Bedrock => 403,
            _ => 401,
        }
    }

    /// What is wrong with a request, if anything is.
    pub(super) fn malformed(self, body: &Value) -> Option<String> {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needed: &[&str] = match self {
            Self::OpenAi | Self::Ollama => &["/model", "/messages/0/content", "/messages/1/content"],
            Self::Responses => &["/model"],
            Self::Anthropic => &["/model", "/system", "/messages/0/role"],
            Self::Gemini => &["/contents/0/parts/0/text"],
            Self::Bedrock => &["/system/0/text", "/messages/0/content/0/text"],
            Self::StackSpot => &["/user_prompt"],
        };
        needed.iter().find(|path| text(path).is_none()).map(|path| format!("{path} is missing"))
    }

    /// A success with this text.
    pub(super) fn says(self, text: &str) -> Value {
        match self {
            Self::OpenAi => json!({
                "id": "c-1", "object": "chat.completion", "model": "m",
                "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
                "usage": { "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT },
            }),
            Self::Responses => json!({
                "id": "r-1", "object": "response", "status": "completed", "model": "m",
                "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] }],
                "usage": { "input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT },
            }),
            Self::Anthropic => json!({
                "id": "m-1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                "content": [{ "type": "text", "text": text }],
                "usage": { "input_tokens": INPUT, "output_tokens": OUTPUT },
            }),
            Self::Gemini => json!({
                "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "finishReason": "STOP" }],
                "usageMetadata": {
                    "promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT
                },
            }),
            Self::Ollama => json!({
                "model": "m", "done": true, "done_reason": "stop", "message": { "role": "assistant", "content": text },
                "prompt_eval_count": INPUT, "eval_count": OUTPUT,
            }),
            Self::StackSpot => json!({
                "message": text, "tokens": { "user": INPUT - 1, "enrichment": 1, "output": OUTPUT }, "stop_reason": "stop",
            }),
            Self::Bedrock => json!({
                "output": { "message": { "role": "assistant", "content": [{ "text": text }] } }, "stopReason": "end_turn",
                "usage": { "inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT },
            }),
        }
    }

    /// An error in the provider's form.
    pub(super) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenAi | Self::Responses => {
                json!({ "error": { "message": message, "type": "error", "code": status } })
            }
            Self::Anthropic => json!({ "type": "error", "error": { "type": "error", "message": message } }),
            Self::Gemini => {
                let message =
                    if message == "invalid key" { "API key not valid. Please pass a valid API key." } else { message };
                json!({ "error": { "code": status, "message": message, "status": "ERROR" } })
            }
            Self::Ollama => json!({ "error": message }),
            Self::Bedrock | Self::StackSpot => json!({ "message": message }),
        }
    }
}
