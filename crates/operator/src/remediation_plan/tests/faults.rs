//! What an API server does on a bad day; the end is the same.

use std::sync::Arc;

use api::shared::RemediationState;
use api::{ApprovalPolicy, ApprovalRequest, RemediationPlan};
use k8s_openapi::api::apps::v1::Deployment;
use kit::clock::ManualClock;
use kit::controller::Reconcile;
use serde_json::json;
use testkit::fake_api::{FakeApi, Fault};

use super::scene::*;

const PATHS: [&str; 5] =
    ["/remediationplans/", "/approvalrequests/", "/deployments/", "/configmaps/", "/approvalpolicies/"];

async fn survives(what: &str, life: Life, end: fn(&FakeApi), break_it: impl FnOnce(&FakeApi)) {
    eprintln!("{what}");
    let fake = world(&rule("manual", &json!({})), &four_effects());
    break_it(&fake);
    life.live(fake.clone()).await;
    fake.heal();
    life.live(fake.clone()).await;
    end(&fake);
}

#[tokio::test(start_paused = true)]
async fn every_fault_on_every_kind() {
    for path in PATHS {
        for fault in Fault::ALL {
            survives(&format!("{fault:?} on {path}"), Life::default(), helped, |f| fault.inject(f, path)).await;
            let life = Life { helps: false, ..Life::default() };
            survives(&format!("{fault:?} on {path}, undone"), life, undone, |f| fault.inject(f, path)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_creation_and_lists() {
    let path = "/approvalrequests";
    survives("create fails", Life::default(), helped, |f| f.fail("create", path, 500, 2)).await;
    survives("create stalls", Life::default(), helped, |f| f.stall("create", path, 1)).await;
    survives("the answer to create is lost", Life::default(), helped, |f| f.lose_answer("create", path, 1)).await;
    for list in ["/approvalpolicies", "/remediationplans", "/nodes", "/resourcequotas", "/services", "/pods"] {
        survives(&format!("list of {list} fails"), Life::default(), helped, |f| f.fail("list", list, 503, 3)).await;
    }
    survives("no Event can be written", Life::default(), helped, |f| f.fail("*", "/events", 403, usize::MAX)).await;
    survives("conflicts", Life::default(), helped, |f| f.fail("patch", "/status", 409, 7)).await;
    survives("too many requests", Life::default(), helped, |f| f.fail("patch", "/deployments/", 429, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn every_answer_of_a_side_effect_is_lost_once() {
    for number in 0..4 {
        let fake = world(&rule("manual", &json!({})), &four_effects());
        // Dry runs are not answered either; each lost answer is one attempt.
        let life = Life { rounds: 3 + number, ..Life::default() };
        fake.lose_answer("patch", "/deployments/", number + 1);
        fake.lose_answer("patch", "/configmaps/", number + 1);
        life.live(fake.clone()).await;
        Life::default().live(fake.clone()).await;
        helped(&fake);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_picture_of_the_plan_repeats_nothing() {
    let fake = world(&rule("manual", &json!({})), &four_effects());
    Life { stale: true, ..Life::default() }.live(fake.clone()).await;
    helped(&fake);
    // The plan is over, and the cache still shows it as new.
    let before = fake.writes().len();
    let mut old = fake.get::<RemediationPlan>("shop", "plan-1").unwrap();
    old.status = None;
    let clock = Arc::new(ManualClock::new(instant(BEGIN)));
    controller(&fake, &clock).reconcile(Arc::new(old)).await.unwrap();
    assert_eq!(fake.writes().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_gone_ends_the_plan_with_a_reason() {
    let fake = world(&rule("manual", &json!({})), &four_effects());
    fake.remove::<Deployment>("shop", "web");
    Life::default().live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Executed").1, "TargetNotFound");
    assert!(fake.list::<ApprovalRequest>().is_empty(), "nobody is asked about what cannot be done");
    // Gone after the approval.
    let fake = world(&rule("manual", &json!({})), &four_effects());
    Life { rounds: 1, ..Life::default() }.live(fake.clone()).await;
    fake.remove::<Deployment>("shop", "web");
    Life::default().live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_and_a_change_that_is_refused() {
    for code in [403, 422] {
        let fake = world(&rule("manual", &json!({})), &json!([scale("3")]));
        fake.fail("patch", "/deployments/web", code, usize::MAX);
        Life::default().live(fake.clone()).await;
        assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
        assert!(
            result(&fake).contains("the API server refused the change of Deployment shop/web"),
            "{}",
            result(&fake)
        );
    }
    // The policies cannot be read: nothing happens, and nothing is lost.
    let fake = world(&auto(), &four_effects());
    fake.fail("list", "/approvalpolicies", 403, usize::MAX);
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (None, 0));
    fake.heal();
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    helped(&fake);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_decode_makes_it_a_persons_matter() {
    let fake = world(&auto(), &four_effects());
    fake.put_json::<ApprovalPolicy>(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "ApprovalPolicy",
        "metadata": {"name": "broken", "namespace": "chatcli-system"}, "spec": {"enabled": "perhaps"},
    }));
    reconcile(&fake, BEGIN).await.unwrap();
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::WaitingApproval), 0));
    let reason = fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.unwrap().approval.unwrap().reason;
    assert!(reason.contains("chatcli-system/broken cannot be read"), "{reason}");
    // A plan beside it that does not decode stands in nobody's way, unless it says that it acts.
    for (status, done) in [(json!({}), 4), (json!({"state": "Executing"}), 0)] {
        let fake = world(&auto(), &four_effects());
        let clock = Arc::new(ManualClock::new(instant(BEGIN)));
        let (controller, ours) = (controller(&fake, &clock), fake.get::<RemediationPlan>("shop", "plan-1").unwrap());
        let mut odd = plan("odd", &json!([]));
        odd["spec"]["attempt"] = json!("first");
        odd["status"] = status;
        fake.put_json::<RemediationPlan>(odd);
        controller.reconcile(Arc::new(ours)).await.unwrap();
        assert_eq!(effects(&fake), done);
        if done == 0 {
            assert_eq!(condition(&fake, "Executed").1, "TargetBusy");
        }
    }
}
