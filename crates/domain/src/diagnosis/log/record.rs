//! One line of a log: its level and what it says, whether it is JSON, logfmt, klog or plain text.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::pattern;

/// How bad a line says that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    /// It does not say.
    #[default]
    Silent,
    Warning,
    Error,
    Fatal,
}

impl Level {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" | "debug" | "verbose" | "dbug" | "finest" | "finer" | "fine" | "dbg" => Self::Debug,
            "info" | "information" | "notice" | "config" | "log" | "inf" => Self::Info,
            "warn" | "warning" | "wrn" => Self::Warning,
            "error" | "err" | "severe" | "fail" | "failure" | "eror" => Self::Error,
            "fatal" | "critical" | "crit" | "panic" | "emerg" | "emergency" | "alert" | "dpanic" | "ftl" | "crt" => {
                Self::Fatal
            }
            _ => return None,
        })
    }

    /// Levels as numbers, as pino and bunyan write them.
    fn of_number(number: u64) -> Option<Self> {
        Some(match number {
            10 | 20 => Self::Debug,
            30 => Self::Info,
            40 => Self::Warning,
            50 => Self::Error,
            60 => Self::Fatal,
            _ => return None,
        })
    }
}

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) level: Level,
    /// Message, with the error where that stands apart.
    pub(super) text: String,
    /// Fields that can hold what a message leaves out: host, port, file.
    pub(super) fields: String,
    /// A stack trace in a field.
    pub(super) stack: Option<String>,
}

/// Reads a line.
pub(super) fn read(line: &str) -> Record {
    let trimmed = line.trim();
    json(trimmed).or_else(|| logfmt(trimmed)).unwrap_or_else(|| plain(trimmed))
}

const LEVELS: [&str; 8] = ["level", "severity", "lvl", "log.level", "@l", "levelname", "loglevel", "log_level"];
const MESSAGES: [&str; 8] = ["msg", "message", "@m", "@mt", "event", "short_message", "body", "text"];
const ERRORS: [&str; 9] =
    ["error", "err", "exception", "cause", "reason", "error.message", "err.message", "@x", "exception.message"];
const STACKS: [&str; 8] = [
    "stack",
    "stacktrace",
    "stack_trace",
    "exc_info",
    "error.stack_trace",
    "exception.stacktrace",
    "traceback",
    "error.stack",
];
/// Fields that name what an error is about.
const SUBJECTS: [&str; 14] = [
    "host", "hostname", "address", "addr", "port", "url", "uri", "endpoint", "file", "filename", "path", "key",
    "variable", "name",
];

fn json(line: &str) -> Option<Record> {
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    let Ok(Value::Object(map)) = serde_json::from_str::<Value>(line) else { return None };
    let level = field(&map, &LEVELS).and_then(|value| match value {
        Value::Number(number) => number.as_u64().and_then(Level::of_number),
        other => Level::of(other.as_str()?),
    });
    let message = field(&map, &MESSAGES).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let error = field(&map, &ERRORS);
    let mut text = message;
    let mut stack = field(&map, &STACKS).and_then(Value::as_str).map(str::to_owned);
    match error {
        Some(Value::Object(inner)) => {
            add(&mut text, field(inner, &MESSAGES).and_then(Value::as_str));
            stack = stack.or_else(|| field(inner, &STACKS).and_then(Value::as_str).map(str::to_owned));
        }
        Some(Value::String(error)) if error.contains('\n') => stack = stack.or_else(|| Some(error.clone())),
        Some(Value::String(error)) => add(&mut text, Some(error)),
        _ => {}
    }
    if text.is_empty() && stack.is_none() {
        return None;
    }
    let subject = |name: &&str| {
        let value = map.get(*name)?;
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (shown.len() < 200 && !value.is_object() && !value.is_array()).then(|| format!("{name}={shown}"))
    };
    let fields = SUBJECTS.iter().filter_map(subject).collect::<Vec<_>>().join(" ");
    Some(Record { level: level.unwrap_or_default(), text, fields, stack })
}

