//! From an alert to the report, and what happens when it does not go well.

use std::time::Duration;

use api::shared::{IssueState, RemediationState};
use api::{AIInsight, ApprovalPolicy, ApprovalRequest, Issue, PostMortem, RemediationPlan};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde_json::json;
use testkit::fake_api::{FakeApi, crash_everywhere};

use super::world::*;

#[tokio::test(start_paused = true)]
async fn a_bad_image_is_seen_explained_rolled_back_verified_and_written_up() {
    let (fake, life) = (shop(), Life::new(Analyst::rollback()));
    life.live(fake.clone()).await;
    mended(&fake);
    let plan: RemediationPlan = fake.list().remove(0);
    assert_eq!(plan.spec.resource_uid.as_deref(), Some("uid-web"));
    assert_eq!(plan.spec.confidence, Some(0.95));
    let issue: Issue = fake.list().remove(0);
    assert!(issue.labels().contains_key(api::keys::INCIDENT_ID));
    let anomaly: api::Anomaly = fake.list().remove(0);
    assert_eq!(anomaly.labels()[api::keys::INSTANCE], "brain");
    assert_eq!(anomaly.labels()[api::keys::INSTANCE_NAMESPACE], "ops");
    assert_eq!(anomaly.spec.instance.as_deref(), Some("ops/brain"));

    // Another life on the same world finds nothing to do.
    let before = fake.writes().len();
    life.live(fake.clone()).await;
    assert_eq!(fake.writes().len(), before, "a restart writes nothing");
    assert_eq!(life.analyst.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_death_after_any_write_changes_nothing() {
    let life = Life::new(Analyst::rollback());
    let run = |fake: FakeApi| {
        let life = life.clone();
        async move { life.live(fake).await }
    };
    let points = crash_everywhere(shop, run, |point, fake| {
        eprintln!("crash point {point}");
        mended(fake);
    })
    .await;
    assert!(points >= 20, "{points}");
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_it_waits_for_a_person_and_goes_on_when_one_agrees() {
    let fake = shop();
    fake.remove::<ApprovalPolicy>("ops", "auto");
    let waits: Until = |fake| fake.list::<ApprovalRequest>().iter().any(|r| r.status.is_some());
    let life = Life::new(Analyst::rollback());
    Life { until: waits, ..life.clone() }.live(fake.clone()).await;
    let request: ApprovalRequest = fake.list().remove(0);
    assert_eq!(fake.get::<Deployment>("shop", "web").unwrap().metadata.generation, Some(1));
    fake.edit::<ApprovalRequest>("shop", &request.name_any(), |r| {
        r["metadata"]["annotations"] = json!({api::keys::APPROVE: "ana:the image is wrong"});
    });
    life.live(fake.clone()).await;
    mended(&fake);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_not_help_is_undone_and_the_next_one_knows_why() {
    let fake = shop();
    let analyst = Analyst { plans: vec![vec!["RollbackDeployment"], vec!["RestartDeployment"]], ..Analyst::default() };
    // Only new pods help.
    let life = Life {
        heals: |template| template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string(),
        ..Life::new(analyst)
    };
    life.live(fake.clone()).await;
    let issue: Issue = fake.list().remove(0);
    let status = issue.status.unwrap();
    assert_eq!(status.state, Some(IssueState::Resolved), "{status:#?}");
    assert_eq!((status.remediation_attempts, status.failed_attempts.len()), (2, 1));
    let plans: Vec<RemediationPlan> = fake.list();
    assert_eq!(plans[0].status.as_ref().unwrap().state, Some(RemediationState::RolledBack));
    assert_eq!(plans[1].status.as_ref().unwrap().state, Some(RemediationState::Completed));
    let asked = life.analyst.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().map(|q| q.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(asked[1].failed.len(), 1);
    assert!(asked[1].failed[0].reason.contains("still there"), "{:?}", asked[1].failed);
    // Undone: the image of the rollback is not there any more.
    let deployment = serde_json::to_value(fake.get::<Deployment>("shop", "web").unwrap()).unwrap();
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "bad:2");
    let report: PostMortem = fake.list().remove(0);
    assert_eq!(report.status.unwrap().actions_executed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_death_around_a_failed_attempt_loses_neither_the_reason_nor_the_next_one() {
    let analyst = Analyst { plans: vec![vec!["RollbackDeployment"], vec!["RestartDeployment"]], ..Analyst::default() };
    let life = Life {
        heals: |template| template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string(),
        tick: Duration::from_secs(2),
        ..Life::new(analyst)
    };
    let run = |fake: FakeApi| {
        let life = life.clone();
        async move { life.live(fake).await }
    };
    crash_everywhere(shop, run, |point, fake| {
        let issue: Issue = fake.list().remove(0);
        let status = issue.status.unwrap();
        assert_eq!(status.state, Some(IssueState::Resolved), "crash point {point}: {status:#?}");
        assert_eq!((fake.list::<RemediationPlan>().len(), status.failed_attempts.len()), (2, 1), "crash point {point}");
        let asked = life.analyst.asked.lock().unwrap().clone();
        assert!(asked.iter().all(|q| q.attempt == 1 || q.failed.len() == 1), "crash point {point}");
        assert_eq!(fake.list::<PostMortem>().len(), 1, "crash point {point}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_escalates_the_issue_and_its_late_answer_still_counts() {
    let fake = shop();
    let life = Life::new(Analyst::rollback());
    *life.analyst.away.lock().unwrap() = 9;
    life.live(fake.clone()).await;
    let issue: Issue = fake.list().remove(0);
    let status = issue.status.unwrap();
    assert_eq!(status.state, Some(IssueState::Escalated));
    assert!(status.required_action.unwrap().contains("the server is away"));
    let insight: AIInsight = fake.list().remove(0);
    let condition = insight.status.unwrap().conditions.remove(0);
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "ServerUnavailable"));
    Life { until: written_up, longest: Duration::from_mins(20), ..life }.live(fake.clone()).await;
    mended(&fake);
}

#[tokio::test(start_paused = true)]
async fn an_issue_without_a_known_action_goes_to_people_with_the_cause() {
    let (fake, life) = (shop(), Life::new(Analyst { plans: vec![vec![]], ..Analyst::default() }));
    life.live(fake.clone()).await;
    let status = fake.list::<Issue>().remove(0).status.unwrap();
    assert_eq!(status.state, Some(IssueState::Escalated));
    assert!(status.required_action.unwrap().contains("image bad:2 does not exist"));
    assert!(fake.list::<RemediationPlan>().is_empty() && fake.list::<PostMortem>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_the_api_server_refuses_goes_to_people_with_its_words() {
    let (fake, life) = (shop(), Life::new(Analyst::rollback()));
    fake.fail("create", "remediationplans", 422, usize::MAX);
    life.live(fake.clone()).await;
    let status = fake.list::<Issue>().remove(0).status.unwrap();
    assert_eq!(status.state, Some(IssueState::Escalated));
    assert!(status.required_action.unwrap().contains("refused by the test"));
    assert!(fake.requests().iter().filter(|r| r.path.ends_with("remediationplans") && r.verb == "create").count() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_survives_its_issue_and_stays_deleted_when_somebody_deletes_it() {
    let (fake, life) = (shop(), Life::new(Analyst::rollback()));
    life.live(fake.clone()).await;
    let report: PostMortem = fake.list().remove(0);
    fake.remove::<PostMortem>("shop", &report.name_any());
    let never: Until = |_| false;
    let short = Life { until: never, longest: Duration::from_secs(5), ..life };
    short.live(fake.clone()).await;
    assert!(fake.list::<PostMortem>().is_empty());
}
