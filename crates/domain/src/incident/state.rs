//! The state machine of an Issue: Detected → Analyzing → Remediating → Resolved, or Escalated from any of them.
//!
//! One decision looks at everything and gives one move: what must exist first (`effects`, each of which may be done
//! twice without harm), then the status, then the notes. Whoever dies in between comes to the same move again.

use api::conditions::{ANALYZING, ESCALATED, REMEDIATING, RESOLVED};
use api::issue::{FailedAttempt, IssueStatus};
use api::shared::{ActionType, IssueState as State, RemediationAction, RemediationState, ResourceRef};
use api::{AIInsight, Issue, RemediationPlan};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::settings::Settings;

/// What the anomalies of an Issue say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Names, oldest first, the newest 50.
    pub names: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// How many of them are there now.
    pub firing: usize,
    /// When the earliest was first seen.
    pub first_seen: Option<Timestamp>,
    /// When the last one cleared.
    pub last_cleared: Option<Timestamp>,
    /// Workloads that they are about.
    pub affected: Vec<ResourceRef>,
}

impl Members {
    /// Since when none of them is there; nothing when one is, or when there is none to tell.
    pub fn clear_since(&self) -> Option<Timestamp> {
        if self.count > 0 && self.firing == 0 { self.last_cleared } else { None }
    }
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The Issue.
    pub issue: &'a Issue,
    /// Its analysis.
    pub insight: Option<&'a AIInsight>,
    /// Its plans.
    pub plans: &'a [&'a RemediationPlan],
    /// Its anomalies.
    pub members: &'a Members,
}

/// Something that must exist before the status is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An analysis for this attempt.
    Analyse {
        /// One-based.
        attempt: i32,
    },
    /// A plan.
    Plan {
        /// One-based.
        attempt: i32,
        /// What it does.
        actions: Vec<RemediationAction>,
        /// Why.
        strategy: String,
        /// How sure the analysis is.
        confidence: Option<f64>,
    },
}

/// A change of state, for Events, logs and the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// New state.
    pub to: State,
    /// Reason, CamelCase.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

/// One move.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Done before the status is written.
    pub effects: Vec<Effect>,
    /// The status.
    pub status: IssueStatus,
    /// What changed, if the state did.
    pub moved: Option<Moved>,
    /// When time alone changes the answer.
    pub look_again: Option<Timestamp>,
}

impl Decision {
    /// Whether it only brings counts and lists of what is firing up to date. In a storm they change all the time, and
    /// nobody decides by them, so that they may lag.
    pub fn only_counts(&self, issue: &Issue) -> bool {
        let Some(old) = &issue.status else { return false };
        let counted = IssueStatus {
            anomalies: self.status.anomalies.clone(),
            anomaly_count: self.status.anomaly_count,
            ..old.clone()
        };
        self.moved.is_none() && self.effects.is_empty() && counted == self.status && *old != self.status
    }
}

/// The next move of an Issue.
pub fn decide(facts: &Facts<'_>, settings: &Settings, now: Timestamp) -> Decision {
    let mut status = facts.issue.status.clone().unwrap_or_default();
    let state = status.state.unwrap_or(State::Detected);
    if matches!(state, State::Resolved | State::Failed) {
        return Decision { effects: Vec::new(), status, moved: None, look_again: None };
    }
    observe(&mut status, facts, settings, now);
    let mut machine =
        Machine { facts, settings, now, d: Decision { effects: Vec::new(), status, moved: None, look_again: None } };
    if !machine.recovered(state) {
        match state {
            State::Detected => machine.detected(),
            State::Analyzing => machine.analyzing(),
            State::Remediating => machine.remediating(),
            State::Escalated => machine.escalated(),
            State::Contained | State::Resolved | State::Failed => {}
        }
    }
    machine.d
}

/// The move of an Issue whose plan the API server refuses as it is: it would refuse it again, so people are told.
pub fn plan_refused(facts: &Facts<'_>, settings: &Settings, why: &str, now: Timestamp) -> Decision {
    let mut status = facts.issue.status.clone().unwrap_or_default();
    observe(&mut status, facts, settings, now);
    let d = Decision { effects: Vec::new(), status, moved: None, look_again: None };
    let mut machine = Machine { facts, settings, now, d };
    machine.escalate("PlanRefused", format!("the proposed plan is not a legal one: {why}"));
    machine.d
}

