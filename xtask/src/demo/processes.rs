//! `chatcli server` and `chatcli operator` on this machine, against the demo's cluster.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::Cluster;

use super::Stop;

struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
    probes: u16,
}

/// The processes.
pub struct Processes {
    folder: PathBuf,
    running: Vec<Running>,
}

impl Processes {
    /// Starts them; their logs are in `folder`. With a file of targets a second server watches these by name, for what only
    /// such a file can say.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(chatcli: &Path, cluster: &Cluster, folder: &Path, targets: Option<&Path>) -> anyhow::Result<Self> {
        let [grpc, server_metrics, operator_metrics, probes, named_grpc, named_metrics] = free_ports()?;
        let loopback = |port: u16| format!("127.0.0.1:{port}");
        let kubeconfig = cluster.kubeconfig.display().to_string();
        std::fs::create_dir_all(folder)?;
        let mut processes = Self { folder: folder.to_owned(), running: Vec::new() };
        let server = |what: &[&str], grpc: u16, metrics: u16| {
            let mut args = vec!["server".to_owned(), "--kubeconfig".to_owned(), kubeconfig.clone()];
            args.extend(what.iter().map(|&arg| arg.to_owned()));
            args.extend(["--bind".to_owned(), loopback(grpc), "--metrics-bind".to_owned(), loopback(metrics)]);
            args
        };
        processes.add("server", chatcli, server_metrics, &server(&["--all-namespaces"], grpc, server_metrics))?;
        let mut operator: Vec<String> =
            ["operator", "--kubeconfig", &kubeconfig, "--namespace", "chatcli-system"].map(str::to_owned).to_vec();
        operator.extend(["--server".to_owned(), format!("http://{}", loopback(grpc))]);
        if let Some(targets) = targets {
            let targets = targets.display().to_string();
            let args = server(&["--watch-config", &targets], named_grpc, named_metrics);
            processes.add("server-of-targets", chatcli, named_metrics, &args)?;
            operator.extend(["--server".to_owned(), format!("http://{}", loopback(named_grpc))]);
        }
        operator.extend(["--metrics-bind".to_owned(), loopback(operator_metrics)]);
        operator.extend(["--probe-bind".to_owned(), loopback(probes)]);
        processes.add("operator", chatcli, probes, &operator)?;
        Ok(processes)
    }

    fn add(&mut self, name: &'static str, chatcli: &Path, probes: u16, args: &[String]) -> anyhow::Result<()> {
        let log = self.folder.join(format!("{name}.log"));
        let file = std::fs::File::create(&log)?;
        let child = Command::new(chatcli)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Ctrl-C is for the demo; it ends these in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", chatcli.display()))?;
        self.running.push(Running { name, child, log, probes });
        Ok(())
    }

    /// Waits until all say that they are ready.
    ///
    /// # Errors
    /// When one ends, or takes over a minute.
    pub fn wait_ready(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.running.iter().all(is_ready) {
            self.check()?;
            stop.check()?;
            if began.elapsed() > Duration::from_mins(1) {
                bail!("the processes are not ready after 60 s");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Fails when one has ended.
    ///
    /// # Errors
    /// With its name and status.
    pub fn check(&mut self) -> anyhow::Result<()> {
        for process in &mut self.running {
            if let Some(status) = process.child.try_wait()? {
                bail!("chatcli {} ended with {status}", process.name);
            }
        }
        Ok(())
    }

    /// Asks all to end, and waits.
    pub fn stop(&mut self) {
        for process in self.running.iter_mut().rev() {
            let _ =
                Command::new("kill").args(["-TERM", &process.child.id().to_string()]).stderr(Stdio::null()).status();
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(10) && matches!(process.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// Says where the logs are, and how they end.
    pub fn print_logs(&self, error: &anyhow::Error) {
        eprintln!("\n{error:#}");
        for process in &self.running {
            let text = std::fs::read_to_string(&process.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(12).collect();
            eprintln!("--- the end of {}", process.log.display());
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn is_ready(process: &Running) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", process.probes)) else { return false };
    // A server serves before its first look is over.
    let path = if process.name.starts_with("server") { "/watchz" } else { "/readyz" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.split(' ').nth(1) == Some("200")
}
