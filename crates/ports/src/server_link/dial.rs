//! Dialing: TCP, then TLS where it is wanted, and what went wrong in words that people search for.
//!
//! tonic could dial by itself, but then a failure is a chain of sources without Go's texts, and a server that answers in
//! the other language, TLS or plaintext, is a broken frame.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use pki::{Trust, Verifier, explain};
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint, Uri};

use super::Settings;

const TCP_DEADLINE: Duration = Duration::from_secs(5);
const TLS_DEADLINE: Duration = Duration::from_secs(10);

/// What counts for every server, as the environment names it; read whenever a server is dialed, so that a file that is
/// replaced is used without a restart.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    ca: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl TlsFiles {
    /// From `CHATCLI_GRPC_TLS_CA`, `CHATCLI_GRPC_TLS_CERT` and `CHATCLI_GRPC_TLS_KEY`; `variable` gives the value of one.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            ca: set("CHATCLI_GRPC_TLS_CA"),
            certificate: set("CHATCLI_GRPC_TLS_CERT"),
            key: set("CHATCLI_GRPC_TLS_KEY"),
        }
    }
}

#[derive(Clone, Debug)]
enum Ca {
    Pem(Vec<u8>),
    File(PathBuf),
    System,
}

#[derive(Debug)]
struct Tls {
    name: ServerName<'static>,
    ca: Ca,
    files: TlsFiles,
}

type Trouble = Arc<Mutex<Option<String>>>;

/// How one server is dialed. Clones share the last trouble.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    host: String,
    port: u16,
    tls: Option<Arc<Tls>>,
    endpoint: Endpoint,
    /// Why the last attempt came to nothing; absent after one that did not.
    trouble: Trouble,
}

type Stream = Either<Plain, tokio_rustls::client::TlsStream<TcpStream>>;

impl Dial {
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let uri: Uri =
            settings.address.parse().map_err(|error| format!("{:?} is no URL: {error}", settings.address))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it begins neither with http:// nor with https://".to_owned()),
        };
        let Some(authority) = uri.authority() else { return Err("it names no host".to_owned()) };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match (authority.port_u16(), authority.as_str().strip_prefix(authority.host())) {
            (Some(0), _) => return Err("port 0 is no port".to_owned()),
            (Some(port), _) => port,
            (None, Some("") | None) => {
                if secure {
                    443
                } else {
                    80
                }
            }
            (None, Some(rest)) => return Err(format!("{rest:?} is no port")),
        };
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let name = settings.server_name.clone().unwrap_or_else(|| host.clone());
        let name = name.trim_end_matches('.').to_owned();
        let tls = if secure {
            let ca = match (&settings.ca_pem, &settings.ca_file) {
                (Some(pem), _) => Ca::Pem(pem.clone()),
                (None, Some(file)) => Ca::File(file.clone()),
                (None, None) => Ca::System,
            };
            let name = ServerName::try_from(name.clone())
                .map_err(|_| format!("{name:?} is no name that a certificate can have"))?;
            let tls = Tls { name, ca, files: settings.files.clone() };
            if let Ca::File(_) = tls.ca {
                tls.trust()?;
            }
            Some(Arc::new(tls))
        } else {
            None
        };
        let shown = if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        let origin = format!("{}://{shown}", if secure { "https" } else { "http" });
        let origin: Uri = origin.parse().map_err(|error| format!("{origin:?} is no URL: {error}"))?;
        // For tonic it is always plaintext: what it gets is a stream that is through with TLS.
        let endpoint = Endpoint::from_shared(format!("http://{shown}"))
            .map_err(|error| error.to_string())?
            .origin(origin)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        Ok(Self { host, port, tls, endpoint, trouble: Trouble::default() })
    }

    /// `host:port`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// A connection that is made at the first call.
    pub(super) fn channel(&self) -> Channel {
        let dial = self.clone();
        self.endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let dial = dial.clone();
            async move {
                let made = dial.connect().await;
                let why = made.as_ref().err().cloned();
                *dial.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
                made.map(TokioIo::new).map_err(io::Error::other)
            }
        }))
    }

    /// Why the last attempt came to nothing, if it did.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self) -> Result<Stream, String> {
        let stream = self.tcp().await?;
        let Some(tls) = &self.tls else {
            return Ok(Either::Left(Plain { stream, first: true, trouble: self.trouble.clone() }));
        };
        let failed = |why: String| format!("transport: authentication handshake failed: {why}");
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        match tokio::time::timeout(TLS_DEADLINE, connector.connect(tls.name.clone(), stream)).await {
            Ok(Ok(stream)) => {
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return Ok(Either::Right(stream));
                }
                Err(failed(explain(&rustls::Error::NoApplicationProtocol).to_string()))
            }
            Ok(Err(error)) => Err(failed(handshake(&error))),
            Err(_) => Err(failed(format!(
                "no answer within {} s; remedy: look whether {} is the gRPC port of the server",
                TLS_DEADLINE.as_secs(),
                self.authority()
            ))),
        }
    }

    async fn tcp(&self) -> Result<TcpStream, String> {
        let at = self.authority();
        let dialing = "transport: Error while dialing: dial tcp";
        match tokio::time::timeout(TCP_DEADLINE, TcpStream::connect((self.host.as_str(), self.port))).await {
            Ok(Ok(stream)) => {
                // Small messages must not wait for each other.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(format!(
                "{dialing} {at}: connect: connection refused; remedy: nothing listens there: look whether the pods of the Instance run, and whether this is its gRPC port"
            )),
            Ok(Err(error)) if error.raw_os_error().is_none() => Err(format!(
                "{dialing}: lookup {}: {error}; remedy: correct the name, or look whether its Service exists",
                self.host
            )),
            Ok(Err(error)) => Err(format!(
                "{dialing} {at}: connect: {error}; remedy: look whether a NetworkPolicy or a firewall stands between"
            )),
            Err(_) => Err(format!(
                "{dialing} {at}: i/o timeout; remedy: look whether a NetworkPolicy or a firewall stands between, and whether the address is right"
            )),
        }
    }
}

