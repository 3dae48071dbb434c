//! A recorded process: it is ended only while its id still belongs to it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A process of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Component.
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// Start time as the kernel counts it; an id that was given anew has another.
    started: u64,
    /// Command line, to start it again.
    #[serde(default)]
    command: Vec<String>,
}

impl Process {
    /// Starts a component with its log in `dir`, detached from this terminal.
    pub fn start(name: &str, binary: &Path, args: &[String], net: Option<&Path>, dir: &Path) -> anyhow::Result<Self> {
        let mut words = match net {
            // Only the network is the cluster's own: mounts must stay visible to the container runtime.
            Some(namespace) => {
                vec!["nsenter".to_owned(), format!("--net={}", namespace.display()), "--".to_owned()]
            }
            None => Vec::new(),
        };
        words.push(binary.display().to_string());
        words.extend_from_slice(args);
        let mut process = Self { name: name.to_owned(), pid: 0, started: 0, command: words };
        process.start_again(dir)?;
        Ok(process)
    }

    /// Starts it once more, as it was started; its log goes on.
    pub fn start_again(&mut self, dir: &Path) -> anyhow::Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(dir.join(format!("{}.log", self.name)))?;
        let (binary, args) = self.command.split_first().context("the command line was not recorded")?;
        let child = Command::new(binary)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .env_remove("KUBECONFIG")
            .spawn()
            .with_context(|| format!("cannot start {binary}"))?;
        self.pid = child.id();
        self.started = start_time(self.pid).unwrap_or_default();
        Ok(())
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Asks it to end, and after five seconds ends it.
    pub fn end(&self) {
        for (signal, patience) in [("-TERM", 5), ("-KILL", 5)] {
            if !self.is_alive() {
                return;
            }
            let _ = Command::new("kill").args([signal, &self.pid.to_string()]).stderr(Stdio::null()).status();
            let began = Instant::now();
            while self.is_alive() && began.elapsed() < Duration::from_secs(patience) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if self.is_alive() {
            let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).stderr(Stdio::null()).status();
        }
    }

    /// The end of its log.
    pub fn last_lines(&self, dir: &Path) -> String {
        let bytes = std::fs::read(dir.join(format!("{}.log", self.name))).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().rev().take(6).collect();
        lines.into_iter().rev().map(|line| line.chars().take(400).collect::<String>()).collect::<Vec<_>>().join("\n")
    }
}

/// Field 22 of /proc/PID/stat. A zombie counts as gone.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is regular.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_belongs_to_another_process_is_left_alone() {
        let me = Process { name: "me".into(), pid: std::process::id(), started: 1, command: Vec::new() };
        assert!(!me.is_alive());
        me.kill();
        assert_eq!(start_time(std::process::id()).map(|t| t > 1), Some(true));
    }
}
