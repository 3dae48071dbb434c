//! The binaries of the cluster: upstream's Go modules, pinned with checksums under `tools/`, built once into the user's
//! cache folder under their version.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

/// A folder under `tools/` and what is built from it.
struct Tool {
    name: &'static str,
    /// Module whose version in go.mod names the build.
    module: &'static str,
    /// Package and binary.
    packages: &'static [(&'static str, &'static str)],
}

const KUBERNETES: Tool = Tool {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    packages: &[
        ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
        ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
        ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
    ],
};
const ETCD: Tool =
    Tool { name: "etcd", module: "go.etcd.io/etcd/server/v3", packages: &[("go.etcd.io/etcd/server/v3", "etcd")] };
const COREDNS: Tool = Tool {
    name: "coredns",
    module: "github.com/coredns/coredns",
    packages: &[("github.com/coredns/coredns", "coredns")],
};
const METRICS_SERVER: Tool = Tool {
    name: "metrics-server",
    module: "sigs.k8s.io/metrics-server",
    packages: &[("sigs.k8s.io/metrics-server/cmd/metrics-server", "metrics-server")],
};

/// Folder that holds built tools.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set; remedy: set one, the built tools are kept there")?;
    Ok(base.join("chatcli-aiops/tools"))
}

/// Binaries of a control plane.
pub struct ControlPlane {
    /// etcd.
    pub etcd: PathBuf,
    /// Folder of the Kubernetes binaries.
    pub kubernetes: PathBuf,
}

/// Builds what a control plane needs, if it is not there.
///
/// # Errors
/// When Go is missing or a build fails.
pub fn control_plane() -> anyhow::Result<ControlPlane> {
    Ok(ControlPlane { kubernetes: ensure_built(&KUBERNETES)?, etcd: ensure_built(&ETCD)?.join("etcd") })
}

/// kubectl of the pinned version.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn kubectl() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&KUBERNETES)?.join("kubectl"))
}

/// CoreDNS.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn coredns() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&COREDNS)?.join("coredns"))
}

/// metrics-server.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn metrics_server() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&METRICS_SERVER)?.join("metrics-server"))
}

/// Folder with the pinned modules, in this checkout.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools")
}

fn version(tool: &Tool) -> anyhow::Result<String> {
    let path = modules().join(tool.name).join("go.mod");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    pinned(&text, tool.module).with_context(|| format!("{} does not require {}", path.display(), tool.module))
}

/// Version that a go.mod requires of a module.
fn pinned(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().map(|line| line.trim().trim_start_matches("require ")).find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
            .filter(|word| word.starts_with('v'))
            .map(str::to_owned)
    })
}

fn ensure_built(tool: &Tool) -> anyhow::Result<PathBuf> {
    let version = version(tool)?;
    let folder = cache()?.join(format!("{}-{version}", tool.name));
    let missing = || tool.packages.iter().filter(|(_, binary)| !folder.join(binary).is_file()).count();
    if missing() == 0 {
        return Ok(folder);
    }
    ensure!(
        crate::machine::has("go"),
        "Go is not installed, and {} must be built once; remedy: install Go 1.26 or newer",
        tool.name
    );
    std::fs::create_dir_all(&folder)?;
    // Another call may be building the same: wait for it rather than do it twice.
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    let total = tool.packages.len();
    for (index, (package, binary)) in tool.packages.iter().enumerate() {
        if folder.join(binary).is_file() {
            continue;
        }
        let began = Instant::now();
        eprintln!("building {binary} {version} ({} of {total} of {}; once, then it is cached)", index + 1, tool.name);
        build(tool, &version, package, &folder.join(binary))?;
        eprintln!("built {binary} in {} s", began.elapsed().as_secs());
    }
    Ok(folder)
}

fn build(tool: &Tool, version: &str, package: &str, target: &Path) -> anyhow::Result<()> {
    let mut ldflags = "-s -w".to_owned();
    if tool.name == "kubernetes" {
        // Otherwise clients see v0.0.0.
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
        for (key, value) in [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)] {
            ldflags.push_str(&format!(" -X k8s.io/component-base/version.{key}={value}"));
        }
    }
    // A build that is cut off must not look finished.
    let partial = target.with_extension("partial");
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &ldflags, "-o"]).arg(&partial).arg(package);
    command.current_dir(modules().join(tool.name)).env("CGO_ENABLED", "0").env("GOFLAGS", "").stdout(Stdio::null());
    if go_minor() >= 27 {
        // Its new JSON makes the API server's OpenAPI wrong.
        command.env("GOEXPERIMENT", "nojsonv2");
    }
    let status = command.status().context("cannot start go")?;
    ensure!(
        status.success(),
        "go build of {package} failed; remedy: see the lines above; the module proxy must be reachable for the first build"
    );
    std::fs::rename(&partial, target)?;
    Ok(())
}

fn go_minor() -> u32 {
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).output() else { return 0 };
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().trim_start_matches("go1.").split('.').next().and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_pinned_modules() {
        assert_eq!(pinned("module x\n\nrequire a.b/c v1.2.3\n", "a.b/c").as_deref(), Some("v1.2.3"));
        assert_eq!(pinned("require (\n\ta.b/c v1.2.3 // indirect\n)\n", "a.b/c").as_deref(), Some("v1.2.3"));
        assert_eq!(pinned("replace a.b/c => a.b/c v9\n", "a.b/c"), None);
        for tool in [KUBERNETES, ETCD, COREDNS, METRICS_SERVER] {
            assert!(version(&tool).unwrap().starts_with('v'), "{}", tool.name);
        }
    }
}
