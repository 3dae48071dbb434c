//! The binaries of the cluster: upstream's Go modules, pinned with checksums under `tools/`, built once into the user's
//! cache folder under their version.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

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
/// Alone, for a cluster that is not ours; it lands in the same folder.
const KUBECTL: Tool =
    Tool { name: "kubernetes", module: "k8s.io/kubernetes", packages: &[("k8s.io/kubernetes/cmd/kubectl", "kubectl")] };
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

const KWOK: Tool =
    Tool { name: "kwok", module: "sigs.k8s.io/kwok", packages: &[("sigs.k8s.io/kwok/cmd/kwok", "kwok")] };
const HELM: Tool = Tool { name: "helm", module: "helm.sh/helm/v3", packages: &[("helm.sh/helm/v3/cmd/helm", "helm")] };

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

/// Builds what a node needs beyond that, if it is not there.
///
/// # Errors
/// When Go is missing or a build fails.
pub fn node() -> anyhow::Result<()> {
    coredns()?;
    metrics_server().map(drop)
}

/// kubectl of the pinned version.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn kubectl() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&KUBECTL)?.join("kubectl"))
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

/// kwok, which plays the kubelets of nodes that do not exist.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn kwok() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&KWOK)?.join("kwok"))
}

/// helm, to check and install charts.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn helm() -> anyhow::Result<PathBuf> {
    Ok(ensure_built(&HELM)?.join("helm"))
}

/// Whether helm is there already, so that asking for it takes no time.
pub fn helm_is_built() -> bool {
    version(&HELM)
        .and_then(|version| Ok(cache()?.join(format!("{}-{version}", HELM.name)).join("helm").is_file()))
        .unwrap_or(false)
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
pub fn pinned(go_mod: &str, module: &str) -> Option<String> {
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
    let missing = || -> Vec<(&str, &str)> {
        tool.packages.iter().filter(|(_, binary)| !folder.join(binary).is_file()).copied().collect()
    };
    if missing().is_empty() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Another call may be building the same: wait for it rather than do it twice.
    let lock = File::create(folder.join(".lock"))?;
    if lock.try_lock().is_err() {
        eprintln!("waiting for another process that builds {} {version}", tool.name);
        lock.lock()?;
    }
    let missing = missing();
    if !missing.is_empty() {
        crate::build::go(&modules().join(tool.name), tool.name, &version, &missing, &folder)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_pinned_modules() {
        assert_eq!(pinned("module x\n\nrequire a.b/c v1.2.3\n", "a.b/c").as_deref(), Some("v1.2.3"));
        assert_eq!(pinned("require (\n\ta.b/c v1.2.3 // indirect\n)\n", "a.b/c").as_deref(), Some("v1.2.3"));
        assert_eq!(pinned("replace a.b/c => a.b/c v9\n", "a.b/c"), None);
        for tool in [KUBERNETES, ETCD, COREDNS, METRICS_SERVER, KWOK, HELM] {
            assert!(version(&tool).unwrap().starts_with('v'), "{}", tool.name);
        }
    }
}
