use super::*;

fn restart() -> Vec<RemediationAction> {
    vec![action(ActionType::RestartDeployment, &[])]
}

fn refused(plan: &RemediationPlan, issue: Option<&Issue>, reason: &str) {
    let refusal = admit(plan, issue, "chatcli-system").expect_err(reason);
    assert_eq!(refusal.reason, reason);
    assert!(refusal.message.len() > 20, "{}", refusal.message);
}

#[test]
fn a_plan_acts_for_its_issue_and_in_its_namespace() {
    let ok = admit(&plan(restart()), Some(&issue()), "chatcli-system").unwrap();
    assert_eq!((ok.resource, ok.uid.as_deref(), ok.severity), (web(), Some("u1"), Severity::High));
    refused(&plan(restart()), None, "IssueNotFound");
    let mut again = issue();
    again.metadata.uid = Some("uid-issue-2".into());
    refused(&plan(restart()), Some(&again), "NotOwnedByIssue");
    let mut orphan = plan(restart());
    orphan.metadata.owner_references = None;
    refused(&orphan, Some(&issue()), "NotOwnedByIssue");
    for (api, kind) in [("apps/v1", "Issue"), ("platform.chatcli.io/v1alpha1", "Runbook")] {
        let mut odd = plan(restart());
        let owner = &mut odd.metadata.owner_references.as_mut().unwrap()[0];
        (owner.api_version, owner.kind) = (api.into(), kind.into());
        refused(&odd, Some(&issue()), "NotOwnedByIssue");
    }
    let mut elsewhere = plan(restart());
    elsewhere.spec.resource = Some(ResourceRef { namespace: "kube-system".into(), ..web() });
    refused(&elsewhere, Some(&issue()), "OutOfScope");
    let mut node = plan(restart());
    node.spec.resource = Some(ResourceRef { kind: "Node".into(), ..web() });
    refused(&node, Some(&issue()), "OutOfScope");
}

#[test]
fn a_plan_asks_for_what_this_version_does() {
    refused(&plan(vec![]), Some(&issue()), "NoActions");
    refused(&plan(vec![restart().remove(0); 21]), Some(&issue()), "TooManyActions");
    refused(&plan(vec![action(ActionType::DrainNode, &[])]), Some(&issue()), "ActionRefused");
    refused(&plan(vec![action(ActionType::ScaleDeployment, &[("replicas", "-1")])]), Some(&issue()), "ActionRefused");
    let mut agentic = plan(restart());
    agentic.spec.agentic_mode = Some(true);
    refused(&agentic, Some(&issue()), "AgenticNotAvailable");
    let mut other = plan(restart());
    other.spec.resource = Some(ResourceRef { kind: "StatefulSet".into(), ..web() });
    refused(&other, Some(&issue()), "WrongKind");
}

#[test]
fn the_worse_severity_counts_and_the_uid_is_that_of_the_same_workload() {
    let mut p = plan(restart());
    p.spec.severity = Some(Severity::Low);
    assert_eq!(admit(&p, Some(&issue()), "x").unwrap().severity, Severity::High);
    p.spec.severity = Some(Severity::Critical);
    assert_eq!(admit(&p, Some(&issue()), "x").unwrap().severity, Severity::Critical);
    p.spec.resource_uid = None;
    assert_eq!(admit(&p, Some(&issue()), "x").unwrap().uid.as_deref(), Some("u1"));
    p.spec.resource = Some(ResourceRef { name: "api".into(), ..web() });
    assert_eq!(admit(&p, Some(&issue()), "x").unwrap().uid, None);
    p.spec.resource = None;
    assert_eq!(admit(&p, Some(&issue()), "x").unwrap().resource, web());
}

#[test]
fn the_way_of_a_plan_that_helps() {
    let p = plan(restart());
    assert_eq!(stage(&p), Stage::Gate);
    let p = after(p.clone(), asked(&p, approval_of(), "waits", "kubectl annotate …"));
    assert_eq!((stage(&p), state(&p)), (Stage::Gate, RemediationState::WaitingApproval));
    let p = after(p.clone(), hold(&p, Some(true), "OutsideChangeWindow", "later"));
    assert_eq!(stage(&p), Stage::Gate);
    let p = after(p.clone(), begin_execution(&p, approval_of(), "alice", at(10)));
    assert_eq!((stage(&p), p.status.as_ref().unwrap().started_at.as_ref().unwrap().0), (Stage::Execute, at(10)));
    // A window that closes in between holds the plan, and it stays one that executes.
    let held = after(p.clone(), hold(&p, Some(true), "OutsideChangeWindow", "later"));
    assert_eq!(stage(&held), Stage::Execute);
    let begun = verification::begin(Some(&deployment()), SignedDuration::from_secs(30), at(20));
    let p = after(p.clone(), begin_verification(&p, begun, at(20)));
    assert_eq!(stage(&p), Stage::Verify);
    let p = after(p.clone(), verified(&p, None, at(60)));
    assert_eq!((stage(&p), state(&p)), (Stage::Ended, RemediationState::Completed));
    assert_eq!(p.status.as_ref().unwrap().completed_at.as_ref().unwrap().0, at(60));
    assert!(p.status.as_ref().unwrap().verification.is_some(), "what was watched stays");
}

