//! The workers that look: when they begin, that they take turns, and that a look that panics ends none of them.

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kit::controller::Env;
use kit::supervisor::panic_text;
use kit::work::Work;
use tokio::sync::watch;

use crate::eyes::Eyes;

/// When to look again after a look that failed.
const AFTER_PANIC: Duration = Duration::from_mins(1);

impl Eyes {
    /// Starts a worker on a queue; it waits until looking begins.
    pub(crate) fn worker<K: Clone + Eq + Hash + Ord + Send + 'static>(
        self: &Arc<Self>,
        name: &'static str,
        env: &Env,
        mut begun: watch::Receiver<bool>,
        work: Work<K>,
        look: fn(&Self, &K, &Env) -> Option<tokio::time::Instant>,
    ) {
        let (eyes, env_) = (self.clone(), env.clone());
        env.supervisor.spawn(name, async move {
            let working = async {
                // An error means that the one who would begin was cancelled.
                if begun.wait_for(|begun| *begun).await.is_err() {
                    return std::future::pending().await;
                }
                loop {
                    let key = work.take().await;
                    let next = look(&eyes, &key, &env_);
                    work.done(key, next);
                    // A look never waits; other tasks of this thread must have their turn.
                    tokio::task::yield_now().await;
                }
            };
            env_.supervisor.token().run_until_cancelled(working).await.unwrap_or(());
            Ok::<_, std::convert::Infallible>(())
        });
    }

    /// Looks, survives a panic of it, and counts both. Returns when to look again, and how long it took.
    pub(crate) fn survive(
        &self,
        name: &'static str,
        what: &dyn std::fmt::Debug,
        env: &Env,
        look: impl FnOnce() -> Option<Timestamp>,
    ) -> (Result<Option<tokio::time::Instant>, tokio::time::Instant>, Duration) {
        let began = Instant::now();
        let answer = std::panic::catch_unwind(AssertUnwindSafe(look));
        let took = began.elapsed();
        env.metrics.reconciled(name, took, answer.is_err().then_some("Panicked"));
        let now = tokio::time::Instant::now();
        let next = match answer {
            Ok(next) => Ok(next.map(|at| now + self.until(at))),
            Err(panic) => {
                tracing::error!(?what, panic = panic_text(&*panic), "the look panicked");
                Err(now + AFTER_PANIC)
            }
        };
        (next, took)
    }
}
