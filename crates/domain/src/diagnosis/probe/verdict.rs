//! What is wrong with what a probe asks, from what it got.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::words::{asked, command, port, ports};
use crate::detection::same_port;
use crate::diagnosis::log::{Family, Reading, cut, told};
use crate::diagnosis::{Evidence, amount, start};

/// Field of the probe, and what it should be.
pub(super) struct Verdict {
    /// Below the probe; empty for the probe as a whole.
    pub(super) field: &'static str,
    pub(super) value: String,
    /// What is wrong, after "its readiness probe (…) always fails: ".
    pub(super) clause: String,
    pub(super) class: CauseClass,
    pub(super) sure: f64,
}

impl Verdict {
    /// Whether the probe itself is at fault.
    pub(super) fn is_mismatch(&self) -> bool {
        self.class == CauseClass::ProbeMismatch
    }
}

fn mismatch(field: &'static str, value: impl Into<String>, clause: String, sure: f64) -> Verdict {
    Verdict { field, value: value.into(), clause, class: CauseClass::ProbeMismatch, sure }
}

/// What the kubelet says a probe got, without its own words around it.
pub(super) fn answer(message: &str) -> String {
    let message = message.trim();
    let begins = [" probe failed:", " probe errored and resulted in unknown state:", " probe errored:"];
    let rest = begins.iter().find_map(|begin| message.split_once(begin));
    let text = rest.map_or(message, |(_, rest)| rest.trim());
    for known in ["connection refused", "statuscode: ", "context deadline exceeded", "i/o timeout", "no route to host"]
    {
        if let Some(at) = text.find(known) {
            let end = text.get(at..).unwrap_or(known);
            return cut(end.split(" (").next().unwrap_or(end), 60);
        }
    }
    cut(text, 100)
}

/// Judges a probe by the kubelet's message about it.
pub(super) fn judge(
    evidence: &Evidence,
    container: Option<&Container>,
    probe: &Probe,
    message: &str,
    reading: &Reading,
) -> Verdict {
    let lower = message.to_ascii_lowercase();
    let says = |text: &str| lower.contains(text);
    let got = answer(message);
    if let Some(verdict) = scheme(probe, &lower).or_else(|| host(probe, &lower, &got)) {
        return verdict;
    }
    if let (Some(grpc), Some(container)) = (&probe.grpc, container)
        && (says("failed to connect") || says("connection refused"))
    {
        return port_verdict(&IntOrString::Int(grpc.port), "grpc.port", container, reading, &got);
    }
    let wished = asked(probe);
    let field = if probe.http_get.is_some() { "httpGet.port" } else { "tcpSocket.port" };
    if let (Some(wished), Some(container)) = (wished, container)
        && (says("connection refused") || is_nameless(wished, container))
    {
        return port_verdict(wished, field, container, reading, &got);
    }
    if probe.http_get.is_some() && ["404", "405", "410"].iter().any(|code| says(&format!("statuscode: {code}"))) {
        let path = probe.http_get.as_ref().and_then(|h| h.path.clone()).unwrap_or_else(|| "/".into());
        let other = container
            .and_then(|c| other_path(c, &path))
            .map(|p| format!("; another probe asks {p}"))
            .unwrap_or_default();
        return mismatch(
            "httpGet.path",
            path.clone(),
            format!("the container does not serve {path} ({got}){other}"),
            0.85,
        );
    }
    if ["401", "403"].iter().any(|code| says(&format!("statuscode: {code}"))) {
        let path = probe.http_get.as_ref().and_then(|h| h.path.clone()).unwrap_or_default();
        return mismatch("httpGet.path", path.clone(), format!("{path} wants credentials ({got})"), 0.85);
    }
    if probe.exec.is_some() {
        return exec(evidence, probe, message, &got);
    }
    if says("unimplemented") || says("unknown service") {
        let service = probe.grpc.as_ref().and_then(|g| g.service.clone()).unwrap_or_default();
        return mismatch("grpc.service", service, "the container does not serve the gRPC health service".into(), 0.85);
    }
    if says("deadline exceeded") || says("timeout") || says("timed out") {
        let seconds = probe.timeout_seconds.unwrap_or(1);
        return Verdict {
            field: "timeoutSeconds",
            value: seconds.to_string(),
            clause: format!("no answer within its timeoutSeconds of {seconds}{}", starved(container)),
            class: CauseClass::ProbeMismatch,
            sure: 0.7,
        };
    }
    Verdict {
        field: "",
        value: super::words::words(probe),
        clause: got,
        class: CauseClass::ApplicationNotReady,
        sure: 0.6,
    }
}

/// A CPU limit that leaves a process hardly any time to answer.
fn starved(container: Option<&Container>) -> String {
    /// A twentieth of a core, in thousandths of a thousandth.
    const LITTLE: i128 = 50;
    let limit = container.and_then(|c| c.resources.as_ref()?.limits.as_ref()?.get("cpu"));
    let little = limit.filter(|limit| amount::millis(&limit.0).is_some_and(|millis| millis <= LITTLE));
    little.map(|limit| format!("; its CPU limit is only {}", limit.0)).unwrap_or_default()
}

fn scheme(probe: &Probe, lower: &str) -> Option<Verdict> {
    let http = probe.http_get.as_ref()?;
    let secure = http.scheme.as_deref() == Some("HTTPS");
    if secure && lower.contains("server gave http response to https client") {
        let clause = "it asks with HTTPS, and the container answers with HTTP".to_owned();
        return Some(mismatch("httpGet.scheme", "HTTPS", clause, 0.95));
    }
    let odd = ["malformed http", "http request to an https server", "http/1.x transport connection broken"];
    let garbled = odd.iter().any(|text| lower.contains(text));
    // A TLS server answers a plain request with 400; its port says what it speaks.
    let name = port(&http.port);
    let tls = ["443", "8443", "6443"].contains(&name.as_str()) || name.contains("https") || name.contains("tls");
    (!secure && (garbled || (tls && lower.contains("statuscode: 400")))).then(|| {
        let clause = "it asks with HTTP, and the container answers with HTTPS".to_owned();
        mismatch("httpGet.scheme", "HTTP", clause, 0.95)
    })
}

