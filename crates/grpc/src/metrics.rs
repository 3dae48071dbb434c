//! Counters of the calls, under the names that chatcli 1.188 documents.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use crate::alertmanager::Counts;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    method: &'static str,
    code: &'static str,
}

/// Families of the calls. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Outcome, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    in_flight: Family<Method, Gauge>,
    sent: Family<Method, Counter>,
    received: Family<Method, Counter>,
    reported: Counts,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            in_flight: Family::default(),
            sent: Family::default(),
            received: Family::default(),
            reported: Counts::default(),
        }
    }
}

impl Metrics {
    /// Adds the families to a registry, whose prefix must be `chatcli` for the documented names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("grpc_requests", "Calls that have ended, by method and status", self.requests.clone());
        registry.register(
            "grpc_request_duration_seconds",
            "Time until a call is answered; of a stream, until it is open",
            self.seconds.clone(),
        );
        registry.register("grpc_in_flight_requests", "Calls and streams that are open", self.in_flight.clone());
        registry.register("grpc_stream_messages_sent", "Messages sent on streams", self.sent.clone());
        registry.register("grpc_stream_messages_received", "Messages received on streams", self.received.clone());
        self.reported.register(registry);
    }

    /// Where alerts of Alertmanager are counted.
    pub(crate) fn reported(&self) -> Counts {
        self.reported.clone()
    }

    /// A message was sent on the stream of a method.
    pub(crate) fn message(&self, method: &'static str) {
        self.sent.get_or_create(&Method { method }).inc();
    }

    /// A message was received on the stream of a method.
    pub(crate) fn heard(&self, method: &'static str) {
        self.received.get_or_create(&Method { method }).inc();
    }

    /// A call begins.
    pub(crate) fn begin(&self, method: &'static str) -> Call {
        self.in_flight.get_or_create(&Method { method }).inc();
        Call { metrics: self.clone(), method, began: Instant::now(), code: None }
    }
}

/// A call that is counted when it is dropped, whatever happens to it.
#[derive(Debug)]
pub(crate) struct Call {
    metrics: Metrics,
    method: &'static str,
    began: Instant,
    code: Option<Code>,
}

impl Call {
    /// The answer begins.
    pub(crate) fn answered(&self) {
        let took = self.began.elapsed().as_secs_f64();
        self.metrics.seconds.get_or_create(&Method { method: self.method }).observe(took);
    }

    /// How it ended.
    pub(crate) fn ended(&mut self, code: Code) {
        self.code = Some(code);
    }

    /// How it ended; without a status the client went away before the end.
    pub(crate) fn code(&self) -> Code {
        self.code.unwrap_or(Code::Cancelled)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.metrics.in_flight.get_or_create(&Method { method: self.method }).dec();
        let code = name(self.code());
        self.metrics.requests.get_or_create(&Outcome { method: self.method, code }).inc();
    }
}

/// The spelling that dashboards of chatcli 1.188 expect.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
