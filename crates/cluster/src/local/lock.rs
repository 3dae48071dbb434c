//! One at a time: a lock that is a file, and goes with it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A lock that is held until it is dropped.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for the lock of a name.
    pub fn take(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = dir.join(format!("{name}.lock"));
        loop {
            std::fs::create_dir_all(dir)?;
            let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
            file.lock()?;
            // Whoever held it may have removed the file: then this lock keeps nobody out.
            let same =
                std::fs::metadata(&path).is_ok_and(|there| file.metadata().is_ok_and(|ours| ours.ino() == there.ino()));
            if same {
                return Ok(Self { path, _file: file });
            }
        }
    }

    /// Gives it back and removes its file.
    pub fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_holds_it_at_a_time_although_its_file_comes_and_goes() {
        let dir = std::env::temp_dir().join(format!("lock-test-{}", std::process::id()));
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = super::Lock::take(&dir, "one").unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        lock.remove();
                    }
                });
            }
        });
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
