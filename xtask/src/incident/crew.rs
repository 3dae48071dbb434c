//! Work that goes on side by side, while somebody looks after what it needs.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Site;

/// How often the platform and the watches are looked after.
const LOOK: Duration = Duration::from_millis(500);

/// Does every piece of work, so many at once, and hands over what came of each. Whatever ends the platform or a watch ends
/// all of it; `stopping` is called first then.
///
/// # Errors
/// With the first piece that cannot go on, or what ended the platform.
pub fn side_by_side<W: Send, R: Send>(
    site: &Site,
    work: impl IntoIterator<Item = W>,
    at_once: u8,
    act: impl Fn(W) -> anyhow::Result<R> + Sync,
    mut ended: impl FnMut(R),
) -> anyhow::Result<()> {
    let queue: Mutex<VecDeque<W>> = Mutex::new(work.into_iter().collect());
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            let (sender, queue, act) = (sender.clone(), &queue, &act);
            scope.spawn(move || {
                while site.stop.check().is_ok() {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(next) = next else { return };
                    if sender.send(act(next)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut failure = None;
        loop {
            let heard = match results.recv_timeout(LOOK) {
                Ok(Ok(result)) => {
                    ended(result);
                    Ok(())
                }
                Ok(Err(error)) => Err(error),
                Err(RecvTimeoutError::Timeout) => site.check(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(error) = heard
                && failure.is_none()
            {
                // Ctrl-C also ends the programs that the work runs: then that, and not their end, is the reason.
                let stopped = site.stop.check().err();
                if stopped.is_none() {
                    site.print_logs(&error);
                }
                println!("removing what the cases made");
                site.stop.press();
                failure = Some(stopped.unwrap_or(error));
            }
        }
        failure.map_or(Ok(()), Err)
    })
}
