//! Single steps: who may begin, what is undone, what is left alone.

use std::sync::Arc;

use api::shared::RemediationState;
use api::{Anomaly, ApprovalRequest, Issue, RemediationPlan};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kit::clock::ManualClock;
use kit::controller::{Next, Reconcile};
use serde_json::json;

use super::scene::*;

#[tokio::test(start_paused = true)]
async fn two_plans_never_act_on_one_workload_at_once() {
    let fake = world(&auto(), &json!([scale("3")]));
    fake.put_json::<RemediationPlan>(plan("plan-2", &json!([scale("4")])));
    let clock = Arc::new(ManualClock::new(instant(BEGIN)));
    // One process, two workers, all caches old.
    let both = controller(&fake, &clock);
    let plans: Vec<Arc<RemediationPlan>> = fake.list().into_iter().map(Arc::new).collect();
    let (a, b) = tokio::join!(both.reconcile(plans[0].clone()), both.reconcile(plans[1].clone()));
    a.unwrap();
    b.unwrap();
    let states: Vec<_> = fake.list::<RemediationPlan>().into_iter().map(|p| p.status.unwrap().state).collect();
    assert_eq!(effects(&fake), 1, "{states:?}");
    assert!(states.contains(&Some(RemediationState::WaitingApproval)), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_whose_issue_is_over_or_whose_signals_are_gone_does_not_begin() {
    let fake = world(&auto(), &four_effects());
    fake.edit::<Issue>("shop", "web-1", |i| {
        i["status"] = json!({"maxRemediationAttempts": 3, "remediationAttempts": 0, "state": "Resolved"});
    });
    reconcile(&fake, BEGIN).await.unwrap();
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Executed").1, "Cancelled");
    let fake = world(&auto(), &four_effects());
    fake.edit::<Anomaly>("shop", "a1", |a| a["status"]["state"] = json!("Resolved"));
    assert_eq!(reconcile(&fake, BEGIN).await.unwrap(), Next::OnChange);
    assert_eq!((effects(&fake), condition(&fake, "Executed").1.as_str()), (0, "SignalsClear"));
    // They come back.
    fake.edit::<Anomaly>("shop", "a1", |a| a["status"]["state"] = json!("Firing"));
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    helped(&fake);
}

#[tokio::test(start_paused = true)]
async fn plans_that_nobody_may_have_made_do_nothing() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(&str, Change); 5] = [
        ("NotOwnedByIssue", |p| p["metadata"]["ownerReferences"] = json!([])),
        ("OutOfScope", |p| p["spec"]["resource"]["namespace"] = json!("kube-system")),
        ("ActionRefused", |p| p["spec"]["actions"][2] = scale("-1")),
        ("NoActions", |p| p["spec"]["actions"] = json!([])),
        ("AgenticNotAvailable", |p| p["spec"]["agenticMode"] = json!(true)),
    ];
    for (reason, change) in cases {
        let fake = world(&auto(), &four_effects());
        fake.edit::<RemediationPlan>("shop", "plan-1", change);
        Life::default().live(fake.clone()).await;
        assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0), "{reason}");
        assert_eq!(condition(&fake, "Executed").1, reason);
        assert!(fake.list::<ApprovalRequest>().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_policy_does_not_let_pass_waits_for_a_person() {
    for severity in ["critical", "high"] {
        let fake = world(&auto(), &four_effects());
        fake.edit::<Issue>("shop", "web-1", |i| i["spec"]["severity"] = json!(severity));
        reconcile(&fake, BEGIN).await.unwrap();
        assert_eq!(effects(&fake) == 4, severity == "high", "{severity}");
    }
    let fake = world(&auto(), &four_effects());
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| p["spec"]["confidence"] = json!(0.89));
    reconcile(&fake, BEGIN).await.unwrap();
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::WaitingApproval), 0));
    let request = fake.list::<ApprovalRequest>().remove(0);
    assert_eq!(request.spec.requested_actions.len(), 3);
    let radius = request.spec.blast_radius.unwrap();
    assert_eq!((radius.risk_level.as_str(), radius.affected_namespaces), ("low", vec!["shop".to_owned()]));
    assert!(condition(&fake, "Approved").2.contains("kubectl annotate approvalrequest approval-plan-1 -n shop"));
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_plan_was_edited_after_a_crash_is_undone() {
    let fake = after_first_effect(&auto(), &four_effects()).await;
    assert_eq!(data(&fake), "good");
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| p["spec"]["actions"][0]["params"]["value"] = json!("other"));
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    assert_eq!(state(&fake), Some(RemediationState::RolledBack), "{}", result(&fake));
    assert_eq!((data(&fake).as_str(), effects(&fake)), ("bad", 2));
}

