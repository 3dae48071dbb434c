//! Whether a plan may act now.

use api::ApprovalRequest;
use api::approval_policy::ApprovalMode;
use api::approval_request::ApprovalRequestState;
use jiff::Timestamp;

use super::auto::Settled;
use super::request::{approve_command, approvers, reject_command};
use super::window::{WindowState, windows_state};

/// What the question rests on; all of it read fresh.
#[derive(Clone, Debug)]
pub struct GateInput<'a> {
    /// What the policies ask for, conditions evaluated.
    pub settled: &'a Settled,
    /// Hash of what would be done, under these policies.
    pub hash: &'a str,
    /// The request that the plan refers to, if it exists.
    pub request: Option<&'a ApprovalRequest>,
    /// Now.
    pub now: Timestamp,
}

/// Answer of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may act now.
    Granted {
        /// Who let it.
        by: String,
    },
    /// Policy lets it act: the decision is recorded first.
    AutoApprove {
        /// `policy:<namespace>/<name>/<rule>`.
        approver: String,
        /// The conditions and what they were held against.
        evidence: String,
    },
    /// A request must be made.
    Ask {
        /// Why, when an earlier request is no longer good enough.
        why: String,
    },
    /// Not now.
    Wait {
        /// Reason for the condition.
        reason: &'static str,
        /// What is waited for.
        message: String,
        /// When to ask again, if time alone changes the answer.
        until: Option<Timestamp>,
    },
    /// Never: the plan is over.
    Denied {
        /// Reason for the condition.
        reason: &'static str,
        /// Who said so and why.
        message: String,
    },
}

/// Whether a plan may act now. Asked when the plan is made, when a decision arrives, and again before each action.
pub fn gate(input: &GateInput<'_>) -> Gate {
    let Some(request) = input.request else { return first(input) };
    let status = request.status.clone().unwrap_or_default();
    // A person's no ends the plan, whatever has changed since: it is not answered by asking again.
    if status.state == Some(ApprovalRequestState::Rejected) {
        return Gate::Denied { reason: "Rejected", message: rejection(request) };
    }
    if request.spec.actions_hash.as_deref() != Some(input.hash) {
        return Gate::Ask {
            why: format!(
                "what ApprovalRequest {} covers is not what would be done now: the actions, the target or the policy changed",
                request.metadata.name.as_deref().unwrap_or_default()
            ),
        };
    }
    match status.state {
        Some(ApprovalRequestState::Expired) => Gate::Denied {
            reason: "Expired",
            message: format!("nobody decided within {} minutes", request.spec.timeout_minutes),
        },
        Some(ApprovalRequestState::Approved) if status.auto_approved => by_policy(input, request),
        Some(ApprovalRequestState::Approved) => by_people(input, request),
        _ => undecided(input, request),
    }
}

fn first(input: &GateInput<'_>) -> Gate {
    if input.settled.requirement.mode == ApprovalMode::Auto {
        return in_window(input, auto(input));
    }
    Gate::Ask { why: input.settled.requirement.reason.clone() }
}

/// A request that policy was to decide and whose decision was never written: the process ended in between.
fn undecided(input: &GateInput<'_>, request: &ApprovalRequest) -> Gate {
    let auto_request = request.spec.mode == Some(ApprovalMode::Auto);
    match (auto_request, input.settled.requirement.mode) {
        (true, ApprovalMode::Auto) => in_window(input, auto(input)),
        (true, _) => Gate::Ask { why: input.settled.requirement.reason.clone() },
        (false, _) => {
            let name = request.metadata.name.as_deref().unwrap_or_default();
            let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
            Gate::Wait {
                reason: "WaitingForDecision",
                message: format!(
                    "ApprovalRequest {name} has {} of {} approvals; approve: {} ; reject: {}",
                    approvers(request).len(),
                    input.settled.requirement.required_approvers.max(request.spec.required_approvers),
                    approve_command(name, namespace),
                    reject_command(name, namespace)
                ),
                until: None,
            }
        }
    }
}

fn auto(input: &GateInput<'_>) -> Gate {
    let by = input.settled.requirement.governing.first().map(super::policy::Governing::path).unwrap_or_default();
    Gate::AutoApprove { approver: format!("policy:{by}"), evidence: input.settled.evidence.join("; ") }
}

fn by_policy(input: &GateInput<'_>, request: &ApprovalRequest) -> Gate {
    if input.settled.requirement.mode != ApprovalMode::Auto {
        return Gate::Ask { why: format!("policy decided before, but now {}", input.settled.requirement.reason) };
    }
    let by = request
        .status
        .iter()
        .flat_map(|s| &s.decisions)
        .find(|d| d.decision == "approved" && d.approver.starts_with("policy:"))
        .map(|d| d.approver.clone());
    match by {
        Some(by) => in_window(input, Gate::Granted { by }),
        None => Gate::Ask { why: "the request says that policy approved it, but records no such decision".to_owned() },
    }
}

fn by_people(input: &GateInput<'_>, request: &ApprovalRequest) -> Gate {
    let people = approvers(request);
    let needed = input.settled.requirement.required_approvers.max(1);
    if i32::try_from(people.len()).unwrap_or(i32::MAX) < needed {
        return Gate::Ask {
            why: format!(
                "the request says Approved, but its decisions name {} of {needed} distinct approvers",
                people.len()
            ),
        };
    }
    in_window(input, Gate::Granted { by: people.join(", ") })
}

fn in_window(input: &GateInput<'_>, then: Gate) -> Gate {
    match windows_state(&input.settled.requirement.windows, input.now) {
        WindowState::Open => then,
        WindowState::Closed { opens } => Gate::Wait {
            reason: "OutsideChangeWindow",
            message: format!("the change window is closed and opens at {opens}"),
            until: Some(opens),
        },
        WindowState::Invalid { reason } => Gate::Wait {
            reason: "InvalidChangeWindow",
            message: format!("{reason}; nothing runs until the policy is mended"),
            until: None,
        },
    }
}

fn rejection(request: &ApprovalRequest) -> String {
    let no = request.status.iter().flat_map(|s| &s.decisions).rev().find(|d| d.decision == "rejected");
    match no {
        Some(d) => match &d.reason {
            Some(why) => format!("{} rejected it: {why}", d.approver),
            None => format!("{} rejected it", d.approver),
        },
        None => "it was rejected".to_owned(),
    }
}
