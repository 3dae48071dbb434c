use api::ai_insight::{AIInsightSpec, AIInsightStatus, AIInsightSuggestedAction};
use api::issue::IssueSpec;
use api::remediation_plan::{RemediationPlanSpec, RemediationPlanStatus};
use api::shared::*;
use api::{AIInsight, Issue, RemediationPlan};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn issue() -> Issue {
    let resource = ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() };
    let mut issue = Issue::new(
        "web-1",
        IssueSpec {
            correlation_id: None,
            description: "web fails".into(),
            resource,
            risk_score: Some(25),
            severity: Severity::High,
            signal_type: None,
            source: Source::Watcher,
            root: None,
            resource_uid: None,
        },
    );
    issue.metadata.namespace = Some("shop".into());
    issue.metadata.creation_timestamp = Some(Time(at(0)));
    issue
}

fn insight(attempt: i32, action: Option<(&str, &str)>) -> AIInsight {
    let mut insight = AIInsight::new(
        "web-1-insight",
        AIInsightSpec {
            issue_ref: IssueRef { name: "web-1".into() },
            model: String::new(),
            provider: String::new(),
            attempt: Some(attempt),
        },
    );
    let actions = action.map(|(action, revision)| AIInsightSuggestedAction {
        action: action.into(),
        description: None,
        name: "a".into(),
        params: [("toRevision".to_owned(), revision.to_owned())].into(),
    });
    insight.status = Some(AIInsightStatus {
        analysis: Some("the image is gone".into()),
        analyzed_attempt: Some(attempt),
        suggested_actions: actions.into_iter().collect(),
        confidence: Some(0.9),
        ..AIInsightStatus::default()
    });
    insight
}

fn plan(attempt: i32, state: RemediationState, refused: Option<&str>) -> RemediationPlan {
    let mut plan = RemediationPlan::new(
        &plan_name("web-1", attempt),
        RemediationPlanSpec {
            actions: vec![RemediationAction {
                type_: ActionType::RollbackDeployment,
                params: [("toRevision".to_owned(), attempt.to_string())].into(),
            }],
            agentic_history: vec![],
            agentic_max_steps: None,
            agentic_mode: None,
            attempt,
            issue_ref: IssueRef { name: "web-1".into() },
            safety_constraints: vec![],
            strategy: "s".into(),
            resource: None,
            resource_uid: None,
            severity: None,
            confidence: None,
        },
    );
    let conditions = refused.map(|reason| Condition {
        type_: "Approved".into(),
        status: "False".into(),
        reason: reason.into(),
        message: "m".into(),
        last_transition_time: Time(at(0)),
        observed_generation: None,
    });
    plan.status = Some(RemediationPlanStatus {
        state: Some(state),
        result: Some("because".into()),
        conditions: conditions.into_iter().collect(),
        ..RemediationPlanStatus::default()
    });
    plan
}

fn firing() -> Members {
    Members {
        names: vec!["a".into()],
        count: 1,
        firing: 1,
        first_seen: Some(at(-5)),
        last_cleared: None,
        affected: vec![],
    }
}

fn clear(since: i64) -> Members {
    Members { firing: 0, last_cleared: Some(at(since)), ..firing() }
}

fn step(
    issue: &mut Issue,
    insight: Option<&AIInsight>,
    plans: &[&RemediationPlan],
    members: &Members,
    now: i64,
) -> Decision {
    let decision = decide(&Facts { issue, insight, plans, members }, &Settings::default(), at(now));
    issue.status = Some(decision.status.clone());
    decision
}

fn state(issue: &Issue) -> IssueState {
    issue.status.as_ref().unwrap().state.unwrap()
}

#[test]
fn the_straight_way() {
    let mut i = issue();
    let d = step(&mut i, None, &[], &firing(), 0);
    assert_eq!((state(&i), d.effects), (IssueState::Analyzing, vec![Effect::Analyse { attempt: 1 }]));
    assert_eq!(i.status.as_ref().unwrap().detected_at.as_ref().unwrap().0, at(-5));
    let ins = insight(1, Some(("RollbackDeployment", "1")));
    let d = step(&mut i, Some(&ins), &[], &firing(), 1);
    assert!(matches!(&d.effects[..], [Effect::Plan { attempt: 1, .. }]));
    assert_eq!(state(&i), IssueState::Remediating);
    let d = step(&mut i, Some(&ins), &[], &firing(), 1);
    assert!(matches!(&d.effects[..], [Effect::Plan { attempt: 1, .. }]), "the plan is asked for until it is seen");
    assert!(d.moved.is_none());
    let p = plan(1, RemediationState::Completed, None);
    step(&mut i, Some(&ins), &[&p], &clear(2), 3);
    assert_eq!(state(&i), IssueState::Resolved);
    let conditions = &i.status.as_ref().unwrap().conditions;
    let value = |t: &str| conditions.iter().find(|c| c.type_ == t).map(|c| c.status.clone());
    assert_eq!(
        (value("Analyzing").unwrap(), value("Remediating").unwrap(), value("Resolved").unwrap(), value("Escalated")),
        ("False".into(), "False".into(), "True".into(), None)
    );
}

