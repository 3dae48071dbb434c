//! The commands of the cookbook, run by a shell as the text gives them, with kubectl and helm of the pinned versions.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::Cluster;

/// The chart, as the text names it; a checkout has it as a folder.
const CHART: &str = "oci://ghcr.io/diillson/charts/chatcli-operator";
/// The operator's log.
const LOGS: &str = "kubectl -n chatcli-system logs -l app.kubernetes.io/name=chatcli-operator --tail=-1";
/// How long something may take that pods have to do.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often it is looked meanwhile.
const CHECK: Duration = Duration::from_millis(500);

/// A shell with a cluster and a folder of its own.
pub struct Shell {
    kubeconfig: PathBuf,
    path: String,
    folder: PathBuf,
    root: PathBuf,
}

impl Shell {
    /// A shell for a cluster.
    ///
    /// # Errors
    /// When a tool cannot be built, or its folder not be made.
    pub fn new(cluster: &Cluster) -> anyhow::Result<Self> {
        let root = std::env::current_dir()?;
        let folders = [cluster::tools::kubectl()?, cluster::tools::helm()?, root.join("target/debug/chatcli")];
        let mut path: Vec<PathBuf> = folders.iter().filter_map(|f| f.parent().map(PathBuf::from)).collect();
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let folder = cluster.kubeconfig.with_file_name("cookbook");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = std::env::join_paths(path)?.into_string().map_err(|_| anyhow::anyhow!("PATH is no text"))?;
        Ok(Self { kubeconfig: cluster.kubeconfig.clone(), path, folder, root })
    }

    /// Prints and runs a command of the text; returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn run(&self, command: &str) -> anyhow::Result<String> {
        println!("$ {}", command.replace('\n', "\n  "));
        self.quiet(command)
    }

    /// Runs a command that is not of the text.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn quiet(&self, command: &str) -> anyhow::Result<String> {
        let output = self.bash(command)?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{command}` failed ({}): {} {}", output.status, said.trim(), out.trim());
        }
        Ok(out)
    }

    /// What a command prints, whether it fails or not.
    pub fn look(&self, command: &str) -> String {
        self.bash(command).map_or_else(
            |error| format!("{error:#}"),
            |output| format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    }

    fn bash(&self, command: &str) -> anyhow::Result<std::process::Output> {
        let chart = self.root.join("charts/chatcli-operator").display().to_string();
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &command.replace(CHART, &chart)])
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("COOKBOOK", self.root.join("cookbook/manifests"))
            .env("DEMO", self.root.join("demo/manifests"))
            .output()
            .with_context(|| format!("bash: {command}"))
    }

    /// Repeats a command until what it prints fits.
    ///
    /// # Errors
    /// With the last answer, when it does not within three minutes.
    pub fn until(&self, command: &str, fits: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.look(command);
            if fits(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                bail!(
                    "within {} s `{command}` did not come to say it; the last answer: {}",
                    PATIENCE.as_secs(),
                    answer.trim()
                );
            }
            std::thread::sleep(CHECK);
        }
    }

    /// Message of a condition of an Instance, once it has this status and text.
    ///
    /// # Errors
    /// When it does not come to say so.
    pub fn condition(&self, instance: &str, type_: &str, status: &str, text: &str) -> anyhow::Result<String> {
        let command = format!(
            r#"kubectl -n chatcli-system get instance {instance} -o jsonpath='{{range .status.conditions[?(@.type=="{type_}")]}}{{.status}} {{.reason}}: {{.message}}{{end}}'"#
        );
        self.until(&command, |answer| answer.starts_with(status) && answer.contains(text))
    }

    /// The line of the operator's log that has a text.
    ///
    /// # Errors
    /// When it does not come.
    pub fn operator_log(&self, text: &str) -> anyhow::Result<String> {
        let logs = self.until(LOGS, |logs| logs.contains(text))?;
        Ok(logs.lines().find(|line| line.contains(text)).unwrap_or_default().to_owned())
    }

    /// What somebody would want to see when a promise does not hold.
    pub fn show_state(&self) {
        for command in [
            "kubectl get instances,pods,pvc -A -o wide",
            "kubectl -n chatcli-system get instances -o yaml",
            "kubectl -n chatcli-system get events --sort-by=.lastTimestamp | tail -40",
            &format!("{LOGS} | tail -60"),
            "kubectl -n chatcli-system logs -l app.kubernetes.io/managed-by=chatcli-operator --tail=30 --prefix",
        ] {
            println!("$ {command}\n{}", self.look(command));
        }
    }
}
