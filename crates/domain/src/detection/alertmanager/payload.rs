//! The message of the webhook. What cannot be read of one alert costs that alert, never the others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Most labels, and most annotations, of an alert that are looked at.
const MOST: usize = 128;
/// Longest value of a label, and of an annotation, in characters; the rest is cut.
const LABEL: usize = 1024;
const ANNOTATION: usize = 8192;
/// Longest fingerprint that is taken as it is.
const FINGERPRINT: usize = 64;

/// Why a message cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; remedy: let Alertmanager send it (webhook_configs), or write JSON as its webhook version 4 does")]
pub struct BadPayload {
    what: String,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Its alerts.
    pub notices: Vec<Notice>,
    /// Alerts that could not be read, each with the reason.
    pub refused: Vec<String>,
    /// How many alerts Alertmanager has left out (`max_alerts`).
    pub truncated: u64,
}

/// One alert of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is there; else it is over.
    pub firing: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began.
    pub starts_at: Option<Timestamp>,
    /// When it ended; of one that is there, nothing.
    pub ends_at: Option<Timestamp>,
    /// What Alertmanager knows it by; empty when it was not given.
    pub fingerprint: String,
}

impl Payload {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is no message of the webhook.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadPayload> {
        let wrong = |what: String| BadPayload { what };
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| wrong(format!("the body is no JSON: {error}")))?;
        let Value::Object(mut message) = value else {
            return Err(wrong("the body is no JSON object".to_owned()));
        };
        let alerts = match message.remove("alerts") {
            Some(Value::Array(alerts)) => alerts,
            Some(_) => return Err(wrong("alerts: it is no list".to_owned())),
            None => return Err(wrong("alerts: it is missing".to_owned())),
        };
        let whole = message.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
        let truncated = message.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or_default();
        let mut payload = Self { truncated, ..Self::default() };
        for (index, alert) in alerts.into_iter().enumerate() {
            match notice(alert, &whole) {
                Ok(notice) => payload.notices.push(notice),
                Err(why) => payload.refused.push(format!("alerts[{index}].{why}")),
            }
        }
        Ok(payload)
    }
}

impl Notice {
    /// What the alert is called; empty when it has no name.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    /// A label that says something. One that Prometheus has renamed (`exported_…`) because its own was in the way is the
    /// one that the application gave.
    pub fn label(&self, name: &str) -> Option<&str> {
        let given = |name: &str| self.labels.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        given(&format!("exported_{name}")).or_else(|| given(name))
    }

    /// Identity: the fingerprint, or the labels, of which Alertmanager makes it. Two servers agree on it, and one that was
    /// started anew too.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        };
        let known = self.fingerprint.len() <= FINGERPRINT && !self.fingerprint.is_empty();
        if known {
            add(&self.fingerprint);
        } else {
            self.labels.iter().for_each(|(name, value)| {
                add(name);
                add(value);
            });
        }
        let hex: String = hash
            .finalize()
            .iter()
            .take(10)
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect();
        format!("alertmanager-{hex}")
    }
}

fn notice(alert: Value, whole: &str) -> Result<Notice, String> {
    let Value::Object(mut alert) = alert else { return Err("it is no object".to_owned()) };
    let labels = texts(&mut alert, "labels", LABEL)?;
    if labels.is_empty() {
        return Err("labels: there is none, so it says nothing; remedy: give it labels".to_owned());
    }
    let annotations = texts(&mut alert, "annotations", ANNOTATION)?;
    let time = |field: &str| alert.get(field).and_then(Value::as_str).and_then(moment);
    let (starts_at, ends_at) = (time("startsAt"), time("endsAt"));
    let status = alert.get("status").and_then(Value::as_str).unwrap_or(whole);
    let firing = match status {
        "firing" => true,
        "resolved" => false,
        "" => ends_at.is_none(),
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(format!("status: \"{other}\" is neither firing nor resolved"));
        }
    };
    let fingerprint = alert.get("fingerprint").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Notice { firing, labels, annotations, starts_at, ends_at, fingerprint })
}

/// A time; the year 1, which stands for none in Go, is none.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

fn texts(alert: &mut Map<String, Value>, field: &str, longest: usize) -> Result<BTreeMap<String, String>, String> {
    let all = match alert.remove(field) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(all)) => all,
        Some(_) => return Err(format!("{field}: it is no object")),
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let cut = |text: String| match text.char_indices().nth(longest) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    };
    Ok(all
        .into_iter()
        .filter(|(name, _)| name.len() <= LABEL)
        .take(MOST)
        .map(|(name, value)| (name, cut(text(value))))
        .collect())
}