fn field<'a>(map: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| map.get(*name)).or_else(|| {
        let same = |key: &str| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        map.iter().find(|(key, _)| same(key)).map(|(_, value)| value)
    })
}

fn add(text: &mut String, error: Option<&str>) {
    let Some(error) = error.map(str::trim).filter(|error| !error.is_empty() && !text.contains(error)) else { return };
    if !text.is_empty() {
        text.push_str(": ");
    }
    text.push_str(error);
}

/// `level=error msg="cannot start" error="dial tcp: …"`.
fn logfmt(line: &str) -> Option<Record> {
    if !line.contains("msg=") && !line.contains("message=") {
        return None;
    }
    let mut map = Map::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.rsplit(char::is_whitespace).next().unwrap_or_default();
        let (value, next) = value(after);
        if !key.is_empty() {
            map.insert(key.to_owned(), Value::String(value));
        }
        rest = next;
    }
    let level = field(&map, &LEVELS).and_then(Value::as_str).and_then(Level::of);
    let mut text = field(&map, &MESSAGES).and_then(Value::as_str)?.to_owned();
    add(&mut text, field(&map, &ERRORS).and_then(Value::as_str));
    let subject = |name: &&str| Some(format!("{name}={}", map.get(*name)?.as_str()?));
    let fields = SUBJECTS.iter().filter_map(subject).collect::<Vec<_>>().join(" ");
    Some(Record { level: level.unwrap_or_default(), text, fields, stack: None })
}

/// A value of logfmt, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(if c == 'n' { ' ' } else { c });
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// What loggers put before a message.
struct Prefixes {
    time: Regex,
    klog: Regex,
    level: Regex,
    id: Regex,
    spring: Regex,
    word: Regex,
}

impl Prefixes {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            time: pattern(
                r"^[\[(]?(?:\d{4}[-/.]\d{2}[-/.]\d{2}[T ,]?|[A-Z][a-z]{2} +\d{1,2} )?\d{2}:\d{2}:\d{2}(?:[.,:]\d+)?(?:Z| ?[+-]\d{2}:?\d{2}| UTC)?[\])]?[\s:|-]*",
            )?,
            klog: pattern(r"^([IWEF])\d{4} \d{2}:\d{2}:\d{2}\.\d+\s+\d+ [\w./-]+:\d+\] ")?,
            level: pattern(
                r"^[\[(<|]?\s*(?i:(trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal|severe|emerg|alert|panic|fail|dbug))\s*[\])>|]?[\s:|-]+",
            )?,
            id: pattern(r"^(?:\[\d+\]|\d+#\d+|\(\w*\d+\)):?\s*")?,
            spring: pattern(r"^\d+ --- \[[^\]]*\] (?:\[[^\]]*\] )?\S+\s*:\s*")?,
            word: pattern(r"(?i)\b(panic|fatal|critical|error|warning|warn)\b")?,
        })
    }
}

static PREFIXES: LazyLock<Option<Prefixes>> = LazyLock::new(|| Prefixes::new().ok());

