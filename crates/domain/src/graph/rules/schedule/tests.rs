use super::*;
use crate::graph::rules::trial::{found, is, one, says, silent};

fn cron(spec: &str, status: &str) -> String {
    format!(
        "---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: backup, creationTimestamp: '2026-11-01T00:00:00Z'}}
spec: {{{spec}, jobTemplate: {{}}}}
status: {{{status}}}
"
    )
}

fn job(name: &str, owned: bool, spec: &str, status: &str) -> String {
    let owner = if owned {
        "ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: backup, uid: u, controller: true}], "
    } else {
        ""
    };
    format!(
        "---
apiVersion: batch/v1
kind: Job
metadata: {{{owner}name: {name}, creationTimestamp: '2026-11-25T09:00:00Z'}}
spec: {{{spec}template: {{spec: {{containers: [{{name: main}}, {{name: proxy}}]}}}}}}
status: {{{status}}}
"
    )
}

#[test]
fn a_schedule_that_was_not_kept() {
    let hourly = "schedule: '0 * * * *'";
    let finding = one(schedules, &cron(hourly, "lastScheduleTime: '2026-11-25T07:00:00Z'"));
    is(&finding, "CronJob/backup", "spec.schedule", "0 * * * *", Standing::Outage);
    says(
        &finding,
        &["has not started a Job by its schedule", "it was due at 2026-11-25T08:00:00Z and 2026-11-25T09:00:00Z"],
    );
    assert_eq!(finding.rule, Rule::ScheduleMissed);
    // One run may be late, and the second is due this very minute.
    silent(schedules, &cron(hourly, "lastScheduleTime: '2026-11-25T08:00:00Z'"));
    silent(schedules, &cron(hourly, "lastScheduleTime: '2026-11-25T09:00:00Z'"));
    silent(schedules, &cron("schedule: '0 * * * *', suspend: true", "lastScheduleTime: '2026-11-20T07:00:00Z'"));
    // Daily and weekly jobs have their own time.
    silent(schedules, &cron("schedule: '0 2 * * *'", "lastScheduleTime: '2026-11-25T02:00:00Z'"));
    silent(schedules, &cron("schedule: '@weekly'", "lastScheduleTime: '2026-11-22T00:00:00Z'"));
    assert_eq!(found(schedules, &cron("schedule: '0 2 * * *'", "lastScheduleTime: '2026-11-23T02:00:00Z'")).len(), 1);
    // Never, since it was made.
    assert_eq!(found(schedules, &cron(hourly, "")).len(), 1);
    silent(schedules, &cron(hourly, "").replace("2026-11-01T00:00:00Z", "2026-11-25T09:58:00Z"));
}

#[test]
fn the_zone_of_the_schedule_counts() {
    // 06:30 in Tokyo is 21:30 UTC of the day before.
    let text = cron("schedule: '30 6 * * *', timeZone: Asia/Tokyo", "lastScheduleTime: '2026-11-24T21:30:00Z'");
    silent(schedules, &text);
    let finding = one(schedules, &text.replace("2026-11-24T21", "2026-11-22T21"));
    says(&finding, &["2026-11-23T21:30:00Z and 2026-11-24T21:30:00Z"]);
    silent(schedules, &text.replace("Asia/Tokyo", "Mars/Olympus"));
}

#[test]
fn a_schedule_that_was_written_just_now() {
    let text = cron("schedule: '* * * * *'", "lastScheduleTime: '2026-11-01T00:00:00Z'").replace(
        "{name: backup,",
        "{name: backup, managedFields: [{manager: kubectl, operation: Update, time: '2026-11-25T09:59:00Z'}],",
    );
    silent(schedules, &text);
    // A clock that runs ahead.
    silent(schedules, &cron("schedule: '* * * * *'", "lastScheduleTime: '2026-11-25T11:00:00Z'"));
}