/// Facts that are copied in every state.
fn observe(status: &mut IssueStatus, facts: &Facts<'_>, settings: &Settings, now: Timestamp) {
    let (issue, members) = (facts.issue, facts.members);
    let created = issue.metadata.creation_timestamp.as_ref().map_or(now, |t| t.0);
    let first =
        [status.first_seen.as_ref().map(|t| t.0), members.first_seen].into_iter().flatten().min().unwrap_or(created);
    status.first_seen = Some(Time(first));
    status.detected_at = Some(Time(first));
    status.observed_generation = issue.metadata.generation;
    // Until something was tried, what is known of the Instances that saw it may still grow.
    if status.max_remediation_attempts <= 0 || status.failed_attempts.is_empty() {
        status.max_remediation_attempts = settings.max_attempts;
    }
    if members.count > 0 {
        status.anomalies.clone_from(&members.names);
        status.anomaly_count = i64::try_from(members.count).ok();
        status.affected_resources.clone_from(&members.affected);
    } else if status.affected_resources.is_empty() {
        status.affected_resources = vec![issue.spec.resource.clone()];
    }
    status.signals_clear_since = members.clear_since().map(Time);
    if status.incident_id.is_none() {
        status.incident_id = issue.metadata.labels.as_ref().and_then(|l| l.get(api::keys::INCIDENT_ID).cloned());
    }
    if let Some(cause) = facts.insight.and_then(|i| i.status.as_ref()?.root_cause.clone()) {
        status.root_cause = Some(cause);
    }
}

struct Machine<'a> {
    facts: &'a Facts<'a>,
    settings: &'a Settings,
    now: Timestamp,
    d: Decision,
}

