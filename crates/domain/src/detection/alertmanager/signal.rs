//! What an alert says is wrong: its signal and how bad it is.
//!
//! A label `signal` decides. Without it, the names of kubernetes-mixin and node-mixin are known where their words would
//! mislead; any other name is read word by word; at last the object that it is about says what it may be.

use api::shared::{ObjectRef, Severity, SignalType};

use super::Notice;

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is wrong.
    pub signal: SignalType,
    /// How bad; none for an alert that is no incident by its own word (`severity="none"`), such as `Watchdog`.
    pub severity: Option<Severity>,
    /// A label that says something which is not known, with the remedy.
    pub problem: Option<String>,
}

/// What an alert about an object says.
pub fn said(notice: &Notice, object: &ObjectRef) -> Said {
    let given = notice.labels.get("signal").map(|given| given.trim());
    let known = given.and_then(|given| serde_json::from_value(serde_json::Value::String(given.to_owned())).ok());
    let problem = given.filter(|_| known.is_none()).map(|given| {
        let given: String = given.chars().take(40).collect();
        format!(
            "label signal: \"{given}\" is no signal; remedy: use one of Anomaly.spec.signalType, such as error_rate, or leave it out"
        )
    });
    let signal = known.unwrap_or_else(|| guess(notice, object));
    Said { signal, severity: severity(notice), problem }
}

fn severity(notice: &Notice) -> Option<Severity> {
    let given = notice.labels.get("severity").or_else(|| notice.labels.get("priority"));
    match given.map(|given| given.trim().to_ascii_lowercase()).as_deref() {
        Some("none") => None,
        Some("critical" | "crit" | "page" | "fatal" | "emergency" | "disaster" | "p0" | "p1" | "sev0" | "sev1") => {
            Some(Severity::Critical)
        }
        Some("high" | "error" | "major" | "p2" | "sev2") => Some(Severity::High),
        Some("info" | "information" | "informational" | "low" | "notice" | "debug" | "p4" | "p5" | "sev4" | "sev5") => {
            Some(Severity::Low)
        }
        // `warning`, what is missing and what is not known: somebody wants to hear of it.
        _ => Some(Severity::Medium),
    }
}

fn guess(notice: &Notice, object: &ObjectRef) -> SignalType {
    let name = notice.name();
    known(name, notice).or_else(|| by_words(&split(name))).unwrap_or_else(|| by_object(object))
}

/// Names whose words say something else than they mean.
fn known(name: &str, notice: &Notice) -> Option<SignalType> {
    Some(match name {
        "KubeNodePressure" => match notice.label("condition") {
            Some("DiskPressure") => SignalType::DiskPressure,
            Some("PIDPressure") => SignalType::PidPressure,
            _ => SignalType::MemoryHigh,
        },
        "KubeNodeUnreachable" | "KubeNodeReadinessFlapping" | "KubeletDown" => SignalType::NodeNotReady,
        "KubeletTooManyPods" => SignalType::PodCapacityHigh,
        "KubeletPlegDurationHigh" | "KubeletPodStartUpLatencyHigh" => SignalType::Latency,
        "KubeContainerWaiting" => SignalType::PodNotReady,
        "KubeJobCompletion" | "KubeJobNotCompleted" => SignalType::JobFailed,
        "KubeHpaReplicasMismatch" => SignalType::AutoscalerError,
        "KubePersistentVolumeErrors" => SignalType::PvcPending,
        "KubeQuotaAlmostFull" | "KubeQuotaFullyUsed" | "KubeQuotaExceeded" => SignalType::AdmissionBlocked,
        "KubeVersionMismatch" => SignalType::ConfigDrift,
        "KubeAPITerminatedRequests" => SignalType::ErrorRate,
        "NodeSystemSaturation" => SignalType::CpuHigh,
        _ => return None,
    })
}

/// The words of a name in small letters: `KubePodCrashLooping`, `kube_pod_crash_looping` and `Pod crash-looping` have the
/// same ones.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    let mut letters = name.chars().take(256).peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_alphanumeric() {
            before = ' ';
            continue;
        }
        // `OOMKilled` is `oom killed`, `HTTPErrors` is `http errors`.
        let next_small = letters.peek().is_some_and(|next| next.is_lowercase());
        let begins = !before.is_alphanumeric()
            || (letter.is_uppercase() && (before.is_lowercase() || before.is_numeric()))
            || (letter.is_uppercase() && before.is_uppercase() && next_small);
        if begins || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

