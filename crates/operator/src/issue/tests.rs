//! One reconcile at a time: names that are taken, deletions, the report in every order of deaths. The way from alert to
//! report stands in `crate::tests`.

use api::shared::IssueState;
use jiff::{SignedDuration, Timestamp};
use kit::classify::{Class, Classified};
use kit::clock::ManualClock;
use kube::ResourceExt;
use serde_json::{Value, json};
use testkit::fake_api::{FakeApi, crash_everywhere};

use super::*;
use crate::tests::world::t0;

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn issue(state: &str) -> Issue {
    object(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-issue", "labels": {api::keys::INCIDENT_ID: "INC-20260101-ABCDEF"}},
        "spec": {"description": "it does not start", "resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "severity": "high", "source": "watcher"},
        "status": {"state": state, "maxRemediationAttempts": 3, "remediationAttempts": 0, "resolvedAt": "2026-01-01T00:00:00Z"},
    }))
}

fn controller(fake: &FakeApi, now: Timestamp) -> Controller {
    let caches = Caches {
        issues: Cache::of(fake.list()),
        insights: Cache::of(fake.list()),
        plans: Cache::of(fake.list()),
        requests: Cache::of(fake.list()),
        reports: Cache::of(fake.list()),
        instances: Cache::default(),
    };
    let client = fake.client();
    let events = Events::new(client.clone(), "test");
    let clock = Arc::new(ManualClock::new(now));
    Controller::new(client, &caches, &Index::default(), Settings::default(), events, clock)
}

async fn once(fake: &FakeApi) -> Result<Next, Error> {
    let issue = fake.get::<Issue>("shop", "web").unwrap();
    controller(fake, t0()).reconcile(Arc::new(issue)).await
}

/// As the driver does it: again until it comes through, but not for ever.
async fn life(fake: FakeApi) {
    for _ in 0..5 {
        if fake.is_dead() || once(&fake).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn a_report_is_written_once_in_every_order_of_deaths() {
    let points = crash_everywhere(
        || FakeApi::new().with(issue("Resolved")),
        life,
        |point, fake| {
            let reports: Vec<PostMortem> = fake.list();
            assert_eq!(reports.len(), 1, "death after write {point}");
            assert!(reports[0].owner_references().is_empty());
            assert_eq!(reports[0].labels()[api::keys::ISSUE_UID], "uid-issue");
            assert_eq!(reports[0].labels()[api::keys::INCIDENT_ID], "INC-20260101-ABCDEF");
            assert!(reports[0].status.as_ref().unwrap().generated_at.is_some(), "death after write {point}");
            assert!(reported(&fake.get::<Issue>("shop", "web").unwrap()), "death after write {point}");
        },
    )
    .await;
    assert_eq!(points, 4, "the report, its text, the note on the Issue, the Event");
}

#[tokio::test]
async fn the_report_of_an_earlier_issue_of_that_name_is_left_alone() {
    let fake = FakeApi::new().with(issue("Resolved"));
    once(&fake).await.unwrap();
    let first: PostMortem = fake.list().remove(0);
    fake.remove::<Issue>("shop", "web");
    let mut second = issue("Resolved");
    second.metadata.uid = Some("uid-second".into());
    fake.put(second);
    once(&fake).await.unwrap();
    let reports: Vec<PostMortem> = fake.list();
    assert_eq!(reports.len(), 2);
    assert!(reports.contains(&first));
}

#[tokio::test]
async fn what_people_wrote_into_a_report_stays() {
    let fake = FakeApi::new().with(issue("Resolved"));
    once(&fake).await.unwrap();
    let name = fake.list::<PostMortem>().remove(0).name_any();
    fake.edit::<PostMortem>("shop", &name, |pm| pm["status"]["state"] = json!("InReview"));
    fake.edit::<Issue>("shop", "web", |i| i["status"]["conditions"] = json!([]));
    once(&fake).await.unwrap();
    let report: PostMortem = fake.list().remove(0);
    assert_eq!(report.status.unwrap().state, Some(api::post_mortem::PostMortemState::InReview));
}

#[tokio::test]
async fn an_object_of_something_else_is_never_taken_over() {
    let foreign = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "platform.chatcli.io/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue", "name": "web", "uid": "uid-of-an-earlier-one"}]},
            "spec": spec,
        })
    };
    let insight: AIInsight = object(foreign(
        "AIInsight",
        "web-insight",
        json!({"issueRef": {"name": "web"}, "model": "", "provider": "", "attempt": 1}),
    ));
    let fake = FakeApi::new().with(issue("Detected")).with(insight);
    let error = once(&fake).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (Class::Transient, "NameTaken"));
    // The garbage collector takes it away; the Issue, which is Analyzing by now, asks again.
    fake.remove::<AIInsight>("shop", "web-insight");
    once(&fake).await.unwrap();
    assert_eq!(fake.list::<AIInsight>().remove(0).owner_references()[0].uid, "uid-issue");

    let plan: RemediationPlan = object(foreign(
        "RemediationPlan",
        "web-plan-1",
        json!({"issueRef": {"name": "web"}, "attempt": 1, "strategy": "s", "actions": [{"type": "ScaleDeployment", "params": {"replicas": "0"}}]}),
    ));
    fake.put(plan);
    fake.edit::<AIInsight>("shop", "web-insight", |i| {
        i["status"] = json!({"analysis": "a", "analyzedAttempt": 1, "suggestedActions": [{"name": "n", "action": "RestartDeployment"}]});
    });
    assert_eq!(once(&fake).await.unwrap_err().reason(), "NameTaken");
    let state = fake.get::<Issue>("shop", "web").unwrap().status.unwrap().state;
    assert_eq!(state, Some(IssueState::Analyzing), "the status does not speak of a plan that is not there");
}

