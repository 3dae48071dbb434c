//! `chatcli` as a process: started, killed, started again; its log is kept.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A process of ours.
pub struct Process {
    name: String,
    binary: PathBuf,
    args: Vec<String>,
    probes: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts `chatcli ARGS`; `probes` is the port of its `/readyz`.
    pub fn start(name: &str, binary: &Path, args: Vec<String>, probes: u16, logs: &Path) -> Self {
        std::fs::create_dir_all(logs).expect("log folder");
        let log = logs.join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log);
        let mut process = Self { name: name.to_owned(), binary: binary.to_owned(), args, probes, log, child: None };
        process.start_again();
        process
    }

    /// Starts it again with the same arguments; the log goes on.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "{} runs", self.name);
        let log = std::fs::File::options().create(true).append(true).open(&self.log).expect("log");
        let child = Command::new(&self.binary)
            .args(&self.args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("chatcli");
        self.child = Some(child);
    }

    /// Ends it as a crash would: SIGKILL.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        if let Some(child) = &self.child {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
            let began = Instant::now();
            while self.exited().is_none() && began.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.crash();
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("status"))
    }

    /// Whether it says that it is ready; of a server, whether its first look is over.
    pub async fn is_ready(&self) -> bool {
        self.get(self.ready_path()).await.is_some_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }

    /// Where it says what is missing: a server serves before its first look is over.
    pub fn ready_path(&self) -> &'static str {
        if self.args.first().is_some_and(|command| command == "server") { "/watchz" } else { "/readyz" }
    }

    /// Its answer to a request on the port of the probes, head and body.
    pub async fn get(&self, path: &str) -> Option<String> {
        let ask = async {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.probes)).await.ok()?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        };
        tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Shows the end of its log.
    pub fn print_log(&self) {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("--- the end of {} ({} lines)", self.log.display(), lines.len());
        lines.iter().skip(lines.len().saturating_sub(60)).for_each(|line| eprintln!("{line}"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Ports that nobody uses, all different, and none that was given before.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // Below the range from which the kernel takes ports for connections: those come and go.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    std::array::from_fn(|_| {
        loop {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 20_000 + (std::process::id() as u16).wrapping_mul(97).wrapping_add(step) % 12_000;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                break port;
            }
        }
    })
}