/// Groups of beginnings of words, of which each group must be there, and what they mean; the first that fits counts.
const MEANINGS: [(&[&[&str]], SignalType); 36] = [
    (&[&["oom", "outofmemory"]], SignalType::OomKill),
    (&[&["out"], &["memory"], &["kill", "contain", "pod"]], SignalType::OomKill),
    (&[&["crash", "crashloop", "crashlooping"]], SignalType::CrashloopBackoff),
    (&[&["image", "errimage"], &["pull", "backoff", "missing", "not"]], SignalType::ImagePullError),
    (&[&["imagepull", "errimagepull"]], SignalType::ImagePullError),
    (
        &[&["cert", "certs", "certificate", "tls", "ssl"], &["expir", "renew", "invalid", "soon", "ready"]],
        SignalType::CertificateExpiring,
    ),
    (
        &[&["cronjob"], &["miss", "late", "suspend", "delay", "schedule", "too", "not", "last"]],
        SignalType::CronjobMissed,
    ),
    (&[&["cron"], &["job"], &["miss", "late", "delay", "schedule", "too", "not"]], SignalType::CronjobMissed),
    (&[&["job", "jobs", "cronjob", "batch"], &["fail", "error", "complet", "stuck"]], SignalType::JobFailed),
    (&[&["hpa", "autoscal", "horizontal"], &["max", "limit", "maxed"]], SignalType::HpaMaxed),
    (&[&["hpa", "autoscal", "horizontal"]], SignalType::AutoscalerError),
    (&[&["helm"], &["fail", "release"]], SignalType::HelmReleaseFailed),
    (&[&["argo", "argocd"]], SignalType::ArgocdDegraded),
    (&[&["drift", "outofsync"]], SignalType::ConfigDrift),
    (&[&["pid", "pids"], &["pressure", "high", "full", "exhaust"]], SignalType::PidPressure),
    (
        &[
            &["filesystem", "disk", "inode", "inodes", "volume", "pvc", "storage"],
            &["full", "fill", "space", "almost", "pressure", "low", "usage", "out", "high", "satur", "files", "inodes"],
        ],
        SignalType::DiskPressure,
    ),
    (
        &[
            &["pvc", "volume", "persistentvolumeclaim", "claim"],
            &["pend", "unbound", "lost", "bound", "error", "fail", "mount"],
        ],
        SignalType::PvcPending,
    ),
    (
        &[
            &["node", "kubelet", "host", "instance"],
            &["ready", "not", "notready", "down", "unreach", "lost", "dead", "gone"],
        ],
        SignalType::NodeNotReady,
    ),
    (&[&["node", "host"], &["network"]], SignalType::NetworkUnavailable),
    (&[&["network"], &["unavail", "down"]], SignalType::NetworkUnavailable),
    (&[&["networkpolicy", "policy"], &["den", "drop", "block"]], SignalType::NetworkDenied),
    (&[&["ingress", "gateway", "route"]], SignalType::IngressError),
    (
        &[
            &["memory", "mem", "heap"],
            &[
                "high",
                "usage",
                "leak",
                "low",
                "satur",
                "pressure",
                "overcommit",
                "near",
                "limit",
                "util",
                "fault",
                "exhaust",
            ],
        ],
        SignalType::MemoryHigh,
    ),
    (&[&["throttl", "cputhrottling"]], SignalType::CpuHigh),
    (
        &[
            &["cpu", "load"],
            &["high", "usage", "satur", "pressure", "overcommit", "near", "limit", "util", "thrott", "steal"],
        ],
        SignalType::CpuHigh,
    ),
    (&[&["latency", "slow", "duration", "p99", "p95", "apdex", "timeout", "timeouts", "lag"]], SignalType::Latency),
    (&[&["5xx", "500", "503", "burn", "errorbudget", "errors", "exceptions", "exception"]], SignalType::ErrorRate),
    (
        &[
            &["error", "failure", "fail", "success"],
            &["rate", "ratio", "high", "budget", "request", "requests", "percent", "percentage", "too", "low"],
        ],
        SignalType::ErrorRate,
    ),
    (
        &[
            &[
                "deployment",
                "statefulset",
                "stateful",
                "daemonset",
                "daemon",
                "rollout",
                "replica",
                "replicas",
                "generation",
            ],
            &["mismatch", "fail", "stuck", "unavail", "not", "roll", "miss", "progress", "update", "mis"],
        ],
        SignalType::DeployFailing,
    ),
    (&[&["rollout", "deploy"], &["fail", "stuck"]], SignalType::DeployFailing),
    (&[&["restart", "restarts", "restarting", "restarted"]], SignalType::PodRestart),
    (
        &[
            &["pod", "container", "pods", "replicas"],
            &["ready", "pend", "unsched", "not", "wait", "stuck", "unhealthy", "down"],
        ],
        SignalType::PodNotReady,
    ),
    (&[&["quota", "evict", "admission"]], SignalType::AdmissionBlocked),
    (&[&["down", "absent", "unavail", "unavailable", "unreachable", "probe"]], SignalType::ServiceError),
    (&[&["endpoint", "endpoints", "service"], &["no", "without", "empty", "unhealthy"]], SignalType::ServiceError),
    (&[&["error", "errors", "fail", "failed", "failing", "failure", "failures"]], SignalType::ErrorRate),
];

/// Short beginnings would fit too many words: these must be the whole word.
const WHOLE: usize = 3;

fn fits(word: &str, beginning: &str) -> bool {
    if beginning.starts_with(|c: char| c.is_ascii_digit()) {
        // Status codes stand behind other letters: `http5xx`.
        return word.contains(beginning);
    }
    if beginning.len() <= WHOLE { word == beginning } else { word.starts_with(beginning) }
}

fn by_words(words: &[String]) -> Option<SignalType> {
    let there = |group: &&[&str]| words.iter().any(|word| group.iter().any(|beginning| fits(word, beginning)));
    MEANINGS.iter().find(|(groups, _)| groups.iter().all(there)).map(|(_, signal)| *signal)
}

/// What an alert may mean of which only the object is known.
fn by_object(object: &ObjectRef) -> SignalType {
    match object.kind.as_str() {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => SignalType::DeployFailing,
        "Pod" => SignalType::PodNotReady,
        "Job" => SignalType::JobFailed,
        "CronJob" => SignalType::CronjobMissed,
        "Node" => SignalType::NodeNotReady,
        "PersistentVolumeClaim" | "PersistentVolume" => SignalType::PvcPending,
        "HorizontalPodAutoscaler" => SignalType::AutoscalerError,
        "Ingress" => SignalType::IngressError,
        "ResourceQuota" | "PodDisruptionBudget" => SignalType::AdmissionBlocked,
        _ => SignalType::ServiceError,
    }
}
