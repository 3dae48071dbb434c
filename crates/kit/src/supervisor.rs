//! Every long task has a name and is joined: the first that ends unexpectedly ends the process.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why supervision ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The token was cancelled and every task came to its end.
    Stopped,
    /// The token was cancelled and these tasks did not end in time.
    StuckTasks(Vec<&'static str>),
    /// This task ended although nobody asked it to.
    Unexpected {
        /// Name of the task.
        task: &'static str,
        /// What it said.
        why: String,
    },
}

/// Starts named tasks and watches over them. Clones start tasks under the same watch.
#[derive(Clone)]
pub struct Supervisor {
    token: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<Vec<&'static str>>>,
    ended: mpsc::UnboundedSender<(&'static str, String)>,
}

/// Receives the ends of tasks; waits for the first unexpected one.
pub struct Watch {
    supervisor: Supervisor,
    ended: mpsc::UnboundedReceiver<(&'static str, String)>,
}

impl Supervisor {
    /// A supervisor and the watch over it.
    pub fn new() -> (Self, Watch) {
        let (ended, receiver) = mpsc::unbounded_channel();
        let supervisor =
            Self { token: CancellationToken::new(), tracker: TaskTracker::new(), running: Arc::default(), ended };
        (supervisor.clone(), Watch { supervisor, ended: receiver })
    }

    /// Cancelled when the process is to stop; every task must heed it.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Starts a task. Unless the token is cancelled, its end, an error and a panic are all unexpected.
    #[expect(clippy::disallowed_methods, reason = "this is where supervised tasks are made")]
    pub fn spawn<E: std::fmt::Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (ended, running) = (self.ended.clone(), self.running.clone());
        running.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        let task = self.tracker.track_future(async move {
            let why = match std::panic::AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => "it returned".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
            };
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(index) = running.iter().position(|other| *other == name) {
                running.swap_remove(index);
            }
            let _ = ended.send((name, why));
        });
        tokio::spawn(task);
    }
}

impl Watch {
    /// Waits until the token is cancelled and the tasks have ended, or until a task ends unexpectedly; in that case
    /// cancels the token and gives the others `grace` to end.
    pub async fn run(mut self, grace: Duration) -> End {
        let token = self.supervisor.token.clone();
        let unexpected = tokio::select! {
            biased;
            () = token.cancelled() => None,
            ended = self.ended.recv() => ended,
        };
        token.cancel();
        self.supervisor.tracker.close();
        let in_time = tokio::time::timeout(grace, self.supervisor.tracker.wait()).await.is_ok();
        match unexpected {
            Some((task, why)) => End::Unexpected { task, why },
            None if in_time => End::Stopped,
            None => End::StuckTasks(self.supervisor.running.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }
}

/// The text of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_unexpected_end_stops_all() {
        let (supervisor, watch) = Supervisor::new();
        let token = supervisor.token().clone();
        supervisor.spawn("patient", {
            let token = token.clone();
            async move {
                token.cancelled().await;
                Ok::<_, String>(())
            }
        });
        supervisor.spawn("broken", async { Err("no more") });
        let end = watch.run(Duration::from_secs(5)).await;
        assert_eq!(end, End::Unexpected { task: "broken", why: "no more".into() });
        assert!(token.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_an_unexpected_end() {
        let (supervisor, watch) = Supervisor::new();
        supervisor.spawn("wild", async {
            assert!(std::hint::black_box(false), "oh");
            Ok::<_, String>(())
        });
        assert_eq!(
            watch.run(Duration::from_secs(5)).await,
            End::Unexpected { task: "wild", why: "it panicked: oh".into() }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_orderly_stop_names_who_is_stuck() {
        let (supervisor, watch) = Supervisor::new();
        supervisor.spawn("deaf", std::future::pending::<Result<(), String>>());
        supervisor.token().cancel();
        assert_eq!(watch.run(Duration::from_secs(20)).await, End::StuckTasks(vec!["deaf"]));
    }
}
