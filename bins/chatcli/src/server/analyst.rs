//! The answer to a question: what the rules found, with what a language model adds when there is one. No decision is made
//! here; what a model is told and what of its answer counts stands in `domain::llm`.

use std::time::Duration;

use domain::diagnosis::{Diagnosis, Evidence};
use domain::llm::{Ask, Said, material, merge};
use grpc::Analysis;
use ports::llm::Llm;

/// How long language models may take. The rules have answered already, and the answer of both must be there before the
/// deadline of the call, 50 s, is over.
const WITHIN: Duration = Duration::from_secs(40);

/// What the rules and the language models say. It always answers: where no model does, the rules alone, with the reason.
pub async fn answer(llm: &Llm, ask: &Ask, diagnosis: Diagnosis, evidence: Option<&Evidence>) -> Analysis {
    let outcome = match evidence {
        Some(_) => llm.analyse(ask, &material(ask, &diagnosis, evidence), WITHIN).await,
        None => llm.unasked(ask),
    };
    let usage = (outcome.usage.calls > 0).then_some(outcome.usage);
    let fallback = outcome.fallback_reason;
    let Some((answer, provider, model)) = outcome.answer else {
        return Analysis { usage, fallback, ..diagnosis.into() };
    };
    let said = Said { answer, provider, model };
    Analysis {
        diagnosis: merge(diagnosis, evidence, &said),
        provider: said.provider.name().to_owned(),
        model: said.model,
        usage,
        fallback,
    }
}

#[cfg(test)]
mod tests {
    use api::shared::ObjectRef;
    use domain::diagnosis::cleared;
    use jiff::Timestamp;
    use ports::llm::Time;

    use super::*;

    #[tokio::test]
    async fn the_rules_answer_alone_when_nobody_else_is_asked_or_can_be() {
        let ask = Ask { issue: "web-1".into(), ..Ask::default() };
        let time = || Time::new(|| Timestamp::UNIX_EPOCH);
        let ours = cleared(
            ObjectRef { kind: "Deployment".into(), name: "web".into(), ..ObjectRef::default() },
            Timestamp::UNIX_EPOCH,
        );
        let builtin = Llm::from_env(&|_| None, "BUILTIN", "", time());
        let said = answer(&builtin, &ask, ours.clone(), None).await;
        assert_eq!(said, Analysis::from(ours.clone()));
        let without_key = Llm::from_env(&|_| None, "CLAUDEAI", "", time());
        let said = answer(&without_key, &ask, ours.clone(), None).await;
        assert_eq!((said.provider.as_str(), said.usage), (grpc::BUILTIN, None));
        let why = said.fallback.expect("no reason");
        assert!(why.contains("CLAUDEAI") && why.contains("ANTHROPIC_API_KEY") && why.contains("remedy"), "{why}");
        assert_eq!(said.diagnosis, ours);
        let nothing_seen =
            Llm::from_env(&|name| (name == "ANTHROPIC_API_KEY").then(|| "k".into()), "CLAUDEAI", "", time());
        let said = answer(&nothing_seen, &ask, ours, None).await;
        let why = said.fallback.expect("no reason");
        assert!(why.contains("nothing was seen of the workload") && said.usage.is_none(), "{why}");
    }
}
