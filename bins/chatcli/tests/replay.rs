//! `chatcli replay` as a process: how it ends, and where it writes.
#![allow(clippy::unwrap_used)] // The helpers of a test are a test.

use std::path::PathBuf;
use std::process::{Command, Output};

fn bundles() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/bundles")
}

fn replay(arguments: &[&str], file: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chatcli")).arg("replay").args(arguments).arg(file).output().unwrap()
}

#[test]
fn the_same_cause_ends_with_0_another_one_with_3_and_no_bundle_with_1() {
    let file = bundles().join("memory-limit.json");
    let same = replay(&["--json"], &file);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stderr));
    // Nothing but JSON on the standard output.
    let said: serde_json::Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(said["asBefore"], true);

    let copy = std::env::temp_dir().join(format!("chatcli-replay-process-{}.json", std::process::id()));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&copy, text.replace("resources.limits.memory\"", "image\"")).unwrap();
    let other = replay(&[], &copy);
    let said = String::from_utf8_lossy(&other.stdout).into_owned();
    assert_eq!(other.status.code(), Some(3), "{said}");
    assert!(said.contains("the field is another one"), "{said}");

    std::fs::write(&copy, "[]").unwrap();
    let none = replay(&[], &copy);
    std::fs::remove_file(&copy).unwrap();
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(1), "{said}");
    assert!(none.stdout.is_empty() && said.contains("remedy: "), "{said}");
}
