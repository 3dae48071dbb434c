//! Votes on an API server in memory: each is read once and lost never, and each decision is counted once.

use std::sync::Arc;

use api::approval_request::ApprovalRequestState::{self, Approved, Expired, Pending, Rejected};
use api::{ApprovalPolicy, ApprovalRequest, RemediationPlan, keys};
use kit::cache::Cache;
use kit::clock::ManualClock;
use kit::controller::{Next, Reconcile};
use kit::events::Events;
use serde_json::json;
use testkit::fake_api::{FakeApi, Fault, crash_everywhere};

use super::{Caches, Controller, Error};
use crate::remediation_plan::tests::scene::{BEGIN, four_effects, instant, reconcile as reconcile_plan, rule, world};

const NAME: &str = "approval-plan-1";

/// A request that waits for so many people, made by its plan.
async fn asked(approvers: i32) -> FakeApi {
    let fake = world(&rule("quorum", &json!({"requiredApprovers": approvers})), &four_effects());
    reconcile_plan(&fake, BEGIN).await.unwrap();
    fake
}

async fn reconcile(fake: &FakeApi, now: &str) -> Result<Next, Error> {
    let client = fake.client();
    let caches = Caches {
        requests: Cache::of(fake.list::<ApprovalRequest>()),
        plans: Cache::of(fake.list::<RemediationPlan>()),
    };
    let events = Events::new(client.clone(), "test");
    let controller = Controller::new(client, &caches, events, Arc::new(ManualClock::new(instant(now))));
    let request = fake.get::<ApprovalRequest>("shop", NAME).unwrap();
    controller.reconcile(Arc::new(request)).await
}

fn annotate(fake: &FakeApi, key: &str, value: &str) {
    fake.edit::<ApprovalRequest>("shop", NAME, |r| r["metadata"]["annotations"][key] = json!(value));
}

fn state(fake: &FakeApi) -> Option<ApprovalRequestState> {
    fake.get::<ApprovalRequest>("shop", NAME).unwrap().status.and_then(|s| s.state)
}

fn voters(fake: &FakeApi) -> Vec<String> {
    let status = fake.get::<ApprovalRequest>("shop", NAME).unwrap().status.unwrap();
    status.decisions.into_iter().map(|d| d.approver).collect()
}

fn annotations(fake: &FakeApi) -> usize {
    fake.get::<ApprovalRequest>("shop", NAME).unwrap().metadata.annotations.map_or(0, |a| a.len())
}

/// Approved, rejected, expired, as the policy counts.
fn totals(fake: &FakeApi) -> (i64, i64, i64) {
    let status = fake.get::<ApprovalPolicy>("shop", "p").unwrap().status.unwrap_or_default();
    (status.total_approved, status.total_rejected, status.total_expired)
}

/// The plan begins to act.
fn begin(fake: &FakeApi) {
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| p["status"]["state"] = json!("Executing"));
}

