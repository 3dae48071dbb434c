//! How votes turn into the decision of an ApprovalRequest.

use std::collections::BTreeMap;

use api::ApprovalRequest;
use api::approval_request::{ApprovalRequestDecision, ApprovalRequestState as State, ApprovalRequestStatus};
use api::keys;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::identity::{parse_vote, same_identity};
use super::window::WindowState;

/// Word of an approval in `status.decisions`.
const APPROVED: &str = "approved";
/// Word of a rejection in `status.decisions`.
const REJECTED: &str = "rejected";

/// What else the decision needs to know.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Why the request no longer counts: another one took its place, or its plan is over.
    pub superseded: Option<String>,
    /// Whether the plan has begun to act, after which nobody can take an approval back.
    pub plan_started: bool,
    /// How the change window of the rule stands.
    pub window: WindowState,
    /// Now.
    pub now: Timestamp,
}

/// An annotation that has been read. It is removed after the status is written, and only if it still says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Its key.
    pub key: &'static str,
    /// What it said.
    pub value: String,
}

/// Something that people should hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestNote {
    /// Whether it is bad news.
    pub warning: bool,
    /// Reason of the Event.
    pub reason: &'static str,
    /// Text of the Event.
    pub message: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestDecision {
    /// Its status, conditions as they were.
    pub status: ApprovalRequestStatus,
    /// Status of the condition `Approved`: decided for, decided against, open.
    pub approved: Option<bool>,
    /// Reason of that condition.
    pub reason: &'static str,
    /// Message of that condition.
    pub message: String,
    /// Annotations to take away afterwards.
    pub consumed: Vec<Consumed>,
    /// What people should hear.
    pub notes: Vec<RequestNote>,
    /// When time alone changes the answer.
    pub next_check: Option<Timestamp>,
}

/// Which counter of the policy a decided request adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Approved by people.
    Approved,
    /// Approved by policy.
    AutoApproved,
    /// Rejected.
    Rejected,
    /// Expired.
    Expired,
}

/// Counter of a request; none while it is open.
pub fn counter_of(status: &ApprovalRequestStatus) -> Option<Counter> {
    match status.state? {
        State::Pending => None,
        State::Approved if status.auto_approved => Some(Counter::AutoApproved),
        State::Approved => Some(Counter::Approved),
        State::Rejected => Some(Counter::Rejected),
        State::Expired => Some(Counter::Expired),
    }
}

/// Distinct people who approved and did not take it back. Decisions of policies are not people.
pub fn approvers(request: &ApprovalRequest) -> Vec<String> {
    request.status.as_ref().map(|s| distinct(&s.decisions)).unwrap_or_default()
}

fn distinct(decisions: &[ApprovalRequestDecision]) -> Vec<String> {
    let mut people: Vec<String> = Vec::new();
    for decision in decisions.iter().filter(|d| d.decision == APPROVED && !d.approver.starts_with("policy:")) {
        let taken_back =
            decisions.iter().any(|d| d.decision == REJECTED && same_identity(&d.approver, &decision.approver));
        if !taken_back && !decision.approver.is_empty() && !people.iter().any(|p| same_identity(p, &decision.approver))
        {
            people.push(decision.approver.clone());
        }
    }
    people
}

/// The line that approves a request.
pub fn approve_command(request: &str, namespace: &str) -> String {
    format!("kubectl annotate approvalrequest {request} -n {namespace} --overwrite {}=\"<who>:<why>\"", keys::APPROVE)
}

/// The line that rejects a request.
pub fn reject_command(request: &str, namespace: &str) -> String {
    format!("kubectl annotate approvalrequest {request} -n {namespace} --overwrite {}=\"<who>:<why>\"", keys::REJECT)
}

/// What becomes of a request: reads the annotations, counts distinct people, applies timeout and window.
///
/// Any rejection decides. Enough approvals decide once the change window is open; they wait for it without expiring. An
/// approval that is read after the expiry came too late, even when nobody looked at the expiry itself. An approval can be
/// taken back until the plan begins to act.
pub fn decide_request(request: &ApprovalRequest, context: &RequestContext) -> RequestDecision {
    let mut status = request.status.clone().unwrap_or_default();
    let mut notes = Vec::new();
    let open = matches!(status.state, None | Some(State::Pending));
    let revocable = status.state == Some(State::Approved) && !status.auto_approved && !context.plan_started;
    let annotations = request.metadata.annotations.clone().unwrap_or_default();
    let in_time = enough(request, &status) || expires_at(request).is_none_or(|at| context.now < at);
    let consumed = read_votes(&annotations, &mut status, open && in_time, open || revocable, context.now, &mut notes);
    if open {
        status.state = Some(State::Pending);
        settle_open(request, &mut status, context, &mut notes);
    } else if revocable && status.decisions.iter().any(|d| d.decision == REJECTED) {
        reject(&mut status, context.now, &mut notes);
    }
    let (approved, reason, message) = describe(request, &status, context);
    let next_check = next_check(request, &status, context);
    status.observed_generation = request.metadata.generation;
    RequestDecision { status, approved, reason, message, consumed, notes, next_check }
}

