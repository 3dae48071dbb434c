//! `xtask check`: formatting, lints, the arrows of ARCHITECTURE.md, generated files, room sizes, licences.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Lines of a file without its tests at which a room is full.
const FULL_ROOM: usize = 400;
/// Lines at which nobody can hold the file in their head.
const TOO_FULL: usize = 600;
/// Version of cargo-deny that the licence check uses.
const CARGO_DENY: &str = "0.20.2";

/// Runs every check and stops at the first that fails.
///
/// # Errors
/// Says which check failed and what mends it.
pub fn run() -> anyhow::Result<()> {
    step("formatting", || cargo(&["fmt", "--all", "--check"], "cargo fmt --all"))?;
    step("arrows between crates", arrows)?;
    step("room sizes", room_sizes)?;
    step("generated files", || {
        crate::crds::run(&crate::crds::Args { check: true })?;
        crate::rbac::run(&crate::rbac::Args { check: true })
    })?;
    step("chart", crate::chart::lint)?;
    step("each crate alone", each_alone)?;
    step("lints", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], "mend what clippy says")
    })?;
    step("one TLS provider", one_tls_provider)?;
    step("licences, duplicates, sources", deny)
}

fn step(name: &str, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("== {name}");
    check().with_context(|| format!("check \"{name}\" failed"))
}

fn cargo(args: &[&str], remedy: &str) -> anyhow::Result<()> {
    let status = Command::new("cargo").args(args).status().context("cannot start cargo")?;
    ensure!(status.success(), "`cargo {}` failed; remedy: {remedy}", args.join(" "));
    Ok(())
}

/// The crates and what ARCHITECTURE.md lets them depend on.
fn allowed(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut table = BTreeMap::new();
    for row in architecture.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [folder, _, dependencies] = cells[..] else { continue };
        let folder = folder.trim_matches('`').trim_end_matches('/');
        if !(folder.starts_with("crates/") || folder.starts_with("bins/") || folder == "xtask" || folder == "demo") {
            continue;
        }
        let dependencies = match dependencies {
            "–" => BTreeSet::new(),
            list => list.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        table.insert(folder.to_owned(), dependencies);
    }
    table
}

fn arrows() -> anyhow::Result<()> {
    let table = allowed(&std::fs::read_to_string("ARCHITECTURE.md")?);
    ensure!(table.len() > 5, "the table of crates in ARCHITECTURE.md cannot be read");
    let ours: BTreeSet<String> =
        table.keys().filter_map(|folder| folder.strip_prefix("crates/")).map(str::to_owned).collect();
    let mut found = Vec::new();
    for folder in crate_folders()? {
        let name = folder.display().to_string();
        let Some(may) = table
            .get(name.trim_start_matches("./"))
            .or_else(|| name.starts_with("demo").then(|| table.get("demo")).flatten())
        else {
            bail!("{name} is not in the table of ARCHITECTURE.md; remedy: add its row, with what it may depend on");
        };
        if may.contains("all of the above") {
            continue;
        }
        for dependency in dependencies(&std::fs::read_to_string(folder.join("Cargo.toml"))?) {
            if ours.contains(&dependency) && !may.contains(&dependency) {
                found.push(format!("{name} depends on {dependency}, which ARCHITECTURE.md does not allow"));
            }
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Names under `[dependencies]` of a manifest; dev-dependencies may point anywhere.
fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty() && !name.starts_with('#')))
        .map(str::to_owned)
        .collect()
}

fn crate_folders() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![PathBuf::from("xtask")];
    for parent in ["crates", "bins", "demo"] {
        for entry in std::fs::read_dir(parent)? {
            let path = entry?.path();
            if path.join("Cargo.toml").is_file() {
                folders.push(path);
            }
        }
    }
    folders.sort();
    Ok(folders)
}

/// A build of the whole workspace unifies features, and so hides that a crate uses what it did not ask for.
fn each_alone() -> anyhow::Result<()> {
    for folder in crate_folders()? {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if folder.starts_with("crates") {
            cargo(
                &["check", "--quiet", "-p", name],
                "name the missing dependency or feature in the crate's own manifest",
            )?;
        }
    }
    Ok(())
}

fn room_sizes() -> anyhow::Result<()> {
    let mut too_full = Vec::new();
    let files = Command::new("git").args(["ls-files", "*.rs"]).output().context("git ls-files")?;
    for file in String::from_utf8_lossy(&files.stdout).lines() {
        let path = Path::new(file);
        let tests = path.file_name().is_some_and(|name| name == "tests.rs")
            || path.components().any(|part| part.as_os_str() == "tests");
        if tests || !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(path)?;
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        if lines > TOO_FULL {
            too_full.push(format!("{file}: {lines} lines"));
        } else if lines > FULL_ROOM {
            println!("full: {file}: {lines} lines");
        }
    }
    ensure!(too_full.is_empty(), "files over {TOO_FULL} lines, split them by subject:\n{}", too_full.join("\n"));
    Ok(())
}

fn one_tls_provider() -> anyhow::Result<()> {
    let tree = Command::new("cargo")
        .args(["tree", "--workspace", "-e", "normal", "--prefix", "none"])
        .output()
        .context("cargo tree")?;
    let text = String::from_utf8_lossy(&tree.stdout);
    for other in ["aws-lc-rs", "openssl", "native-tls"] {
        ensure!(
            !text.lines().any(|line| line.starts_with(&format!("{other} v"))),
            "{other} is in the tree; the one TLS provider is ring"
        );
    }
    Ok(())
}

fn deny() -> anyhow::Result<()> {
    let root = cache_folder()?.join(format!("cargo-deny-{CARGO_DENY}"));
    let binary = root.join("bin/cargo-deny");
    if !binary.is_file() {
        println!("building cargo-deny {CARGO_DENY} once (a few minutes)");
        let root = root.display().to_string();
        cargo(
            &["install", "--quiet", "--locked", "--root", &root, "--version", CARGO_DENY, "cargo-deny"],
            "see the error above",
        )?;
    }
    // Advisories need a database from outside; they are looked at where that can be had.
    let status =
        Command::new(binary).args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]).status()?;
    ensure!(
        status.success(),
        "cargo deny refuses a dependency; remedy: choose another, or change deny.toml with the reason"
    );
    Ok(())
}

fn cache_folder() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("chatcli-aiops/tools"))
}

#[cfg(test)]
mod tests {
    use super::{allowed, dependencies};

    #[test]
    fn reads_the_table_of_rooms() {
        let table = allowed("| `crates/api` | types | – |\n| `crates/domain` | decisions | api |\n| `x` | y | z |\n");
        assert!(table["crates/api"].is_empty());
        assert!(table["crates/domain"].contains("api"));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn reads_dependencies_without_dev_dependencies() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\napi.workspace = true\nkube = { version = \"5\" }\n# note\n\n[dev-dependencies]\ntestkit.workspace = true\n";
        assert_eq!(dependencies(manifest), ["api", "kube"]);
    }
}