#[test]
fn a_failed_attempt_is_followed_by_another_and_never_by_the_same() {
    let mut i = issue();
    step(&mut i, None, &[], &firing(), 0);
    let ins = insight(1, Some(("RollbackDeployment", "1")));
    step(&mut i, Some(&ins), &[], &firing(), 1);
    let p = plan(1, RemediationState::RolledBack, None);
    let d = step(&mut i, Some(&ins), &[&p], &firing(), 2);
    assert_eq!((state(&i), d.effects), (IssueState::Analyzing, vec![Effect::Analyse { attempt: 2 }]));
    step(&mut i, Some(&ins), &[&p], &firing(), 3);
    assert_eq!(state(&i), IssueState::Analyzing, "the old analysis is not taken for the new one");
    let same = insight(2, Some(("RollbackDeployment", "1")));
    let mut j = i.clone();
    step(&mut j, Some(&same), &[&p], &firing(), 4);
    assert_eq!(state(&j), IssueState::Escalated);
    step(&mut i, Some(&insight(2, Some(("RollbackDeployment", "2")))), &[&p], &firing(), 4);
    assert_eq!((state(&i), i.status.unwrap().remediation_attempts), (IssueState::Remediating, 2));
}

#[test]
fn a_human_no_and_an_expiry_end_it() {
    for (reason, expected) in [("Rejected", "ApprovalRejected"), ("Expired", "ApprovalExpired")] {
        let mut i = issue();
        step(&mut i, None, &[], &firing(), 0);
        let ins = insight(1, Some(("RollbackDeployment", "1")));
        step(&mut i, Some(&ins), &[], &firing(), 1);
        let d = step(&mut i, Some(&ins), &[&plan(1, RemediationState::Failed, Some(reason))], &firing(), 2);
        assert_eq!((state(&i), d.moved.unwrap().reason), (IssueState::Escalated, expected));
    }
}

#[test]
fn recovery_needs_the_whole_window_and_never_cuts_into_an_acting_plan() {
    let mut i = issue();
    step(&mut i, None, &[], &firing(), 0);
    let d = step(&mut i, None, &[], &clear(1), 5);
    assert_eq!((state(&i), d.look_again), (IssueState::Analyzing, Some(at(11))));
    let mut j = i.clone();
    step(&mut j, None, &[], &clear(1), 11);
    assert_eq!(state(&j), IssueState::Resolved);
    let ins = insight(1, Some(("RollbackDeployment", "1")));
    step(&mut i, Some(&ins), &[], &firing(), 12);
    step(&mut i, Some(&ins), &[&plan(1, RemediationState::Verifying, None)], &clear(13), 60);
    assert_eq!(state(&i), IssueState::Remediating);
    step(&mut i, Some(&ins), &[&plan(1, RemediationState::WaitingApproval, None)], &clear(13), 60);
    assert_eq!(state(&i), IssueState::Resolved);
}

#[test]
fn nothing_to_do_and_no_answer_go_to_people_and_come_back() {
    let mut i = issue();
    step(&mut i, None, &[], &firing(), 0);
    let mut j = i.clone();
    step(&mut j, Some(&insight(1, None)), &[], &firing(), 1);
    assert_eq!(state(&j), IssueState::Escalated);
    step(&mut j, Some(&insight(1, None)), &[], &clear(5), 15);
    assert_eq!(state(&j), IssueState::Resolved);
    step(&mut i, None, &[], &firing(), 120);
    assert_eq!(state(&i), IssueState::Escalated);
    step(&mut i, Some(&insight(1, Some(("RollbackDeployment", "1")))), &[], &firing(), 130);
    assert_eq!(state(&i), IssueState::Remediating, "a late analysis is still good");
}

#[test]
fn names_are_legal_and_keep_their_hash() {
    let long = "a-very-long-workload-name-that-goes-on-and-on-".repeat(4);
    for name in [
        anomaly_name(&long, "deploy_failing", "id", at(0)),
        issue_name(&long, "s", "root", ""),
        post_mortem_name(&long, "u", 0),
        issue_name("ÄÖ._", "s", "r", ""),
        label(&long),
    ] {
        assert!(
            name.len() <= 63 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{name}"
        );
        assert!(
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.ends_with(|c: char| c.is_ascii_alphanumeric()),
            "{name}"
        );
    }
    assert_ne!(anomaly_name(&long, "s", "1", at(0)), anomaly_name(&long, "s", "2", at(0)));
    assert_ne!(issue_name("web", "s", "r", ""), issue_name("web", "s", "r", "web-1"));
    assert_eq!(incident_id("shop", "web-1", at(0)).len(), 19);
}

#[test]
fn scores_count_each_signal_once() {
    let s = score([(SignalType::OomKill, None), (SignalType::OomKill, None), (SignalType::PodRestart, None)]);
    assert_eq!((s.risk, s.severity), (65, Severity::Critical));
    assert_eq!(score([(SignalType::PodRestart, Some(Severity::High))]).severity, Severity::High);
    assert_eq!(score([(SignalType::DiskPressure, None)]).severity, Severity::Low);
}

