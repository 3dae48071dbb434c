//! The file that names what is watched, as the operator writes it and as chatcli 1.188 reads it.

use std::collections::BTreeSet;

use std::time::Duration;

use api::instance::WatchedKind;
use domain::detection::measure::Thresholds;
use serde::Deserialize;

use crate::measure::{Measuring, Metrics};
use crate::scope::{Scope, Target};

/// Most targets; what the resources allow.
const MOST: usize = 2000;
/// Metrics are read no more often than this.
const SHORTEST: Duration = Duration::from_secs(1);
/// Most characters of a name in the cluster.
const LONGEST: usize = 253;

/// Why the file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}; remedy: {remedy}")]
pub struct BadConfig {
    field: String,
    why: String,
    remedy: &'static str,
}

fn bad(field: impl Into<String>, why: impl Into<String>, remedy: &'static str) -> BadConfig {
    BadConfig { field: field.into(), why: why.into(), remedy }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// What is watched.
    pub targets: Vec<Target>,
    /// Lines of a container's log that an analysis reads.
    pub log_lines: u32,
    /// Characters of context that a request to a language model carries.
    pub context_chars: usize,
    /// Which metrics are read, and what counts as too much.
    pub measuring: Measuring,
    /// Fields that are set and have no effect in this version, each with the reason.
    pub without_effect: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    interval: Option<String>,
    #[serde(default)]
    window: Option<String>,
    #[serde(default)]
    max_log_lines: Option<i64>,
    #[serde(default)]
    max_context_chars: Option<i64>,
    #[serde(default)]
    targets: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    deployment: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    metrics_port: i64,
    #[serde(default)]
    metrics_path: Option<String>,
    #[serde(default)]
    metrics_filter: Vec<String>,
    #[serde(default)]
    thresholds: Option<Limits>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Limits {
    #[serde(default)]
    error_percent: Option<i64>,
    #[serde(default)]
    latency_millis: Option<i64>,
    #[serde(default)]
    cpu_percent: Option<i64>,
    #[serde(default)]
    memory_percent: Option<i64>,
    #[serde(default)]
    hold_seconds: Option<i64>,
}

/// The thresholds of a target.
fn thresholds(index: usize, limits: Option<&Limits>) -> Result<Thresholds, BadConfig> {
    let Some(limits) = limits else { return Ok(Thresholds::default()) };
    let of = |name: &str, value: Option<i64>, most: u32| {
        let field = format!("targets[{index}].thresholds.{name}");
        let least = i64::from(name != "holdSeconds");
        value.map(|value| number(&field, Some(value), 0, least..=i64::from(most)).map(|value| value as u32)).transpose()
    };
    Ok(Thresholds {
        error_percent: of("errorPercent", limits.error_percent, 100)?,
        latency_millis: of("latencyMillis", limits.latency_millis, 3_600_000)?,
        cpu_percent: of("cpuPercent", limits.cpu_percent, 100)?,
        memory_percent: of("memoryPercent", limits.memory_percent, 100)?,
        hold_seconds: of("holdSeconds", limits.hold_seconds, 86_400)?,
    })
}

impl WatchConfig {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Names the field, what is wrong with it and what mends it.
    pub fn parse(text: &str) -> Result<Self, BadConfig> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| {
            let why = error.to_string();
            bad(
                "the file",
                why.lines().next().unwrap_or_default(),
                "write it as the operator does: interval, window, maxLogLines, maxContextChars, targets",
            )
        })?;
        if file.targets.is_empty() {
            return Err(bad("targets", "there is none", "name at least one workload, or leave --watch-config out"));
        }
        if file.targets.len() > MOST {
            let why = format!("there are {}, at most {MOST} are taken", file.targets.len());
            return Err(bad("targets", why, "use an Instance of its own for some of them"));
        }
        for (field, text) in [("interval", &file.interval), ("window", &file.window)] {
            if let Some(text) = text.as_ref().filter(|text| duration(text).is_none()) {
                let why = format!("\"{text}\" is no duration longer than 0");
                return Err(bad(field, why, "write an amount with a unit, such as 30s, 5m or 2h"));
            }
        }
        let log_lines = number("maxLogLines", file.max_log_lines, 100, 0..=100_000)?;
        let context_chars = number("maxContextChars", file.max_context_chars, 32_000, 1..=10_000_000)?;
        let interval = file
            .interval
            .as_deref()
            .and_then(duration)
            .map_or(Measuring::default().interval, |interval| interval.clamp(SHORTEST, Duration::from_hours(24)));
        let mut metrics = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, entry) in file.targets.into_iter().enumerate() {
            check_metrics(index, &entry)?;
            let thresholds = thresholds(index, entry.thresholds.as_ref())?;
            let port = u16::try_from(entry.metrics_port).ok().filter(|port| *port > 0);
            let path = entry.metrics_path.clone().filter(|path| !path.is_empty());
            let filter = entry.metrics_filter.clone();
            let target = target(index, entry)?;
            // Twice the same target is one: the first that says something counts.
            let known = metrics.iter().any(|known: &Metrics| known.target == target);
            if !known && (port.is_some() || thresholds != Thresholds::default()) {
                let path = path.unwrap_or_else(|| "/metrics".to_owned());
                metrics.push(Metrics { target: target.clone(), port, path, filter, thresholds });
            }
            // Twice the same is once.
            seen.insert(target);
        }
        let targets = seen.into_iter().collect();
        Ok(Self {
            targets,
            log_lines: log_lines as u32,
            context_chars: context_chars as usize,
            measuring: Measuring { targets: metrics, interval, ..Measuring::default() },
            without_effect: Vec::new(),
        })
    }

    /// What is watched.
    pub fn scope(&self) -> Scope {
        Scope::Targets(self.targets.clone())
    }
}

