//! Where and how the server listens: addresses, limits, logs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use grpc::{Limits, Rate};
use jiff::SignedDuration;

use super::flags::{Given, OrNone, address, duration, number, text, truth};

/// Time that open calls get when the process stops; below what its tasks get.
const DRAIN: Duration = Duration::from_secs(15);
/// Ports, sizes and rates that chatcli 1.188 documents.
const PORT: u16 = 50_051;
const METRICS_PORT: u16 = 9090;
const MESSAGE: usize = 50 << 20;
const RATE: u32 = 10;
const BURST: u32 = 30;
/// What Alertmanager itself has when nothing is said.
const REPEAT: SignedDuration = SignedDuration::from_hours(4);

/// Flags of the ports and their limits.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Flags {
    /// Port of gRPC, 50051 unless said otherwise
    #[arg(long, env = "CHATCLI_SERVER_PORT", value_name = "PORT", value_parser = number("CHATCLI_SERVER_PORT", 1..=65_535_u16))]
    port: Option<Given<u16>>,
    /// Port of /metrics, /healthz, /readyz and /watchz, 9090 unless said otherwise; 0 serves none
    #[arg(long, env = "CHATCLI_METRICS_PORT", value_name = "PORT", value_parser = number("CHATCLI_METRICS_PORT", 0..=65_535_u16))]
    metrics_port: Option<Given<u16>>,
    /// IP address of both ports; all of them in a pod, else 127.0.0.1
    #[arg(long, env = "CHATCLI_BIND_ADDRESS", value_name = "IP", value_parser = address)]
    bind_address: Option<Given<IpAddr>>,
    /// Address and port of gRPC, instead of --bind-address and --port
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
    /// Address and port of the metrics, instead of --bind-address and --metrics-port
    #[arg(long, value_name = "ADDRESS")]
    metrics_bind: Option<SocketAddr>,
    #[arg(long, hide = true, env = "KUBERNETES_SERVICE_HOST", value_parser = text)]
    kubernetes_service_host: Option<Given<String>>,
    /// Calls a second that one caller may make on average, 10 unless said otherwise
    #[arg(long, env = "CHATCLI_RATE_LIMIT_RPS", value_name = "COUNT", value_parser = number("CHATCLI_RATE_LIMIT_RPS", 1..=1_000_000_u32))]
    rate_limit_rps: Option<Given<u32>>,
    /// Calls that one caller may make at once, 30 unless said otherwise
    #[arg(long, env = "CHATCLI_RATE_LIMIT_BURST", value_name = "COUNT", value_parser = number("CHATCLI_RATE_LIMIT_BURST", 1..=1_000_000_u32))]
    rate_limit_burst: Option<Given<u32>>,
    /// Most bytes of a message that is accepted
    #[arg(long, env = "CHATCLI_MAX_RECV_MSG_SIZE", value_name = "BYTES", value_parser = number("CHATCLI_MAX_RECV_MSG_SIZE", 1024..=2_147_483_647_usize))]
    max_recv_msg_size: Option<Given<usize>>,
    /// Most bytes of a message that is sent
    #[arg(long, env = "CHATCLI_MAX_SEND_MSG_SIZE", value_name = "BYTES", value_parser = number("CHATCLI_MAX_SEND_MSG_SIZE", 1024..=2_147_483_647_usize))]
    max_send_msg_size: Option<Given<usize>>,
    /// Most calls at a time on one connection
    #[arg(long, env = "CHATCLI_MAX_CONCURRENT_STREAMS", value_name = "COUNT", value_parser = number("CHATCLI_MAX_CONCURRENT_STREAMS", 1..=1_000_000_u32))]
    max_concurrent_streams: Option<Given<u32>>,
    /// How often Alertmanager repeats what is still there (its repeat_interval), 4h unless said otherwise; what was not
    /// repeated twice counts as over
    #[arg(long, env = "CHATCLI_ALERTMANAGER_REPEAT_INTERVAL", value_name = "DURATION", value_parser = duration("CHATCLI_ALERTMANAGER_REPEAT_INTERVAL"))]
    alertmanager_repeat_interval: Option<Given<SignedDuration>>,
    /// File to which every call is appended as one line of JSON
    #[arg(long, env = "CHATCLI_AUDIT_LOG_PATH", value_name = "FILE", value_parser = text)]
    audit_log_path: Option<Given<String>>,
    /// Let clients ask which calls there are
    #[arg(long, env = "CHATCLI_GRPC_REFLECTION", value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = truth("CHATCLI_GRPC_REFLECTION"))]
    pub grpc_reflection: bool,
    /// Log in detail
    #[arg(long, env = "CHATCLI_DEBUG", value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = truth("CHATCLI_DEBUG"))]
    pub debug: bool,
}

impl Flags {
    fn host(&self) -> IpAddr {
        let anywhere = self.kubernetes_service_host.given().map(|_| Ipv4Addr::UNSPECIFIED);
        self.bind_address.given().unwrap_or_else(|| anywhere.unwrap_or(Ipv4Addr::LOCALHOST).into())
    }

    /// How often Alertmanager repeats what is still there.
    pub fn repeat_interval(&self) -> SignedDuration {
        self.alertmanager_repeat_interval.given().unwrap_or(REPEAT)
    }

    /// Address of gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.bind.unwrap_or_else(|| SocketAddr::new(self.host(), self.port.given().unwrap_or(PORT)))
    }

    /// Address of the metrics; none when they are not served.
    pub fn metrics(&self) -> Option<SocketAddr> {
        if self.metrics_bind.is_some() {
            return self.metrics_bind;
        }
        let port = self.metrics_port.given().unwrap_or(METRICS_PORT);
        (port != 0).then(|| SocketAddr::new(self.host(), port))
    }

    /// The limits; `guarded` says whether callers have to say who they are.
    pub fn limits(&self, guarded: bool) -> Limits {
        let (rps, burst) = (self.rate_limit_rps.given(), self.rate_limit_burst.given());
        // Without names all callers are one, who would be slowed for the others: only if somebody wants it.
        let rate = (guarded || rps.is_some() || burst.is_some())
            .then(|| Rate { per_second: f64::from(rps.unwrap_or(RATE)), burst: burst.unwrap_or(BURST) });
        let usual = Limits::default();
        Limits {
            rate,
            per_connection: self.max_concurrent_streams.given().unwrap_or(usual.per_connection),
            max_request: self.max_recv_msg_size.given().unwrap_or(MESSAGE),
            max_answer: self.max_send_msg_size.given().unwrap_or(MESSAGE),
            drain: DRAIN,
            ..usual
        }
    }

    /// Opens the audit log, if there is to be one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audit(&self) -> anyhow::Result<Option<grpc::Audit>> {
        let Some(path) = self.audit_log_path.given().map(PathBuf::from) else { return Ok(None) };
        let now = || kit::clock::Clock::now(&kit::clock::SystemClock);
        match grpc::Audit::open(&path, now) {
            Ok(audit) => Ok(Some(audit)),
            Err(error) => bail!(
                "--audit-log-path (or CHATCLI_AUDIT_LOG_PATH) {} cannot be written: {error}; remedy: choose a file in a folder that this process may write, such as /tmp/audit.log",
                path.display()
            ),
        }
    }
}