#[test]
fn a_run_that_does_not_end_blocks_the_next() {
    let forbid =
        cron("schedule: '*/10 * * * *', concurrencyPolicy: Forbid", "lastScheduleTime: '2026-11-25T09:00:00Z'");
    let running = job("backup-1", true, "", "active: 1, startTime: '2026-11-25T09:00:00Z'");
    let finding = one(schedules, &(forbid.clone() + &running));
    is(&finding, "CronJob/backup", "spec.concurrencyPolicy", "Forbid", Standing::Outage);
    says(&finding, &["starts no new Job: concurrencyPolicy is Forbid and its Job backup-1 has been active for 60 min"]);
    assert!(finding.cause.proof.iter().any(|p| p.value.as_deref() == Some("main, proxy")));
    assert!(finding.recommendations[0].contains("activeDeadlineSeconds"));
    // One run is left out already.
    let minutely = forbid.replace("*/10", "*").replace("09:00:00", "09:58:00");
    says(&one(schedules, &(minutely.clone() + &running)), &["it was due at 2026-11-25T09:59:00Z"]);
    // It has run a bit longer than its period.
    silent(schedules, &(forbid.replace("09:00:00", "09:50:00") + &running));
    // Without a run that goes on, one late run is nothing yet.
    silent(schedules, &minutely);
}

#[test]
fn a_deadline_that_is_too_short_and_a_day_that_never_comes() {
    let finding = one(
        schedules,
        &cron("schedule: '0 * * * *', startingDeadlineSeconds: 5", "lastScheduleTime: '2026-11-25T07:00:00Z'"),
    );
    is(&finding, "CronJob/backup", "spec.startingDeadlineSeconds", "5", Standing::Outage);
    silent(
        schedules,
        &cron("schedule: '0 * * * *', startingDeadlineSeconds: 5", "lastScheduleTime: '2026-11-25T09:00:00Z'"),
    );
    let finding = one(schedules, &cron("schedule: '0 0 30 2 *'", ""));
    is(&finding, "CronJob/backup", "spec.schedule", "0 0 30 2 *", Standing::Latent);
    silent(schedules, &cron("schedule: nonsense", ""));
}

#[test]
fn jobs_that_have_failed() {
    let failed = |reason: &str, at: &str| {
        format!(
            "failed: 3, conditions: [{{type: Failed, status: 'True', reason: {reason}, message: 'it is so.', lastTransitionTime: '{at}'}}]"
        )
    };
    let recent = "2026-11-25T09:55:00Z";
    let finding = one(jobs, &job("load", false, "backoffLimit: 2, ", &failed("BackoffLimitExceeded", recent)));
    is(&finding, "Job/load", "spec.backoffLimit", "2", Standing::Suspect);
    says(&finding, &["Job load has failed (BackoffLimitExceeded): 3 of its pods failed, and its backoffLimit is 2"]);
    assert_eq!((finding.rule, finding.about.name.as_str()), (Rule::JobFailed, "load"));
    let finding = one(jobs, &job("load", false, "activeDeadlineSeconds: 30, ", &failed("DeadlineExceeded", recent)));
    is(&finding, "Job/load", "spec.activeDeadlineSeconds", "30", Standing::Suspect);
    says(
        &one(jobs, &job("load", false, "", &failed("PodFailurePolicy", recent))),
        &["its podFailurePolicy ended it: it is so"],
    );
    silent(jobs, &job("load", false, "", &failed("BackoffLimitExceeded", "2026-11-20T00:00:00Z")));
    silent(jobs, &job("load", false, "suspend: true, ", "active: 0"));
    silent(jobs, &job("load", false, "", "active: 1, failed: 1"));
    silent(jobs, &job("load", false, "", "conditions: [{type: Complete, status: 'True'}]"));
}

