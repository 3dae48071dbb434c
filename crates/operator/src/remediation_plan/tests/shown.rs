//! An approval is worth exactly what was shown, a no ends it, and the window counts when it runs.

use std::sync::Arc;

use api::approval_request::ApprovalRequestState;
use api::shared::RemediationState;
use api::{ApprovalPolicy, ApprovalRequest, Issue, RemediationPlan, keys};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kit::clock::ManualClock;
use kit::controller::Next;
use serde_json::{Value, json};
use testkit::fake_api::FakeApi;

use super::scene::*;

fn windowed() -> Value {
    rule(
        "manual",
        &json!({"changeWindow": {"timezone": "UTC", "allowedDays": ["Thursday", "Friday"], "startHour": 0, "endHour": 1}}),
    )
}

/// A plan that is approved and has not begun: people said yes, and the window is closed.
async fn approved(window: &Value) -> FakeApi {
    let fake = world(window, &four_effects());
    Life { start: "2026-01-01T00:10:00Z", rounds: 1, ..Life::default() }.live(fake.clone()).await;
    requests(&fake, &Arc::new(ManualClock::new(instant("2026-01-01T00:11:00Z")))).await;
    let request = fake.get::<ApprovalRequest>("shop", "approval-plan-1").unwrap();
    assert_eq!(request.status.unwrap().state, Some(ApprovalRequestState::Approved));
    assert_eq!(effects(&fake), 0);
    fake
}

/// Looks once more, inside the window: people are asked anew, and the first approval is worth nothing.
async fn asked_again(fake: &FakeApi) {
    reconcile(fake, "2026-01-01T00:12:00Z").await.unwrap();
    assert_eq!((state(fake), effects(fake)), (Some(RemediationState::WaitingApproval), 0));
    let approval = fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.unwrap().approval.unwrap();
    assert_eq!(approval.request.as_deref(), Some("approval-plan-1-r2"));
    assert!(condition(fake, "Approved").2.contains("kubectl annotate approvalrequest approval-plan-1-r2"));
    let told = fake.list::<k8s_openapi::api::events::v1::Event>().into_iter().filter_map(|e| e.note);
    assert!(told.into_iter().any(|note| note.contains("is not what would be done now")));
    // The first one is void, and its vote does not count for the second.
    let clock = Arc::new(ManualClock::new(instant("2026-01-01T00:13:00Z")));
    requests(fake, &clock).await;
    reconcile(fake, "2026-01-01T00:14:00Z").await.unwrap();
    assert_eq!(effects(fake), 0);
    let second = fake.get::<ApprovalRequest>("shop", "approval-plan-1-r2").unwrap();
    assert_eq!(second.status.unwrap().state, Some(ApprovalRequestState::Pending));
}

#[tokio::test(start_paused = true)]
async fn other_actions_are_asked_again() {
    let fake = approved(&windowed()).await;
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| p["spec"]["actions"][2] = scale("4"));
    asked_again(&fake).await;
    let second = fake.get::<ApprovalRequest>("shop", "approval-plan-1-r2").unwrap();
    assert_eq!(second.spec.requested_actions[2].params["replicas"], "4");
    Life { start: "2026-01-01T00:15:00Z", ..Life::default() }.live(fake.clone()).await;
    assert_eq!((state(&fake), &bare(&fake)["replicas"]), (Some(RemediationState::Completed), &json!(4)));
}

#[tokio::test(start_paused = true)]
async fn another_target_is_asked_again() {
    let fake = approved(&windowed()).await;
    fake.remove::<Deployment>("shop", "web");
    let mut again = deployment();
    again["metadata"]["uid"] = json!("u2");
    fake.put_json::<Deployment>(again.clone());
    asked_again(&fake).await;
    // The plan names the UID that it was made for: then it is over.
    let fake = approved(&windowed()).await;
    fake.edit::<Issue>("shop", "web-1", |i| i["spec"]["resourceUid"] = json!("u1"));
    fake.remove::<Deployment>("shop", "web");
    fake.put_json::<Deployment>(again);
    reconcile(&fake, "2026-01-01T00:12:00Z").await.unwrap();
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Executed").1, "TargetReplaced");
}

#[tokio::test(start_paused = true)]
async fn another_policy_is_asked_again() {
    let fake = approved(&windowed()).await;
    // A new generation of the same rule, and a stricter rule.
    set_policy(&fake, &rule("manual", &json!({"timeoutMinutes": 600})));
    asked_again(&fake).await;
    let fake = approved(&windowed()).await;
    set_policy(&fake, &rule("quorum", &json!({"requiredApprovers": 2})));
    asked_again(&fake).await;
    assert_eq!(fake.get::<ApprovalRequest>("shop", "approval-plan-1-r2").unwrap().spec.required_approvers, 2);
    // Its counters are no new generation.
    let fake = approved(&windowed()).await;
    fake.edit::<ApprovalPolicy>("shop", "p", |p| p["status"]["totalApproved"] = json!(7));
    reconcile(&fake, "2026-01-01T00:12:00Z").await.unwrap();
    assert_eq!(effects(&fake), 4);
    // The policy is gone: a person decides, about this.
    let fake = approved(&windowed()).await;
    fake.remove::<ApprovalPolicy>("shop", "p");
    asked_again(&fake).await;
}

