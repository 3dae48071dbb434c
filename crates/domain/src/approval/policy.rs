//! Which rule governs a plan.
//!
//! * A policy in the operator's own namespace governs every namespace; one elsewhere governs its own namespace only.
//! * Inside each of these two scopes, policies are asked in the order of their names and rules from the top; the first
//!   rule that matches counts.
//! * When both scopes have a matching rule, the stricter one counts (quorum over manual over auto, then more approvers).
//! * When no rule matches, the `defaultMode` of the first policy of each scope counts, the stricter again; else manual.
//!   `defaultMode: auto` has no conditions that could hold, so it ends in manual.
//! * Each action of the plan is asked by itself, and the strictest answer counts for the whole plan. Every change window
//!   among the answers must be open.
//! * A policy that governs here but cannot be read could hold a stricter rule: nothing is automatic beside it.

use api::ApprovalPolicy;
use api::approval_policy::{
    ApprovalMode, ApprovalPolicyRule, ApprovalPolicyRuleAutoApproveConditions as AutoConditions,
    ApprovalPolicyRuleChangeWindow as ChangeWindow, ApprovalPolicyRuleMatch,
};
use api::shared::{ActionType, RemediationAction, Severity};

/// Time to decide when a rule names none.
const DEFAULT_TIMEOUT_MINUTES: i32 = 30;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Namespace of the workload.
    pub namespace: &'a str,
    /// Kind of the workload.
    pub kind: &'a str,
    /// Severity of the Issue.
    pub severity: Severity,
    /// What the plan would do.
    pub actions: &'a [RemediationAction],
}

/// A policy that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadablePolicy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Policies as they were read.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Namespace of the operator.
    pub operator_namespace: String,
    /// Those that could be read.
    pub readable: Vec<ApprovalPolicy>,
    /// Those that could not.
    pub unreadable: Vec<UnreadablePolicy>,
}

/// A rule, or the default of a policy, that has a say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Governing {
    /// Namespace of the policy.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// Generation of the policy.
    pub generation: i64,
    /// Rule; none when the default of the policy applies.
    pub rule: Option<String>,
}

impl Governing {
    /// `namespace/name/rule`, as the evidence shows it.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.name, self.rule.as_deref().unwrap_or("default"))
    }
}

/// What the policies ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Way of decision.
    pub mode: ApprovalMode,
    /// How many distinct people must approve.
    pub required_approvers: i32,
    /// Minutes from the request to its expiry.
    pub timeout_minutes: i32,
    /// Everything that has a say, the strictest first; empty when no policy does.
    pub governing: Vec<Governing>,
    /// Windows that must all be open.
    pub windows: Vec<ChangeWindow>,
    /// Conditions of the automatic rules; `None` for a rule or default that names none, which therefore never holds.
    pub conditions: Vec<Option<AutoConditions>>,
    /// Why it is so.
    pub reason: String,
}

struct Answer {
    mode: ApprovalMode,
    approvers: i32,
    timeout: i32,
    governing: Option<Governing>,
    window: Option<ChangeWindow>,
    conditions: Option<AutoConditions>,
    reason: String,
}

/// What the policies ask for this plan.
pub fn resolve(question: &Question<'_>, policies: &Policies) -> Requirement {
    let mut answers: Vec<Answer> =
        question.actions.iter().map(|action| answer(question, action.type_, policies)).collect();
    // The strictest first; the order of equals is that of the actions.
    answers.sort_by_key(|a| std::cmp::Reverse((a.mode, a.approvers)));
    let mut requirement = match answers.first() {
        Some(first) => Requirement {
            mode: first.mode,
            required_approvers: first.approvers,
            timeout_minutes: answers.iter().map(|a| a.timeout).min().unwrap_or(DEFAULT_TIMEOUT_MINUTES),
            governing: Vec::new(),
            windows: Vec::new(),
            conditions: Vec::new(),
            reason: first.reason.clone(),
        },
        None => nobody("the plan names no action, so no rule can match it"),
    };
    for answer in answers {
        requirement.required_approvers = requirement.required_approvers.max(answer.approvers);
        if let Some(governing) = answer.governing
            && !requirement.governing.contains(&governing)
        {
            requirement.governing.push(governing);
            requirement.windows.extend(answer.window);
            requirement.conditions.push(answer.conditions);
        }
    }
    not_automatic_beside_unreadable(question, policies, &mut requirement);
    requirement
}

fn not_automatic_beside_unreadable(question: &Question<'_>, policies: &Policies, requirement: &mut Requirement) {
    let blind = policies
        .unreadable
        .iter()
        .find(|p| p.namespace == question.namespace || p.namespace == policies.operator_namespace);
    if let Some(blind) = blind
        && requirement.mode == ApprovalMode::Auto
    {
        requirement.mode = ApprovalMode::Manual;
        requirement.reason = format!(
            "ApprovalPolicy {}/{} cannot be read ({}) and could ask for more, so a person decides; mend or delete it",
            blind.namespace, blind.name, blind.why
        );
    }
}

