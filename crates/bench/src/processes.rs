//! The measured processes: start, readiness, memory, request counters, end.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A running `chatcli server` or `chatcli operator`.
pub struct Process {
    child: Child,
    /// Port of `/metrics`.
    metrics: u16,
    /// Port of `/readyz`.
    probes: u16,
    /// Time from start to ready.
    pub ready_after: Duration,
}

impl Process {
    /// Starts the binary and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in five minutes.
    pub async fn start(chatcli: &Path, args: &[String], metrics: u16, probes: u16) -> anyhow::Result<Self> {
        let name = args.first().cloned().unwrap_or_default();
        let log = std::env::temp_dir().join(format!("chatcli-bench-{name}.log"));
        let file = std::fs::File::create(&log)?;
        let began = Instant::now();
        let mut child = Command::new(chatcli)
            .args(args)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::from(file.try_clone()?))
            .stderr(Stdio::from(file))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", chatcli.display()))?;
        while http_get(probes, "/readyz").await.is_none_or(|(status, _)| status != 200) {
            if let Some(status) = child.try_wait()? {
                bail!("chatcli {name} ended with {status}: {}", tail(&log));
            }
            if began.elapsed() > Duration::from_secs(300) {
                bail!("chatcli {name} is not ready after 300 s: {}", tail(&log));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, metrics, probes, ready_after: began.elapsed() })
    }

    /// Resident memory in MiB.
    pub fn rss_mib(&self) -> f64 {
        let pid = self.child.id().unwrap_or_default();
        std::fs::read_to_string(format!("/proc/{pid}/status"))
            .ok()
            .and_then(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok())
            })
            .map_or(f64::NAN, |kib| kib / 1024.0)
    }

    /// Requests sent to the API server so far, by the process's own count.
    ///
    /// # Errors
    /// When its metrics cannot be read.
    pub async fn api_requests(&self) -> anyhow::Result<f64> {
        let (_, text) = http_get(self.metrics, "/metrics").await.context("/metrics does not answer")?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains("api_requests_total{"));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Ends the process and waits for it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        // The ports are free only when nobody answers any more.
        while http_get(self.probes, "/readyz").await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// A port that nobody listens on.
///
/// # Errors
/// When the machine has none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
