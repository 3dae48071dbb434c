//! `AgenticStep`: its request in domain terms, and the step that was decided in its answer.
//!
//! What lives here: conversion and limits. What does not: the decision (`domain::remediation::agentic`).

use api::ai_insight::AIInsightSuggestedAction;
use domain::diagnosis::Diagnosis;
use domain::remediation::agentic::{Done, Next, Progress};
use proto::v1;
use tonic::Status;

use crate::convert;
use crate::service::fits;

/// Most steps that a history may have: the contract allows plans of 30, and each may be repeated.
const MAX_HISTORY: usize = 100;
/// Most bytes of a step, its parameters included.
const MAX_STEP: usize = 16 * 1024;
/// Most bytes of what the insight said.
const MAX_INSIGHT: usize = 256 * 1024;
/// Names of a step that only looks.
const LOOKS: [&str; 2] = ["", "observe"];

/// What is wanted, taken apart.
pub(crate) struct Asked {
    pub question: v1::AnalyzeIssueRequest,
    pub progress: Progress,
    pub told: Told,
}

/// What the caller knows of the incident, for its report.
pub(crate) struct Told {
    pub issue: String,
    object: String,
    description: String,
    analysis: String,
    recommendations: Vec<String>,
}

/// Refuses what is too much of what only this request has.
pub(crate) fn check(request: &v1::AgenticStepRequest) -> Result<(), Status> {
    if request.history.len() > MAX_HISTORY {
        return Err(Status::invalid_argument(format!(
            "history has {} steps, at most {MAX_HISTORY} are taken; remedy: send the latest",
            request.history.len()
        )));
    }
    for (index, step) in request.history.iter().enumerate() {
        let params: usize = step.params.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = step.ai_message.len() + step.action.len() + step.observation.len() + params;
        fits(&format!("history[{index}]"), bytes, MAX_STEP)?;
    }
    fits("insight_analysis", request.insight_analysis.len(), MAX_INSIGHT)?;
    fits("insight_recommendations", request.insight_recommendations.iter().map(String::len).sum(), MAX_INSIGHT)
}

/// Takes a request apart.
pub(crate) fn asked(request: v1::AgenticStepRequest) -> Asked {
    let progress = Progress {
        history: request.history.into_iter().map(done).collect(),
        step: request.current_step,
        limit: request.max_steps,
        intended: request.insight_suggested_actions.into_iter().next().map(convert::suggested),
    };
    let told = Told {
        issue: request.issue_name.clone(),
        object: format!("{} {}", request.resource_kind, request.resource_name),
        description: request.description.clone(),
        analysis: request.insight_analysis,
        recommendations: request.insight_recommendations,
    };
    let question = v1::AnalyzeIssueRequest {
        issue_name: request.issue_name,
        namespace: request.namespace,
        resource_kind: request.resource_kind,
        resource_name: request.resource_name,
        signal_type: request.signal_type,
        severity: request.severity,
        description: request.description,
        risk_score: request.risk_score,
        provider: request.provider,
        model: request.model,
        kubernetes_context: request.kubernetes_context,
        previous_failure_context: progress.in_words(),
        attempt: request.current_step,
        ..v1::AnalyzeIssueRequest::default()
    };
    Asked { question, progress, told }
}

fn done(step: v1::AgenticHistoryEntry) -> Done {
    let looked = LOOKS.iter().any(|name| step.action.trim().eq_ignore_ascii_case(name));
    let action = (!looked).then(|| AIInsightSuggestedAction {
        name: step.action.clone(),
        action: step.action,
        description: None,
        params: step.params.into_iter().collect(),
    });
    Done { number: step.step_number, action, observation: step.observation }
}

/// A step in a word, for the log.
pub(crate) fn named(next: &Next) -> String {
    match next {
        Next::Resolved => "the incident is over".into(),
        Next::Act(action, _) => action.action.clone(),
        Next::Observe(why) => format!("none: {why}"),
        Next::HandOver(why) => why.clone(),
    }
}

/// The answer.
pub(crate) fn answer(next: Next, diagnosis: &Diagnosis, progress: &Progress, told: Told) -> v1::AgenticStepResponse {
    let seen = diagnosis.analysis.clone();
    match next {
        Next::Resolved => over(diagnosis, progress, told),
        Next::Act(action, divergence) => v1::AgenticStepResponse {
            reasoning: seen,
            next_action: Some(convert::action(action)),
            diverges_from_insight: divergence.is_some(),
            divergence_reason: divergence.unwrap_or_default(),
            ..v1::AgenticStepResponse::default()
        },
        Next::Observe(why) | Next::HandOver(why) => {
            v1::AgenticStepResponse { reasoning: format!("{why}\n\n{seen}"), ..v1::AgenticStepResponse::default() }
        }
    }
}

/// The report of an incident that is over: what was known and done, nothing besides.
fn over(diagnosis: &Diagnosis, progress: &Progress, told: Told) -> v1::AgenticStepResponse {
    let actions: Vec<String> = progress.tried().into_iter().map(|action| action.action).collect();
    let after = match actions.len() {
        0 => "without an action".to_owned(),
        _ => format!("after {}", actions.join(", ")),
    };
    let cause = told.analysis.split("\n\n").next().unwrap_or_default().trim();
    let before_last = progress.history.iter().filter(|done| done.action.is_some()).rev().skip(1);
    let lessons = before_last.map(|done| {
        let action = done.action.as_ref().map(|action| action.action.as_str()).unwrap_or_default();
        format!("{action} (step {}) did not end the incident: {}", done.number, done.observation)
    });
    v1::AgenticStepResponse {
        reasoning: diagnosis.cause.statement.clone(),
        resolved: true,
        postmortem_summary: format!("The incident of {} ended {after}.", told.object),
        root_cause: if cause.is_empty() { "Not known: no analysis was given.".into() } else { cause.to_owned() },
        impact: told.description,
        lessons_learned: lessons.collect::<Vec<_>>().into_iter().rev().collect(),
        prevention_actions: told.recommendations,
        ..v1::AgenticStepResponse::default()
    }
}