fn nobody(reason: &str) -> Requirement {
    Requirement {
        mode: ApprovalMode::Manual,
        required_approvers: 1,
        timeout_minutes: DEFAULT_TIMEOUT_MINUTES,
        governing: Vec::new(),
        windows: Vec::new(),
        conditions: Vec::new(),
        reason: reason.to_owned(),
    }
}

fn answer(question: &Question<'_>, action: ActionType, policies: &Policies) -> Answer {
    let scopes = scopes(question.namespace, policies);
    let matched =
        scopes.iter().filter_map(|scope| first_match(question, action, scope)).max_by_key(|a| (a.mode, a.approvers));
    if let Some(matched) = matched {
        return matched;
    }
    let default = scopes.iter().filter_map(|scope| first_default(action, scope)).max_by_key(|a| (a.mode, a.approvers));
    default.unwrap_or_else(|| Answer {
        mode: ApprovalMode::Manual,
        approvers: 1,
        timeout: DEFAULT_TIMEOUT_MINUTES,
        governing: None,
        window: None,
        conditions: None,
        reason: format!(
            "no ApprovalPolicy governs {action:?} in namespace {}, so a person decides",
            question.namespace
        ),
    })
}

/// The two scopes that govern a namespace, each in the order of names; one when they are the same.
fn scopes<'a>(namespace: &str, policies: &'a Policies) -> Vec<Vec<&'a ApprovalPolicy>> {
    let mut names = vec![namespace];
    if policies.operator_namespace != namespace {
        names.push(&policies.operator_namespace);
    }
    names
        .into_iter()
        .map(|ns| {
            let mut scope: Vec<&ApprovalPolicy> = policies
                .readable
                .iter()
                .filter(|p| p.spec.enabled && p.metadata.namespace.as_deref() == Some(ns))
                .collect();
            scope.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
            scope
        })
        .collect()
}

fn first_match(question: &Question<'_>, action: ActionType, scope: &[&ApprovalPolicy]) -> Option<Answer> {
    scope.iter().find_map(|policy| {
        let rule = policy.spec.rules.iter().find(|rule| matches(&rule.match_, question, action))?;
        Some(by_rule(policy, rule, action))
    })
}

fn by_rule(policy: &ApprovalPolicy, rule: &ApprovalPolicyRule, action: ActionType) -> Answer {
    let governing = governing(policy, Some(rule.name.clone()));
    let reason = format!("rule {} asks for {} approval of {action:?}", governing.path(), word(rule.mode));
    Answer {
        mode: rule.mode,
        approvers: rule.required_approvers.unwrap_or(1).max(least_approvers(rule.mode)),
        timeout: rule.timeout_minutes.filter(|m| *m > 0).unwrap_or(DEFAULT_TIMEOUT_MINUTES),
        governing: Some(governing),
        window: rule.change_window.clone(),
        conditions: rule.auto_approve_conditions.clone(),
        reason,
    }
}

/// A quorum of one would be no quorum.
fn least_approvers(mode: ApprovalMode) -> i32 {
    if mode == ApprovalMode::Quorum { 2 } else { 1 }
}

fn first_default(action: ActionType, scope: &[&ApprovalPolicy]) -> Option<Answer> {
    scope.iter().find_map(|policy| {
        let text = policy.spec.default_mode.as_deref()?;
        let governing = governing(policy, None);
        let (mode, note) = match text {
            "auto" => (ApprovalMode::Auto, ""),
            "quorum" => (ApprovalMode::Quorum, ""),
            "manual" => (ApprovalMode::Manual, ""),
            _ => (ApprovalMode::Manual, ", which is no known mode and counts as manual"),
        };
        let reason = format!(
            "no rule matches {action:?}; defaultMode of ApprovalPolicy {}/{} is {text}{note}",
            governing.namespace, governing.name
        );
        Some(Answer {
            mode,
            approvers: least_approvers(mode),
            timeout: DEFAULT_TIMEOUT_MINUTES,
            governing: Some(governing),
            window: None,
            conditions: None,
            reason,
        })
    })
}

fn governing(policy: &ApprovalPolicy, rule: Option<String>) -> Governing {
    Governing {
        namespace: policy.metadata.namespace.clone().unwrap_or_default(),
        name: policy.metadata.name.clone().unwrap_or_default(),
        generation: policy.metadata.generation.unwrap_or_default(),
        rule,
    }
}

fn matches(filter: &ApprovalPolicyRuleMatch, question: &Question<'_>, action: ActionType) -> bool {
    (filter.severities.is_empty() || filter.severities.contains(&question.severity))
        && (filter.action_types.is_empty() || filter.action_types.contains(&action))
        && (filter.namespaces.is_empty() || filter.namespaces.iter().any(|n| n == question.namespace))
        && (filter.resource_kinds.is_empty()
            || filter.resource_kinds.iter().any(|k| k.eq_ignore_ascii_case(question.kind)))
}

/// The mode as the resource spells it.
pub(super) fn word(mode: ApprovalMode) -> &'static str {
    match mode {
        ApprovalMode::Auto => "auto",
        ApprovalMode::Manual => "manual",
        ApprovalMode::Quorum => "quorum",
    }
}
