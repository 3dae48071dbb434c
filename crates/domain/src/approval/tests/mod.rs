//! Who must approve, and whether they have: policies, conditions, windows, votes, the hash. Everything fails closed.

mod gate;
mod policy;
mod votes;
mod window;

use api::approval_policy::*;
use api::approval_request::*;
use api::shared::{ActionType, IssueRef, RemediationAction, Severity};
use api::{ApprovalPolicy, ApprovalRequest, keys};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::remediation::history::History;

const OPERATOR: &str = "chatcli-system";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn action(type_: ActionType, params: &[(&str, &str)]) -> RemediationAction {
    RemediationAction { type_, params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
}

fn restart() -> Vec<RemediationAction> {
    vec![action(ActionType::RestartDeployment, &[])]
}

/// A rule that matches everything.
fn rule(name: &str, mode: ApprovalMode) -> ApprovalPolicyRule {
    ApprovalPolicyRule {
        auto_approve_conditions: None,
        change_window: None,
        match_: ApprovalPolicyRuleMatch {
            action_types: vec![],
            namespaces: vec![],
            resource_kinds: vec![],
            severities: vec![],
        },
        mode,
        name: name.into(),
        required_approvers: None,
        timeout_minutes: None,
    }
}

fn policy(namespace: &str, name: &str, rules: Vec<ApprovalPolicyRule>) -> ApprovalPolicy {
    let mut policy = ApprovalPolicy::new(name, ApprovalPolicySpec { default_mode: None, enabled: true, rules });
    policy.metadata.namespace = Some(namespace.into());
    policy.metadata.generation = Some(1);
    policy
}

fn with_default(mut policy: ApprovalPolicy, mode: &str) -> ApprovalPolicy {
    policy.spec.default_mode = Some(mode.into());
    policy
}

fn policies(readable: Vec<ApprovalPolicy>) -> Policies {
    Policies { operator_namespace: OPERATOR.into(), readable, unreadable: vec![] }
}

fn ask(namespace: &str, actions: &[RemediationAction], policies: &Policies) -> Requirement {
    resolve(&Question { namespace, kind: "Deployment", severity: Severity::High, actions }, policies)
}

fn conditions(confidence: f64, severity: Severity, rate: f64) -> ApprovalPolicyRuleAutoApproveConditions {
    ApprovalPolicyRuleAutoApproveConditions {
        historical_success_rate: rate,
        max_severity: severity,
        min_confidence: confidence,
    }
}

fn auto_rule() -> ApprovalPolicyRule {
    ApprovalPolicyRule {
        auto_approve_conditions: Some(conditions(0.9, Severity::High, 0.5)),
        ..rule("auto", ApprovalMode::Auto)
    }
}

fn good_facts() -> AutoFacts {
    AutoFacts { confidence: Some(0.95), severity: Severity::High, history: Some(History { succeeded: 3, finished: 4 }) }
}

fn weekdays(start: i32, end: i32, zone: &str) -> ApprovalPolicyRuleChangeWindow {
    ApprovalPolicyRuleChangeWindow {
        allowed_days: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"].map(str::to_owned).to_vec(),
        end_hour: end,
        start_hour: start,
        timezone: zone.into(),
    }
}

/// A request made at 0 for one approver within 30 minutes.
fn request(hash: &str, mode: ApprovalMode) -> ApprovalRequest {
    let mut request = ApprovalRequest::new(
        "approval-plan",
        ApprovalRequestSpec {
            blast_radius: None,
            evidence: None,
            issue_ref: IssueRef { name: "issue".into() },
            policy_ref: "p".into(),
            remediation_plan_ref: "plan".into(),
            requested_actions: restart(),
            requester: "chatcli-operator".into(),
            required_approvers: 1,
            rule_name: "r".into(),
            timeout_minutes: 30,
            actions_hash: Some(hash.into()),
            policy_namespace: Some("shop".into()),
            mode: Some(mode),
        },
    );
    request.metadata.namespace = Some("shop".into());
    request.metadata.creation_timestamp = Some(Time(at(0)));
    request
}

fn decision(who: &str, word: &str) -> ApprovalRequestDecision {
    ApprovalRequestDecision {
        approver: who.into(),
        decision: word.into(),
        reason: Some("because".into()),
        timestamp: Time(at(1)),
    }
}

fn decided(mut request: ApprovalRequest, state: ApprovalRequestState, votes: &[(&str, &str)]) -> ApprovalRequest {
    request.status = Some(ApprovalRequestStatus {
        state: Some(state),
        decisions: votes.iter().map(|(who, word)| decision(who, word)).collect(),
        ..ApprovalRequestStatus::default()
    });
    request
}
