//! The audit log: one JSON line per call, and one more when a stream begins.
//!
//! Lines go through a bounded queue, so that a slow disk slows no call; what does not fit is counted in the log itself.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Lines that wait.
const QUEUE: usize = 8192;

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) time: String,
    /// `call` when it has ended, `open` when a stream begins.
    pub(crate) event: &'static str,
    pub(crate) request_id: String,
    pub(crate) method: &'static str,
    /// Empty where nobody was recognised.
    pub(crate) subject: String,
    pub(crate) role: &'static str,
    pub(crate) peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
}

type Output = (std::fs::File, mpsc::Receiver<String>);

/// The audit log; clones write to the same one.
#[derive(Clone)]
pub struct Audit {
    lines: mpsc::Sender<String>,
    lost: Arc<AtomicU64>,
    /// Lines that were told and are not in the file yet.
    pending: Arc<AtomicU64>,
    output: Arc<Mutex<Option<Output>>>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Audit {
    /// Appends to a file; `now` says what time it is.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn open(path: &Path, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> std::io::Result<Self> {
        let file = std::fs::File::options().append(true).create(true).open(path)?;
        let (lines, receiver) = mpsc::channel(QUEUE);
        let output = Arc::new(Mutex::new(Some((file, receiver))));
        Ok(Self { lines, lost: Arc::default(), pending: Arc::default(), output, now: Arc::new(now) })
    }

    pub(crate) fn now(&self) -> String {
        (self.now)().to_string()
    }

    pub(crate) fn write(&self, entry: &Entry) {
        let Ok(mut line) = serde_json::to_string(entry) else { return };
        line.push('\n');
        self.pending.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send(line).is_err() {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what is told, for as long as it is polled.
    pub(crate) async fn run(&self) {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((file, mut lines)) = output else { return std::future::pending().await };
        let mut file = tokio::fs::File::from_std(file);
        let mut complained = false;
        while let Some(first) = lines.recv().await {
            let mut batch = first;
            let mut taken = 1;
            while let Ok(more) = lines.try_recv() {
                batch.push_str(&more);
                taken += 1;
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let note = serde_json::json!({"time": self.now(), "event": "lost", "lines": lost});
                batch.push_str(&note.to_string());
                batch.push('\n');
            }
            let written = async {
                file.write_all(batch.as_bytes()).await?;
                file.flush().await
            };
            match written.await {
                Ok(()) => complained = false,
                Err(error) => {
                    let lines = batch.lines().count() as u64;
                    self.lost.fetch_add(lines, Ordering::Relaxed);
                    if !complained {
                        tracing::error!(%error, "the audit log cannot be written; the calls go on; remedy: make room, or correct CHATCLI_AUDIT_LOG_PATH");
                    }
                    complained = true;
                }
            }
            self.pending.fetch_sub(taken, Ordering::Relaxed);
        }
    }

    /// Whether everything that was told is in the file, or is known to be lost.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.load(Ordering::Relaxed) == 0
    }
}