/// What a handshake failed of.
fn handshake(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return explain(tls).to_string();
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "EOF; remedy: the server hung up: look whether it has TLS on this port, and into its log".to_owned()
        }
        _ => format!("{error}; remedy: look whether the server has TLS on this port, and into its log"),
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

impl Tls {
    fn trust(&self) -> Result<Trust, String> {
        let from = |file: &Path| {
            let pem = std::fs::read(file)
                .map_err(|e| format!("failed to read CA cert from {}: {e}; remedy: mount it", file.display()))?;
            Trust::only(&pem).map_err(|finding| format!("CA file {}: {finding}", file.display()))
        };
        match &self.ca {
            Ca::Pem(pem) => Trust::only(pem).map_err(|finding| finding.to_string()),
            Ca::File(file) => from(file),
            Ca::System => {
                let system = Trust::system();
                let Some(path) = &self.files.ca else { return Ok(system) };
                if !Path::new(path).is_absolute() {
                    return Err(format!(
                        "CHATCLI_GRPC_TLS_CA must be an absolute path, got {path:?}; remedy: mount the CA with extraVolumes, and give the path of the mounted file"
                    ));
                }
                let pem = read(path).map_err(|e| {
                    format!(
                        "failed to read CA cert from {path}: {e}; remedy: mount it there, or unset CHATCLI_GRPC_TLS_CA"
                    )
                })?;
                system.and(&pem).map_err(|finding| format!("CHATCLI_GRPC_TLS_CA {path}: {finding}"))
            }
        }
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Verifier::new(self.trust()?, None));
        let mut config = match (&self.files.certificate, &self.files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => {
                return Err("CHATCLI_GRPC_TLS_CERT set but CHATCLI_GRPC_TLS_KEY is missing; remedy: set both or none"
                    .to_owned());
            }
            (None, Some(_)) => {
                return Err("CHATCLI_GRPC_TLS_KEY set but CHATCLI_GRPC_TLS_CERT is missing; remedy: set both or none"
                    .to_owned());
            }
            (Some(certificate), Some(key)) => {
                let file = |name: &str, path: &str| {
                    read(path).map_err(|e| format!("{name}: failed to read {path}: {e}; remedy: mount it there"))
                };
                let pair = (file("CHATCLI_GRPC_TLS_CERT", certificate)?, file("CHATCLI_GRPC_TLS_KEY", key)?);
                let (chain, key) = pki::identity(&pair.0, &pair.1)
                    .map_err(|finding| format!("the client certificate of CHATCLI_GRPC_TLS_CERT: {finding}"))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// A connection without TLS, whose first byte tells whether the server has TLS.
#[derive(Debug)]
pub(super) struct Plain {
    stream: TcpStream,
    first: bool,
    trouble: Trouble,
}

/// What a server of TLS does when it is spoken to in plaintext, whether or not its alert arrives.
const HUNG_UP: &str = "the server hung up, as one with TLS does";

impl Plain {
    fn no_preface(&self, why: &str) -> io::Error {
        let why = format!(
            "transport: error reading server preface: {why}; remedy: if it has TLS, dial it with TLS (https://, or spec.server.tls.enabled)"
        );
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
        io::Error::other(why)
    }

    /// A server that hangs up before its first word is noticed by whoever writes next.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) if self.first => {
                self.first = false;
                Poll::Ready(Err(self.no_preface(&format!("{error}: {HUNG_UP}"))))
            }
            other => other,
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.first && polled.is_ready() {
            this.first = false;
            // HTTP/2 begins with a length below 2^16; 0x15 is an alert, which is what a server of TLS answers.
            let why = match (&polled, buf.filled().get(before)) {
                (Poll::Ready(Ok(())), Some(0x15)) => "the server speaks TLS on this port".to_owned(),
                (Poll::Ready(Ok(())), None) => format!("EOF: {HUNG_UP}"),
                (Poll::Ready(Err(error)), _) => format!("{error}: {HUNG_UP}"),
                _ => return polled,
            };
            return Poll::Ready(Err(this.no_preface(&why)));
        }
        polled
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