/// Whether a probe asks a port by a name that no port of the container has.
fn is_nameless(wished: &IntOrString, container: &Container) -> bool {
    let declared = container.ports.as_deref().unwrap_or_default();
    matches!(wished, IntOrString::String(name) if name.parse::<u16>().is_err())
        && !declared.iter().any(|declared| same_port(wished, declared))
}

/// A probe that asks another host than its own pod.
fn host(probe: &Probe, lower: &str, got: &str) -> Option<Verdict> {
    let http = probe.http_get.as_ref().and_then(|h| h.host.clone()).map(|host| ("httpGet.host", host));
    let tcp = || probe.tcp_socket.as_ref().and_then(|t| t.host.clone()).map(|host| ("tcpSocket.host", host));
    let (field, host) = http.or_else(tcp).filter(|(_, host)| !host.is_empty())?;
    let unanswered = ["refused", "no such host", "timeout", "deadline exceeded", "no route"];
    unanswered.iter().any(|text| lower.contains(text)).then(|| {
        let clause = format!("it asks host {host} instead of its own pod ({got})");
        mismatch(field, host, clause, 0.9)
    })
}

/// A port where nothing answers: not the one that the container serves, or not served yet.
fn port_verdict(
    wished: &IntOrString,
    field: &'static str,
    container: &Container,
    reading: &Reading,
    got: &str,
) -> Verdict {
    let number = port(wished);
    let declared = container.ports.as_deref().unwrap_or_default();
    let is_declared = declared.iter().any(|d| same_port(wished, d));
    if is_nameless(wished, container) {
        let clause =
            format!("it names port {number}, which does not exist: the container declares {}", ports(container));
        return mismatch(field, number, clause, 0.9);
    }
    if !declared.is_empty() && !is_declared {
        return mismatch(field, number, format!("{got}, while the container declares {}", ports(container)), 0.9);
    }
    let own: Option<u16> = number.parse().ok();
    let serves = own.is_some_and(|own| reading.listens.contains(&own));
    if let Some(other) = reading.listens.first().filter(|_| !serves && own.is_some()) {
        return mismatch(field, number, format!("{got}, while its log says that it listens on port {other}"), 0.9);
    }
    let other = other_port(container, wished);
    if let Some(other) = other.filter(|_| !is_declared) {
        return mismatch(field, number, format!("{got}; another of its probes asks port {other}"), 0.8);
    }
    let clause = format!("{got}: nothing listens on port {number} of the container");
    Verdict { field, value: number, clause, class: CauseClass::ApplicationNotReady, sure: 0.6 }
}

fn probes(container: &Container) -> impl Iterator<Item = &Probe> {
    [&container.readiness_probe, &container.liveness_probe, &container.startup_probe].into_iter().flatten()
}

fn other_port(container: &Container, wished: &IntOrString) -> Option<String> {
    probes(container).filter_map(asked).find(|port| *port != wished).map(port)
}

fn other_path(container: &Container, path: &str) -> Option<String> {
    probes(container).filter_map(|p| p.http_get.as_ref()?.path.clone()).find(|other| other != path)
}

/// Whether the kubelet says that it did not wait for the end of a command. What the command itself says of other waits, after
/// "probe failed: ", is another thing.
pub(super) fn late(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    let waits = ["timed out", "timeout", "deadline exceeded"].iter().any(|text| lower.contains(text));
    let said = lower.split_once("probe failed:").map(|(_, said)| said.trim());
    let of_kubelet = |said: &str| {
        said.starts_with("command timed out")
            || (said.starts_with("command \"") && said.contains("timed out"))
            || said == "context deadline exceeded"
            || said == "timeout"
    };
    waits && said.is_none_or(|said| of_kubelet(said) || lower.contains("failed to exec in container"))
}

fn exec(evidence: &Evidence, probe: &Probe, message: &str, got: &str) -> Verdict {
    let value = cut(&command(probe), 160);
    let lower = message.to_ascii_lowercase();
    let told = told(message).and_then(|told| told.family);
    let missing = matches!(told, Some(Family::CommandMissing | Family::FileMissing)) || lower.contains("not found");
    if missing {
        let first = probe.exec.as_ref().and_then(|e| e.command.as_ref()?.first().cloned()).unwrap_or_default();
        let meant = start::common_command(&first).filter(|_| !evidence.container().is_empty());
        let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        let clause = format!("its command names {first}, which does not exist in the container{meant}");
        return mismatch("exec.command", value, clause, 0.9);
    }
    if matches!(told, Some(Family::FileDenied)) {
        return mismatch("exec.command", value, format!("its command may not be executed ({got})"), 0.85);
    }
    if late(message) {
        let seconds = probe.timeout_seconds.unwrap_or(1);
        return mismatch(
            "timeoutSeconds",
            seconds.to_string(),
            format!(
                "its command takes longer than its timeoutSeconds of {seconds}{}",
                starved(evidence.container_spec())
            ),
            0.8,
        );
    }
    let clause =
        if got.is_empty() { "its command ends with an error".to_owned() } else { format!("its command says {got:?}") };
    Verdict { field: "exec.command", value, clause, class: CauseClass::ApplicationNotReady, sure: 0.7 }
}