fn number(
    field: &str,
    value: Option<i64>,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<i64, BadConfig> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let why = format!("{value} is not between {} and {}", range.start(), range.end());
    Err(bad(field, why, "choose a number in that range, or leave it out"))
}

fn check_metrics(index: usize, entry: &Entry) -> Result<(), BadConfig> {
    if !(0..=65_535).contains(&entry.metrics_port) {
        let why = format!("{} is no port", entry.metrics_port);
        return Err(bad(format!("targets[{index}].metricsPort"), why, "choose 1 to 65535, or 0 for none"));
    }
    if entry.metrics_path.as_ref().is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
        return Err(bad(
            format!("targets[{index}].metricsPath"),
            "it does not start with /",
            "write a path such as /metrics",
        ));
    }
    Ok(())
}

fn target(index: usize, entry: Entry) -> Result<Target, BadConfig> {
    let field = |name: &str| format!("targets[{index}].{name}");
    let kind = match entry.kind.as_deref() {
        None | Some("" | "Deployment") => WatchedKind::Deployment,
        Some("StatefulSet") => WatchedKind::StatefulSet,
        Some("DaemonSet") => WatchedKind::DaemonSet,
        Some("Job") => WatchedKind::Job,
        Some("CronJob") => WatchedKind::CronJob,
        Some(other) => {
            let why = format!("\"{other}\" is no kind that is watched by name");
            return Err(bad(field("kind"), why, "choose Deployment, StatefulSet, DaemonSet, Job or CronJob"));
        }
    };
    let name = match (entry.name.is_empty(), entry.deployment.is_empty()) {
        (false, true) => entry.name,
        (true, false) => entry.deployment,
        (false, false) if entry.name == entry.deployment => entry.name,
        (false, false) => {
            let why = format!("\"{}\" and deployment \"{}\" differ", entry.name, entry.deployment);
            return Err(bad(field("name"), why, "deployment is an old word for name: give only one of them"));
        }
        (true, true) => return Err(bad(field("name"), "it is empty", "name the workload")),
    };
    let namespace = if entry.namespace.is_empty() { "default".to_owned() } else { entry.namespace };
    for (word, value) in [("name", &name), ("namespace", &namespace)] {
        if !is_name(value) {
            let why = format!("\"{}\" can be no name in the cluster", value.chars().take(LONGEST).collect::<String>());
            return Err(bad(field(word), why, "use small letters, digits, - and ."));
        }
    }
    Ok(Target { namespace, workload: Some((kind, name)) })
}

/// Whether something can be the name of an object.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= LONGEST
        && text.split('.').all(|part| {
            let bytes = part.as_bytes();
            bytes.first().is_some_and(|c| inner(*c))
                && bytes.last().is_some_and(|c| inner(*c))
                && bytes.iter().all(|c| inner(*c) || *c == b'-')
        })
}

