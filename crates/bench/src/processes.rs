//! The measured processes: start, readiness, memory, request counters, end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Requests by `verb resource`.
#[derive(Clone, Default)]
pub struct Requests(BTreeMap<String, f64>);

impl Requests {
    /// All of them.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Those that came since an earlier count.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().map(|(what, n)| (what.clone(), n - before.0.get(what).unwrap_or(&0.0))).collect())
    }

    /// The most frequent ones, in words.
    pub fn most(&self, how_many: usize) -> String {
        let mut list: Vec<_> = self.0.iter().filter(|(_, n)| **n > 0.0).collect();
        list.sort_by(|a, b| b.1.total_cmp(a.1));
        let words: Vec<String> = list.into_iter().take(how_many).map(|(what, n)| format!("{n:.0} {what}")).collect();
        words.join(", ")
    }
}

/// A running `chatcli server` or `chatcli operator`.
pub struct Process {
    child: Child,
    /// Port of `/metrics`.
    metrics: u16,
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
        // A server serves before its first look is over.
        let ready = if name == "server" { "/watchz" } else { "/readyz" };
        while http_get(probes, ready).await.is_none_or(|(status, _)| status != 200) {
            if let Some(status) = child.try_wait()? {
                bail!("chatcli {name} ended with {status}: {}", tail(&log));
            }
            if began.elapsed() > Duration::from_mins(5) {
                bail!("chatcli {name} is not ready after 300 s: {}", tail(&log));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, metrics, ready_after: began.elapsed() })
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

    /// Requests sent to the API server so far, by the process's own count, by `verb resource`.
    ///
    /// # Errors
    /// When its metrics cannot be read.
    pub async fn api_requests(&self) -> anyhow::Result<Requests> {
        let (_, text) = http_get(self.metrics, "/metrics").await.context("/metrics does not answer")?;
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && line.contains("api_requests_total{")) {
            let label = |name: &str| line.split_once(&format!("{name}=\""))?.1.split('"').next();
            let what = format!("{} {}", label("verb").unwrap_or_default(), label("resource").unwrap_or_default());
            let count: f64 = line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
            *counts.entry(what).or_insert(0.0) += count;
        }
        Ok(Requests(counts))
    }

    /// The p-th percentile in milliseconds of one histogram of the process: the upper bound of the bucket that it falls in,
    /// so that it is never told better than it was.
    ///
    /// # Errors
    /// When its metrics cannot be read, or nothing was counted.
    pub async fn percentile_ms(&self, metric: &str, label: &str, p: f64) -> anyhow::Result<(f64, f64)> {
        let (_, text) = http_get(self.metrics, "/metrics").await.context("/metrics does not answer")?;
        let mut buckets: Vec<(f64, f64)> = text
            .lines()
            .filter(|line| line.starts_with(metric) && line.contains("_bucket{") && line.contains(label))
            .filter_map(|line| {
                let bound = line.split_once("le=\"")?.1.split('"').next()?;
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
                Some((bound, line.rsplit(' ').next()?.parse().ok()?))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = buckets.last().map_or(0.0, |(_, count)| *count);
        let rank = count * p / 100.0;
        let bound = buckets.iter().find(|(_, below)| *below >= rank).map(|(bound, _)| bound * 1000.0);
        bound
            .filter(|_| count > 0.0)
            .map(|bound| (bound, count))
            .with_context(|| format!("{metric} has counted nothing of {label}"))
    }

    /// Asks the process to end and waits for it. One that is killed would keep its Lease until that expires, and the next
    /// one would wait for it.
    ///
    /// # Errors
    /// When it does not end in 30 s.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the process has ended by itself")?;
        Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("it does not stop in 30 s")??;
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
