//! The cluster that the user names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::{Cluster, Origin, local, machine, tools};

const REMEDY: &str = "remedy: `kubectl config get-contexts`, or unset KUBECONFIG and CONTEXT to have a local cluster";

/// The cluster that `KUBECONFIG` or `CONTEXT` names. A kubeconfig that merely exists at its usual place names nothing.
pub fn cluster() -> anyhow::Result<Option<Cluster>> {
    let value = |key| std::env::var_os(key).filter(|value| !value.is_empty());
    let context = value("CONTEXT");
    let Some(files) = files(value("KUBECONFIG"), context.is_some(), value("HOME")) else { return Ok(None) };
    let source = if context.is_some() { "CONTEXT" } else { "KUBECONFIG" };
    ensure!(
        std::env::split_paths(&files).any(|file| file.is_file()),
        "the cluster that {source} names cannot be used: there is no file {}; {REMEDY}",
        files.to_string_lossy()
    );
    let mut flags = vec!["config", "view", "--raw", "--flatten", "--minify"];
    let wanted = context.as_ref().map(|context| format!("--context={}", context.to_string_lossy()));
    flags.extend(wanted.as_deref());
    // One file with one context, so that nobody downstream can reach another cluster.
    let kubectl = machine::find("kubectl").map_or_else(tools::kubectl, Ok)?;
    let output =
        Command::new(kubectl).args(&flags).env("KUBECONFIG", &files).output().context("kubectl config view")?;
    let refused = String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("error: ").to_owned();
    // A file without a cluster is an empty configuration for kubectl.
    let empty = !String::from_utf8_lossy(&output.stdout).contains("server:");
    ensure!(
        output.status.success() && !empty,
        "the cluster that {source} names cannot be used: {}; {REMEDY}",
        if refused.is_empty() { format!("{} names no server", files.to_string_lossy()) } else { refused }
    );
    // Another name for another cluster: two runs at once must not swap theirs.
    let digest: String = crate::hex(&Sha256::digest(&output.stdout)).chars().take(12).collect();
    let folder = local::home()?.join(format!("named-{digest}"));
    std::fs::create_dir_all(&folder)?;
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, output.stdout)?;
    let name = local_name(Path::new(&files))?.unwrap_or_else(|| "named".to_owned());
    Ok(Some(Cluster { name, kubeconfig, origin: Origin::Named }))
}

/// The kubeconfig files that count: those of `KUBECONFIG`, or the usual one when a context is named.
fn files(kubeconfig: Option<OsString>, context: bool, home: Option<OsString>) -> Option<OsString> {
    kubeconfig.or_else(|| context.then_some(home).flatten().map(|home| PathBuf::from(home).join(".kube/config").into()))
}

/// The name of the local cluster to which a kubeconfig belongs, if it is one of ours.
fn local_name(kubeconfig: &Path) -> anyhow::Result<Option<String>> {
    let home = local::home()?;
    Ok(local::list()?.into_iter().find(|name| home.join(name).join("kubeconfig") == kubeconfig))
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn only_what_the_user_names_counts() {
        let some = |text: &str| Some(text.into());
        assert_eq!(files(None, false, some("/home/me")), None, "a file at its usual place names nothing");
        assert_eq!(files(some("/a:/b"), false, some("/home/me")), some("/a:/b"));
        assert_eq!(files(None, true, some("/home/me")), some("/home/me/.kube/config"));
        assert_eq!(files(some("/a"), true, some("/home/me")), some("/a"));
        assert_eq!(files(None, true, None), None);
    }
}
