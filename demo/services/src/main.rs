//! One of the three services of the demo shop: `api-gateway`, `payment-service` or `user-service`.
//!
//! It answers `/`, `/healthz`, `/readyz` and `/metrics`, calls its upstreams, and has faults to switch on:
//! a wrong configuration value makes it exit at start, and `/faults/backlog?mb=N` gives it a backlog that it holds in
//! memory, also after a restart of the container.

// A program of its own, outside the product: it reads its environment and the clock.
#![allow(clippy::disallowed_methods)]

mod backlog;
mod config;
mod http;
mod metrics;

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use metrics::Metrics;

fn main() -> ExitCode {
    let config = match Config::read(|key| std::env::var(key).ok()) {
        Ok(config) => config,
        Err(wrong) => {
            log("error", &format!("invalid configuration: {wrong}"));
            return ExitCode::FAILURE;
        }
    };
    log(
        "info",
        &format!(
            "{} starts on port {}, payment timeout {} ms",
            config.service,
            config.port,
            config.timeout.as_millis()
        ),
    );
    backlog::hold_what_is_stored(&config.spool);
    let listener = match TcpListener::bind(("0.0.0.0", config.port)) {
        Ok(listener) => listener,
        Err(error) => {
            log("error", &format!("cannot listen on port {}: {error}", config.port));
            return ExitCode::FAILURE;
        }
    };
    let service = Arc::new(Service { config, metrics: Metrics::default() });
    for stream in listener.incoming().flatten() {
        let service = service.clone();
        std::thread::spawn(move || service.answer(stream));
    }
    ExitCode::SUCCESS
}

/// Writes one log line.
pub fn log(level: &str, message: &str) {
    println!("level={level} msg={message:?}");
}

struct Service {
    config: Config,
    metrics: Metrics,
}

impl Service {
    fn answer(&self, mut stream: TcpStream) {
        let began = Instant::now();
        let Some(path) = http::read_path(&mut stream) else { return };
        let (status, body) = self.respond(&path);
        self.metrics.count(status, began.elapsed());
        http::write(&mut stream, status, &body);
    }

    fn respond(&self, path: &str) -> (u16, String) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/healthz" | "/readyz" => (200, "ok\n".to_owned()),
            "/metrics" => (200, self.metrics.render(&self.config.service)),
            "/faults/backlog" => match query.strip_prefix("mb=").and_then(|mb| mb.parse().ok()) {
                Some(mb) => match backlog::store(&self.config.spool, mb) {
                    Ok(()) => {
                        let spool = self.config.spool.clone();
                        std::thread::spawn(move || backlog::hold_what_is_stored(&spool));
                        (200, format!("a backlog of {mb} MiB arrives\n"))
                    }
                    Err(error) => (500, format!("cannot store a backlog: {error}\n")),
                },
                None => (400, "say how much: ?mb=160\n".to_owned()),
            },
            "/" => self.home(),
            _ => (404, "not found\n".to_owned()),
        }
    }

    fn home(&self) -> (u16, String) {
        for upstream in &self.config.upstreams {
            if let Err(error) = http::get(upstream, "/", self.config.timeout.max(Duration::from_millis(50))) {
                log("warn", &format!("upstream {upstream}: {error}"));
                return (502, format!("{upstream} does not answer: {error}\n"));
            }
        }
        (200, format!("{}\n", self.config.service))
    }
}
