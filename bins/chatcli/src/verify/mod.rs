//! `chatcli verify`: reads the proof of an Issue's cause and looks whether each of its steps still holds. The judgement
//! stands in `domain::proof`.

pub mod read;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use api::shared::{Proof, RootCause};
use clap::Args as Flags;
use domain::proof::{Checked, Verdict, check, steps};
use kube::Client;
use serde_json::json;

use crate::{process, words};

/// How long all of the reading may take.
const DEADLINE: Duration = Duration::from_mins(1);
/// What the process ends with when a step does not hold any more.
pub const REFUTED: u8 = 3;

/// Re-checks the proof of an Issue's cause against the cluster as it is now
///
/// Every step of the proof names an object, a field and what stood there. Each is read again: it holds, it has changed, or
/// the object is gone. What was seen at a time (an Event, a line of a log, a measurement) cannot be read again and is said
/// to be so. The content of Secrets is never read.
///
/// Ends with 0 when everything that can be read again holds, with 3 when something has changed or is gone, and with 1 when
/// the cluster, the Issue or an object cannot be read.
#[derive(Flags, Debug)]
pub struct Args {
    /// Name of the Issue
    #[arg(value_name = "ISSUE")]
    issue: String,
    /// Namespace of the Issue
    #[arg(long, short, value_name = "NAME")]
    namespace: String,
    #[command(flatten)]
    cluster: process::Cluster,
    /// Prints JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Reads, compares, prints.
///
/// # Errors
/// When the cluster or the Issue cannot be read, or a step could not be for want of a right.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.cluster.connect("chatcli_verify").await?;
    let verifying = tokio::time::timeout(DEADLINE, verify(&client, &args.namespace, &args.issue)).await;
    let verified = verifying.with_context(|| {
        format!("the cluster did not answer within {} s; remedy: check --kubeconfig and --context", DEADLINE.as_secs())
    })??;
    process::print(&if args.json { verified.json()? } else { verified.text() })?;
    verified.end()
}

/// A cause with its steps, each compared.
#[derive(Debug)]
struct Verified {
    issue: String,
    cause: RootCause,
    steps: Vec<(Proof, Checked)>,
}

async fn verify(client: &Client, namespace: &str, issue: &str) -> anyhow::Result<Verified> {
    let cause = read::cause(client, namespace, issue).await?;
    let mut reader = read::Reader::new(client);
    let mut checked = Vec::new();
    for step in steps(&cause) {
        let now = reader.read(&step.object).await;
        let found = check(&step, &now);
        checked.push((step, found));
    }
    Ok(Verified { issue: format!("{namespace}/{issue}"), cause, steps: checked })
}

impl Verified {
    fn count(&self, which: impl Fn(Verdict) -> bool) -> usize {
        self.steps.iter().filter(|(_, found)| which(found.verdict)).count()
    }

    fn refuted(&self) -> usize {
        self.count(Verdict::refutes)
    }

    fn end(&self) -> anyhow::Result<ExitCode> {
        if self.refuted() > 0 {
            return Ok(ExitCode::from(REFUTED));
        }
        // A Secret's content is never read; everything else that was not is a want of rights.
        let unread =
            self.steps.iter().find(|(step, found)| found.verdict == Verdict::Unread && step.object.kind != "Secret");
        if let Some((step, found)) = unread {
            bail!("{} could not be read: {}; remedy: grant get on it", words::object(&step.object), found.words);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn summary(&self) -> String {
        let (holds, refuted) = (self.count(|v| v == Verdict::Holds), self.refuted());
        let seen = self.count(|v| v == Verdict::Seen);
        let other = self.count(|v| matches!(v, Verdict::Unclear | Verdict::Unread));
        let rest = match (seen, other) {
            (0, 0) => String::new(),
            (seen, 0) => format!("; {seen} seen at a time, not to be read again"),
            (0, other) => format!("; {other} not to be compared"),
            (seen, other) => format!("; {seen} seen at a time, not to be read again; {other} not to be compared"),
        };
        let end = match (refuted, holds) {
            (0, 0) => "nothing of it can be read again".to_owned(),
            (0, holds) => format!("all {holds} facts that can be read again hold"),
            (refuted, holds) => format!("{refuted} of {} facts do not hold any more", refuted + holds),
        };
        format!("{end}{rest}")
    }

    fn text(&self) -> String {
        let mut rows = vec![["", "NOW", "OBJECT", "FIELD", "THEN", "WHAT IS THERE"].map(str::to_owned).to_vec()];
        for (number, (step, found)) in self.steps.iter().enumerate() {
            rows.push(vec![
                number.to_string(),
                found.verdict.word().to_owned(),
                words::object(&step.object),
                step.path.as_deref().map_or_else(|| "-".to_owned(), |path| words::short(path, 70)),
                step.value.as_deref().map_or_else(|| "-".to_owned(), |value| words::short(value, 60)),
                words::short(&found.words, 160),
            ]);
        }
        format!(
            "Issue {}: {}\n\n{}\n{}\n",
            words::plain(&self.issue),
            words::plain(&self.cause.statement),
            words::table(&rows),
            self.summary()
        )
    }

    fn json(&self) -> anyhow::Result<String> {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|(step, found)| json!({"step": step, "verdict": found.verdict.word(), "words": found.words}))
            .collect();
        let all = json!({"issue": self.issue, "statement": self.cause.statement, "class": self.cause.class,
            "holds": self.refuted() == 0, "summary": self.summary(), "steps": steps});
        Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
    }
}

#[cfg(test)]
mod tests;
