//! Files that hold whatever stands in them now: a Secret that was rotated holds without a restart.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

/// How often they are read again. They are small, and the kubelet takes up to a minute to change them.
const REREAD: Duration = Duration::from_secs(2);

/// Reads a file that a flag names.
///
/// # Errors
/// Names the flag, the file, the reason and the remedy.
pub fn read(flag: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        anyhow!("{flag} {} cannot be read: {error}; remedy: check the path and its permissions", file.display())
    })
}

/// Something that is read again: whether it is another one now, which then holds.
pub type Reload = Box<dyn FnMut() -> anyhow::Result<bool> + Send>;

/// Reads all again and again. While one cannot be used, what it said last holds; that is told once.
pub async fn follow(files: Vec<(&'static str, Reload)>, stop: CancellationToken) -> Result<(), Infallible> {
    let mut files: Vec<_> = files.into_iter().map(|(what, reload)| (what, reload, None::<String>)).collect();
    while stop.run_until_cancelled(tokio::time::sleep(REREAD)).await.is_some() {
        for (what, reload, complaint) in &mut files {
            round(what, reload, complaint);
        }
    }
    Ok(())
}

fn round(what: &str, reload: &mut Reload, complaint: &mut Option<String>) {
    match reload() {
        Ok(changed) => {
            if changed {
                tracing::info!("{what} has changed; the new one holds");
            } else if complaint.is_some() {
                tracing::info!("{what} can be used again");
            }
            *complaint = None;
        }
        Err(error) => {
            let why = format!("{error:#}");
            if complaint.as_ref() != Some(&why) {
                tracing::warn!("{why}; the last {what} still holds");
            }
            *complaint = Some(why);
        }
    }
}
