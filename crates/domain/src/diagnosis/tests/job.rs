//! Jobs, and Jobs of CronJobs: the same causes, at their own paths.

use super::*;
use crate::detection::JobState;

fn job(pods: Vec<Maker>, state: JobState) -> WorkloadView {
    let mut v = WorkloadView { desired: 1, job: Some(state), ..view(pods) };
    v.workload =
        ObjectRef { kind: "Job".into(), name: "report-28".into(), api_version: Some("batch/v1".into()), ..v.workload };
    v.revisions = vec![revision(2, container())];
    v.conditions =
        vec![condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit", 50)];
    v
}

fn tried(name: &str, from: i64, to: i64) -> Maker {
    pod(name, "r2")
        .set("/spec/restartPolicy", json!("Never"))
        .phase("Failed")
        .ended(from, to, 1, "Error")
        .phase("Failed")
}

#[test]
fn a_job_that_gave_up() {
    let state = JobState { failed: 2, backoff_limit: 1, ..JobState::default() };
    let e = told(
        evidence(job(vec![tried("a", 1, 5), tried("b", 20, 25)], state.clone()), 60),
        &["fatal: environment variable BUCKET is not set"],
    );
    assert_eq!(e.symptom.pod.as_ref().map(|p| p.name.as_str()), Some("b"), "the last one that failed");
    let found = at_second(&e, 60);
    assert_eq!(
        (found.cause.object.kind.as_str(), found.cause.path.as_deref()),
        ("Job", Some("spec.template.spec.containers[0].env[BUCKET]"))
    );
    assert_eq!(
        found.cause.statement,
        "Container web of Job report-28 fails (\"fatal: environment variable BUCKET is not set\"): env BUCKET is not set"
    );
    let cron = ObjectRef {
        kind: "CronJob".into(),
        name: "report".into(),
        namespace: Some("shop".into()),
        ..ObjectRef::default()
    };
    let state = JobState { made_by: Some(cron), ..state };
    let e = told(
        evidence(job(vec![tried("a", 1, 5), tried("b", 20, 25)], state), 60),
        &["fatal: environment variable BUCKET is not set"],
    );
    let found = at_second(&e, 60);
    assert_eq!((found.cause.object.kind.as_str(), found.cause.object.name.as_str()), ("CronJob", "report"));
    assert_eq!(found.cause.path.as_deref(), Some("spec.jobTemplate.spec.template.spec.containers[0].env[BUCKET]"));
    assert_eq!(e.symptom.root.kind, "CronJob");
}

#[test]
fn a_job_that_took_too_long() {
    let mut v = job(vec![], JobState { failed: 1, backoff_limit: 6, ..JobState::default() });
    v.conditions =
        vec![condition("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline", 50)];
    let found = at_second(&evidence(v, 60), 60);
    assert_eq!(
        (found.cause.class, found.cause.path.as_deref()),
        (CauseClass::JobMisconfigured, Some("spec.activeDeadlineSeconds"))
    );
    assert!(found.cause.statement.contains("longer than its activeDeadlineSeconds"), "{}", found.cause.statement);
}

#[test]
fn a_job_over_its_memory() {
    let p = pod("a", "r2").set("/spec/restartPolicy", json!("Never")).ended(1, 5, 137, "OOMKilled").phase("Failed");
    let found = at_second(&evidence(job(vec![p], JobState { failed: 1, ..JobState::default() }), 60), 60);
    assert_eq!((found.cause.class, found.cause.object.kind.as_str()), (CauseClass::OutOfMemory, "Job"));
}
