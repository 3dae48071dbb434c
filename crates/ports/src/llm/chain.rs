//! One provider after another, until one answers, the time is over or nobody is left. What follows a failure is decided in
//! `domain::llm`; here it is done.

use std::time::Duration;

use domain::llm::{
    Answer, Ask, Class, Failure, LEAST_ANSWER, Next, Policy, Problem, Prompt, Provider, Section, Usage, parse, repair,
};

use super::call::{Clients, Reply, Request};
use super::settings::{self, Link};
use super::target::Target;
use super::{Llm, Outcome};

/// Longest answer that is asked for, in tokens. Models that think aloud count that too.
const ANSWER: i64 = 8192;
/// Characters of a broken answer that are sent back with the request to mend it.
const BROKEN: usize = 6000;

/// The time of an analysis. Waits count as they are asked for, so that a test need not really wait.
struct Clock {
    within: Duration,
    began: tokio::time::Instant,
    waited: Duration,
}

impl Clock {
    fn left(&self) -> Duration {
        self.within.saturating_sub(self.began.elapsed().max(self.waited))
    }
}

/// What one provider came to.
enum Came {
    Answer(Answer),
    Failed(Failure),
    /// A budget did not allow the call.
    Refused(String),
}

impl Llm {
    /// Asks for an analysis of what the sections tell, within `within`. Dropping the future ends the call.
    pub async fn analyse(&self, ask: &Ask, sections: &[Section], within: Duration) -> Outcome {
        let mut outcome = Outcome { answer: None, usage: Usage::default(), fallback_reason: None };
        let links = match self.links(ask) {
            Ok(links) => links,
            Err(reason) => {
                outcome.fallback_reason = reason.map(|problem| problem.to_string());
                return outcome;
            }
        };
        // Both are there unless `links` has said why not.
        let (Some(scrubber), Some(clients)) = (&self.settings.scrubber, &self.clients) else { return outcome };
        let nonce = format!("{:032x}", rand::random::<u128>());
        let prompt = Prompt::new(sections, scrubber, &nonce, self.material);
        let mut clock = Clock { within, began: tokio::time::Instant::now(), waited: Duration::ZERO };
        let first = links.first().map(|link| link.provider);
        let mut reasons: Vec<String> = Vec::new();
        for (place, link) in links.iter().enumerate() {
            let others = links.len() - place - 1;
            let reason = match self.usable(link) {
                Err(why) => why,
                Ok(target) => {
                    let came =
                        self.ask(clients, (link, target), &prompt, ask, others, &mut clock, &mut outcome.usage).await;
                    match came {
                        Came::Answer(answer) => {
                            self.mark(link.provider, None);
                            outcome.answer = Some((answer, link.provider, link.model.clone()));
                            break;
                        }
                        Came::Failed(mut failure) => {
                            failure.message = scrubber.scrub(&failure.message);
                            let remedy = failure.class.remedy(target.key_name);
                            let text = format!("{}; remedy: {remedy}", failure.message);
                            self.mark(link.provider, Some((&failure, &text)));
                            text
                        }
                        Came::Refused(why) => {
                            self.metrics.refused();
                            why
                        }
                    }
                }
            };
            let (provider, model) = (link.provider, &link.model);
            tracing::warn!(%provider, model, issue = ask.issue, "not answered: {reason}");
            reasons.push(format!("{provider} ({model}): {reason}"));
        }
        if let (Some(first), false) = (first, reasons.is_empty()) {
            let by = outcome.answer.as_ref().map_or(Provider::Builtin, |(_, provider, _)| *provider);
            self.metrics.fallback(first.name(), by.name());
            outcome.fallback_reason = Some(reasons.join(" | "));
        }
        outcome
    }

    /// What comes of a question that gives a model nothing to judge: no call, and the reason where one was to be asked.
    pub fn unasked(&self, ask: &Ask) -> Outcome {
        let reason = match self.links(ask) {
            Err(reason) => reason.map(|problem| problem.to_string()),
            Ok(links) => links.first().map(|link| {
                let why = self.usable(link).err().unwrap_or_else(|| {
                    "it was not asked, because nothing was seen of the workload that a model could judge".to_owned()
                });
                format!("{} ({}): {why}", link.provider, link.model)
            }),
        };
        Outcome { answer: None, usage: Usage::default(), fallback_reason: reason }
    }

    /// Whom to ask, in this order; an error when nobody is to be asked, with the reason unless that is as wished.
    fn links(&self, ask: &Ask) -> Result<Vec<Link>, Option<Problem>> {
        if let Some(problem) = &self.settings.fatal {
            return Err(Some(problem.clone()));
        }
        let first = if ask.provider.trim().is_empty() {
            self.settings.primary.clone().map(|link| Link {
                model: Some(ask.model.trim().to_owned()).filter(|m| !m.is_empty()).unwrap_or(link.model),
                provider: link.provider,
            })
        } else {
            settings::known(&ask.provider, "AIInsight.spec.provider").map(|provider| {
                let asked = Some(ask.model.trim().to_owned()).filter(|model| !model.is_empty());
                Link { provider, model: asked.unwrap_or_else(|| self.settings.model(provider)) }
            })
        };
        let mut first = match first {
            Ok(link) if link.provider == Provider::Builtin => return Err(None),
            Ok(link) => link,
            Err(problem) => return Err(Some(problem)),
        };
        first.model = settings::named(first.provider, first.model);
        let mut links = vec![first];
        links.extend(
            self.settings.fallbacks.iter().filter(|link| Some(*link) != links.first()).cloned().collect::<Vec<_>>(),
        );
        Ok(links)
    }