#[tokio::test(start_paused = true)]
async fn votes_are_read_once_and_their_annotations_go() {
    let fake = asked(2).await;
    annotate(&fake, keys::APPROVE, "alice:ok");
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
    assert_eq!((state(&fake), voters(&fake).len(), annotations(&fake)), (Some(Pending), 1, 0));
    annotate(&fake, keys::APPROVE, "ALICE:me too");
    reconcile(&fake, "2026-01-01T00:02:00Z").await.unwrap();
    assert_eq!((state(&fake), voters(&fake).len(), annotations(&fake)), (Some(Pending), 1, 0));
    annotate(&fake, keys::APPROVE, "bob:ok");
    reconcile(&fake, "2026-01-01T00:03:00Z").await.unwrap();
    assert_eq!((state(&fake), voters(&fake)), (Some(Approved), vec!["alice".to_owned(), "bob".to_owned()]));
    // It can still be taken back, so it is not counted yet.
    assert_eq!(totals(&fake), (0, 0, 0));
    begin(&fake);
    reconcile(&fake, "2026-01-01T00:04:00Z").await.unwrap();
    assert_eq!(totals(&fake), (1, 0, 0));
    let before = fake.writes().len();
    reconcile(&fake, "2026-01-01T00:05:00Z").await.unwrap();
    assert_eq!(fake.writes().len(), before, "a decided request is left alone");
    annotate(&fake, keys::REJECT, "carol:stop");
    reconcile(&fake, "2026-01-01T00:06:00Z").await.unwrap();
    assert_eq!((state(&fake), annotations(&fake), totals(&fake)), (Some(Approved), 0, (1, 0, 0)));
    let told = fake.list::<k8s_openapi::api::events::v1::Event>();
    for reason in ["VoteRecorded", "Approved", "VoteTooLate"] {
        assert!(told.iter().any(|e| e.reason.as_deref() == Some(reason)), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_is_changed_before_it_is_taken_away_is_not_lost() {
    let fake = asked(2).await;
    annotate(&fake, keys::APPROVE, "alice:ok");
    fake.kill_after_write(1);
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap_err();
    fake.revive();
    assert_eq!((voters(&fake).len(), annotations(&fake)), (1, 1), "recorded, and not yet taken away");
    annotate(&fake, keys::APPROVE, "bob:ok");
    reconcile(&fake, "2026-01-01T00:02:00Z").await.unwrap();
    assert_eq!((state(&fake), annotations(&fake)), (Some(Approved), 0));
}

/// Lives of the controller until nothing more is to be done.
async fn live(fake: FakeApi) {
    for minute in 1..8 {
        let now = format!("2026-01-01T00:0{minute}:00Z");
        let attempt = reconcile(&fake, &now);
        let _ = tokio::time::timeout(std::time::Duration::from_mins(1), attempt).await;
        if fake.is_dead() {
            return;
        }
        if state(&fake) == Some(Approved) {
            begin(&fake);
        }
    }
}

async fn two_votes() -> FakeApi {
    let fake = asked(2).await;
    annotate(&fake, keys::APPROVE, "alice:ok");
    reconcile(&fake, BEGIN).await.unwrap();
    annotate(&fake, keys::APPROVE, "bob:ok");
    fake
}

#[tokio::test(start_paused = true)]
async fn a_death_after_any_write_loses_no_vote_and_counts_once() {
    type End = (Option<ApprovalRequestState>, (i64, i64, i64));
    let cases: [(&str, &str, End); 2] =
        [(keys::APPROVE, "bob:ok", (Some(Approved), (1, 0, 0))), (keys::REJECT, "bob:no", (Some(Rejected), (0, 1, 0)))];
    for (key, vote, end) in cases {
        let template = asked(2).await;
        let build = || {
            let fake = FakeApi::new()
                .with_all(template.list::<ApprovalRequest>())
                .with_all(template.list::<RemediationPlan>())
                .with_all(template.list::<ApprovalPolicy>());
            annotate(&fake, key, vote);
            if key == keys::APPROVE {
                // The other one is recorded already.
                fake.edit::<ApprovalRequest>("shop", NAME, |r| {
                    r["status"] = json!({"autoApproved": false, "state": "Pending", "decisions": [{"approver": "alice", "decision": "approved", "timestamp": BEGIN}]});
                });
            }
            fake
        };
        let points = crash_everywhere(build, live, |point, fake| {
            assert_eq!((state(fake), totals(fake)), end, "crash point {point}");
            assert_eq!(annotations(fake), 0);
        })
        .await;
        assert!(points >= 5, "{points}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_change_nothing_in_the_end() {
    for path in ["/approvalrequests/", "/approvalpolicies/", "/remediationplans/"] {
        for fault in Fault::ALL {
            let fake = two_votes().await;
            fault.inject(&fake, path);
            live(fake.clone()).await;
            fake.heal();
            live(fake.clone()).await;
            assert_eq!((state(&fake), totals(&fake)), (Some(Approved), (1, 0, 0)), "{fault:?} on {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn expiry_and_what_makes_a_request_void() {
    let fake = asked(2).await;
    assert_eq!(reconcile(&fake, BEGIN).await.unwrap(), Next::At(instant("2026-01-01T00:30:00Z")));
    reconcile(&fake, "2026-01-01T00:30:00Z").await.unwrap();
    assert_eq!((state(&fake), totals(&fake)), (Some(Expired), (0, 0, 1)));
    // Its plan is gone, or is another one of the same name.
    let fake = two_votes().await;
    fake.remove::<RemediationPlan>("shop", "plan-1");
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
    assert_eq!(state(&fake), Some(Expired));
    let fake = two_votes().await;
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| p["metadata"]["uid"] = json!("another"));
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
    assert_eq!(state(&fake), Some(Expired));
    // Its rule or its policy is gone: the votes do not count before the plan has asked again.
    let changes: [fn(&FakeApi); 2] = [
        |f| f.remove::<ApprovalPolicy>("shop", "p"),
        |f| f.edit::<ApprovalPolicy>("shop", "p", |p| p["spec"]["rules"][0]["name"] = json!("other")),
    ];
    for change in changes {
        let fake = two_votes().await;
        change(&fake);
        reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
        assert_eq!((state(&fake), voters(&fake).len()), (Some(Pending), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_refused_in_words_and_taken_away() {
    let fake = asked(2).await;
    annotate(&fake, keys::APPROVE, "yes please, go on");
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
    assert_eq!((state(&fake), voters(&fake).len(), annotations(&fake)), (Some(Pending), 0, 0));
    let told = fake.list::<k8s_openapi::api::events::v1::Event>();
    assert!(told.iter().any(|e| e.note.as_deref().is_some_and(|n| n.contains("who:why"))));
    annotate(&fake, keys::APPROVE, "policy:shop/p/all");
    reconcile(&fake, "2026-01-01T00:02:00Z").await.unwrap();
    assert_eq!((state(&fake), voters(&fake).len()), (Some(Pending), 0));
}

#[tokio::test(start_paused = true)]
async fn names_left_in_the_policy_by_a_death_go_with_the_next_count() {
    let fake = asked(2).await;
    fake.edit::<ApprovalPolicy>("shop", "p", |p| {
        p["status"] = json!({"totalApproved": 4, "totalAutoApproved": 0, "totalRejected": 0, "totalExpired": 0, "counting": ["long-gone"]});
    });
    annotate(&fake, keys::REJECT, "bob:no");
    reconcile(&fake, "2026-01-01T00:01:00Z").await.unwrap();
    let status = fake.get::<ApprovalPolicy>("shop", "p").unwrap().status.unwrap();
    assert_eq!((status.total_approved, status.total_rejected), (4, 1));
    assert!(status.counting.is_empty(), "{:?}", status.counting);
}
