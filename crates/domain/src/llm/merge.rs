//! The diagnosis of the rules and what a language model adds to it. The cause with its proof stays that of the rules, and so
//! do their actions; a model adds words, advice, and, where the rules have no remedy, one that the evidence knows.

use std::fmt::Write;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::CauseClass;

use super::{Answer, Provider, SaidAction, admit};
use crate::diagnosis::{Diagnosis, Evidence};

/// Most that a model's own confidence counts where nothing is proven: an opinion must not pass for evidence.
pub const UNPROVEN: f64 = 0.5;

/// What a model said, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The answer.
    pub answer: Answer,
    /// Who gave it.
    pub provider: Provider,
    /// By which model.
    pub model: String,
}

/// The diagnosis with what a model adds.
pub fn merge(mut diagnosis: Diagnosis, evidence: Option<&Evidence>, said: &Said) -> Diagnosis {
    let Said { answer, provider, model } = said;
    let proven = diagnosis.cause.class != CauseClass::Unknown;
    if let Some(confidence) = answer.confidence {
        // A doubt counts against what the rules found; a conviction does not add to it.
        let most = if proven { diagnosis.cause.confidence } else { UNPROVEN };
        diagnosis.cause.confidence = confidence.min(most);
    }
    let mut added = format!("\n\n{provider} ({model}) adds: ");
    if let Some(statement) = answer.statement.as_ref().filter(|statement| **statement != answer.explanation) {
        let _ = write!(added, "{}. ", statement.trim_end_matches('.'));
    }
    added.push_str(&answer.explanation);
    match (answer.class, proven) {
        (Some(class), true) if class != diagnosis.cause.class && class != CauseClass::Unknown => {
            let _ =
                write!(added, " It takes the cause for {class:?}; the proof above is of {:?}.", diagnosis.cause.class);
        }
        (Some(class), false) if class != CauseClass::Unknown => {
            let _ = write!(added, " It takes the cause for {class:?}, which is not proven.");
        }
        _ => {}
    }
    diagnosis.analysis.push_str(&added);
    if !proven && let Some(statement) = &answer.statement {
        let seen = diagnosis.cause.statement.trim_end_matches('.');
        diagnosis.cause.statement = format!("{seen}; {model} suspects, unproven: {}", statement.trim_end_matches('.'));
    }
    if diagnosis.log_analysis.is_none() {
        diagnosis.log_analysis.clone_from(&answer.log_analysis);
    } else if let (Some(seen), Some(more)) = (&mut diagnosis.log_analysis, &answer.log_analysis) {
        let _ = write!(seen, "\n\n{model}: {more}");
    }
    let ours: Vec<AIInsightSuggestedAction> = diagnosis.actions.clone();
    for action in &answer.actions {
        match evidence.ok_or_else(|| "nothing of the workload was looked at".to_owned()).and_then(|e| admit(action, e))
        {
            Ok(action) if ours.iter().any(|own| own.action == action.action && own.params == action.params) => {}
            // One attempt is one remedy: a second one at the same time would hide which of them helped.
            Ok(action) if diagnosis.actions.is_empty() => diagnosis.actions.push(action),
            Ok(action) => advise(&mut diagnosis, format!("{model} also suggests {}.", spoken(&action))),
            Err(why) => advise(&mut diagnosis, dropped(model, action, &why)),
        }
    }
    for advice in &answer.recommendations {
        // Its words may be those of a log: people must see whose advice it is.
        advise(&mut diagnosis, format!("{model}: {advice}"));
    }
    diagnosis
}

fn advise(diagnosis: &mut Diagnosis, advice: String) {
    if !diagnosis.recommendations.contains(&advice) {
        diagnosis.recommendations.push(advice);
    }
}

fn list(params: &std::collections::BTreeMap<String, String>) -> String {
    let shown = |value: &String| value.chars().take(60).collect::<String>();
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
    if params.is_empty() { String::new() } else { format!(" ({})", params.join(", ")) }
}

fn spoken(action: &AIInsightSuggestedAction) -> String {
    let why = action.description.as_deref().map(|why| format!(": {}", why.trim_end_matches('.'))).unwrap_or_default();
    format!("{}{}{why}", action.action, list(&action.params))
}

fn dropped(model: &str, action: &SaidAction, why: &str) -> String {
    format!("{model} suggested {}{}, which is not proposed: {why}.", action.action, list(&action.params))
}
