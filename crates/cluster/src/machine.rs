//! What the machine has: commands, privileges, packages.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Debian packages that a node needs, and a file by which each is known.
const PACKAGES: [(&str, &str); 7] = [
    ("containerd", "/usr/bin/containerd"),
    ("runc", "/usr/sbin/runc"),
    ("containernetworking-plugins", "/usr/lib/cni/ptp"),
    ("busybox-static", "/bin/busybox"),
    ("nftables", "/usr/sbin/nft"),
    ("conntrack", "/usr/sbin/conntrack"),
    ("iproute2", "/sbin/ip"),
];

/// Whether a command is on the path.
pub fn has(command: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(command).is_file()))
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
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !std::path::Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        has("apt-get"),
        "missing: {}; remedy: install these with the machine's package manager",
        missing.join(", ")
    );
    println!("installing Debian packages: {}", missing.join(", "));
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

fn apt(packages: &[&str]) -> anyhow::Result<()> {
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
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
