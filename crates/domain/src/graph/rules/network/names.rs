//! Hosts and ports as they stand in configuration: URLs, `host:port`, bare names, and which variables hold such.
//!
//! What lives here: reading text. What does not: which Service a host is (`place`), where the text stands (`uses`).

/// Text is read up to here; a configuration that is longer is data.
const LONGEST: usize = 64 * 1024;
/// Addresses that are read from one text.
const MOST: usize = 64;

/// Protocols of URLs that mean a host of the network, with their usual port.
const SCHEMES: &[(&str, Option<u16>)] = &[
    ("http", Some(80)),
    ("https", Some(443)),
    ("ws", Some(80)),
    ("wss", Some(443)),
    ("grpc", None),
    ("grpcs", None),
    ("h2c", None),
    ("tcp", None),
    ("udp", None),
    ("tls", None),
    ("ssl", None),
    ("redis", Some(6379)),
    ("rediss", Some(6379)),
    ("postgres", Some(5432)),
    ("postgresql", Some(5432)),
    ("mysql", Some(3306)),
    ("mariadb", Some(3306)),
    ("mongodb", Some(27017)),
    ("amqp", Some(5672)),
    ("amqps", Some(5671)),
    ("nats", Some(4222)),
    ("mqtt", Some(1883)),
    ("mqtts", Some(8883)),
    ("kafka", Some(9092)),
    ("pulsar", Some(6650)),
    ("clickhouse", Some(9000)),
    ("sqlserver", Some(1433)),
    ("bolt", Some(7687)),
    ("neo4j", Some(7687)),
    ("ldap", Some(389)),
    ("ldaps", Some(636)),
    ("smtp", Some(25)),
    ("ftp", Some(21)),
    ("memcached", Some(11211)),
];

/// Ends of the names of variables that hold a host.
const HOLD_HOSTS: &[&str] = &[
    "_HOSTNAME",
    "_HOSTS",
    "_HOST",
    "_ADDRESS",
    "_ADDRS",
    "_ADDR",
    "_ENDPOINTS",
    "_ENDPOINT",
    "_SERVICE",
    "_SERVERS",
    "_SERVER",
    "_SVC",
    "_BROKERS",
    "_BROKER",
    "_UPSTREAM",
    "_BACKEND",
    "_TARGET",
    "_URLS",
    "_URL",
    "_URI",
    "_DSN",
    "HOST",
];

/// Words in the name of a variable that is about the process itself, or about no host at all.
const OWN: &[&str] = &[
    "LISTEN",
    "BIND",
    "PUBLIC",
    "EXTERNAL",
    "VIRTUAL",
    "ADVERTISED",
    "ALLOWED",
    "TRUSTED",
    "NODE",
    "POD",
    "IMAGE",
    "TAG",
    "VERSION",
    "REPO",
    "REPOSITORY",
    "REGISTRY",
    "COOKIE",
    "SELF",
];

/// How plainly an address is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `scheme://host`.
    Url,
    /// `host:port`.
    HostPort,
    /// A name alone.
    Bare,
}

/// An address in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// Host, in lower case, without the dot at the end.
    pub(super) host: String,
    /// Port, when the text has one.
    pub(super) port: Option<u16>,
    /// The port that the scheme has when the text has none.
    pub(super) usual: Option<u16>,
    /// How plainly it is one.
    pub(super) form: Form,
    /// Whether its scheme is one of HTTP over TLS, or of HTTP without.
    pub(super) secure: Option<bool>,
}

/// Addresses in a text: URLs and `host:port`.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '|' | '<' | '>' | '=');
    head(text).split(separates).filter_map(mention).take(MOST).collect()
}

/// The text as one bare host name.
pub(super) fn bare(text: &str) -> Option<Mention> {
    let host = host(text.trim())?;
    Some(Mention { host, port: None, usual: None, form: Form::Bare, secure: None })
}

/// What a variable holds, when its name says that it holds a host: its name without that.
pub(super) fn base(variable: &str) -> Option<String> {
    let name = normal(variable);
    if own(&name) {
        return None;
    }
    let end = HOLD_HOSTS.iter().find(|end| name.ends_with(**end))?;
    let base = name.strip_suffix(end)?.trim_end_matches('_').to_owned();
    let about_itself = ["", "SERVER", "APP", "MY", "DEFAULT"].contains(&base.as_str());
    (!about_itself).then_some(base)
}

/// Whether the name of a variable says that its value is of the process itself, or no host.
pub(super) fn own(variable: &str) -> bool {
    normal(variable).split('_').any(|word| OWN.contains(&word))
}

/// Names of the variables that may hold the port for a variable that holds a host.
pub(super) fn port_variables(variable: &str) -> Vec<String> {
    let Some(base) = base(variable) else { return Vec::new() };
    vec![format!("{base}_PORT"), format!("{base}PORT"), format!("{}_PORT", normal(variable))]
}

/// A name of a variable, a flag or a property as it would be in an environment.
pub(super) fn normal(variable: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    variable.trim_start_matches('-').chars().map(plain).collect()
}

/// The beginning of a text, as far as it is read.
pub(super) fn head(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn mention(token: &str) -> Option<Mention> {
    let token = token.trim_start_matches(['(', '[']).trim_end_matches([')', ']', '.', ':']);
    if let Some((before, after)) = token.split_once("://") {
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?.to_ascii_lowercase();
        let (_, usual) = SCHEMES.iter().find(|(known, _)| *known == scheme)?;
        let authority = after.split(['/', '?', '#', '\\']).next()?;
        let place = authority.rsplit('@').next()?;
        let (name, port) = match place.rsplit_once(':') {
            Some((name, port)) => (name, Some(number(port)?)),
            None => (place, None),
        };
        let secure = match scheme.as_str() {
            "https" | "wss" => Some(true),
            "http" | "ws" => Some(false),
            _ => None,
        };
        return Some(Mention { host: host(name)?, port, usual: *usual, form: Form::Url, secure });
    }
    let place = token.split('/').next()?;
    let (name, port) = place.split_once(':')?;
    let lower = name.chars().all(|c| !c.is_ascii_uppercase());
    let (port, form) = (Some(number(port)?), Form::HostPort);
    let mention = Mention { host: host(name)?, port, usual: None, form, secure: None };
    lower.then_some(mention)
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// A DNS name that is no address and not this machine.
fn host(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        !label.is_empty() && label.len() <= 63 && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let letters = name.bytes().any(|b| b.is_ascii_lowercase());
    let words = ["localhost", "true", "false", "none", "null", "yes", "no", "on", "off", "auto", "default"];
    let good = name.len() <= 253 && letters && !words.contains(&name.as_str()) && name.split('.').all(label);
    (good && !name.ends_with(".localhost")).then_some(name)
}

/// Words in the names of variables that hold what a process can do without.
const SPARE: &[&str] =
    &["OTEL", "OTLP", "JAEGER", "ZIPKIN", "STATSD", "TRACING", "TELEMETRY", "SENTRY", "DATADOG", "METRICS", "PROXY"];

/// Whether a variable holds an address that a process can do without: telemetry, or a proxy that is for elsewhere.
pub(super) fn spare(variable: &str) -> bool {
    let name = normal(variable);
    // That directive of nginx says where requests go.
    name != "PROXY_PASS" && name.split('_').any(|word| SPARE.contains(&word))
}
