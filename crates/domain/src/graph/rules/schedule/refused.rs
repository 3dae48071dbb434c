//! CronJobs whose Jobs the API server refuses: a quota that is used up, often by Jobs that have ended, or another rule.

use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ResourceQuota;

use super::{condition, of_cron};
use crate::detection::{EventNote, Rule};
use crate::diagnosis::{amount, amounts};
use crate::graph::query::{name, reference};
use crate::graph::rules::shape::{ago, finding, proven, telling, who};
use crate::graph::rules::{cause, fact};
use crate::graph::{Finding, Graph, Standing};

/// The controller tries again within this time: its back-off ends at 1000 s.
pub(super) const TRIES: SignedDuration = SignedDuration::from_mins(20);
/// The controller's word for a Job that it could not create.
const REASON: &str = "FailedCreate";
/// What a quota on the number of Jobs counts.
const JOBS: &str = "count/jobs.batch";
/// A refusal that passes by itself is over then.
const PASSING: i64 = 30;

/// A CronJob whose last try to create a Job was refused.
pub(super) fn refused(graph: &Graph, cron: &CronJob, jobs: &[&Arc<Job>], now: Timestamp) -> Option<Finding> {
    let uid = cron.metadata.uid.as_deref();
    let ours = |note: &&Arc<EventNote>| {
        note.object.kind == "CronJob"
            && note.reason == REASON
            && note.object.name == name(&cron.metadata)
            && (note.object.uid.is_none() || uid.is_none() || note.object.uid.as_deref() == uid)
    };
    let note = graph.notes.iter().filter(ours).max_by_key(|note| note.last)?;
    let status = cron.status.as_ref();
    let run = [
        status.and_then(|status| status.last_schedule_time.as_ref()),
        status.and_then(|status| status.last_successful_time.as_ref()),
    ];
    let made = jobs.iter().filter_map(|job| job.metadata.creation_timestamp.as_ref());
    // It has created one since.
    if run.into_iter().flatten().chain(made).any(|time| time.0 >= note.last) {
        return None;
    }
    let object = of_cron(cron);
    let (mut root, advice, words, hold) = match note.message.split_once("exceeded quota: ") {
        Some((_, rest)) => by_quota(graph, &object, rest)?,
        None if ago(note.last, now) <= TRIES => by_rule(&object, &note.message),
        None => return None,
    };
    let rule = "the controller could not create the Job";
    root.proof.push(fact(
        &object,
        &format!("events[{REASON}]"),
        format!("{} ({})", clip(&note.message), note.last),
        rule,
    ));
    let mut found = Finding {
        concerns: vec![object.clone()],
        words: telling(words),
        recommendations: vec![advice],
        ..finding(Rule::ScheduleMissed, Standing::Outage, Severity::High, &object, root)
    };
    found.hold = found.hold.max(hold);
    Some(found)
}

/// Cause without the event, advice, words and hold.
type Told = (api::shared::RootCause, String, Vec<String>, i64);