    fn usable(&self, link: &Link) -> Result<&Target, String> {
        let target = self.settings.targets.get(&link.provider);
        let target = target.ok_or_else(|| "is not known".to_owned())?.as_ref().map_err(ToString::to_string)?;
        let now = (self.time.now)();
        if let Some(until) = self.standing(link.provider).and_then(|standing| standing.cooldown.resting(now)) {
            let seconds = until.duration_since(now).as_secs() + 1;
            return Err(format!("it failed before and rests for {seconds} s more"));
        }
        Ok(target)
    }

    /// Asks one provider, again where that may help, and has one broken answer mended.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing, and nobody else calls it")]
    async fn ask(
        &self,
        clients: &Clients,
        (link, target): (&Link, &Target),
        prompt: &Prompt,
        ask: &Ask,
        others: usize,
        clock: &mut Clock,
        usage: &mut Usage,
    ) -> Came {
        let price = self.settings.prices.of(link.provider, &link.model);
        let mut request = Request {
            system: &prompt.system,
            turns: vec![prompt.user.clone()],
            max_tokens: ANSWER,
            structured: target.structured,
        };
        // What is left for the others when this one's share is used up.
        let reserve = clock.left().saturating_sub(Policy::share(clock.left(), others));
        let (mut tries, mut mended) = (0, false);
        loop {
            let mut spent = ask.spent.sane();
            spent += *usage;
            let wanted = target.max_tokens.map_or(ANSWER, i64::from).max(LEAST_ANSWER);
            let input =
                request.turns.iter().skip(1).map(|turn| turn.len() as i64 / 3 + 16).sum::<i64>() + prompt.tokens();
            match self.settings.budget.allows(spent, input, wanted, price) {
                Ok(most) => request.max_tokens = most,
                Err(why) => return Came::Refused(why),
            }
            let left = clock.left().saturating_sub(reserve);
            if left.is_zero() {
                return Came::Failed(Failure::new(Class::Timeout, "no time is left to ask"));
            }
            tries += 1;
            let counted = self.metrics.begin(link.provider.name(), &link.model);
            usage.calls = usage.calls.saturating_add(1);
            let call = clients.call(target, &link.model, &request, (self.time.now)());
            let result = match tokio::time::timeout(left, call).await {
                Ok(result) => result,
                Err(_) => Err(Failure::new(Class::Timeout, format!("no answer within {:.1} s", left.as_secs_f64()))),
            };
            let failure = match result {
                Ok(reply) => {
                    let cost_usd = price.map_or(0.0, |price| price.of(reply.input, reply.output));
                    let used = Usage { input_tokens: reply.input, output_tokens: reply.output, cost_usd, calls: 0 };
                    *usage += used;
                    match understood(&reply) {
                        Ok(answer) => {
                            counted.answered(&used);
                            return Came::Answer(answer);
                        }
                        Err(failure) if failure.class == Class::Broken && !mended && !reply.text.trim().is_empty() => {
                            counted.answered(&used);
                            mended = true;
                            tries -= 1;
                            request.turns.push(reply.text.chars().take(BROKEN).collect());
                            request.turns.push(repair(&failure.message));
                            continue;
                        }
                        // It answers, but never readably: another try would be the same again.
                        Err(failure) => {
                            counted.failed(failure.class);
                            return Came::Failed(failure);
                        }
                    }
                }
                Err(failure) => failure,
            };
            counted.failed(failure.class);
            if failure.class == Class::BadRequest && request.structured {
                // Gateways and older models refuse the form of the answer; the prompt says it too.
                request.structured = false;
                tries -= 1;
                continue;
            }
            let left = clock.left().saturating_sub(reserve);
            match self.settings.policy.after(&failure, tries, left, rand::random()) {
                Next::GiveUp => return Came::Failed(failure),
                Next::Again(wait) => {
                    tracing::debug!(provider = %link.provider, ?wait, "asking again: {}", failure.message);
                    clock.waited = clock.waited.max(clock.began.elapsed()).saturating_add(wait);
                    (self.time.wait)(wait).await;
                }
            }
        }
    }
}

fn understood(reply: &Reply) -> Result<Answer, Failure> {
    if reply.refused {
        return Err(Failure::new(Class::Refused, "the provider refused to answer"));
    }
    parse(&reply.text).map_err(|why| Failure::new(Class::Broken, why))
}