#[tokio::test(start_paused = true)]
async fn a_change_by_someone_else_is_left_alone() {
    let fake = after_first_effect(&auto(), &four_effects()).await;
    fake.edit::<ConfigMap>("shop", "settings", |c| c["data"]["mode"] = json!("mine"));
    fake.edit::<Deployment>("shop", "web", |d| d["spec"]["paused"] = json!(true));
    Life { people: nobody, ..Life::default() }.live(fake.clone()).await;
    // The restart is refused, since the rollout is paused; the ConfigMap is somebody's now.
    assert_eq!((state(&fake), data(&fake).as_str(), effects(&fake)), (Some(RemediationState::Failed), "mine", 1));
    assert!(result(&fake).contains("changed by someone else"), "{}", result(&fake));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_deleted_or_unknown_does_nothing_more() {
    let fake = after_first_effect(&auto(), &four_effects()).await;
    let old = fake.get::<RemediationPlan>("shop", "plan-1").unwrap();
    fake.edit::<RemediationPlan>("shop", "plan-1", |p| {
        p["metadata"]["finalizers"] = json!(["a/b"]);
        p["metadata"]["deletionTimestamp"] = json!(BEGIN);
    });
    let before = fake.writes().len();
    assert_eq!(reconcile(&fake, BEGIN).await.unwrap(), Next::OnChange);
    fake.remove::<RemediationPlan>("shop", "plan-1");
    let clock = Arc::new(ManualClock::new(instant(BEGIN)));
    assert_eq!(controller(&fake, &clock).reconcile(Arc::new(old)).await.unwrap(), Next::OnChange);
    assert_eq!(fake.writes().len(), before);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_change_is_a_refusal_before_anyone_is_asked() {
    let fake = world(&rule("manual", &json!({})), &json!([scale("2")]));
    Life::default().live(fake.clone()).await;
    assert_eq!((state(&fake), effects(&fake)), (Some(RemediationState::Failed), 0));
    assert_eq!(condition(&fake, "Executed").1, "NothingToChange");
    assert!(fake.list::<ApprovalRequest>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_log_in_status_tells_the_whole_story() {
    let fake = world(&rule("manual", &json!({})), &four_effects());
    Life::default().live(fake.clone()).await;
    let status = fake.get::<RemediationPlan>("shop", "plan-1").unwrap().status.unwrap();
    assert_eq!(status.steps.len(), 4);
    assert!(status.steps.iter().all(|s| s.done_at.is_some() && s.snapshot.is_some() && s.digest_after.is_some()));
    for (type_, reason) in [("Approved", "Approved"), ("Executed", "Executed"), ("Verified", "Verified")] {
        let (status, said, message) = condition(&fake, type_);
        assert_eq!((status.as_str(), said.as_str()), ("True", reason));
        assert!(!message.is_empty());
    }
    let verification = status.verification.unwrap();
    assert!(verification.deadline.0 > verification.started_at.0 && verification.healthy_since.is_some());
    let mark = fake.get::<Deployment>("shop", "web").unwrap().metadata.annotations.unwrap();
    assert_eq!(mark[api::keys::ACTION], "uid-plan-1-2");
}
