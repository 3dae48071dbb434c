//! The report of an incident, rendered from what the objects say. Nothing in it is made up: what is not known is left out.

use api::post_mortem::{PostMortemAction, PostMortemState, PostMortemStatus, PostMortemTimeline, PostMortemTrending};
use api::remediation_plan::StepPhase;
use api::shared::RemediationState;
use api::{AIInsight, ApprovalRequest, Issue, PostMortem, RemediationPlan};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::lessons;

/// How far back earlier reports count as related.
const TREND_DAYS: i32 = 30;

/// What the report rests on.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// The Issue; it is over.
    pub issue: &'a Issue,
    /// Its analysis.
    pub insight: Option<&'a AIInsight>,
    /// Its plans, in any order.
    pub plans: &'a [&'a RemediationPlan],
    /// Requests for approval of these plans.
    pub requests: &'a [&'a ApprovalRequest],
    /// Other reports.
    pub others: &'a [&'a PostMortem],
    /// Now.
    pub now: Timestamp,
}

/// Status of the report.
pub fn report(input: &ReportInput<'_>) -> PostMortemStatus {
    let issue = input.issue;
    let status = issue.status.clone().unwrap_or_default();
    let began = began(issue).unwrap_or(input.now);
    let ended = status.resolved_at.as_ref().map_or(input.now, |t| t.0);
    let cause = status.root_cause.clone().or_else(|| input.insight.and_then(|i| i.status.as_ref()?.root_cause.clone()));
    let (lesson, prevention) = cause.as_ref().map(|c| lessons::of(c.class)).unzip();
    let duration = human(ended.duration_since(began));
    let statement = cause
        .as_ref()
        .map(|c| c.statement.clone())
        .or_else(|| input.insight.and_then(|i| i.status.as_ref()?.analysis.clone()));
    let resolution = status.resolution.clone().unwrap_or_else(|| "the signals cleared".to_owned());
    let resource = &issue.spec.resource;
    let mut prevention: Vec<String> = prevention.unwrap_or_default().iter().map(|s| (*s).to_owned()).collect();
    prevention.extend(status.required_action.clone());
    PostMortemStatus {
        state: Some(PostMortemState::Open),
        generated_at: Some(Time(input.now)),
        duration: Some(duration.clone()),
        summary: Some(format!(
            "{} {}/{}: {}. It was over after {duration}: {resolution}.",
            resource.kind,
            resource.namespace,
            resource.name,
            statement.as_deref().unwrap_or(&issue.spec.description).trim_end_matches('.'),
            resolution = resolution.trim_end_matches('.')
        )),
        root_cause: Some(statement.unwrap_or_else(|| "No cause could be proven.".to_owned())),
        cause,
        impact: Some(impact(issue, &duration)),
        timeline: timeline(input, began, ended),
        actions_executed: actions(input.plans),
        lessons_learned: lesson.map(str::to_owned).into_iter().chain(failed(&status)).collect(),
        prevention_actions: prevention,
        log_analysis_summary: input.insight.and_then(|i| i.status.as_ref()?.log_analysis.clone()),
        requires_human_action: status.requires_human_action,
        required_action: status.required_action,
        trending: Some(trend(input)),
        ..PostMortemStatus::default()
    }
}

fn began(issue: &Issue) -> Option<Timestamp> {
    let status = issue.status.as_ref();
    status
        .and_then(|s| s.first_seen.as_ref().or(s.detected_at.as_ref()))
        .or(issue.metadata.creation_timestamp.as_ref())
        .map(|t| t.0)
}

fn failed(status: &api::issue::IssueStatus) -> Vec<String> {
    status
        .failed_attempts
        .iter()
        .map(|f| format!("Attempt {} ({}) did not help: {}.", f.attempt, f.plan, f.reason.trim_end_matches('.')))
        .collect()
}

fn impact(issue: &Issue, duration: &str) -> String {
    let status = issue.status.clone().unwrap_or_default();
    let count = status.affected_resources.len().max(1);
    let what = if count == 1 {
        format!("{} {}", issue.spec.resource.kind, issue.spec.resource.name)
    } else {
        format!("{count} workloads")
    };
    let severity = format!("{:?}", issue.spec.severity).to_lowercase();
    format!(
        "{what} in namespace {} degraded for {duration}, severity {severity}, {} signals.",
        issue.spec.resource.namespace,
        status.anomaly_count.unwrap_or(1)
    )
}