#[tokio::test(start_paused = true)]
async fn a_no_ends_it_and_is_not_argued_with() {
    fn reject(fake: &FakeApi) {
        vote(fake, keys::REJECT, "bob:not today");
    }
    let fake = world(&windowed(), &four_effects());
    Life { people: reject, ..Life::default() }.live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Approved"), ("False".into(), "Rejected".into(), "bob rejected it: not today".into()));
    assert_eq!(fake.list::<ApprovalRequest>().len(), 1);
    // The policy changes between the no and the plan's next look.
    let fake = world(&windowed(), &four_effects());
    Life { people: reject, rounds: 1, ..Life::default() }.live(fake.clone()).await;
    requests(&fake, &Arc::new(ManualClock::new(instant(BEGIN)))).await;
    set_policy(&fake, &auto());
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(fake.list::<ApprovalRequest>().len(), 1);
    let policy = fake.get::<ApprovalPolicy>("shop", "p").unwrap().status.unwrap();
    assert_eq!((policy.total_approved, policy.total_rejected), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_decides_in_time() {
    let fake = world(&rule("manual", &json!({"timeoutMinutes": 2})), &four_effects());
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Approved").1, "Expired");
    assert_eq!(fake.get::<ApprovalPolicy>("shop", "p").unwrap().status.unwrap().total_expired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_closes_after_the_approval_holds_the_plan() {
    let fake = approved(&windowed()).await;
    let next = reconcile(&fake, "2026-01-01T01:10:00Z").await.unwrap();
    let opens: Timestamp = instant("2026-01-02T00:00:00Z");
    assert_eq!((next, effects(&fake)), (Next::At(opens), 0));
    assert_eq!(condition(&fake, "Executed").1, "OutsideChangeWindow");
    assert_eq!(condition(&fake, "Approved").0, "True");
    let before = fake.writes().len();
    reconcile(&fake, "2026-01-01T01:11:00Z").await.unwrap();
    assert_eq!(fake.writes().len(), before, "waiting writes nothing");
    Life { start: "2026-01-02T00:00:00Z", ..Life::default() }.live(fake.clone()).await;
    helped(&fake);
    // The zone becomes unknown: nothing runs, and the reason is said.
    let fake = approved(&windowed()).await;
    fake.edit::<ApprovalPolicy>("shop", "p", |p| {
        p["spec"]["rules"][0]["changeWindow"]["timezone"] = json!("Mars/Olympus");
        p["metadata"]["generation"] = json!(1);
    });
    reconcile(&fake, "2026-01-01T00:12:00Z").await.unwrap();
    assert_eq!(effects(&fake), 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_closes_in_the_middle_holds_the_rest() {
    let fake = after_first_effect(&windowed(), &four_effects()).await;
    let next = reconcile(&fake, "2026-01-01T01:10:00Z").await.unwrap();
    assert_eq!(next, Next::At(instant("2026-01-02T00:00:00Z")));
    assert_eq!((effects(&fake), state(&fake)), (1, Some(RemediationState::Executing)), "found done, and no more");
    assert_eq!(condition(&fake, "Executed").1, "OutsideChangeWindow");
    Life { start: "2026-01-02T00:00:00Z", ..Life::default() }.live(fake.clone()).await;
    helped(&fake);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_vanishes_in_the_middle_undoes_what_was_done() {
    type Change = fn(&FakeApi);
    let changes: [(&str, Change); 3] = [
        ("the request is deleted", |f| f.remove::<ApprovalRequest>("shop", "approval-plan-1")),
        ("the policy changes", |f| set_policy(f, &rule("quorum", &json!({"requiredApprovers": 3})))),
        ("the state of the request is turned", |f| {
            f.edit::<ApprovalRequest>("shop", "approval-plan-1", |r| r["status"]["state"] = json!("Rejected"));
        }),
    ];
    for (what, change) in changes {
        eprintln!("{what}");
        let fake = after_first_effect(&rule("manual", &json!({})), &four_effects()).await;
        change(&fake);
        Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
        assert_eq!(state(&fake), Some(RemediationState::RolledBack), "{}", result(&fake));
        assert_eq!((effects(&fake), data(&fake).as_str()), (2, "bad"));
    }
}
