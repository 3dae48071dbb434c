//! CronJobs that do not run when they should, and Jobs that have failed.

mod cron;
mod helper;
mod refused;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};

use super::shape::{ago, finding, not, proven, telling, who};
use super::{cause, fact};
use crate::detection::Rule;
use crate::graph::query::{controller, name, reference};
use crate::graph::{Finding, Graph, Standing, Touch};
use cron::Schedule;
pub(super) use helper::lingering;

/// What the controller may take to start a Job.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// A Job that failed before then is history.
const HISTORY: SignedDuration = SignedDuration::from_hours(24);
/// The controller looks this often; a shorter deadline may pass between two looks.
const LOOK: i64 = 10;

fn of_cron(job: &CronJob) -> ObjectRef {
    reference("batch/v1", "CronJob", &job.metadata)
}

fn of_job(job: &Job) -> ObjectRef {
    reference("batch/v1", "Job", &job.metadata)
}

/// The CronJob that made a Job.
fn maker(job: &Job) -> Option<&str> {
    controller(&job.metadata).filter(|owner| owner.kind == "CronJob").map(|owner| owner.name.as_str())
}

fn condition<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let all = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    all.into_iter().find(|c| c.type_ == type_ && c.status == "True")
}

/// When a condition came.
fn at(condition: &JobCondition) -> Option<Timestamp> {
    condition.last_transition_time.as_ref().map(|time| time.0)
}

fn by_maker(graph: &Graph) -> BTreeMap<&str, Vec<&Arc<Job>>> {
    let mut found: BTreeMap<&str, Vec<&Arc<Job>>> = BTreeMap::new();
    for job in &graph.jobs {
        if let Some(maker) = maker(job) {
            found.entry(maker).or_default().push(job);
        }
    }
    found
}

/// CronJobs that have missed their time, or never will have one.
pub(super) fn schedules(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let jobs = by_maker(graph);
    for cron in &graph.cron_jobs {
        let Some(spec) = cron.spec.as_ref().filter(|spec| spec.suspend != Some(true)) else { continue };
        if cron.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let Some(schedule) = Schedule::read(&spec.schedule, spec.time_zone.as_deref()) else { continue };
        if schedule.next(now).is_none() {
            out.push(never(cron, &spec.schedule));
            continue;
        }
        let own = jobs.get(name(&cron.metadata)).map(Vec::as_slice).unwrap_or_default();
        // Who says why it does not run says more than the time that it missed.
        let found = refused::refused(graph, cron, own, now).or_else(|| missed(graph, cron, &schedule, own, now));
        out.extend(found.or_else(|| replaced(graph, cron, &schedule, own, now)));
    }
}

/// When a CronJob will have missed its time, and a failure becomes history.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    for cron in graph.cron_jobs.iter().filter(|cron| cron.spec.as_ref().is_some_and(|spec| spec.suspend != Some(true)))
    {
        let Some(spec) = &cron.spec else { continue };
        let second = Schedule::read(&spec.schedule, spec.time_zone.as_deref()).and_then(|schedule| {
            let since = begun(graph, cron)?;
            let first = schedule.next(since)?;
            first.checked_add(patience(since, first)).into_iter().for_each(&mut *at);
            schedule.next(first)
        });
        second.and_then(|second| second.checked_add(LATE).ok()).into_iter().for_each(&mut *at);
    }
    for note in graph.notes.iter().filter(|note| note.object.kind == "CronJob") {
        note.last.checked_add(refused::TRIES).into_iter().for_each(&mut *at);
    }
    for when in graph.jobs.iter().filter_map(|job| condition(job, "Failed")).filter_map(self::at) {
        when.checked_add(HISTORY).into_iter().for_each(&mut *at);
    }
}

/// From when a schedule counts: its last run, or when it was written.
fn begun(graph: &Graph, cron: &CronJob) -> Option<Timestamp> {
    let last = cron.status.as_ref().and_then(|status| status.last_schedule_time.as_ref()).map(|time| time.0);
    let made = cron.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let touched = graph.workload(&of_cron(cron)).and_then(|w| w.touched.clone()).or_else(|| Touch::of(&cron.metadata));
    last.into_iter().chain(made).chain(touched.map(|touch| touch.at)).max()
}