impl Machine<'_> {
    fn attempt(&self) -> i32 {
        i32::try_from(self.d.status.failed_attempts.len()).unwrap_or(i32::MAX - 1) + 1
    }

    fn plan(&self, attempt: i32) -> Option<&RemediationPlan> {
        self.facts.plans.iter().find(|plan| plan.spec.attempt == attempt).copied()
    }

    fn to(&mut self, to: State, reason: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.d.status.state = Some(to);
        let generation = self.facts.issue.metadata.generation;
        for (type_, of) in [
            (ANALYZING, State::Analyzing),
            (REMEDIATING, State::Remediating),
            (RESOLVED, State::Resolved),
            (ESCALATED, State::Escalated),
        ] {
            set(&mut self.d.status.conditions, type_, to == of, reason, &message, generation, self.now);
        }
        if to == State::Resolved {
            self.d.status.resolved_at = Some(Time(self.now));
            self.d.status.resolution = Some(message.clone());
            self.d.status.requires_human_action = None;
            self.d.status.required_action = None;
        }
        self.d.moved = Some(Moved { to, reason, message });
    }

    fn look(&mut self, at: Option<Timestamp>) {
        self.d.look_again = [self.d.look_again, at].into_iter().flatten().min();
    }

    /// Whether it ended by itself. Never while a plan acts or is watched: that one decides.
    fn recovered(&mut self, state: State) -> bool {
        if state == State::Detected {
            return false;
        }
        if !self.settings.auto_resolve && matches!(state, State::Escalated | State::Contained) {
            return false;
        }
        let attempt = self.attempt();
        let acting = self
            .plan(attempt)
            .and_then(|p| p.status.as_ref()?.state)
            .is_some_and(|s| !matches!(s, RemediationState::Pending | RemediationState::WaitingApproval));
        let cancelled = self.plan(attempt).is_some_and(was_cancelled);
        let Some(since) = self.facts.members.clear_since() else { return false };
        if state == State::Remediating && acting && !cancelled {
            return false;
        }
        let due = since.saturating_add(self.settings.stability).unwrap_or(self.now);
        if due > self.now {
            self.look(Some(due));
            return false;
        }
        let (reason, how) = match state {
            State::Escalated => ("RecoveredAfterEscalation", "the signals cleared after it was handed to people"),
            State::Contained => ("HumanActionRestoredService", "the signals cleared after it was contained"),
            _ => ("SelfRecovered", "the signals cleared before anything was done"),
        };
        self.to(
            State::Resolved,
            reason,
            format!("{how}, and have been gone for {} s", self.settings.stability.as_secs()),
        );
        true
    }

    fn detected(&mut self) {
        self.analyse_again("AIInsightCreated", "the root cause is being looked for");
    }

    fn analyse_again(&mut self, reason: &'static str, message: &str) {
        let attempt = self.attempt();
        self.d.effects.push(Effect::Analyse { attempt });
        self.to(State::Analyzing, reason, message);
        self.look(self.now.saturating_add(self.settings.analysis_deadline).ok());
    }

    fn analyzing(&mut self) {
        let attempt = self.attempt();
        if self.answered(attempt) {
            return;
        }
        let begun = self
            .d
            .status
            .conditions
            .iter()
            .find(|c| c.type_ == ANALYZING)
            .map_or(self.now, |c| c.last_transition_time.0);
        let due = begun.saturating_add(self.settings.analysis_deadline).unwrap_or(self.now);
        if due <= self.now {
            let why = self
                .facts
                .insight
                .and_then(|i| i.status.as_ref())
                .and_then(|s| s.conditions.iter().find(|c| c.type_ == api::conditions::ANALYZED && c.status != "True"))
                .map_or_else(|| "no server has answered".to_owned(), |c| c.message.clone());
            self.escalate(
                "AnalysisDeadlineExceeded",
                format!(
                    "no analysis within {} s: {why}; it is still being asked for",
                    self.settings.analysis_deadline.as_secs()
                ),
            );
        } else {
            // Made again if somebody deleted it.
            if self.facts.insight.is_none_or(|i| i.spec.attempt.unwrap_or(1) < attempt) {
                self.d.effects.push(Effect::Analyse { attempt });
            }
            self.look(Some(due));
        }
    }

    /// Acts on the analysis of this attempt, if it is there.
    fn answered(&mut self, attempt: i32) -> bool {
        let Some(status) = self.facts.insight.and_then(|i| i.status.as_ref()) else { return false };
        if status.analyzed_attempt.unwrap_or(0) < attempt
            || status.analysis.as_deref().is_none_or(|a| a.trim().is_empty())
        {
            return false;
        }
        let analysis = status
            .root_cause
            .as_ref()
            .map_or_else(|| status.analysis.clone().unwrap_or_default(), |c| c.statement.clone());
        let actions = actions(status);
        if actions.is_empty() {
            let advice = status.recommendations.first().map(|r| format!("; {r}")).unwrap_or_default();
            self.escalate("NoAutomaticAction", format!("{analysis}; no action can mend this automatically{advice}"));
        } else if self.d.status.failed_attempts.iter().any(|f| f.actions == actions) {
            self.escalate("NoOtherAction", format!("{analysis}; the only proposal has been tried and did not help"));
        } else {
            let confidence = status.confidence.or_else(|| status.root_cause.as_ref().map(|c| c.confidence));
            self.d.effects.push(Effect::Plan { attempt, actions, strategy: analysis, confidence });
            self.d.status.remediation_attempts = attempt;
            self.to(State::Remediating, "RemediationPlanCreated", format!("plan of attempt {attempt}"));
        }
        true
    }

    fn remediating(&mut self) {
        let attempt = self.attempt();
        let Some(plan) = self.plan(attempt) else {
            // Not seen yet, or deleted: made again from the same analysis.
            let before = self.d.status.clone();
            if self.answered(attempt) && self.d.status.state == Some(State::Remediating) {
                self.d.status = before;
                self.d.moved = None;
            }
            return;
        };
        let plan = plan.clone();
        let name = plan.metadata.name.clone().unwrap_or_default();
        let Some(status) = plan.status.clone() else { return };
        let result = status.result.clone().unwrap_or_default();
        match status.state {
            Some(RemediationState::Completed) => {
                self.to(State::Resolved, "RemediationSucceeded", format!("{name} helped: {result}"));
            }
            Some(RemediationState::Failed | RemediationState::RolledBack) if was_cancelled(&plan) => {}
            Some(RemediationState::Failed | RemediationState::RolledBack) => match refusal(&status.conditions) {
                Some("Rejected") => self.escalate("ApprovalRejected", format!("{name} was rejected: {result}")),
                Some(_) => self.escalate("ApprovalExpired", format!("nobody decided on {name} in time: {result}")),
                None => self.failed(&plan, attempt, &result),
            },
            None
            | Some(
                RemediationState::Pending
                | RemediationState::WaitingApproval
                | RemediationState::Executing
                | RemediationState::Verifying,
            ) => {}
        }
    }

    fn failed(&mut self, plan: &RemediationPlan, attempt: i32, reason: &str) {
        let name = plan.metadata.name.clone().unwrap_or_default();
        let ended = plan.status.as_ref().and_then(|s| s.completed_at.clone()).unwrap_or(Time(self.now));
        self.d.status.failed_attempts.push(FailedAttempt {
            attempt,
            plan: name.clone(),
            actions: plan.spec.actions.clone(),
            reason: reason.chars().take(1000).collect(),
            time: ended,
        });
        if attempt >= self.d.status.max_remediation_attempts {
            self.escalate(
                "MaxAttemptsReached",
                format!("{attempt} attempts did not help; the last one, {name}: {reason}"),
            );
        } else {
            self.analyse_again(
                "ReanalysisRequested",
                &format!("{name} did not help ({reason}); another way is looked for"),
            );
        }
    }

    fn escalate(&mut self, reason: &'static str, message: String) {
        self.d.status.requires_human_action = Some(true);
        self.d.status.required_action = Some(message.chars().take(1000).collect());
        self.to(State::Escalated, reason, message);
    }

    /// An analysis that came late is still good; anything else is with people now.
    fn escalated(&mut self) {
        let late = self
            .d
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == ESCALATED && c.status == "True" && c.reason == "AnalysisDeadlineExceeded");
        if late {
            let attempt = self.attempt();
            if self.facts.insight.is_none() {
                self.d.effects.push(Effect::Analyse { attempt });
            }
            if self.answered(attempt) && self.d.status.state == Some(State::Remediating) {
                self.d.status.requires_human_action = None;
                self.d.status.required_action = None;
            }
        }
    }
}

