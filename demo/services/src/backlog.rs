//! Work that waits: stored in the spool folder, held in memory. It outlives a restart of the container.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::log;

const MIB: usize = 1 << 20;

/// Stores a backlog of `mb` MiB.
pub fn store(spool: &Path, mb: u64) -> std::io::Result<()> {
    File::create(spool.join("backlog"))?.set_len(mb * MIB as u64)
}

/// Loads the backlog that is stored into memory, a piece at a time, and keeps it.
pub fn hold_what_is_stored(spool: &Path) {
    let size = std::fs::metadata(spool.join("backlog")).map(|meta| meta.len()).unwrap_or_default() as usize / MIB;
    if size == 0 {
        return;
    }
    log("warn", &format!("loading a backlog of {size} MiB into memory"));
    let mut held = Vec::new();
    for _ in 0..size {
        // Written, so that it is really used.
        held.push(vec![1_u8; MIB]);
        std::thread::sleep(Duration::from_millis(5));
    }
    std::mem::forget(held);
}
