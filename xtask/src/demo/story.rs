//! The timeline: what was seen, concluded, asked, done, verified, each with its delay; then the post-mortem.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cluster::Cluster;
use serde_json::Value;

use super::fault::Fault;
use super::processes::Processes;
use super::{Stop, page};

const KINDS: [&str; 6] = ["anomalies", "issues", "aiinsights", "remediationplans", "approvalrequests", "postmortems"];
/// How long the watch of one kind may be behind that of another.
const OUT_OF_ORDER: Duration = Duration::from_secs(1);
/// Longest quotation.
const QUOTED: usize = 150;
/// Column at which the text of a line begins.
const TEXT: usize = 34;
/// A demo that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(170);

/// Watches the objects of one incident and tells what happens.
pub struct Story<'a> {
    cluster: &'a Cluster,
    fault: Fault,
    watches: Vec<Child>,
    objects: Receiver<(Instant, Value)>,
    told: HashSet<String>,
    words: HashSet<&'static str>,
    last: Option<Instant>,
    issue: Option<String>,
    report: Option<String>,
    over: bool,
    width: usize,
    /// Objects that tell of what follows from something that was not told yet: each kind has a watch of its own.
    early: Vec<(Instant, Value)>,
}

impl<'a> Story<'a> {
    /// Starts watching.
    ///
    /// # Errors
    /// When kubectl cannot be started.
    pub fn new(cluster: &'a Cluster, fault: Fault) -> anyhow::Result<Self> {
        let (sender, objects) = channel();
        let mut watches = Vec::new();
        for kind in KINDS {
            watches.push(watch(cluster, kind, sender.clone())?);
        }
        Ok(Self {
            cluster,
            fault,
            watches,
            objects,
            told: HashSet::new(),
            words: HashSet::new(),
            last: None,
            issue: None,
            report: None,
            over: false,
            width: page::width(),
            early: Vec::new(),
        })
    }