fn read_votes(
    annotations: &BTreeMap<String, String>,
    status: &mut ApprovalRequestStatus,
    may_approve: bool,
    may_reject: bool,
    now: Timestamp,
    notes: &mut Vec<RequestNote>,
) -> Vec<Consumed> {
    let mut consumed = Vec::new();
    for (key, word, allowed) in [(keys::APPROVE, APPROVED, may_approve), (keys::REJECT, REJECTED, may_reject)] {
        let Some(value) = annotations.get(key) else { continue };
        consumed.push(Consumed { key, value: value.clone() });
        match parse_vote(value) {
            Err(error) => notes.push(RequestNote {
                warning: true,
                reason: "VoteRefused",
                message: format!("annotation {key} is no vote: {error}"),
            }),
            Ok(_) if status.decisions.len() >= MAX_DECISIONS => notes.push(RequestNote {
                warning: true,
                reason: "VoteRefused",
                message: format!("{MAX_DECISIONS} votes are recorded already"),
            }),
            Ok(vote) => {
                let known =
                    status.decisions.iter().any(|d| d.decision == word && same_identity(&d.approver, &vote.who));
                if known {
                    // Seen before: either the same person again, or this process ended before it took the annotation away.
                    continue;
                }
                if !allowed {
                    notes.push(RequestNote {
                        warning: true,
                        reason: "VoteTooLate",
                        message: format!(
                            "{} voted {word} after the decision or the expiry; it changes nothing",
                            vote.who
                        ),
                    });
                    continue;
                }
                notes.push(RequestNote {
                    warning: false,
                    reason: "VoteRecorded",
                    message: format!("{} voted {word}", vote.who),
                });
                status.decisions.push(ApprovalRequestDecision {
                    approver: vote.who,
                    decision: word.to_owned(),
                    reason: vote.why,
                    timestamp: Time(now),
                });
            }
        }
    }
    consumed
}

/// Most votes that a request keeps.
const MAX_DECISIONS: usize = 100;

fn settle_open(
    request: &ApprovalRequest,
    status: &mut ApprovalRequestStatus,
    context: &RequestContext,
    notes: &mut Vec<RequestNote>,
) {
    if status.decisions.iter().any(|d| d.decision == REJECTED) {
        return reject(status, context.now, notes);
    }
    if let Some(why) = &context.superseded {
        return expire(status, context.now, why.clone(), notes);
    }
    if enough(request, status) {
        if context.window == WindowState::Open {
            status.state = Some(State::Approved);
            status.approved_at = Some(Time(context.now));
            notes.push(RequestNote {
                warning: false,
                reason: "Approved",
                message: format!("approved by {}", distinct(&status.decisions).join(", ")),
            });
        }
        return;
    }
    if expires_at(request).is_some_and(|at| context.now >= at) {
        let why = format!("nobody decided within {} minutes", request.spec.timeout_minutes.max(1));
        expire(status, context.now, why, notes);
    }
}

fn reject(status: &mut ApprovalRequestStatus, now: Timestamp, notes: &mut Vec<RequestNote>) {
    status.state = Some(State::Rejected);
    status.approved_at = None;
    status.rejected_at = Some(Time(now));
    let by = status.decisions.iter().rev().find(|d| d.decision == REJECTED);
    let message = by.map_or_else(String::new, |d| {
        format!("rejected by {}{}", d.approver, d.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())
    });
    notes.push(RequestNote { warning: true, reason: "Rejected", message });
}

fn expire(status: &mut ApprovalRequestStatus, now: Timestamp, why: String, notes: &mut Vec<RequestNote>) {
    status.state = Some(State::Expired);
    status.expired_at = Some(Time(now));
    notes.push(RequestNote { warning: true, reason: "Expired", message: why });
}

fn enough(request: &ApprovalRequest, status: &ApprovalRequestStatus) -> bool {
    let needed = usize::try_from(request.spec.required_approvers.max(1)).unwrap_or(1);
    distinct(&status.decisions).len() >= needed
}

/// When a request expires; anchored in its creation.
fn expires_at(request: &ApprovalRequest) -> Option<Timestamp> {
    let created = request.metadata.creation_timestamp.as_ref()?.0;
    created.checked_add(i64::from(request.spec.timeout_minutes.max(1)).minutes()).ok()
}

fn describe(
    request: &ApprovalRequest,
    status: &ApprovalRequestStatus,
    context: &RequestContext,
) -> (Option<bool>, &'static str, String) {
    let name = request.metadata.name.as_deref().unwrap_or_default();
    let namespace = request.metadata.namespace.as_deref().unwrap_or_default();
    let by = distinct(&status.decisions);
    match status.state {
        Some(State::Approved) if status.auto_approved => {
            (Some(true), "ApprovedByPolicy", "policy approved it".to_owned())
        }
        Some(State::Approved) => (Some(true), "Approved", format!("approved by {}", by.join(", "))),
        Some(State::Rejected) => {
            (Some(false), "Rejected", "rejected; status.decisions says by whom and why".to_owned())
        }
        Some(State::Expired) => (
            Some(false),
            "Expired",
            context
                .superseded
                .clone()
                .unwrap_or_else(|| format!("nobody decided within {} minutes", request.spec.timeout_minutes.max(1))),
        ),
        Some(State::Pending) | None if enough(request, status) => match &context.window {
            WindowState::Closed { opens } => (
                None,
                "OutsideChangeWindow",
                format!(
                    "approved by {}, but the change window opens at {opens}; it counts from then on",
                    by.join(", ")
                ),
            ),
            WindowState::Invalid { reason } => (None, "InvalidChangeWindow", reason.clone()),
            WindowState::Open => (None, "WaitingForDecision", String::new()),
        },
        Some(State::Pending) | None => (
            None,
            "WaitingForDecision",
            format!(
                "{} of {} approvals; approve: {} ; reject: {}",
                by.len(),
                request.spec.required_approvers.max(1),
                approve_command(name, namespace),
                reject_command(name, namespace)
            ),
        ),
    }
}

fn next_check(
    request: &ApprovalRequest,
    status: &ApprovalRequestStatus,
    context: &RequestContext,
) -> Option<Timestamp> {
    if status.state != Some(State::Pending) {
        return None;
    }
    if enough(request, status) {
        return match &context.window {
            WindowState::Closed { opens } => Some(*opens),
            _ => None,
        };
    }
    expires_at(request)
}