fn never(cron: &CronJob, schedule: &str) -> Finding {
    let object = of_cron(cron);
    let statement = format!("CronJob {} never runs: no day matches its schedule \"{schedule}\"", object.name);
    let cause = proven(
        cause(&object, CauseClass::JobMisconfigured, "spec.schedule", schedule, statement, 0.95),
        vec![fact(&object, "spec.schedule", schedule, "no day of the next years matches")],
    );
    Finding {
        recommendations: vec!["Correct the day and the month of the schedule.".into()],
        ..finding(Rule::ScheduleMissed, Standing::Latent, Severity::Medium, &object, cause)
    }
}

fn missed(graph: &Graph, cron: &CronJob, schedule: &Schedule, jobs: &[&Arc<Job>], now: Timestamp) -> Option<Finding> {
    let spec = cron.spec.as_ref()?;
    let object = of_cron(cron);
    let last = cron.status.as_ref().and_then(|status| status.last_schedule_time.as_ref()).map(|time| time.0);
    let since = begun(graph, cron)?;
    let first = schedule.next(since)?;
    let second = schedule.next(first)?;
    let late = now.duration_since(second) > LATE;
    // A run that takes a little longer than its period is a busy day; one that goes on is not.
    let skipped = now.duration_since(first) > patience(since, first);
    if !late && !skipped {
        return None;
    }
    let active: Vec<&&Arc<Job>> = jobs
        .iter()
        .filter(|job| condition(job, "Complete").is_none() && condition(job, "Failed").is_none())
        .filter(|job| job.status.as_ref().and_then(|status| status.active).unwrap_or_default() > 0)
        .collect();
    let blocking = active.iter().min_by_key(|job| job.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let forbids = spec.concurrency_policy.as_deref() == Some("Forbid");
    let due = if late { format!("it was due at {first} and {second}") } else { format!("it was due at {first}") };
    let mut found = match (blocking, spec.starting_deadline_seconds) {
        (Some(job), _) if forbids => blocked(&object, job, &due, now),
        _ if !late => return None,
        (_, Some(deadline)) if deadline < LOOK => {
            let value = deadline.to_string();
            let statement = format!(
                "CronJob {} misses its runs: startingDeadlineSeconds {value} is shorter than the {LOOK} s between two looks of the controller; {due}",
                object.name
            );
            let path = "spec.startingDeadlineSeconds";
            let cause = proven(
                cause(&object, CauseClass::JobMisconfigured, path, &value, statement, 0.85),
                vec![fact(&object, path, &value, "a start later than this is left out")],
            );
            Finding {
                recommendations: vec!["Set startingDeadlineSeconds to a minute or more.".into()],
                ..finding(Rule::ScheduleMissed, Standing::Outage, Severity::High, &object, cause)
            }
        }
        _ => {
            let statement =
                format!("CronJob {} has not started a Job by its schedule \"{}\": {due}", object.name, spec.schedule);
            let cause = proven(
                cause(&object, CauseClass::JobMisconfigured, "spec.schedule", &spec.schedule, statement, 0.5),
                vec![fact(&object, "spec.schedule", &spec.schedule, "this is when it should run")],
            );
            Finding {
                recommendations: vec!["Look at the events of the CronJob and at the controller manager.".into()],
                ..finding(Rule::ScheduleMissed, Standing::Outage, Severity::High, &object, cause)
            }
        }
    };
    let seen = last.map_or_else(|| "(never)".to_owned(), |last| last.to_string());
    found.cause.proof.push(fact(&object, "status.lastScheduleTime", seen, "it ran last then"));
    found.cause.ruled_out.push(not("It is suspended", "spec.suspend is not true"));
    found.concerns = vec![object];
    found.hold = 3;
    Some(found)
}

/// Runs that were ended for the next one, before none was ever completed.
const REPLACED: usize = 3;

/// A CronJob whose every run is ended because the next one is due.
fn replaced(graph: &Graph, cron: &CronJob, schedule: &Schedule, jobs: &[&Arc<Job>], now: Timestamp) -> Option<Finding> {
    let spec = cron.spec.as_ref().filter(|spec| spec.concurrency_policy.as_deref() == Some("Replace"))?;
    let object = of_cron(cron);
    let status = cron.status.as_ref()?;
    let success = status.last_successful_time.as_ref().map(|time| time.0);
    let made = cron.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let touched = graph.workload(&object).and_then(|w| w.touched.clone()).or_else(|| Touch::of(&cron.metadata));
    let since = success.into_iter().chain(made).chain(touched.map(|touch| touch.at)).max()?;
    let mut due = since;
    for _ in 0..=REPLACED {
        due = schedule.next(due).filter(|due| *due <= now)?;
    }
    let over = |job: &&&Arc<Job>| {
        let end = condition(job, "Complete").or_else(|| condition(job, "Failed"));
        end.and_then(at).is_some_and(|end| end >= since)
    };
    // One that has failed tells of itself; and one must run that is about to be ended.
    let last = status.last_schedule_time.as_ref()?.0;
    let running =
        jobs.iter().find(|job| job.status.as_ref().is_some_and(|status| status.active.unwrap_or_default() > 0))?;
    if jobs.iter().any(|job| over(&job)) || ago(last, now) > now.duration_since(since) {
        return None;
    }
    let statement = format!(
        "CronJob {} never completes a run: concurrencyPolicy Replace ends each one when the next is due by \"{}\", and none has ended by itself since {since}",
        object.name, spec.schedule
    );
    let path = "spec.concurrencyPolicy";
    let root = proven(
        cause(&object, CauseClass::JobMisconfigured, path, "Replace", statement, 0.9),
        vec![
            fact(&object, path, "Replace", "a run that is there when the next one is due is ended"),
            fact(&object, "spec.schedule", &spec.schedule, "runs are this far apart"),
            fact(&of_job(running), "status.active", "1", "this run has not ended"),
        ],
    );
    Some(Finding {
        concerns: vec![object.clone()],
        recommendations: vec![
            "Give a run more time between two of the schedule, or set concurrencyPolicy Forbid.".into(),
        ],
        hold: 3,
        ..finding(Rule::ScheduleMissed, Standing::Outage, Severity::High, &object, root)
    })
}

/// How long a run may be late because the one before has not ended.
fn patience(since: Timestamp, first: Timestamp) -> SignedDuration {
    (first.duration_since(since) / 10).max(SignedDuration::from_secs(10))
}

/// A run that does not end keeps the next ones from starting.
fn blocked(object: &ObjectRef, job: &Job, due: &str, now: Timestamp) -> Finding {
    let running = of_job(job);
    let since = job.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
    let minutes = since.map_or(0, |since| ago(since, now).as_mins());
    let statement = format!(
        "CronJob {} starts no new Job: concurrencyPolicy is Forbid and its Job {} has been active for {minutes} min; {due}",
        object.name, running.name
    );
    let path = "spec.concurrencyPolicy";
    let mut found = proven(
        cause(object, CauseClass::JobMisconfigured, path, "Forbid", statement, 0.9),
        vec![
            fact(object, path, "Forbid", "a run waits for the one before"),
            fact(&running, "status.active", "1", "this run has not ended"),
        ],
    );
    let spec = job.spec.as_ref();
    let containers: Vec<&str> = spec
        .and_then(|s| s.template.spec.as_ref())
        .into_iter()
        .flat_map(|s| &s.containers)
        .map(|c| c.name.as_str())
        .collect();
    if containers.len() > 1 {
        let rule = "the pod ends only when all of its containers do; a helper belongs among the init containers with restartPolicy Always";
        found.proof.push(fact(&running, "spec.template.spec.containers", containers.join(", "), rule));
    }
    let mut advice = format!("Find out why Job {} does not end", running.name);
    if spec.is_some_and(|spec| spec.active_deadline_seconds.is_none()) {
        advice.push_str(", and set activeDeadlineSeconds so that a run that hangs is ended");
    }
    advice.push('.');
    Finding {
        words: telling([running.name.clone()]),
        recommendations: vec![advice],
        ..finding(Rule::ScheduleMissed, Standing::Outage, Severity::High, object, found)
    }
}

/// Jobs that have failed, one finding for each Job or for the CronJob that made it. It is the Job itself that tells of its
/// failure; this explains it by what the Job says.
pub(super) fn jobs(graph: &Graph, now: Timestamp, out: &mut Vec<Finding>) {
    let made = by_maker(graph);
    for job in graph.jobs.iter().filter(|job| maker(job).is_none()) {
        out.extend(failed(job, &of_job(job), now));
    }
    for cron in &graph.cron_jobs {
        let own = made.get(name(&cron.metadata)).map(Vec::as_slice).unwrap_or_default();
        let ended = |job: &&&Arc<Job>| condition(job, "Complete").or_else(|| condition(job, "Failed")).and_then(at);
        // What ran well since makes a failure history.
        let Some(newest) = own.iter().filter(|job| ended(job).is_some()).max_by_key(|job| ended(job)) else { continue };
        let success = cron.status.as_ref().and_then(|status| status.last_successful_time.as_ref()).map(|time| time.0);
        if success.is_some_and(|success| ended(&newest).is_some_and(|ended| success >= ended)) {
            continue;
        }
        out.extend(failed(newest, &of_cron(cron), now));
    }
}

fn failed(job: &Job, about: &ObjectRef, now: Timestamp) -> Option<Finding> {
    let condition = condition(job, "Failed")?;
    let when = at(condition)?;
    if ago(when, now) > HISTORY || job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let object = of_job(job);
    let spec = job.spec.as_ref();
    let reason = condition.reason.clone().unwrap_or_default();
    let message = condition.message.clone().unwrap_or_default();
    let count = job.status.as_ref().and_then(|status| status.failed).unwrap_or_default();
    let limit = spec.and_then(|spec| spec.backoff_limit).unwrap_or(6);
    let deadline = spec.and_then(|spec| spec.active_deadline_seconds);
    let (path, value, class, sure, why) = match (reason.as_str(), deadline) {
        ("DeadlineExceeded", Some(deadline)) => (
            "spec.activeDeadlineSeconds",
            deadline.to_string(),
            CauseClass::JobMisconfigured,
            0.7,
            format!("it ran longer than its activeDeadlineSeconds of {deadline}"),
        ),
        ("BackoffLimitExceeded", _) => (
            "spec.backoffLimit",
            limit.to_string(),
            CauseClass::ApplicationCrash,
            0.5,
            format!("{count} of its pods failed, and its backoffLimit is {limit}"),
        ),
        ("PodFailurePolicy", _) => (
            "spec.podFailurePolicy",
            reason.clone(),
            CauseClass::ApplicationCrash,
            0.7,
            format!("its podFailurePolicy ended it: {}", message.trim_end_matches('.')),
        ),
        _ => (
            "status.conditions[Failed]",
            reason.clone(),
            CauseClass::ApplicationCrash,
            0.5,
            if message.is_empty() { "it says no reason".to_owned() } else { message.trim_end_matches('.').to_owned() },
        ),
    };
    let of = if about.kind == "CronJob" { format!(" of {}", who(about)) } else { String::new() };
    let label = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let statement = format!("Job {}{of} has failed{label}: {}", object.name, why.chars().take(200).collect::<String>());
    let cause = proven(
        cause(&object, class, path, &value, statement, sure),
        vec![
            fact(&object, "status.conditions[Failed]", format!("{reason} at {when}"), "the Job says so itself"),
            fact(&object, "status.failed", count.to_string(), "so many pods failed"),
        ],
    );
    Some(Finding {
        concerns: vec![about.clone()],
        words: telling([object.name.clone()]),
        recommendations: vec![format!(
            "Look at the logs of the pods of Job {}; a failed Job does not start again by itself.",
            object.name
        )],
        ..finding(Rule::JobFailed, Standing::Suspect, Severity::High, about, cause)
    })
}