#[tokio::test]
async fn an_issue_that_is_being_deleted_starts_nothing() {
    let mut going = issue("Detected");
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(t0()));
    going.metadata.finalizers = Some(vec!["somebody/else".into()]);
    let fake = FakeApi::new().with(going);
    assert_eq!(once(&fake).await.unwrap(), Next::OnChange);
    assert!(fake.writes().is_empty());
}

#[tokio::test]
async fn a_decision_on_an_old_issue_is_refused_by_the_api_server_and_made_again() {
    let fake = FakeApi::new().with(issue("Detected"));
    let old = fake.get::<Issue>("shop", "web").unwrap();
    let stale = controller(&fake, t0());
    fake.edit::<Issue>("shop", "web", |i| i["spec"]["riskScore"] = json!(50));
    let error = stale.reconcile(Arc::new(old)).await.unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
    assert!(fake.writes().is_empty());
    once(&fake).await.unwrap();
    assert_eq!(fake.list::<AIInsight>().len(), 1);
}

#[tokio::test]
async fn a_plan_that_acts_is_seen_before_an_issue_is_closed_over_it() {
    let fake = FakeApi::new().with(issue("Remediating"));
    let anomaly: api::Anomaly = object(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Anomaly",
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "signalType": "oom_kill", "source": "watcher", "threshold": "t", "value": "v", "alertId": "x"},
        "status": {"correlated": true, "state": "Resolved", "resolvedAt": "2026-01-01T00:00:00Z"},
    }));
    let plan = |state: &str| -> RemediationPlan {
        object(json!({
            "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "RemediationPlan",
            "metadata": {"name": "web-plan-1", "namespace": "shop", "ownerReferences": [{"apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue", "name": "web", "uid": "uid-issue"}]},
            "spec": {"issueRef": {"name": "web"}, "attempt": 1, "strategy": "s", "actions": []},
            "status": {"state": state},
        }))
    };
    fake.put(plan("WaitingApproval"));
    let later = t0() + SignedDuration::from_mins(1);
    let stale = controller(&fake, later);
    stale.index.join(&anomaly, &Key::new("shop", "web"));
    // The cache still says that it waits.
    fake.put(plan("Executing"));
    let issue = fake.get::<Issue>("shop", "web").unwrap();
    stale.reconcile(Arc::new(issue)).await.unwrap();
    assert_eq!(fake.get::<Issue>("shop", "web").unwrap().status.unwrap().state, Some(IssueState::Remediating));
    fake.put(plan("WaitingApproval"));
    let issue = fake.get::<Issue>("shop", "web").unwrap();
    stale.reconcile(Arc::new(issue)).await.unwrap();
    let status = fake.get::<Issue>("shop", "web").unwrap().status.unwrap();
    assert_eq!(status.state, Some(IssueState::Resolved));
}
