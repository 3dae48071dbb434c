//! Counters of the calls of language models, under the names that chatcli 1.188 documents; what it declares and never
//! counts is counted here.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::llm::{Class, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Model {
    provider: &'static str,
    model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Requests {
    provider: &'static str,
    model: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Tokens {
    provider: &'static str,
    model: String,
    r#type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Errors {
    provider: &'static str,
    model: String,
    error_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Fallback {
    from: &'static str,
    to: &'static str,
}

/// Families of the calls. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Requests, Counter>,
    seconds: Family<Model, Histogram, fn() -> Histogram>,
    tokens: Family<Tokens, Counter>,
    cost: Family<Model, Counter<f64, AtomicU64>>,
    errors: Family<Errors, Counter>,
    fallbacks: Family<Fallback, Counter>,
    refused: Counter,
}

fn seconds() -> Histogram {
    Histogram::new([0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            cost: Family::default(),
            errors: Family::default(),
            fallbacks: Family::default(),
            refused: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds the families to a registry, whose prefix must be `chatcli` for the documented names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("llm_requests", "Calls of language models, by how they ended", self.requests.clone());
        registry.register("llm_request_duration_seconds", "Time until a call ended", self.seconds.clone());
        registry.register("llm_tokens_used", "Tokens sent (input) and received (output)", self.tokens.clone());
        registry.register("llm_cost_usd", "Cost of the calls in US dollars by the price list", self.cost.clone());
        registry.register("llm_errors", "Calls that failed, by class", self.errors.clone());
        registry.register(
            "llm_fallbacks",
            "Analyses that another answered than the provider that was asked for",
            self.fallbacks.clone(),
        );
        registry.register("llm_budget_refusals", "Calls that a budget did not allow", self.refused.clone());
    }

    pub(super) fn fallback(&self, from: &'static str, to: &'static str) {
        self.fallbacks.get_or_create(&Fallback { from, to }).inc();
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    /// A call begins; unless it is told how it ended it was given up.
    pub(super) fn begin(&self, provider: &'static str, model: &str) -> Call {
        Call {
            metrics: self.clone(),
            provider,
            model: model.to_owned(),
            began: tokio::time::Instant::now(),
            status: "cancelled",
        }
    }
}

/// A call that is under way; it is counted when it is dropped.
pub(super) struct Call {
    metrics: Metrics,
    provider: &'static str,
    model: String,
    began: tokio::time::Instant,
    status: &'static str,
}

impl Call {
    pub(super) fn answered(mut self, usage: &Usage) {
        self.status = "success";
        let labels = |kind| Tokens { provider: self.provider, model: self.model.clone(), r#type: kind };
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
        self.metrics.tokens.get_or_create(&labels("input")).inc_by(count(usage.input_tokens));
        self.metrics.tokens.get_or_create(&labels("output")).inc_by(count(usage.output_tokens));
        let model = Model { provider: self.provider, model: self.model.clone() };
        self.metrics.cost.get_or_create(&model).inc_by(usage.cost_usd.max(0.0));
    }

    pub(super) fn failed(mut self, class: Class) {
        self.status = "error";
        let error_type = class.into();
        let labels = Errors { provider: self.provider, model: self.model.clone(), error_type };
        self.metrics.errors.get_or_create(&labels).inc();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (provider, status) = (self.provider, self.status);
        let took: Duration = self.began.elapsed();
        let model = Model { provider, model: self.model.clone() };
        self.metrics.seconds.get_or_create(&model).observe(took.as_secs_f64());
        let labels = Requests { provider, model: self.model.clone(), status };
        self.metrics.requests.get_or_create(&labels).inc();
    }
}