    /// Tells until the incident is over.
    ///
    /// # Errors
    /// When it is not over in time, a process ends, or Ctrl-C is pressed.
    pub fn tell(&mut self, began: Instant, stop: &Stop, processes: &mut Processes) -> anyhow::Result<()> {
        println!("\n{:>10} {:>10}", "since", "since");
        println!("{:>10} {:>10}\n", "fault", "last line");
        while !(self.over && self.report.is_some()) {
            stop.check()?;
            processes.check()?;
            if began.elapsed() > PATIENCE {
                bail!("the incident is not over after {} s", PATIENCE.as_secs());
            }
            match self.objects.recv_timeout(Duration::from_millis(200)) {
                Ok((seen, object)) => self.in_order(began, seen, object)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    stop.check()?;
                    bail!("the watches ended");
                }
            }
            for (seen, object) in std::mem::take(&mut self.early) {
                self.in_order(began, seen, object)?;
            }
        }
        Ok(())
    }

    /// Tells of an object when what it follows from is told, or does not come.
    fn in_order(&mut self, began: Instant, seen: Instant, object: Value) -> anyhow::Result<()> {
        let before: &[&str] = match object.pointer("/kind").and_then(Value::as_str).unwrap_or_default() {
            "Issue" => &["seen"],
            "AIInsight" => &["seen", "issue"],
            "RemediationPlan" => &["seen", "issue", "cause"],
            "ApprovalRequest" | "PostMortem" => &["seen", "issue", "cause", "plan"],
            _ => &[],
        };
        let waits = before.iter().any(|word| !self.words.contains(word)) && seen.elapsed() < OUT_OF_ORDER;
        if waits {
            self.early.push((seen, object));
            return Ok(());
        }
        self.heard(began, seen, &object)
    }

    fn heard(&mut self, began: Instant, seen: Instant, object: &Value) -> anyhow::Result<()> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("/metadata/name");
        match text("/kind").as_str() {
            "Anomaly" => {
                let (kind, resource) = (text("/spec/resource/kind"), text("/spec/resource/name"));
                self.say(
                    began,
                    seen,
                    &name,
                    "seen",
                    &format!(
                        "{} on {kind}/{resource}: {}",
                        text("/spec/signalType"),
                        short(&text("/spec/description"))
                    ),
                );
            }
            "Issue" => self.heard_issue(began, seen, object, &name)?,
            "AIInsight" if object.pointer("/status/rootCause").is_some() => {
                let attempt = object.pointer("/status/analyzedAttempt").and_then(Value::as_i64).unwrap_or(1);
                let cause = format!(
                    "{} [{}, {:.0} % sure]",
                    text("/status/rootCause/statement"),
                    text("/status/rootCause/class"),
                    100.0 * object.pointer("/status/rootCause/confidence").and_then(Value::as_f64).unwrap_or_default()
                );
                self.say(began, seen, &format!("{name}/{attempt}"), "cause", &cause);
                if self.told.insert(format!("{name}/{attempt}/proof")) {
                    for proof in
                        object.pointer("/status/rootCause/proof").and_then(Value::as_array).into_iter().flatten()
                    {
                        self.aside("· ", &self::proof(proof));
                    }
                }
            }
            "RemediationPlan" => self.heard_plan(began, seen, object, &name),
            "ApprovalRequest" => self.heard_request(began, seen, object, &name)?,
            "PostMortem" if object.pointer("/status/summary").is_some() => {
                self.say(began, seen, &name, "report", &format!("post-mortem {name}"));
                self.report = Some(name);
            }
            _ => {}
        }
        Ok(())
    }

    fn heard_issue(&mut self, began: Instant, seen: Instant, object: &Value, name: &str) -> anyhow::Result<()> {
        self.issue = Some(name.to_owned());
        let severity = object.pointer("/spec/severity").and_then(Value::as_str).unwrap_or_default();
        self.say(began, seen, name, "issue", &format!("{name}, severity {severity}"));
        let state = object.pointer("/status/state").and_then(Value::as_str).unwrap_or_default();
        let resolution = object.pointer("/status/resolution").and_then(Value::as_str).unwrap_or_default();
        match state {
            "Resolved" => {
                self.say(began, seen, &format!("{name}/resolved"), "resolved", resolution);
                self.over = true;
            }
            "Escalated" => {
                let why = object
                    .pointer("/status/requiredAction")
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty())
                    .unwrap_or(resolution);
                if self.say(began, seen, &format!("{name}/escalated"), "escalated", why) && self.fault.is_for_people() {
                    self.aside("$ ", &self.fault.mending_line());
                    self.fault.mend_by_hand(self.cluster)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn heard_plan(&mut self, began: Instant, seen: Instant, object: &Value, name: &str) {
        let actions: Vec<String> =
            object.pointer("/spec/actions").and_then(Value::as_array).into_iter().flatten().map(action).collect();
        self.say(began, seen, name, "plan", &actions.join(", "));
        let state = object.pointer("/status/state").and_then(Value::as_str).unwrap_or_default();
        let result = object.pointer("/status/result").and_then(Value::as_str).unwrap_or_default();
        for step in object.pointer("/status/steps").and_then(Value::as_array).into_iter().flatten() {
            let (phase, message) = (
                step.pointer("/phase").and_then(Value::as_str).unwrap_or_default(),
                step.pointer("/message").and_then(Value::as_str).unwrap_or_default(),
            );
            let word = match phase {
                "Intended" => "intends",
                "Done" => "done",
                "Failed" => "failed",
                "RollingBack" => "undoes",
                "RolledBack" => "undone",
                _ => "execute",
            };
            let key = format!("{name}/{}/{phase}", step.pointer("/index").and_then(Value::as_i64).unwrap_or_default());
            self.say(began, seen, &key, word, message);
        }
        match state {
            "Verifying" => drop(self.say(
                began,
                seen,
                &format!("{name}/verifying"),
                "verify",
                "waiting for the signal to clear and to stay clear",
            )),
            "Completed" => drop(self.say(began, seen, &format!("{name}/completed"), "verified", result)),
            "Failed" | "RolledBack" => drop(self.say(began, seen, &format!("{name}/{state}"), "no help", result)),
            _ => {}
        }
    }

    fn heard_request(&mut self, began: Instant, seen: Instant, object: &Value, name: &str) -> anyhow::Result<()> {
        let state = object.pointer("/status/state").and_then(Value::as_str).unwrap_or_default();
        let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if state == "Pending"
            && self.say(
                began,
                seen,
                name,
                "asks",
                &format!(
                    "policy {} rule {}: {}",
                    field("/spec/policyRef"),
                    field("/spec/ruleName"),
                    field("/spec/blastRadius/description")
                ),
            )
        {
            let annotation = "platform.chatcli.io/approve=demo:seen on screen";
            self.aside("$ ", &format!("kubectl -n production annotate approvalrequest {name} {annotation:?}"));
            self.cluster.run_kubectl(&["-n", "production", "annotate", "approvalrequest", name, annotation])?;
        }
        if state == "Approved" {
            let by = object.pointer("/status/decisions/0/approver").and_then(Value::as_str).unwrap_or_default();
            self.say(began, seen, &format!("{name}/approved"), "approved", &format!("by {by}"));
        }
        Ok(())
    }

    /// Prints a line, unless its key was told before.
    fn say(&mut self, began: Instant, seen: Instant, key: &str, word: &'static str, text: &str) -> bool {
        if !self.told.insert(key.to_owned()) {
            return false;
        }
        self.words.insert(word);
        let since = seen.saturating_duration_since(began).as_secs_f64();
        let last = self.last.map_or(since, |last| seen.saturating_duration_since(last).as_secs_f64());
        self.last = Some(seen);
        let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        println!("{since:>8.2} s {last:>8.2} s  {bold}{word:<10}{plain}  {}", page::wrap(text, TEXT, self.width));
        true
    }

    /// Prints a line that belongs to the one before.
    fn aside(&self, mark: &str, text: &str) {
        println!("{:TEXT$}{mark}{}", "", page::wrap(text, TEXT + 2, self.width));
    }

    /// Prints the post-mortem for people.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn post_mortem(&self) -> anyhow::Result<()> {
        let name = self.report.as_deref().context("there is no post-mortem")?;
        let text = self.cluster.run_kubectl(&["-n", "production", "get", "postmortem", name, "-o", "json"])?;
        let object: Value = serde_json::from_str(&text)?;
        let status = |key: &str| object.pointer(&format!("/status/{key}")).and_then(Value::as_str).unwrap_or_default();
        println!("\n── Post-mortem {name} ──\n\n{}\n", page::wrap(status("summary"), 0, self.width));
        for (title, key) in [("Root cause", "rootCause"), ("Impact", "impact"), ("Duration", "duration")] {
            // The summary states the cause already, as a rule.
            if !status(key).is_empty() && !status("summary").contains(status(key)) {
                println!("{title:<11} {}", page::wrap(status(key), 12, self.width));
            }
        }
        println!("\nTimeline");
        for entry in object.pointer("/status/timeline").and_then(Value::as_array).into_iter().flatten() {
            let field = |key: &str| entry.pointer(key).and_then(Value::as_str).unwrap_or_default();
            println!(
                "  {:<8}  {:<16} {}",
                field("/timestamp").split('T').next_back().unwrap_or_default().trim_end_matches('Z'),
                field("/type"),
                page::wrap(&short(field("/detail")), 29, self.width)
            );
        }
        for (title, key) in [("Lessons", "lessonsLearned"), ("Prevention", "preventionActions")] {
            let lines: Vec<&str> = object
                .pointer(&format!("/status/{key}"))
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if !lines.is_empty() {
                println!("\n{title}");
                for line in lines {
                    println!("  - {}", page::wrap(line, 4, self.width));
                }
            }
        }
        Ok(())
    }

    /// Commands to look further.
    pub fn further(&self) -> Vec<String> {
        let issue = self.issue.as_deref().unwrap_or("NAME");
        vec![
            "kubectl get chatcli -A".to_owned(),
            format!("kubectl -n production describe issue {issue}"),
            format!("kubectl -n production get aiinsight {issue}-insight -o yaml"),
            "kubectl explain aiinsight.status.rootCause".to_owned(),
        ]
    }
}

impl Drop for Story<'_> {
    fn drop(&mut self) {
        for watch in &mut self.watches {
            let _ = watch.kill();
            let _ = watch.wait();
        }
    }
}

