//! A real API server and a real node for tests, shared by all test binaries of a run, and namespaces of their own.

use std::process::Command;
use std::sync::OnceLock;

use cluster::{Cluster, Mode};
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Asks for the control plane that the tests share; it is started by the first who asks.
///
/// # Panics
/// When there is none and none can be started: a test that needs a cluster fails without one, unless
/// `AIOPS_SKIP_CLUSTER_TESTS` is set; then it is `None`, and the skip is written where the test run counts it.
pub fn control_plane() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| shared("test", Mode::ControlPlane)).as_ref()
}

/// Asks for the node that the tests share.
///
/// # Panics
/// As [`control_plane`].
pub fn node() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| shared("test-node", Mode::Node)).as_ref()
}

fn shared(name: &str, mode: Mode) -> Option<Cluster> {
    if std::env::var_os("AIOPS_SKIP_CLUSTER_TESTS").is_some() {
        skip(&format!("needs a cluster ({name}), and AIOPS_SKIP_CLUSTER_TESTS is set"));
        return None;
    }
    match cluster::local::up(name, mode) {
        Ok(cluster) => Some(cluster),
        Err(error) => panic!("no cluster for this test: {error:#}"),
    }
}

fn skip(why: &str) {
    use std::io::Write;
    eprintln!("SKIPPED: {why}");
    let Some(path) = std::env::var_os("AIOPS_SKIPPED_LOG") else { return };
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
        let _ = writeln!(file, "{}: {why}", std::thread::current().name().unwrap_or("a test"));
    }
}

/// A program of a Debian package, which is installed if it is not there.
///
/// # Panics
/// When it cannot be installed.
pub fn program(package: &str, command: &str) -> std::path::PathBuf {
    cluster::machine::package(package, command).unwrap_or_else(|error| panic!("no {command} for this test: {error:#}"))
}

/// A client with the administrator's rights.
///
/// # Panics
/// When the kubeconfig of the cluster cannot be used.
pub async fn client(cluster: &Cluster) -> kube::Client {
    let file = Kubeconfig::read_from(&cluster.kubeconfig).expect("kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("kubeconfig");
    kube::Client::try_from(config).expect("client")
}

/// A namespace with a name of its own, deleted when the test ends. When the test fails, what is in it is printed first.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: String,
}

impl<'a> Namespace<'a> {
    /// Makes a namespace; its name begins with `prefix`.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn new(cluster: &'a Cluster, prefix: &str) -> Self {
        let unique = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map(|d| d.as_nanos())
            .unwrap_or_default();
        let name = format!("{prefix}-{:x}", unique % 0xffff_ffff);
        cluster.run_kubectl(&["create", "namespace", &name]).expect("namespace");
        Self { cluster, name }
    }

    fn dump(&self) {
        for args in [
            &["get", "all,chatcli", "-o", "wide"][..],
            &["get", "issues,aiinsights,remediationplans,approvalrequests", "-o", "yaml"][..],
            &["get", "events", "--sort-by=.lastTimestamp"][..],
        ] {
            let mut command = match self.cluster.kubectl() {
                Ok(command) => command,
                Err(error) => return eprintln!("no kubectl: {error:#}"),
            };
            let output = run(command.args(["-n", &self.name]).args(args));
            eprintln!("--- kubectl {}\n{output}", args.join(" "));
        }
    }
}

/// A node without a machine, deleted when the test ends: pods that name a node which does not exist are collected after
/// 40 s, and a test on a busy machine may take longer.
pub struct PaperNode<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: String,
}

impl<'a> PaperNode<'a> {
    /// Makes a node; its name is that of a namespace of the same test.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn new(cluster: &'a Cluster, of: &Namespace<'_>) -> Self {
        let name = format!("paper-{}", of.name);
        let file = std::env::temp_dir().join(format!("{name}.json"));
        // Nobody but the test's own pods may land on it.
        let node = format!(
            r#"{{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "{name}"}}, "spec": {{"unschedulable": true}}}}"#
        );
        std::fs::write(&file, node).expect("a file");
        let made = cluster.run_kubectl(&["create", "-f", &file.display().to_string()]);
        let _ = std::fs::remove_file(&file);
        made.expect("node");
        Self { cluster, name }
    }
}

impl Drop for PaperNode<'_> {
    fn drop(&mut self) {
        let _ = self.cluster.run_kubectl(&["delete", "node", &self.name, "--wait=false"]);
    }
}

fn run(command: &mut Command) -> String {
    command
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned() + &String::from_utf8_lossy(&o.stderr))
        .unwrap_or_default()
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dump();
        }
        let _ = self.cluster.run_kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