#[test]
fn the_ways_of_a_plan_that_does_not() {
    let p = plan(restart());
    for end in [
        fail(&p, api::conditions::APPROVED, "Rejected", "bob said no", at(5)),
        cancelled(&p, "the Issue is over", at(5)),
    ] {
        let ended = after(p.clone(), end);
        assert_eq!((stage(&ended), state(&ended)), (Stage::Ended, RemediationState::Failed));
    }
    let p = after(p.clone(), begin_execution(&p, approval_of(), "alice", at(10)));
    let p = after(p.clone(), begin_rollback(&p, None, false, "it did not help", at(20)));
    assert_eq!(stage(&p), Stage::RollBack);
    let ended = after(p.clone(), end_rollback(&p, at(30)));
    assert_eq!(state(&ended), RemediationState::Failed);
    let status = ended.status.unwrap();
    assert_eq!(status.rollback_performed, Some(false), "nothing was there to undo");
    assert!(status.result.unwrap().starts_with("it did not help; "));
}

#[test]
fn evidence_does_not_grow_for_ever() {
    let mut p = plan(restart());
    for n in 0..200 {
        p = after(p.clone(), begin_rollback(&p, None, false, &format!("why {n}"), at(n)));
    }
    assert_eq!(p.status.unwrap().evidence.len(), 50);
}

fn ended(state: RemediationState, second: i64, acted: bool) -> RemediationPlan {
    let mut p = plan(restart());
    p.status = Some(RemediationPlanStatus {
        state: Some(state),
        completed_at: Some(Time(at(second))),
        steps: vec![ExecutionStep {
            index: 0,
            action: restart().remove(0),
            phase: if acted { StepPhase::Done } else { StepPhase::Failed },
            idempotency_key: "k".into(),
            snapshot: None,
            digest_after: None,
            intended_at: Time(at(0)),
            done_at: acted.then(|| Time(at(0))),
            message: None,
        }],
        action_checkpoints: vec![RemediationPlanActionCheckpoint {
            action_index: 0,
            action_type: None,
            snapshot_before: None,
            success: acted,
            timestamp: Time(at(0)),
        }],
        ..RemediationPlanStatus::default()
    });
    p
}

#[test]
fn history_counts_plans_that_acted_and_takes_the_worst_action() {
    use RemediationState::{Completed, Executing, Failed, RolledBack};
    let of = |plans: &[RemediationPlan], actions: &[RemediationAction]| {
        history::history(plans, actions, "Deployment", at(0)).map(|h| (h.succeeded, h.finished))
    };
    let plans = [
        ended(Completed, -10, true),
        ended(Completed, -20, true),
        ended(RolledBack, -30, true),
        ended(Failed, -40, true),
        ended(Failed, -50, false),
        ended(Executing, -60, true),
        ended(Completed, -91 * 86_400, true),
    ];
    assert_eq!(of(&plans, &restart()), Some((2, 4)));
    assert_eq!(of(&plans[4..], &restart()), None, "refused, running and long ago say nothing");
    assert_eq!(of(&[], &restart()), None);
    let scale = action(ActionType::ScaleDeployment, &[("replicas", "3")]);
    assert_eq!(of(&plans, &[restart().remove(0), scale.clone()]), None, "one of them was never done");
    let mut bad = ended(Failed, -5, true);
    bad.spec.actions = vec![scale.clone()];
    let all: Vec<RemediationPlan> = plans.iter().cloned().chain([bad]).collect();
    assert_eq!(of(&all, &[restart().remove(0), scale]), Some((0, 1)));
    assert_eq!(history::history(&plans, &restart(), "StatefulSet", at(0)), None);
    // A plan of an older version has no log.
    let mut old = ended(Failed, -10, true);
    old.status.as_mut().unwrap().steps.clear();
    assert_eq!(of(&[old], &restart()), Some((0, 1)));
    assert!(history::History { succeeded: 0, finished: 0 }.rate().abs() < f64::EPSILON);
}
