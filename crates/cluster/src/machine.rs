//! What the machine has: commands, privileges, packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Debian packages that a node needs, and the command by which each is known.
const PACKAGES: [(&str, &str); 7] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("containernetworking-plugins", "ptp"),
    ("busybox-static", "busybox"),
    ("nftables", "nft"),
    ("conntrack", "conntrack"),
    ("iproute2", "ip"),
];

/// Where else than on the path a command may be: root's own folders, and those of network plugins.
const MORE_FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/lib/cni", "/opt/cni/bin"];

/// Where a command is.
pub fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        .map(|dir| dir.join(command))
        .find(|file| file.is_file())
}

/// Whether a command is on the path.
pub fn has(command: &str) -> bool {
    find(command).is_some()
}

/// Whether a program needs nothing but itself, so that it runs in an empty image.
pub fn is_static(program: &Path) -> bool {
    // The loader of a dynamic program is named in its head.
    std::fs::read(program).is_ok_and(|bytes| {
        let head = bytes.get(..4096).unwrap_or(&bytes);
        !head.windows(9).any(|window| window == b"ld-linux-" || window == b"/ld-musl-")
    })
}

/// Whether this process is root.
pub fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|text| {
        text.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().nth(1))
            == Some("0")
    })
}

/// Whether a Docker *engine* answers. A client without one counts as no Docker.
pub fn docker_engine_answers() -> bool {
    has("docker")
        && Command::new("docker")
            .args(["info", "--format", "{{.ServerVersion}}"])
            .stderr(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
}

/// Makes sure that a node can run here.
///
/// # Errors
/// One sentence with the line that mends it.
pub fn prepare_node() -> anyhow::Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "real pods on this machine need Linux; remedy: install Docker and kind, or name a cluster with CONTEXT=…"
    );
    ensure!(
        is_root(),
        "real pods on this machine need root; remedy: `sudo -E make cluster`, or install Docker and kind, or name a cluster with CONTEXT=…"
    );
    let there = |command: &str| find(command).is_some_and(|file| command != "busybox" || is_static(&file));
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, command)| !there(command)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        has("apt-get"),
        "missing: {}; remedy: install these with the machine's package manager",
        missing.join(", ")
    );
    eprintln!("installing Debian packages: {}", missing.join(", "));
    install(&missing)
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    // Without this the packaged containerd would start as a service beside ours.
    let policy = std::path::Path::new("/usr/sbin/policy-rc.d");
    let ours = !policy.exists();
    if ours {
        std::fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        run("chmod", &["+x", "/usr/sbin/policy-rc.d"])?;
    }
    let installed = apt(packages).or_else(|_| run("apt-get", &["update", "-qq"]).and_then(|()| apt(packages)));
    if ours {
        std::fs::remove_file(policy)?;
    }
    installed.with_context(|| format!("remedy: `apt-get update && apt-get install {}`", packages.join(" ")))
}

/// A program of a Debian package, which is installed if it is not there.
///
/// # Errors
/// When it cannot be installed, with the line that mends it.
pub fn package(package: &str, command: &str) -> anyhow::Result<PathBuf> {
    if find(command).is_none() {
        install(&[package])?;
    }
    find(command).with_context(|| format!("{command} is missing; remedy: `apt-get install {package}`"))
}

fn apt(packages: &[&str]) -> anyhow::Result<()> {
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
    args.extend(packages);
    run("apt-get", &args)
}

/// Runs a command quietly.
///
/// # Errors
/// With what it printed to standard error.
pub fn run(command: &str, args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(command)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command}"))?;
    ensure!(
        output.status.success(),
        "{command} {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_not_static() {
        // Cargo's own test program is linked dynamically.
        assert!(!is_static(&std::env::current_exe().unwrap()));
        assert!(!is_static(Path::new("/nowhere")));
    }
}
