//! Whether an automatic rule's conditions hold.

use api::approval_policy::{ApprovalMode, ApprovalPolicyRuleAutoApproveConditions as AutoConditions};
use api::shared::Severity;

use super::policy::Requirement;
use crate::remediation::history::History;

/// What the conditions are held against.
#[derive(Clone, Debug)]
pub struct AutoFacts {
    /// Confidence of the analysis; none when there is none.
    pub confidence: Option<f64>,
    /// Severity of the Issue.
    pub severity: Severity,
    /// How earlier plans with these actions ended; none when there were none.
    pub history: Option<History>,
}

/// A requirement with its conditions evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The requirement; its mode is manual when it was auto and a condition did not hold.
    pub requirement: Requirement,
    /// Each condition, what it was held against and whether it held.
    pub evidence: Vec<String>,
}

/// Evaluates the conditions of an automatic rule. A rule without conditions, a missing confidence and a missing history
/// (unless a rate of 0 is asked for) are conditions that do not hold: auto means that all three were looked at and held.
pub fn settle(mut requirement: Requirement, facts: &AutoFacts) -> Settled {
    if requirement.mode != ApprovalMode::Auto {
        return Settled { requirement, evidence: Vec::new() };
    }
    let mut evidence = Vec::new();
    let mut failed = Vec::new();
    for (governing, conditions) in requirement.governing.iter().zip(&requirement.conditions) {
        match conditions {
            Some(conditions) => check(conditions, facts, &mut evidence, &mut failed),
            None => failed.push(format!("{} has no autoApproveConditions that could hold", governing.path())),
        }
    }
    if requirement.governing.is_empty() {
        failed.push("no rule governs".to_owned());
    }
    if !failed.is_empty() {
        requirement.mode = ApprovalMode::Manual;
        requirement.reason = format!("{}, but {}, so a person decides", requirement.reason, failed.join(" and "));
        evidence.extend(failed);
    }
    Settled { requirement, evidence }
}

fn check(conditions: &AutoConditions, facts: &AutoFacts, held: &mut Vec<String>, failed: &mut Vec<String>) {
    let mut note = |ok: bool, text: String| if ok { held.push(text) } else { failed.push(text) };
    match facts.confidence {
        Some(c) if c.is_finite() => note(
            c >= conditions.min_confidence,
            format!("confidence {c:.2} against minConfidence {:.2}", conditions.min_confidence),
        ),
        _ => note(false, format!("no confidence is known against minConfidence {:.2}", conditions.min_confidence)),
    }
    // Severities are ordered from the worst down.
    note(
        facts.severity >= conditions.max_severity,
        format!("severity {:?} against maxSeverity {:?}", facts.severity, conditions.max_severity),
    );
    match facts.history {
        Some(h) => note(
            h.rate() >= conditions.historical_success_rate,
            format!(
                "{} of {} earlier plans with these actions helped against historicalSuccessRate {:.2}",
                h.succeeded, h.finished, conditions.historical_success_rate
            ),
        ),
        // A rule that asks for a rate of 0 asks for no history.
        None => note(
            conditions.historical_success_rate <= 0.0,
            format!(
                "no earlier plan with these actions has ended yet against historicalSuccessRate {:.2}",
                conditions.historical_success_rate
            ),
        ),
    }
}