/// A quota leaves no room for one Job more, and still does not.
fn by_quota(graph: &Graph, cron: &ObjectRef, said: &str) -> Option<Told> {
    let called = said.split(',').next().unwrap_or_default().trim();
    let quota = graph.quotas.iter().find(|quota| name(&quota.metadata) == called)?;
    let requested = amounts(said, "requested: ");
    let full = |key: &str, wanted: &str| -> Option<Full> {
        let (hard, used) = status(quota, key)?;
        (used + amount::millis(wanted)? > hard).then_some(Full { hard, used })
    };
    // What the quota says now counts, not what it said then.
    let (key, full) = requested.iter().find_map(|(key, wanted)| Some((*key, full(key, wanted)?)))?;
    let object = reference("v1", "ResourceQuota", &quota.metadata);
    let show = |amount| amount::show(key, amount);
    let (hard, used) = (show(full.hard), show(full.used));
    let mut finished: Vec<(&str, &str)> = match key {
        JOBS => graph.jobs.iter().filter_map(|job| Some((name(&job.metadata), ended(job)?))).collect(),
        _ => Vec::new(),
    };
    finished.sort_unstable();
    let count = i128::try_from(finished.len()).unwrap_or_default() * 1000;
    let shown = finished.iter().take(3).map(|(job, _)| *job).collect::<Vec<_>>().join(", ");
    let shown = if finished.len() > 3 { format!("{shown} and {} more", finished.len() - 3) } else { shown };
    let by = match finished.len() {
        0 => String::new(),
        _ if count >= full.used => format!(", all by finished Jobs ({shown})"),
        some => format!(", {some} of them by finished Jobs ({shown})"),
    };
    let statement = format!(
        "{} cannot create its Job: it exceeds ResourceQuota {called}: {used} of {hard} {key} are used{by}",
        who(cron)
    );
    let path = format!("spec.hard[{key}]");
    let mut facts = vec![
        fact(&object, &path, &hard, "the quota allows no more"),
        fact(&object, &format!("status.used[{key}]"), &used, "this is used of it"),
    ];
    facts.extend(finished.iter().take(3).map(|(job, how)| {
        let job = ObjectRef { kind: "Job".into(), name: (*job).to_owned(), uid: None, ..cron.clone() };
        fact(&job, &format!("status.conditions[{how}]"), "True", "a finished Job counts until it is deleted")
    }));
    let root = proven(cause(&object, CauseClass::AdmissionRefused, &path, &hard, statement, 0.95), facts);
    let advice = if finished.is_empty() {
        format!("Raise {path} of ResourceQuota {called}, or delete what uses it.")
    } else {
        format!(
            "Delete the finished Jobs or give them ttlSecondsAfterFinished, or raise {path} of ResourceQuota {called}."
        )
    };
    Some((root, advice, vec![format!("exceeded quota: {called}"), called.to_owned()], 0))
}

/// How a Job has ended.
fn ended(job: &Job) -> Option<&'static str> {
    ["Complete", "Failed"].into_iter().find(|how| condition(job, how).is_some())
}

/// What a quota has of a key, and has given away, in thousandths.
struct Full {
    hard: i128,
    used: i128,
}

fn status(quota: &ResourceQuota, key: &str) -> Option<(i128, i128)> {
    let status = quota.status.as_ref()?;
    let hard = amount::millis(&status.hard.as_ref()?.get(key)?.0)?;
    let used = amount::millis(&status.used.as_ref()?.get(key)?.0)?;
    Some((hard, used))
}

/// Something else says no, in its own words.
fn by_rule(cron: &ObjectRef, message: &str) -> Told {
    let why = message.trim().trim_start_matches("Error creating job: ").trim_end_matches(['.', ':', ' ']);
    let why = if why.is_empty() { "the API server gives no reason".to_owned() } else { clip(why) };
    let statement = format!("{} cannot create its Job: {why}", who(cron));
    let path = "spec.jobTemplate";
    let root = proven(
        cause(cron, CauseClass::AdmissionRefused, path, &why, statement, 0.75),
        vec![fact(cron, path, &why, "Jobs are made from this, and this one is refused")],
    );
    (
        root,
        format!("Change {path} of {} so that the rule accepts it, or change the rule.", who(cron)),
        Vec::new(),
        PASSING,
    )
}

fn clip(text: &str) -> String {
    const SAID: usize = 220;
    if text.chars().count() <= SAID {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(SAID).collect::<String>().trim_end_matches([' ', ':', ';', ',', '(']))
}

#[cfg(test)]
mod tests {
    use super::super::schedules;
    use super::*;
    use crate::graph::rules::trial::{is, one, says, silent};

    const SAID: &str = "Error creating job: jobs.batch \\\"sweep-29\\\" is forbidden: exceeded quota: share, requested: count/jobs.batch=1, used: count/jobs.batch=2, limited: count/jobs.batch=2";

    fn cron(more: &str) -> String {
        format!(
            "---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: sweep, uid: u, creationTimestamp: '2026-11-25T09:50:00Z'}}
spec: {{schedule: '*/30 * * * *', jobTemplate: {{}}{more}}}
"
        )
    }

