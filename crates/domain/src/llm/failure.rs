//! How a call of a provider can fail, and which failures are worth another try.

use std::time::Duration;

use strum::IntoStaticStr;

/// Class of a failure; the name is the `error_type` of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// The key is wrong, or may not do this.
    Auth,
    /// The account has no money or quota left.
    Quota,
    /// The provider does not have the model.
    Model,
    /// The request is too long for the model.
    TooLong,
    /// The provider does not take the request.
    BadRequest,
    /// Too many requests.
    RateLimited,
    /// The provider failed.
    Server,
    /// No answer in time.
    Timeout,
    /// No connection.
    Network,
    /// An answer that cannot be read.
    Broken,
    /// The provider or the model refused to answer.
    Refused,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Class.
    pub class: Class,
    /// What happened, in a sentence without secrets.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a wish of the provider.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after: None }
    }
}

impl Class {
    /// Reads an HTTP answer that is no success.
    pub fn of_status(status: u16, body: &str) -> Self {
        let body = body.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
        match status {
            401 | 403 => Self::Auth,
            402 => Self::Quota,
            404 => Self::Model,
            413 => Self::TooLong,
            429 if says(&["insufficient_quota", "billing", "credit balance"]) => Self::Quota,
            429 => Self::RateLimited,
            408 => Self::Timeout,
            409 | 425 | 500..=599 => Self::Server,
            // Gemini and some gateways tell a wrong key this way.
            400 if says(&["api key not valid", "api_key_invalid", "invalid api key"]) => Self::Auth,
            400 if says(&["credit balance"]) => Self::Quota,
            400 if says(&["model_not_found", "model not found", "does not exist"]) => Self::Model,
            400 if says(&["context_length", "context length", "too long", "maximum context", "too many tokens"]) => {
                Self::TooLong
            }
            _ => Self::BadRequest,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub fn passes(self) -> bool {
        matches!(self, Self::RateLimited | Self::Server | Self::Timeout | Self::Network | Self::Broken)
    }

    /// Whether the fault is in the configuration: no call will succeed until it is changed.
    pub fn lasting(self) -> bool {
        matches!(self, Self::Auth | Self::Quota | Self::Model)
    }

    /// What people can do about it; `key` is the setting that holds the key.
    pub fn remedy(self, key: &str) -> String {
        match self {
            Self::Auth if key.starts_with("AWS_ROLE") || key.starts_with("AWS_CONTAINER") => {
                "check the role of the pod's ServiceAccount: it must exist, trust the ServiceAccount and allow bedrock:InvokeModel".into()
            }
            Self::Auth => format!("put a valid key under {key} into the Secret of spec.apiKeys"),
            Self::Quota => "raise the quota or the credit of the account, or add a fallback provider".into(),
            Self::Model => "set spec.model to a model that this account has".into(),
            Self::TooLong => "choose a model with a longer context".into(),
            Self::BadRequest => "check spec.model and the address of the provider".into(),
            Self::RateLimited => "wait, raise the limit of the account, or add a fallback provider".into(),
            Self::Server | Self::Timeout => "wait, or add a fallback provider".into(),
            Self::Network => "check the address of the provider, DNS, proxy and NetworkPolicies".into(),
            Self::Broken => "check that the address speaks this provider's format, or choose another model".into(),
            Self::Refused => "choose another model, or add a fallback provider".into(),
        }
    }
}