fn plain(line: &str) -> Record {
    let silent = || Record { text: line.to_owned(), ..Record::default() };
    let Some(prefixes) = PREFIXES.as_ref() else { return silent() };
    let mut rest = line;
    let mut level = None;
    if let Some(found) = prefixes.klog.captures(rest) {
        level = found.get(1).map(|letter| match letter.as_str() {
            "I" => Level::Info,
            "W" => Level::Warning,
            "E" => Level::Error,
            _ => Level::Fatal,
        });
        rest = rest.get(found.get(0).map_or(0, |m| m.end())..).unwrap_or_default();
    } else if let Some(found) = prefixes.time.find(rest).filter(|m| m.end() > 0) {
        rest = rest.get(found.end()..).unwrap_or_default();
        for _ in 0..2 {
            if let Some(found) = prefixes.id.find(rest) {
                rest = rest.get(found.end()..).unwrap_or_default();
            }
            if level.is_none()
                && let Some(found) = prefixes.level.captures(rest)
            {
                level = found.get(1).and_then(|word| Level::of(word.as_str()));
                rest = rest.get(found.get(0).map_or(0, |m| m.end())..).unwrap_or_default();
            }
        }
        if let Some(found) = prefixes.spring.find(rest) {
            rest = rest.get(found.end()..).unwrap_or_default();
        }
    }
    // Without a date before it a level is part of the sentence: it stays in the text.
    let told = level.or_else(|| {
        let (at, word) = prefixes.word.captures(rest)?.get(1).map(|m| (m.start(), m.as_str()))?;
        (at < 30).then(|| Level::of(word)).flatten()
    });
    Record {
        level: told.or_else(|| starts(rest)).unwrap_or_default(),
        text: rest.trim().to_owned(),
        ..Record::default()
    }
}

/// Beginnings that need no level.
fn starts(text: &str) -> Option<Level> {
    const ENDS: [&str; 4] = ["unhandled exception", "uncaught ", "unhandled promise", "terminate called"];
    let lower = text.get(..24.min(text.len())).unwrap_or_default().to_ascii_lowercase();
    if ENDS.iter().any(|begin| lower.starts_with(begin)) {
        return Some(Level::Fatal);
    }
    lower
        .split_once(' ')
        .and_then(|(word, _)| Level::of(word.trim_matches(|c: char| !c.is_ascii_alphanumeric())))
        .filter(|level| *level < Level::Silent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_good() {
        assert!(Prefixes::new().is_ok());
    }

    #[test]
    fn levels_and_messages_of_every_form() {
        for (line, level, text) in [
            (r#"{"level":"error","msg":"cannot start","err":"no route"}"#, Level::Error, "cannot start: no route"),
            (r#"{"severity":"CRITICAL","message":"stop"}"#, Level::Fatal, "stop"),
            (
                r#"{"level":50,"time":1,"msg":"boom","err":{"message":"bad","stack":"Error: bad\n    at x (/a.js:1:2)"}}"#,
                Level::Error,
                "boom: bad",
            ),
            (r#"time=2024-11-25T10:00:00Z level=warning msg="slow \"disk\"" file=/x"#, Level::Warning, "slow \"disk\""),
            ("E1125 10:00:00.123456       1 main.go:42] cannot list pods", Level::Error, "cannot list pods"),
            ("2024/11/25 10:00:00 [emerg] 1#1: unknown directive \"x\"", Level::Fatal, "unknown directive \"x\""),
            (
                "2024-11-25 10:00:00.000 UTC [1] FATAL:  role \"a\" does not exist",
                Level::Fatal,
                "role \"a\" does not exist",
            ),
            (
                "2024-11-25T10:00:00.000Z ERROR 1 --- [  main] o.s.b.SpringApplication : Application run failed",
                Level::Error,
                "Application run failed",
            ),
            ("[2024-11-25 10:00:00,123] INFO ready", Level::Info, "ready"),
            ("10:00:00.123 [main] ERROR c.a.App - boom", Level::Error, "[main] ERROR c.a.App - boom"),
            ("fatal: DB_URL is bad", Level::Fatal, "fatal: DB_URL is bad"),
            ("INFO listening", Level::Info, "INFO listening"),
            ("hello", Level::Silent, "hello"),
            ("Unhandled exception. System.Exception: x", Level::Fatal, "Unhandled exception. System.Exception: x"),
            ("{not json}", Level::Silent, "{not json}"),
        ] {
            let record = read(line);
            assert_eq!((record.level, record.text.as_str()), (level, text), "{line}");
        }
        let record = read(r#"{"level":"error","msg":"cannot connect","host":"db","port":5432}"#);
        assert_eq!(record.fields, "host=db port=5432");
    }
}
