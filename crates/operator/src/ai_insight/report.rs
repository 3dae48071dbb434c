//! The answer, or why there is none, in the status of the AIInsight.

use api::AIInsight;
use api::ai_insight::{AIInsightStatus, LlmUsage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kit::condition::{cut, upsert};
use kube::{Api, Resource, ResourceExt};
use ports::server_link::Analysis;

use super::ask::spent;
use super::error::Error;
use super::{Controller, MANAGER};

/// An answer costs money, so it is written although the object has moved on meanwhile, if it still asks for it.
const TRIES: usize = 4;
/// Longest texts that are kept, in bytes; an object has room for about one MiB.
const TEXT: usize = 32 << 10;
/// Longest condition message about a failure.
const WHY: usize = 1000;

impl<A> Controller<A> {
    fn api(&self, insight: &AIInsight) -> Api<AIInsight> {
        Api::namespaced(self.client.clone(), &insight.namespace().unwrap_or_default())
    }

    /// Writes the answer.
    pub(super) async fn answer(&self, insight: &AIInsight, analysis: &Analysis, attempt: i32) -> Result<(), Error> {
        let (api, now) = (self.api(insight), self.clock.now());
        let mut current = insight.clone();
        for left in (0..TRIES).rev() {
            let mut status = AIInsightStatus {
                analysis: Some(cut(&analysis.text, TEXT).to_owned()),
                confidence: Some(analysis.confidence),
                generated_at: Some(Time(now)),
                log_analysis: analysis.log_analysis.as_deref().map(|text| cut(text, TEXT).to_owned()),
                recommendations: analysis.recommendations.clone(),
                suggested_actions: analysis.actions.clone(),
                root_cause: analysis.root_cause.clone(),
                analyzed_attempt: Some(attempt),
                answered_by: Some(analysis.answered_by.clone()),
                fallback_reason: analysis.fallback_reason.as_deref().map(|why| cut(why, WHY).to_owned()),
                usage: total(&current, analysis),
                conditions: current.status.as_ref().map(|s| s.conditions.clone()).unwrap_or_default(),
                observed_generation: current.metadata.generation,
                ..AIInsightStatus::default()
            };
            let message = format!("attempt {attempt} is analysed by {}", analysis.answered_by);
            let generation = current.metadata.generation;
            upsert(&mut status.conditions, api::conditions::ANALYZED, true, "Answered", &message, generation, now);
            match kit::status::write(&api, MANAGER, &current, &status).await {
                // No Event: the status has the whole of it, and the Issue goes on with an Event of its own.
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(refused)) if refused.is_conflict() && left > 0 => {}
                Err(source) => return Err(Error::WriteStatus { source }),
            }
            let name = current.name_any();
            let newer =
                api.get_opt(&name).await.map_err(|source| Error::Read { what: format!("AIInsight {name}"), source })?;
            match newer {
                Some(newer)
                    if newer.metadata.uid == current.metadata.uid && newer.spec.attempt.unwrap_or(1) == attempt =>
                {
                    current = newer;
                }
                // Gone, or another attempt is wanted by now: that one asks anew.
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Says why there is no answer; an earlier answer stays.
    pub(super) async fn no_answer(&self, insight: &AIInsight, reason: &str, why: &str) -> Result<(), Error> {
        let mut status = insight.status.clone().unwrap_or_default();
        let (generation, why) = (insight.metadata.generation, cut(why, WHY));
        let news =
            upsert(&mut status.conditions, api::conditions::ANALYZED, false, reason, why, generation, self.clock.now());
        if !news {
            return Ok(());
        }
        status.observed_generation = generation;
        let written = kit::status::write(&self.api(insight), MANAGER, insight, &status)
            .await
            .map_err(|source| Error::WriteStatus { source })?;
        self.events.warning(&written.or(insight).object_ref(&()), reason, "Analyze", why).await;
        Ok(())
    }
}

/// What all analyses of the Issue have cost, this one included; none where nobody counts.
fn total(insight: &AIInsight, analysis: &Analysis) -> Option<LlmUsage> {
    let before = insight.status.as_ref().and_then(|status| status.usage);
    let Some(usage) = &analysis.usage else { return before };
    let spent = spent(insight);
    Some(LlmUsage {
        input_tokens: spent.input_tokens.saturating_add(usage.input_tokens),
        output_tokens: spent.output_tokens.saturating_add(usage.output_tokens),
        cost_usd: spent.cost_usd + usage.cost_usd,
        calls: spent.calls.saturating_add(usage.calls),
    })
}