    fn event(uid: &str, at: &str, message: &str) -> String {
        format!(
            "---
apiVersion: v1
kind: Event
metadata: {{name: sweep.1}}
involvedObject: {{apiVersion: batch/v1, kind: CronJob, namespace: shop, name: sweep, uid: {uid}}}
type: Warning
reason: FailedCreate
message: \"{message}\"
lastTimestamp: '2026-11-25T{at}Z'
"
        )
    }

    fn quota(used: u32) -> String {
        format!(
            "---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: share}}
spec: {{hard: {{count/jobs.batch: '2', pods: '40'}}}}
status: {{hard: {{count/jobs.batch: '2', pods: '40'}}, used: {{count/jobs.batch: '{used}', pods: '1'}}}}
"
        )
    }

    fn job(name: &str, made: &str, owned: bool, condition: &str) -> String {
        let owner = if owned {
            "ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: sweep, uid: u, controller: true}], "
        } else {
            ""
        };
        format!(
            "---
apiVersion: batch/v1
kind: Job
metadata: {{{owner}name: {name}, creationTimestamp: '2026-11-25T{made}Z'}}
spec: {{template: {{spec: {{containers: [{{name: main}}]}}}}}}
status: {{conditions: [{condition}]}}
"
        )
    }

    const DONE: &str = "{type: Complete, status: 'True'}";
    const FAILED: &str = "{type: Failed, status: 'True', reason: BackoffLimitExceeded}";

    #[test]
    fn finished_jobs_use_up_a_quota() {
        let base = cron("") + &event("u", "09:59:50", SAID) + &quota(2);
        let jobs = job("prep", "09:00:00", false, DONE) + &job("load", "09:00:00", false, FAILED);
        let finding = one(schedules, &(base.clone() + &jobs));
        is(&finding, "ResourceQuota/share", "spec.hard[count/jobs.batch]", "2", Standing::Outage);
        assert_eq!(
            finding.cause.statement,
            "CronJob sweep cannot create its Job: it exceeds ResourceQuota share: 2 of 2 count/jobs.batch are used, all by finished Jobs (load, prep)"
        );
        assert_eq!((finding.about.kind.as_str(), finding.rule), ("CronJob", Rule::ScheduleMissed));
        // One of them runs.
        let jobs = job("prep", "09:00:00", false, DONE) + &job("load", "09:00:00", false, "");
        says(&one(schedules, &(base.clone() + &jobs)), &["are used, 1 of them by finished Jobs (prep)"]);
        let jobs = job("prep", "09:00:00", false, "") + &job("load", "09:00:00", false, "");
        let finding = one(schedules, &(base + &jobs));
        assert!(finding.cause.statement.ends_with("2 of 2 count/jobs.batch are used"), "{}", finding.cause.statement);
    }

    #[test]
    fn a_refusal_that_is_over_or_of_another() {
        let refused = || event("u", "09:59:50", SAID);
        // Somebody has made room; the controller will see at its next try.
        silent(schedules, &(cron("") + &refused() + &quota(1)));
        // A quota that is full refuses nobody who asks for nothing.
        silent(schedules, &(cron("") + &quota(2)));
        silent(schedules, &(cron(", suspend: true") + &refused() + &quota(2)));
        // It was created since, and is among those that are counted now.
        silent(schedules, &(cron("") + &refused() + &quota(2) + &job("sweep-1", "09:59:55", true, DONE)));
        // The quota is gone.
        silent(schedules, &(cron("") + &refused()));
        // One of the same name, before this one.
        silent(schedules, &(cron("") + &event("before", "09:59:50", SAID) + &quota(2)));
        // Its own older Job is no sign of a new one.
        one(schedules, &(cron("") + &refused() + &quota(2) + &job("sweep-1", "09:30:00", true, DONE)));
    }

    #[test]
    fn another_rule_says_no() {
        let why = "Error creating job: admission webhook \\\"policy.example\\\" denied the request: no team label";
        let finding = one(schedules, &(cron("") + &event("u", "09:55:00", why)));
        let said = "admission webhook \"policy.example\" denied the request: no team label";
        is(&finding, "CronJob/sweep", "spec.jobTemplate", said, Standing::Outage);
        assert_eq!(finding.hold, PASSING);
        // Nobody has tried since then.
        silent(schedules, &(cron("") + &event("u", "09:30:00", why)));
    }
}