#[test]
fn any_order_of_events_keeps_the_machine_on_its_edges() {
    use IssueState::*;
    // A small generator instead of a dependency: every word of seven events.
    for word in 0..7_u32.pow(5) {
        let mut i = issue();
        let mut before = Detected;
        for n in 0..5 {
            let event = word / 7_u32.pow(n) % 7;
            let attempt = i.status.as_ref().map_or(1, |s| s.failed_attempts.len() as i32 + 1);
            let ins = insight(attempt, (event != 0).then_some(("RollbackDeployment", "1")));
            let p = plan(
                attempt,
                match event {
                    2 => RemediationState::Failed,
                    3 => RemediationState::Completed,
                    _ => RemediationState::WaitingApproval,
                },
                (event == 4).then_some("Rejected"),
            );
            let members = if event == 5 { clear(0) } else { firing() };
            let insight = (event != 6).then_some(&ins);
            let plans: Vec<&RemediationPlan> = if event >= 2 { vec![&p] } else { vec![] };
            step(&mut i, insight, &plans, &members, i64::from(n) * 20);
            let now = state(&i);
            let legal = before == now
                || matches!(
                    (before, now),
                    (Detected, Analyzing)
                        | (Analyzing, Remediating | Resolved | Escalated)
                        | (Remediating, Analyzing | Resolved | Escalated)
                        | (Escalated, Resolved | Remediating)
                );
            assert!(legal, "{before:?} → {now:?} in {word}");
            before = now;
        }
    }
}

#[test]
fn the_report_tells_the_story() {
    let mut i = issue();
    step(&mut i, None, &[], &firing(), 0);
    let mut ins = insight(1, Some(("RollbackDeployment", "1")));
    let s = ins.status.as_mut().unwrap();
    s.generated_at = Some(Time(at(1)));
    s.root_cause = Some(RootCause {
        object: ObjectRef { kind: "Deployment".into(), name: "web".into(), ..ObjectRef::default() },
        path: None,
        value: None,
        class: CauseClass::ImageNotFound,
        statement: "Image shop/web:nope does not exist.".into(),
        confidence: 0.95,
        proof: vec![],
        ruled_out: vec![],
    });
    step(&mut i, Some(&ins), &[], &firing(), 1);
    let mut p = plan(1, RemediationState::Completed, None);
    p.status.as_mut().unwrap().completed_at = Some(Time(at(30)));
    step(&mut i, Some(&ins), &[&p], &clear(20), 31);
    let report = report(&ReportInput {
        issue: &i,
        insight: Some(&ins),
        plans: &[&p],
        requests: &[],
        others: &[],
        now: at(31) + SignedDuration::from_secs(1),
    });
    assert_eq!(
        report.timeline.iter().map(|l| l.type_.as_str()).collect::<Vec<_>>(),
        ["detected", "analysed", "verified", "resolved"]
    );
    assert_eq!(report.duration.as_deref(), Some("36s"));
    assert_eq!(
        report.summary.as_deref(),
        Some(
            "Deployment shop/web: Image shop/web:nope does not exist. It was over after 36s: web-1-plan-1 helped: because."
        )
    );
    assert_eq!(
        report.impact.as_deref(),
        Some("Deployment web in namespace shop degraded for 36s, severity high, 1 signals.")
    );
    assert!(report.prevention_actions.iter().any(|p| p.contains("image exists")));
}

#[test]
fn growing_counts_may_lag_and_nothing_else() {
    let mut issue = issue();
    issue.status = Some(api::issue::IssueStatus { anomaly_count: Some(1), ..Default::default() });
    let of = |status: api::issue::IssueStatus| Decision { effects: Vec::new(), status, moved: None, look_again: None };
    let old = issue.status.clone().unwrap();
    assert!(!of(old.clone()).only_counts(&issue), "nothing changes");
    let grown = api::issue::IssueStatus { anomaly_count: Some(2), anomalies: vec!["a".into()], ..old.clone() };
    assert!(of(grown.clone()).only_counts(&issue));
    assert!(!of(api::issue::IssueStatus { incident_id: Some("INC-1".into()), ..grown.clone() }).only_counts(&issue));
    let moves = Decision { effects: vec![Effect::Analyse { attempt: 1 }], ..of(grown) };
    assert!(!moves.only_counts(&issue));
}

#[test]
fn where_nothing_is_resolved_by_itself_people_close_what_they_were_asked_to_look_at() {
    let mut i = issue();
    i.status = Some(api::issue::IssueStatus { state: Some(IssueState::Escalated), ..Default::default() });
    let members = clear(0);
    let decided = |auto_resolve| {
        let settings = Settings { auto_resolve, max_attempts: 2, ..Settings::default() };
        decide(&Facts { issue: &i, insight: None, plans: &[], members: &members }, &settings, at(100))
    };
    assert_eq!(decided(true).status.state, Some(IssueState::Resolved));
    let kept = decided(false);
    assert_eq!(kept.status.state, Some(IssueState::Escalated));
    assert_eq!(kept.status.max_remediation_attempts, 2);
}