fn timeline(input: &ReportInput<'_>, began: Timestamp, ended: Timestamp) -> Vec<PostMortemTimeline> {
    let mut lines = Vec::new();
    let mut say = |at: Timestamp, type_: &str, detail: String| {
        lines.push((at, PostMortemTimeline { timestamp: Time(at), type_: type_.to_owned(), detail }));
    };
    say(began, "detected", input.issue.spec.description.clone());
    if let Some(status) = input.insight.and_then(|i| i.status.as_ref())
        && let Some(at) = &status.generated_at
    {
        let said = status
            .root_cause
            .as_ref()
            .map_or_else(|| status.analysis.clone().unwrap_or_default(), |c| c.statement.clone());
        say(at.0, "analysed", format!("{said} (by {})", status.answered_by.as_deref().unwrap_or("the analyser")));
    }
    for request in input.requests {
        let name = request.metadata.name.clone().unwrap_or_default();
        if let Some(at) = &request.metadata.creation_timestamp {
            say(at.0, "asked", format!("approval of {} asked by {name}", request.spec.remediation_plan_ref));
        }
        for vote in request.status.iter().flat_map(|s| &s.decisions) {
            let because = vote.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            say(
                vote.timestamp.0,
                &vote.decision,
                format!("{} {} {}{because}", vote.approver, vote.decision, request.spec.remediation_plan_ref),
            );
        }
    }
    for plan in input.plans {
        let name = plan.metadata.name.clone().unwrap_or_default();
        let Some(status) = &plan.status else { continue };
        for step in &status.steps {
            let type_ = if step.phase == StepPhase::Failed { "action_failed" } else { "action_executed" };
            let at = step.done_at.as_ref().unwrap_or(&step.intended_at).0;
            say(at, type_, format!("{:?}: {}", step.action.type_, step.message.clone().unwrap_or_default()));
        }
        if let Some(at) = &status.completed_at {
            let type_ = match status.state {
                Some(RemediationState::Completed) => "verified",
                Some(RemediationState::RolledBack) => "rolled_back",
                _ => "plan_failed",
            };
            say(at.0, type_, format!("{name}: {}", status.result.clone().unwrap_or_default()));
        }
    }
    let resolution = input.issue.status.as_ref().and_then(|s| s.resolution.clone()).unwrap_or_default();
    say(ended, "resolved", resolution);
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn actions(plans: &[&RemediationPlan]) -> Vec<PostMortemAction> {
    let mut all: Vec<PostMortemAction> = plans
        .iter()
        .flat_map(|plan| plan.status.iter().flat_map(|s| &s.steps))
        .map(|step| PostMortemAction {
            action: format!("{:?}", step.action.type_),
            detail: step.message.clone().unwrap_or_default(),
            params: step.action.params.clone(),
            result: match step.phase {
                StepPhase::Done => "success",
                StepPhase::RolledBack => "rolled back",
                StepPhase::Intended | StepPhase::RollingBack => "unfinished",
                StepPhase::Failed | StepPhase::RollbackFailed => "failed",
            }
            .to_owned(),
            timestamp: step.done_at.clone().unwrap_or_else(|| step.intended_at.clone()),
        })
        .collect();
    all.sort_by_key(|action| action.timestamp.0);
    all
}

fn trend(input: &ReportInput<'_>) -> PostMortemTrending {
    let since = input.now.saturating_sub(SignedDuration::from_hours(24 * i64::from(TREND_DAYS))).unwrap_or(input.now);
    let mut related: Vec<String> = input
        .others
        .iter()
        .filter(|pm| {
            pm.spec.resource == input.issue.spec.resource
                && pm.spec.issue_ref.name != input.issue.metadata.name.clone().unwrap_or_default()
        })
        .filter(|pm| pm.metadata.creation_timestamp.as_ref().is_some_and(|t| t.0 >= since))
        .filter_map(|pm| pm.metadata.name.clone())
        .collect();
    related.sort();
    let count = i32::try_from(related.len()).unwrap_or(i32::MAX).saturating_add(1);
    let pattern = (count > 1).then(|| format!("incident number {count} of this workload in {TREND_DAYS} days"));
    PostMortemTrending { occurrence_count: count, pattern, related_post_mortems: related, window_days: TREND_DAYS }
}

fn human(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}
