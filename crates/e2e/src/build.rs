//! What the cases run: `chatcli`, and the demo's service in an image.

use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::Cluster;
use cluster::images::Image;

/// Tags under which the demo's service is loaded; both are the same program.
pub const TAGS: [&str; 2] = ["chatcli/demo-service:1.0.0", "chatcli/demo-service:1.0.1"];

/// Root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds `chatcli` and returns where it is. `CHATCLI_BINARY` names one that is built already, for example for release.
pub fn chatcli() -> PathBuf {
    if let Some(binary) = std::env::var_os("CHATCLI_BINARY") {
        return PathBuf::from(binary);
    }
    cargo(&["build", "--quiet", "-p", "chatcli"], None);
    target().join("debug/chatcli")
}

/// Builds the demo's service, static, and loads its image.
pub fn load_service(cluster: &Cluster) {
    let triple = if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    cargo(
        &["build", "--quiet", "--release", "-p", "demo-services", "--target", triple],
        Some("-C target-feature=+crt-static"),
    );
    let binary = target().join(triple).join("release/demo-service");
    for (index, tag) in TAGS.iter().enumerate() {
        let archive = target().join(format!("e2e-image-{index}.tar"));
        Image::of_binary(tag, &binary, "65532:65532").write(&archive).expect("image");
        cluster.import_image(&archive).expect("import");
        std::fs::remove_file(&archive).expect("archive");
    }
}

fn cargo(args: &[&str], rustflags: Option<&str>) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    if let Some(flags) = rustflags {
        command.env("RUSTFLAGS", flags);
    }
    let status = command.status().expect("cargo");
    assert!(status.success(), "cargo {} failed", args.join(" "));
}
