//! What a replay prints.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::play::Played;
use crate::words;

impl Played {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let bundle = &self.bundle;
        writeln!(
            text,
            "Issue {}/{} at {} ({}): {} objects, {} log tails",
            words::plain(&bundle.issue.namespace),
            words::plain(&bundle.issue.name),
            bundle.at,
            words::short(&bundle.by, 60),
            bundle.objects.len(),
            bundle.logs.len()
        )?;
        for (kind, why) in &bundle.missing {
            writeln!(text, "not in it: {}: {}", words::short(kind, 60), words::short(why, 200))?;
        }
        for what in &bundle.left_out {
            writeln!(text, "left out: {}", words::short(what, 200))?;
        }
        if let Some(pending) = &self.pending {
            writeln!(text, "not looked at: {}", words::short(pending, 300))?;
        }
        writeln!(text, "\nAlerts:{}", if self.alerts.is_empty() { " none" } else { "" })?;
        for (alert, cause) in &self.alerts {
            let (severity, signal) = (word(&json!(alert.severity)), word(&json!(alert.signal)));
            let (about, message) = (words::object(&alert.workload), words::short(&alert.message, 240));
            writeln!(text, "  {severity} {signal}, {about}: {message}")?;
            writeln!(text, "    because of {}", words::place(cause))?;
        }
        if let Some(then) = &self.then {
            writeln!(text, "\nThen: {}", words::place(then))?;
            writeln!(text, "      {}", words::plain(&then.statement))?;
        }
        let now = &self.diagnosis.cause;
        writeln!(text, "\nNow:  {}", words::place(now))?;
        writeln!(text, "      {}", words::plain(&now.statement))?;
        writeln!(text, "      {}, confidence {:.2}, because:", word(&json!(now.class)), now.confidence)?;
        for (number, step) in now.proof.iter().enumerate() {
            let path = step.path.as_ref().map(|path| format!(", {}", words::plain(path))).unwrap_or_default();
            let value = step.value.as_ref().map(|value| format!(": {}", words::short(value, 200))).unwrap_or_default();
            writeln!(text, "  {:>3}. {}{path}{value}", number + 1, words::object(&step.object))?;
            writeln!(text, "       {}", words::plain(&step.rule))?;
        }
        writeln!(text, "\n{}", self.verdict())
    }

    /// Whether it is the same, in a sentence.
    fn verdict(&self) -> String {
        let noticed = match self.noticed {
            Some(after) => format!("The fault is noticed after {:.1} s.", after.as_secs_f32()),
            None if self.must_notice() => "No alert about it is raised.".to_owned(),
            None => "No alert about it is raised; its signal came from another system.".to_owned(),
        };
        let cause = match self.comparison() {
            None => "There is no cause of the time to compare with.",
            Some(found) if found.same() && found.value => "The cause is the same.",
            Some(found) if found.same() => "The cause is the same, object and field; its value is shown differently.",
            Some(found) if found.object => "The object at fault is the same, the field is another one.",
            Some(_) => "The cause is another one.",
        };
        format!("{cause} {noticed}")
    }

    /// For machines.
    ///
    /// # Errors
    /// Never for what a replay holds.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let alerts: Vec<Value> = self
            .alerts
            .iter()
            .map(|(alert, cause)| {
                let rule: &str = alert.rule.into();
                json!({"signal": alert.signal, "severity": alert.severity, "rule": rule, "workload": alert.workload,
                    "root": alert.root, "message": alert.message, "firstSeen": alert.first_seen, "cause": cause})
            })
            .collect();
        let same = self.comparison().map(
            |found| json!({"object": found.object, "path": found.path, "class": found.class, "value": found.value}),
        );
        let all = json!({
            "issue": self.bundle.issue, "at": self.bundle.at, "by": self.bundle.by,
            "objects": self.bundle.objects.len(), "logs": self.bundle.logs.len(),
            "missing": self.bundle.missing, "leftOut": self.bundle.left_out, "notLookedAt": self.pending,
            "alerts": alerts, "noticed": self.noticed.is_some(),
            "noticedAfterSeconds": self.noticed.map(|after| after.as_secs_f64()),
            "then": self.then, "now": self.diagnosis.cause, "same": same, "asBefore": self.as_before(),
            "verdict": self.verdict(),
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
    }
}

/// A word of the contract, as it is written there.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
