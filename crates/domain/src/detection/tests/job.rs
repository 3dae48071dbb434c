//! Jobs: a try that fails is nothing, a Job that fails is.

use serde_json::json;

use super::*;

fn job(pods: Vec<Maker>, state: JobState) -> WorkloadView {
    let mut v = WorkloadView { desired: 1, job: Some(state), ..view(pods) };
    v.workload.kind = "Job".into();
    v.revisions = vec![revision(2, container())];
    v
}

fn tried(name: &str, from: i64, to: i64) -> Maker {
    pod(name, "r2").set("/spec/restartPolicy", json!("Never")).ended(from, to, 1, "Error").phase("Failed")
}

fn state(failed: i32) -> JobState {
    JobState { failed, backoff_limit: 6, ..JobState::default() }
}

#[test]
fn one_failure_is_nothing_and_two_are_a_symptom_while_they_are_fresh() {
    let again = || pod("b", "r2").set("/spec/restartPolicy", json!("Never")).running_since(20);
    assert_eq!(fired(&job(vec![tried("a", 1, 5), again()], state(1)), 30), []);
    let v = job(vec![tried("a", 1, 5), tried("b", 20, 25), again()], state(2));
    let symptom = only(&v, 30);
    assert_eq!((symptom.rule, symptom.pod.unwrap().name.as_str()), (Rule::JobFailed, "b"));
    assert_eq!(
        (symptom.container.as_deref(), symptom.value.as_str(), symptom.count),
        (Some("web"), "exit code 1, 2 failures", 2)
    );
    assert_eq!(symptom.severity, Severity::High);
    assert_eq!(fired(&v, 624), [Rule::JobFailed]);
    assert_eq!(fired(&v, 625), [], "it has run for ten minutes since");
    // Its container is started again in place.
    let in_place = pod("a", "r2").set("/spec/restartPolicy", json!("OnFailure"));
    assert_eq!(fired(&job(vec![in_place.ended(1, 5, 1, "Error")], state(0)), 6), []);
    let in_place = pod("a", "r2")
        .set("/spec/restartPolicy", json!("OnFailure"))
        .ended(9, 12, 1, "Error")
        .last(1, 5, 1, "Error")
        .restarts(1);
    assert_eq!(fired(&job(vec![in_place], state(0)), 13), [Rule::JobFailed]);
}

#[test]
fn a_job_that_failed_is_told_for_a_day_and_one_that_is_over_or_rests_is_well() {
    let failed = |mut v: WorkloadView| {
        v.conditions = vec![condition(
            "Failed",
            "True",
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
            30,
        )];
        v
    };
    let v = failed(job(vec![tried("a", 1, 5)], state(1)));
    assert_eq!(
        only(&v, 40).message,
        "Job web has failed (BackoffLimitExceeded): Job has reached the specified backoff limit"
    );
    assert_eq!(evaluate(&v, at(40)).next_look, Some(at(30 + 86_400)));
    assert_eq!(fired(&v, 30 + 86_400), []);
    assert!(v.healthy(), "what is history keeps no alert open");
    // Its pods may be gone.
    assert_eq!(only(&failed(job(vec![], state(3))), 40).pod, None);
    let overtaken = JobState { overtaken: true, ..state(1) };
    assert_eq!(fired(&failed(job(vec![tried("a", 1, 5)], overtaken)), 40), []);
    let mut done = job(
        vec![tried("a", 1, 5), pod("b", "r2").phase("Succeeded").ended(9, 20, 0, "Completed").phase("Succeeded")],
        state(1),
    );
    done.conditions = vec![condition("Complete", "True", "CompletionsReached", "", 21)];
    assert_eq!((fired(&done, 30), done.healthy()), (vec![], true));
    let rests = job(vec![], JobState { suspended: true, ..state(0) });
    assert_eq!((fired(&rests, 30), rests.healthy()), (vec![], true));
    assert!(!job(vec![], state(1)).healthy(), "between two tries");
    assert!(job(vec![pod("a", "r2").not_ready_since(0)], state(0)).healthy(), "nobody waits for it to be ready");
    assert_eq!(fired(&job(vec![pod("a", "r2").not_ready_since(0).running_since(1)], state(0)), 900), []);
}

#[test]
fn what_keeps_a_job_from_starting_counts_at_once() {
    let image = pod("a", "r2").waiting("ErrImagePull", "registry.example/web:9: not found");
    assert_eq!(fired(&job(vec![image], state(0)), 5), [Rule::ImagePull]);
    let config = pod("a", "r2").waiting("CreateContainerConfigError", "secret \"s\" not found");
    assert_eq!(fired(&job(vec![config], state(0)), 5), [Rule::MissingReference]);
    let start =
        pod("a", "r2").set("/spec/restartPolicy", json!("Never")).ended(1, 1, 128, "StartError").phase("Failed");
    assert_eq!(only(&job(vec![start], state(1)), 5).rule, Rule::StartError);
    let start = pod("a", "r2").set("/spec/restartPolicy", json!("OnFailure")).ended(1, 1, 128, "StartError");
    assert_eq!(only(&job(vec![start], state(0)), 5).rule, Rule::StartError);
    let place = pod("a", "r2").unscheduled(0, "0/1 nodes are available: 1 Insufficient cpu.");
    assert_eq!(fired(&job(vec![place], state(0)), 20), [Rule::Unschedulable]);
}

#[test]
fn a_job_of_a_cron_job_points_to_it_and_the_first_container_of_a_pod_that_failed_counts() {
    let cron = ObjectRef { kind: "CronJob".into(), name: "nightly".into(), ..ObjectRef::default() };
    let made = JobState { made_by: Some(cron.clone()), ..state(2) };
    let sidecar = json!({"name": "proxy", "image": "p", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 143, "reason": "Error", "startedAt": at(1).to_string(), "finishedAt": at(30).to_string()}}});
    let own = json!({"name": "web", "image": "w", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": at(1).to_string(), "finishedAt": at(25).to_string()}}});
    let p = tried("b", 1, 25).set("/status/containerStatuses", json!([sidecar, own]));
    let symptom = only(&job(vec![tried("a", 1, 5), p], made), 31);
    assert_eq!((symptom.root, symptom.container.as_deref()), (cron, Some("web")));
}
