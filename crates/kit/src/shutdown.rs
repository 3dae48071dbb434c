//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels the token at the first signal and ends the process at the second.
///
/// # Errors
/// When the signals cannot be listened to.
pub async fn on_signal(token: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for round in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if round == 0 {
            tracing::info!("asked to stop; a second signal ends at once");
            token.cancel();
        }
    }
    std::process::exit(130);
}
