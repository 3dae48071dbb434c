//! `chatcli server` and `chatcli operator` against a cluster.

use std::path::{Path, PathBuf};

use cluster::Cluster;
use tokio::sync::Mutex;

use crate::look;
use crate::process::{Process, free_ports};

/// Seconds that a fault must be gone; short, because every case waits for it.
const STABILITY: &str = "4";

/// How the processes are started.
pub struct Setup {
    /// The binary.
    pub chatcli: PathBuf,
    /// Kubeconfig of the cluster.
    pub kubeconfig: PathBuf,
    /// Folder of the logs.
    pub logs: PathBuf,
    grpc: u16,
}

/// A server, and one or more operators.
pub struct Platform {
    /// How they were started.
    pub setup: Setup,
    /// The eyes.
    pub server: Mutex<Process>,
    /// The hands.
    pub operators: Mutex<Vec<Process>>,
}

impl Setup {
    /// Ports are chosen; nothing is started.
    pub fn new(chatcli: &Path, kubeconfig: &Path, logs: &Path) -> Self {
        let [grpc] = free_ports();
        Self { chatcli: chatcli.to_owned(), kubeconfig: kubeconfig.to_owned(), logs: logs.to_owned(), grpc }
    }

    /// Starts a server.
    pub fn server(&self, name: &str) -> Process {
        let [metrics] = free_ports();
        let args = [
            "server",
            "--kubeconfig",
            &self.kubeconfig.display().to_string(),
            "--all-namespaces",
            "--bind",
            &format!("127.0.0.1:{}", self.grpc),
            "--metrics-bind",
            &format!("127.0.0.1:{metrics}"),
        ]
        .map(str::to_owned);
        Process::start(name, &self.chatcli, args.to_vec(), metrics, &self.logs)
    }

    /// Starts an operator, alone or as one of several replicas.
    pub fn operator(&self, name: &str, leader_elect: bool) -> Process {
        let [metrics, probes] = free_ports();
        let args = [
            "operator",
            "--kubeconfig",
            &self.kubeconfig.display().to_string(),
            "--namespace",
            "chatcli-system",
            "--server",
            &format!("http://127.0.0.1:{}", self.grpc),
            "--metrics-bind",
            &format!("127.0.0.1:{metrics}"),
            "--probe-bind",
            &format!("127.0.0.1:{probes}"),
            "--stability",
            STABILITY,
            &format!("--leader-elect={leader_elect}"),
        ]
        .map(str::to_owned);
        Process::start(name, &self.chatcli, args.to_vec(), probes, &self.logs)
    }
}

impl Platform {
    /// Installs the resources and the policies, and starts one server and one operator.
    pub async fn start(cluster: &Cluster, chatcli: &Path, logs: &Path) -> Self {
        install(cluster, chatcli);
        let setup = Setup::new(chatcli, &cluster.kubeconfig, logs);
        let server = Mutex::new(setup.server("server"));
        let operators = Mutex::new(vec![setup.operator("operator", false)]);
        let platform = Self { setup, server, operators };
        platform.ready().await;
        platform
    }

    /// Waits until both say that they are ready.
    pub async fn ready(&self) {
        look::until("server and operator are ready", 60, || async {
            let server = self.server.lock().await.is_ready().await;
            let mut all = server;
            for operator in self.operators.lock().await.iter() {
                all &= operator.is_ready().await;
            }
            all.then_some(())
        })
        .await;
    }

    /// Kills the only operator with SIGKILL and starts it again.
    pub async fn crash_operator(&self) {
        let mut operators = self.operators.lock().await;
        let operator = operators.first_mut().expect("operator");
        operator.crash();
        operator.start_again();
    }

    /// Shows how the logs end.
    pub async fn print_logs(&self) {
        self.server.lock().await.print_log();
        self.operators.lock().await.iter().for_each(Process::print_log);
    }

    /// Fails when a process ended by itself.
    pub async fn check_alive(&self) {
        assert_eq!(self.server.lock().await.exited(), None, "the server ended");
        for operator in self.operators.lock().await.iter_mut() {
            assert_eq!(operator.exited(), None, "an operator ended");
        }
    }

    /// Ends all in order.
    pub async fn stop(&self) {
        self.operators.lock().await.iter_mut().for_each(Process::stop);
        self.server.lock().await.stop();
    }
}

/// Installs the resources as `chatcli crds` prints them, the operator's namespace and the policy of the demo.
pub fn install(cluster: &Cluster, chatcli: &Path) {
    install_crds(cluster, chatcli);
    let _ = cluster.run_kubectl(&["create", "namespace", "chatcli-system"]);
    let policy = format!("{}/tests/e2e/policy.yaml", env!("CARGO_MANIFEST_DIR"));
    cluster.run_kubectl(&["apply", "-f", &policy]).expect("policy");
}

/// Installs the resources as `chatcli crds` prints them.
pub fn install_crds(cluster: &Cluster, chatcli: &Path) {
    let crds = std::process::Command::new(chatcli).arg("crds").output().expect("chatcli crds");
    assert!(crds.status.success(), "chatcli crds failed");
    let file = cluster.kubeconfig.with_file_name("crds.yaml");
    std::fs::write(&file, crds.stdout).expect("crds.yaml");
    cluster
        .run_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file.display().to_string()])
        .expect("crds");
    cluster.run_kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]).expect("crds");
}