#[test]
fn a_run_of_a_cron_job_that_failed() {
    let failed = |at: &str| {
        format!(
            "failed: 1, conditions: [{{type: Failed, status: 'True', reason: BackoffLimitExceeded, lastTransitionTime: '{at}'}}]"
        )
    };
    let hourly = |status: &str| cron("schedule: '0 * * * *'", status);
    let run = job("backup-2", true, "", &failed("2026-11-25T09:05:00Z"));
    let finding = one(jobs, &(hourly("lastSuccessfulTime: '2026-11-25T08:01:00Z'") + &run));
    assert_eq!(finding.about.kind, "CronJob");
    assert_eq!(finding.cause.object.name, "backup-2");
    says(&finding, &["Job backup-2 of CronJob backup has failed"]);
    silent(jobs, &(hourly("lastSuccessfulTime: '2026-11-25T09:30:00Z'") + &run));
    let better = job(
        "backup-3",
        true,
        "",
        "conditions: [{type: Complete, status: 'True', lastTransitionTime: '2026-11-25T09:40:00Z'}]",
    );
    silent(jobs, &(hourly("") + &run + &better));
    // Several failures are one.
    let older = job("backup-1", true, "", &failed("2026-11-25T08:05:00Z"));
    assert_eq!(one(jobs, &(hourly("") + &older + &run)).cause.object.name, "backup-2");
}

#[test]
fn a_helper_that_keeps_a_job_alive() {
    let text = |ended: &str| {
        format!(
            "{}---
apiVersion: v1
kind: Pod
metadata: {{name: load-1, ownerReferences: [{{apiVersion: batch/v1, kind: Job, name: load, uid: u, controller: true}}]}}
spec: {{restartPolicy: Never, containers: [{{name: main}}, {{name: proxy}}]}}
status: {{phase: Running, containerStatuses: [{{name: {ended}, image: a, imageID: a, ready: false, restartCount: 0, state: {{terminated: {{exitCode: 0}}}}}}]}}
",
            job("load", false, "", "active: 1")
        )
    };
    let finding = one(lingering, &text("main"));
    is(&finding, "Job/load", "spec.template.spec.containers[1]", "proxy", Standing::Outage);
    says(
        &finding,
        &["container main has done its work and ended, and its sidecar proxy still runs and keeps the pod alive"],
    );
    assert_eq!(finding.hold, 30);
    // What only prepares may end before the work does.
    silent(lingering, &text("proxy"));
    silent(lingering, &text("main").replace("exitCode: 0", "exitCode: 1"));
    silent(lingering, &text("main").replace("restartPolicy: Never", "restartPolicy: Always"));
    silent(
        lingering,
        &text("main").replace(
            "spec: {restartPolicy: Never, containers: [{name: main}, {name: proxy}]}",
            "spec: {restartPolicy: Never, containers: [{name: main}]}",
        ),
    );
}

#[test]
fn runs_that_are_always_replaced() {
    let text = |spec: &str, status: &str| {
        cron(&format!("schedule: '*/5 * * * *', {spec}"), status) + &job("backup-1", true, "", "active: 1")
    };
    let status = "lastScheduleTime: '2026-11-25T10:00:00Z', lastSuccessfulTime: '2026-11-25T09:30:00Z'";
    let finding = one(schedules, &text("concurrencyPolicy: Replace", status));
    is(&finding, "CronJob/backup", "spec.concurrencyPolicy", "Replace", Standing::Outage);
    says(&finding, &["never completes a run", "none has ended by itself since 2026-11-25T09:30:00Z"]);
    // It completed a moment ago, or may run beside the next one.
    silent(schedules, &text("concurrencyPolicy: Replace", &status.replace("09:30", "09:50")));
    silent(schedules, &text("concurrencyPolicy: Allow", status));
    // One that failed tells of itself, and none that runs is none that is ended.
    let failed = job(
        "backup-0",
        true,
        "",
        "conditions: [{type: Failed, status: 'True', lastTransitionTime: '2026-11-25T09:40:00Z'}]",
    );
    silent(schedules, &(text("concurrencyPolicy: Replace", status) + &failed));
    silent(schedules, &cron("schedule: '*/5 * * * *', concurrencyPolicy: Replace", status));
}