/// A text that others wrote, at a length that one reads.
fn short(text: &str) -> String {
    if text.chars().count() <= 2 * QUOTED {
        return text.to_owned();
    }
    let end: String = text.chars().skip(text.chars().count() - QUOTED).collect();
    format!("{} … {end}", text.chars().take(QUOTED).collect::<String>())
}

/// An observation: object, field, value, and what it means.
fn proof(proof: &Value) -> String {
    let field = |pointer: &str| proof.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("{} {}", field("/object/kind"), field("/object/name"));
    for (mark, part) in [(" ", field("/path")), (" = ", field("/value"))] {
        if !part.is_empty() {
            text.push_str(mark);
            text.push_str(&short(part));
        }
    }
    format!("{text}: {}", field("/rule"))
}

fn action(action: &Value) -> String {
    let params: Vec<String> = action
        .pointer("/params")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    format!("{}({})", action.pointer("/type").and_then(Value::as_str).unwrap_or_default(), params.join(", "))
}

fn watch(cluster: &Cluster, kind: &str, sender: Sender<(Instant, Value)>) -> anyhow::Result<Child> {
    let mut child = cluster
        .kubectl()?
        .args(["-n", "production", "get", kind, "--watch", "-o", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("kubectl get --watch")?;
    let output = child.stdout.take().context("kubectl has no output")?;
    std::thread::spawn(move || {
        for object in serde_json::Deserializer::from_reader(output).into_iter::<Value>() {
            let Ok(object) = object else { break };
            if sender.send((Instant::now(), object)).is_err() {
                break;
            }
        }
    });
    Ok(child)
}
