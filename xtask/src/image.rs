//! `xtask image`: the OCI image of `chatcli`, without a Docker daemon.
//!
//! The program is linked statically, so the image holds it, the certificate authorities, and nothing else. What the static
//! C library needs for looking names up is built into it (glibc 2.34 and newer); a test resolves a name in a pod.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use cluster::images::{Image, Written};

/// Largest image that we ship, in MB.
const LARGEST: u64 = 60;

/// Which image.
#[derive(clap::Args)]
pub struct Args {
    /// Name with tag; by default the one that the chart asks for.
    #[arg(long)]
    reference: Option<String>,
    /// Where the archive goes.
    #[arg(long, default_value = "target/chatcli-image.tar")]
    out: PathBuf,
    /// A program that is built already, for example target/debug/chatcli; its libraries go into the image.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Builds the program, if none is given, and writes the archive.
///
/// # Errors
/// When it does not build, or the archive cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let reference = args.reference.clone().map_or_else(wanted_by_chart, Ok)?;
    let (binary, ours) = match &args.binary {
        Some(binary) => (binary.clone(), false),
        None => (build(&["chatcli"])?.join("chatcli"), true),
    };
    let written = write(&reference, &binary, &args.out)?;
    let megabytes = written.size as f64 / 1e6;
    println!("{}  {reference}  {}  {megabytes:.1} MB", args.out.display(), written.digest);
    println!("load it: ctr -n k8s.io images import FILE, docker load -i FILE, kind load image-archive FILE");
    // A build for tests is large; that of a release must not grow without somebody noticing.
    ensure!(!ours || written.size < LARGEST * 1_000_000, "the image is larger than {LARGEST} MB");
    Ok(())
}

/// Writes the image that the chart asks for around a program that [`build`] made; its name, and the bytes that a node
/// downloads.
///
/// # Errors
/// As [`run`].
pub fn shipped(binary: &Path, out: &Path) -> anyhow::Result<(String, u64)> {
    let reference = wanted_by_chart()?;
    let written = write(&reference, binary, out)?;
    Ok((reference, written.size))
}

/// The image that the chart asks for, around the program of a debug build, for tests.
///
/// # Errors
/// When it was not built, or the archive cannot be written.
pub fn for_tests() -> anyhow::Result<PathBuf> {
    let out = PathBuf::from("target/chatcli-test-image.tar");
    write(&wanted_by_chart()?, Path::new("target/debug/chatcli"), &out)?;
    Ok(out)
}

/// Writes the image of a program.
///
/// # Errors
/// When a file is missing.
fn write(reference: &str, binary: &Path, out: &Path) -> anyhow::Result<Written> {
    let mut image = Image::of_service(reference, binary)?;
    image.compressed = true;
    let version = reference.rsplit_once(':').map_or("", |(_, tag)| tag);
    for (key, value) in [
        ("title", "chatcli"),
        ("description", "AIOps for Kubernetes: operator, server and tools in one binary"),
        ("version", version),
        ("licenses", "Apache-2.0"),
        ("source", "https://github.com/diillson/chatcli"),
    ] {
        image.labels.insert(format!("org.opencontainers.image.{key}"), value.to_owned());
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    image.write(out)
}

/// Builds programs for release, linked statically; the folder in which they are.
///
/// # Errors
/// When one does not build.
pub fn build(packages: &[&str]) -> anyhow::Result<PathBuf> {
    let triple = if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    let root = std::env::current_dir()?;
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .unwrap_or_default();
    // Where it was built must not show in it.
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={}=/src", root.display()),
    ];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--target", triple])
        .args(packages.iter().flat_map(|package| ["-p", package]))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the release build failed");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(target.join(triple).join("release"))
}

/// The image that the chart runs unless it is told otherwise.
fn wanted_by_chart() -> anyhow::Result<String> {
    let values = std::fs::read_to_string(crate::chart::FOLDER.to_owned() + "/values.yaml")?;
    let repository = values
        .lines()
        .find_map(|line| line.trim().strip_prefix("repository: "))
        .context("values.yaml names no image.repository")?;
    Ok(format!("{}:{}", repository.trim(), crate::chart::app_version()?))
}
