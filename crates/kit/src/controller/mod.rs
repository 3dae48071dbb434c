//! The controller driver: one queue per controller, bounded concurrency, one object at a time, a delay per object.

mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tracing::Instrument;

pub use queue::Queue;

use crate::cache::{Cache, Change, Key};
use crate::classify::{Class, Classified, backoff};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::supervisor::{Supervisor, panic_text};

/// How long an object waits at most before it is looked at again without a reason.
const FALLBACK: Duration = Duration::from_hours(1);
/// Delay before a reconcile is tried again on a newer object.
const CONFLICT_DELAY: Duration = Duration::from_millis(25);

/// When to look at an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When it or something related changes; in any case after an hour.
    OnChange,
    /// At this instant, or when something changes before.
    At(Timestamp),
    /// After this time, or when something changes before.
    After(Duration),
}

/// What a controller does with one object.
pub trait Reconcile: Send + Sync + 'static {
    /// The kind.
    type K: Resource<DynamicType = ()> + Send + Sync + 'static;
    /// Its errors.
    type Error: Classified;

    /// Brings the object one step further. Level-triggered: it never learns why it was called.
    fn reconcile(&self, object: Arc<Self::K>) -> impl Future<Output = Result<Next, Self::Error>> + Send;

    /// The object is gone. Called at most once for it, and not for objects that went while the process was away.
    fn deleted(&self, _key: &Key) {}
}

/// How a controller runs.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name in logs, metrics and field managers.
    pub name: &'static str,
    /// How many objects are worked on at once.
    pub workers: usize,
    /// How long one reconcile may take.
    pub deadline: Duration,
}

/// What every driver needs.
#[derive(Clone)]
pub struct Env {
    /// Runs the workers.
    pub supervisor: Supervisor,
    /// Counts.
    pub metrics: Metrics,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Starts a controller on the objects of a cache. `related` may add more triggers to the queue, by listening to other
/// caches.
pub fn start<R: Reconcile>(spec: Spec, cache: &Cache<R::K>, reconciler: R, env: &Env, related: impl FnOnce(&Queue)) {
    let queue = Queue::default();
    related(&queue);
    let own = queue.clone();
    cache.listen(move |change| match change {
        Change::Applied(object) | Change::Deleted(object) => own.add(Key::of(object.as_ref())),
    });
    let worker = Arc::new(Worker { spec, cache: cache.clone(), reconciler, env: env.clone(), queue });
    for _ in 0..spec.workers.max(1) {
        let worker = worker.clone();
        let token = env.supervisor.token().clone();
        env.supervisor.spawn(spec.name, async move {
            // A reconcile that has begun is finished; only the wait for the next one is cut short.
            while let Some(key) = token.run_until_cancelled(worker.queue.take()).await {
                worker.work(key).await;
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }
}

struct Worker<R: Reconcile> {
    spec: Spec,
    cache: Cache<R::K>,
    reconciler: R,
    env: Env,
    queue: Queue,
}

impl<R: Reconcile> Worker<R> {
    async fn work(&self, key: Key) {
        let Some(object) = self.cache.get(&key) else {
            self.reconciler.deleted(&key);
            self.queue.forget(&key);
            return;
        };
        let began = Instant::now();
        let generation = object.meta().generation;
        let span = tracing::info_span!("reconcile", controller = self.spec.name, object = %key, version = object.resource_version());
        let attempt = std::panic::AssertUnwindSafe(self.reconciler.reconcile(object)).catch_unwind();
        let answer = tokio::time::timeout(self.spec.deadline, attempt).instrument(span).await;
        let (failure, delay) = match answer {
            Ok(Ok(Ok(next))) => {
                self.queue.succeeded(&key);
                (None, self.delay(next))
            }
            Ok(Ok(Err(error))) => (Some(error.reason()), self.after_error(&key, error.class(), &error, generation)),
            Ok(Err(panic)) => {
                tracing::error!(controller = self.spec.name, object = %key, panic = panic_text(&*panic), "the reconcile panicked");
                (Some("Panicked"), backoff(self.queue.failed(&key)))
            }
            Err(_) => {
                tracing::error!(controller = self.spec.name, object = %key, deadline_s = self.spec.deadline.as_secs_f64(), "the reconcile took too long and was ended");
                (Some("DeadlineExceeded"), backoff(self.queue.failed(&key)))
            }
        };
        self.env.metrics.reconciled(self.spec.name, began.elapsed(), failure);
        self.queue.done(&key, delay);
    }

    fn delay(&self, next: Next) -> Duration {
        let wanted = match next {
            Next::OnChange => FALLBACK.mul_f64(rand::random_range(0.9..1.1)),
            Next::After(delay) => delay,
            Next::At(instant) => Duration::try_from(instant.duration_since(self.env.clock.now())).unwrap_or_default(),
        };
        wanted.min(FALLBACK.mul_f64(1.1))
    }

    fn after_error(&self, key: &Key, class: Class, error: &R::Error, generation: Option<i64>) -> Duration {
        let reason = error.reason();
        let text = chain(error);
        match class {
            Class::Conflict => {
                // The newer object is on its way; when it does not help, this is no different from other trouble.
                let failures = self.queue.failed(key);
                tracing::debug!(controller = self.spec.name, object = %key, reason, failures, "changed meanwhile: {text}");
                if failures == 1 { CONFLICT_DELAY } else { backoff(failures - 1) }
            }
            Class::Transient => {
                let failures = self.queue.failed(key);
                let delay = backoff(failures);
                tracing::warn!(controller = self.spec.name, object = %key, reason, failures, retry_in_s = delay.as_secs_f64(), "{text}");
                delay
            }
            Class::Blocked | Class::Invalid => {
                tracing::warn!(controller = self.spec.name, object = %key, reason, ?generation, "waits for a change: {text}");
                FALLBACK
            }
        }
    }
}

/// An error and its causes in one line. A cause whose text is already contained is not repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