/// The actions that this platform knows.
fn actions(status: &api::ai_insight::AIInsightStatus) -> Vec<RemediationAction> {
    let known = |name: &str| serde_json::from_value::<ActionType>(serde_json::Value::String(name.to_owned())).ok();
    status
        .suggested_actions
        .iter()
        .filter_map(|a| known(&a.action).map(|type_| RemediationAction { type_, params: a.params.clone() }))
        .collect()
}

/// Reason for which people or time refused a plan.
fn refusal(conditions: &[Condition]) -> Option<&str> {
    conditions
        .iter()
        .find(|c| c.type_ == api::conditions::APPROVED && c.status == "False")
        .map(|c| c.reason.as_str())
        .filter(|r| matches!(*r, "Rejected" | "Expired"))
}

fn was_cancelled(plan: &RemediationPlan) -> bool {
    plan.status
        .iter()
        .flat_map(|s| &s.conditions)
        .any(|c| c.type_ == api::conditions::EXECUTED && c.status == "False" && c.reason == "Cancelled")
}

/// Sets a condition; the transition time moves with the status only. A condition that never held is not added.
fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    holds: bool,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let value = if holds { "True" } else { "False" };
    let message: String = message.chars().take(4000).collect();
    match conditions.iter_mut().find(|c| c.type_ == type_) {
        Some(old) => {
            if old.status != value {
                old.last_transition_time = Time(now);
            }
            (old.status, old.reason, old.message, old.observed_generation) =
                (value.to_owned(), reason.to_owned(), message, generation);
        }
        None if holds => conditions.push(Condition {
            type_: type_.to_owned(),
            status: value.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: Time(now),
        }),
        None => {}
    }
}
