//! Metrics of the plumbing, and the registry that the product adds its own to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Labels of an API request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Request {
    /// get, list, watch, create, patch, update, delete.
    pub verb: &'static str,
    /// Plural of the resource.
    pub resource: String,
    /// HTTP status, or `timeout` or `error`.
    pub code: String,
}

/// Label of a cached kind.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Kind {
    /// The kind.
    pub kind: String,
}

/// Labels of a watch event.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WatchEvent {
    /// The kind.
    pub kind: String,
    /// applied, deleted, undecodable, resync, error.
    pub r#type: &'static str,
}

/// Labels of a reconcile.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    /// Name of the controller.
    pub kind: &'static str,
    /// ok or error.
    pub result: &'static str,
}

/// Labels of a failed reconcile.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Failure {
    /// Name of the controller.
    pub kind: &'static str,
    /// The error's reason; Panicked and DeadlineExceeded are the driver's own.
    pub reason: &'static str,
}

/// Families of the plumbing.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    pub(crate) api_requests: Family<Request, Counter>,
    pub(crate) api_seconds: Family<Kind, Histogram, fn() -> Histogram>,
    pub(crate) watch_events: Family<WatchEvent, Counter>,
    pub(crate) cache_objects: Family<Kind, Gauge>,
    pub(crate) undecodable: Family<Kind, Gauge>,
    pub(crate) reconciles: Family<Outcome, Counter>,
    pub(crate) reconcile_errors: Family<Failure, Counter>,
    pub(crate) reconcile_seconds: Family<Kind, Histogram, fn() -> Histogram>,
    pub(crate) lease_held: Gauge,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
    /// A registry whose names all begin with `prefix_`.
    pub fn new(prefix: &str) -> Self {
        let mut registry = Registry::with_prefix(prefix);
        let metrics = Self {
            registry: Arc::default(),
            api_requests: Family::default(),
            api_seconds: Family::new_with_constructor(seconds),
            watch_events: Family::default(),
            cache_objects: Family::default(),
            undecodable: Family::default(),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            lease_held: Gauge::default(),
        };
        registry.register("api_requests", "Requests to the API server", metrics.api_requests.clone());
        registry.register(
            "api_request_seconds",
            "Time to the answer's headers, by resource",
            metrics.api_seconds.clone(),
        );
        registry.register("watch_events", "Watch events", metrics.watch_events.clone());
        registry.register("cache_objects", "Objects in the caches", metrics.cache_objects.clone());
        registry.register(
            "undecodable_objects",
            "Objects that are left out because they cannot be read",
            metrics.undecodable.clone(),
        );
        registry.register("reconcile", "Reconciles by result", metrics.reconciles.clone());
        registry.register("reconcile_errors", "Failed reconciles by reason", metrics.reconcile_errors.clone());
        registry.register("reconcile_seconds", "Time of a reconcile, by controller", metrics.reconcile_seconds.clone());
        registry.register("lease_held", "1 while this process is the leader", metrics.lease_held.clone());
        Self { registry: Arc::new(Mutex::new(registry)), ..metrics }
    }

    /// Counts one piece of a worker's work, and why it failed if it did.
    pub fn reconciled(&self, kind: &'static str, took: Duration, failure: Option<&'static str>) {
        self.reconcile_seconds.get_or_create(&Kind { kind: kind.to_owned() }).observe(took.as_secs_f64());
        self.reconciles.get_or_create(&Outcome { kind, result: if failure.is_some() { "error" } else { "ok" } }).inc();
        if let Some(reason) = failure {
            self.reconcile_errors.get_or_create(&Failure { kind, reason }).inc();
        }
    }

    /// Adds families to the registry.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The OpenMetrics text of all families.
    pub fn render(&self) -> String {
        let mut body = String::new();
        if text::encode(&mut body, &self.registry.lock().unwrap_or_else(PoisonError::into_inner)).is_err() {
            tracing::warn!("the metrics cannot be rendered");
        }
        body
    }
}
