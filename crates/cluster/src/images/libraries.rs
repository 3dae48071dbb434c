//! The shared libraries of a program. A static one has none.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::machine;

/// The libraries, each with its place in an image. It is the same place as here: the loader looks there.
pub fn of(program: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if machine::is_static(program) {
        return Ok(Vec::new());
    }
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "ldd {}: {text}", program.display());
    let missing: Vec<&str> = text.lines().filter(|line| line.contains("not found")).map(str::trim).collect();
    ensure!(missing.is_empty(), "{} cannot run here: {}", program.display(), missing.join(", "));
    Ok(paths(&text).into_iter().map(|path| (path.trim_start_matches('/').to_owned(), PathBuf::from(path))).collect())
}

/// The paths in lines such as `libc.so.6 => /lib/libc.so.6 (0x00007f)` and `/lib64/ld-linux-x86-64.so.2 (0x00007f)`.
fn paths(ldd: &str) -> Vec<String> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_brings_its_loader_and_its_c_library() {
        // Cargo's own test program is linked dynamically.
        let found = of(&std::env::current_exe().unwrap()).unwrap();
        assert!(found.iter().any(|(inside, _)| inside.contains("libc.so")), "{found:?}");
        assert!(found.iter().any(|(inside, _)| inside.contains("ld-")), "{found:?}");
        assert!(found.iter().all(|(inside, here)| !inside.starts_with('/') && here.is_file()), "{found:?}");
    }

    #[test]
    fn lines_without_a_file_are_none() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/a/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(paths(text), ["/lib/a/libc.so.6", "/lib64/ld.so.2"]);
    }
}