/// A duration longer than zero, as Go writes them, with days besides.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    Duration::try_from_secs_f64(sum).ok().filter(|_| sum > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_operator_is_read() {
        let text = "interval: 30s\nwindow: 2h\nmaxLogLines: 50\nmaxContextChars: 8000\ntargets:\n- deployment: api\n  namespace: production\n  metricsPort: 9090\n  metricsPath: /metrics\n  metricsFilter: [\"http_*\"]\n- name: db\n  kind: StatefulSet\n  namespace: production\n- name: db\n  kind: StatefulSet\n  namespace: production\n- deployment: web\n";
        let config = WatchConfig::parse(text).unwrap();
        let names: Vec<String> = config
            .targets
            .iter()
            .map(|target| format!("{} {:?}", target.namespace, target.workload.as_ref().unwrap()))
            .collect();
        assert_eq!(
            names,
            ["default (Deployment, \"web\")", "production (Deployment, \"api\")", "production (StatefulSet, \"db\")"]
        );
        assert_eq!((config.log_lines, config.context_chars), (50, 8000));
        assert_eq!(config.measuring.interval, Duration::from_secs(30));
        let [metrics] = config.measuring.targets.as_slice() else { panic!("{:?}", config.measuring) };
        assert_eq!(
            (metrics.port, metrics.path.as_str(), metrics.filter.as_slice()),
            (Some(9090), "/metrics", &["http_*".to_owned()][..])
        );
        assert_eq!(WatchConfig::parse("targets: [{name: a}]").unwrap().log_lines, 100);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field_and_the_remedy() {
        for (text, field) in [
            ("", "targets"),
            ("{", "the file"),
            ("targets: 7", "the file"),
            ("targets: []", "targets"),
            ("targets: [{name: a}]\nbogus: 1", "the file"),
            ("targets: [{name: a}]\ninterval: 0s", "interval"),
            ("targets: [{name: a}]\ninterval: soon", "interval"),
            ("targets: [{name: a}]\nwindow: 2", "window"),
            ("targets: [{name: a}]\nmaxLogLines: -1", "maxLogLines"),
            ("targets: [{name: a}]\nmaxContextChars: 0", "maxContextChars"),
            ("targets: [{name: a}, {namespace: b}]", "targets[1].name"),
            ("targets: [{name: a, deployment: b}]", "targets[0].name"),
            ("targets: [{name: a, kind: Pod}]", "targets[0].kind"),
            ("targets: [{name: A_B}]", "targets[0].name"),
            ("targets: [{name: a, namespace: 'x y'}]", "targets[0].namespace"),
            ("targets: [{name: a, metricsPort: 70000}]", "targets[0].metricsPort"),
            ("targets: [{name: a, metricsPath: metrics}]", "targets[0].metricsPath"),
            ("targets: [{name: a, thresholds: {errorPercent: 0}}]", "targets[0].thresholds.errorPercent"),
            ("targets: [{name: a, thresholds: {cpuPercent: 101}}]", "targets[0].thresholds.cpuPercent"),
            ("targets: [{name: a, thresholds: {errors: 5}}]", "the file"),
        ] {
            let said = WatchConfig::parse(text).expect_err(text).to_string();
            assert!(said.starts_with(field) && said.contains("remedy"), "{text}: {said}");
        }
    }

    #[test]
    fn thresholds_of_a_target_need_no_port() {
        let text = "interval: 1m\ntargets: [{name: a, thresholds: {memoryPercent: 80, holdSeconds: 0}}, {name: a, metricsPort: 80}, {name: b}]";
        let measuring = WatchConfig::parse(text).unwrap().measuring;
        assert_eq!(measuring.interval, Duration::from_mins(1));
        let [one] = measuring.targets.as_slice() else { panic!("{measuring:?}") };
        let thresholds = Thresholds { memory_percent: Some(80), hold_seconds: Some(0), ..Thresholds::default() };
        assert_eq!((one.port, &one.thresholds), (None, &thresholds));
    }

    #[test]
    fn durations_are_those_of_go() {
        for good in ["30s", "1h30m", "1.5h", "2d", "500ms"] {
            assert!(duration(good).is_some(), "{good}");
        }
        for wrong in ["", "0", "0s", "s", "5", "-5s", "5x", "1h-2m", "1..5s"] {
            assert!(duration(wrong).is_none(), "{wrong}");
        }
    }
}
