//! The analysis in words, from the cause.

use std::fmt::Write;

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::RootCause;
use jiff::Timestamp;

pub(super) fn analysis(
    cause: &RootCause,
    actions: &[AIInsightSuggestedAction],
    recommendations: &[String],
    now: Timestamp,
) -> String {
    let mut text = format!("{}.", cause.statement.trim_end_matches('.'));
    if let Some(path) = &cause.path {
        let _ = write!(text, "\n\nAt fault: {} {}, {path}", cause.object.kind, cause.object.name);
        if let Some(value) = &cause.value {
            let _ = write!(text, " = {value}");
        }
    }
    if !cause.proof.is_empty() {
        text.push_str("\n\nProof:");
        for proof in &cause.proof {
            let _ = write!(text, "\n- {} {}", proof.object.kind, proof.object.name);
            if let Some(path) = &proof.path {
                let _ = write!(text, " {path}");
            }
            if let Some(value) = &proof.value {
                let _ = write!(text, ": {value}");
            }
            let _ = write!(text, " ({})", proof.rule);
        }
    }
    if !cause.ruled_out.is_empty() {
        text.push_str("\n\nRuled out:");
        for other in &cause.ruled_out {
            let _ = write!(text, "\n- {}: {}", other.hypothesis, other.because);
        }
    }
    for action in actions {
        let _ = write!(text, "\n\nProposed: {}", action.name);
    }
    for advice in recommendations {
        let _ = write!(text, "\n\nAdvice: {advice}");
    }
    let _ = write!(
        text,
        "\n\nConfidence {:.2}, analysed at {}",
        cause.confidence,
        now.round(jiff::Unit::Second).unwrap_or(now)
    );
    text
}
