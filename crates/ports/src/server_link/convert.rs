//! Wire messages and our own types, both ways. A value that makes no sense is left out, never guessed.

use api::ai_insight::AIInsightSuggestedAction;
use api::anomaly::AnomalyEvidence;
use api::shared::{
    ActionType, CauseClass, ObjectRef, Proof, ResourceRef, RootCause, RuledOut, Severity, SignalType, Source,
};
use domain::incident::hash_hex;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proto::v1;
use serde::de::DeserializeOwned;

use super::{Alert, Analysis, ProviderState, Question, ServerState, TargetState, Usage};

/// Longest time that an alert counts as there without being told again.
const YEAR: i64 = 31_536_000;

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn time(time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(|t| Timestamp::new(t.seconds, t.nanos).ok())
}

fn object(object: v1::ObjectRef) -> Option<ObjectRef> {
    (!object.kind.is_empty() && !object.name.is_empty()).then(|| ObjectRef {
        api_version: some(object.api_version),
        kind: object.kind,
        namespace: some(object.namespace),
        name: object.name,
        uid: some(object.uid),
    })
}

/// The signal that a name of older servers means.
fn legacy_signal(type_: &str) -> Option<SignalType> {
    Some(match type_ {
        "HighRestartCount" => SignalType::PodRestart,
        "OOMKilled" => SignalType::OomKill,
        "PodNotReady" => SignalType::PodNotReady,
        "DeploymentFailing" => SignalType::DeployFailing,
        "JobFailed" => SignalType::JobFailed,
        "CronJobMissed" => SignalType::CronjobMissed,
        "NodeNotReady" | "NodeUnschedulable" => SignalType::NodeNotReady,
        "DiskPressure" => SignalType::DiskPressure,
        "MemoryPressure" => SignalType::MemoryHigh,
        "NetworkUnavailable" => SignalType::NetworkUnavailable,
        "PIDPressure" => SignalType::PidPressure,
        "PodCapacityHigh" => SignalType::PodCapacityHigh,
        "CrashLoopBackOff" => SignalType::CrashloopBackoff,
        other => return parse(other),
    })
}

fn severity(level: &str, legacy: &str) -> Severity {
    parse(level).unwrap_or(match legacy {
        "CRITICAL" => Severity::Critical,
        "WARNING" => Severity::Medium,
        _ => Severity::Low,
    })
}

/// Affected workload of an alert from an older server: the kind stands before the slash of `object`. A node is its own.
fn legacy_resource(alert: &v1::WatcherAlert) -> ResourceRef {
    let known = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Node"];
    let (kind, name) = match alert.object.split_once('/') {
        Some(("Node", name)) => ("Node", name),
        Some((kind, name)) if known.contains(&kind) => {
            (kind, if alert.deployment.is_empty() { name } else { &alert.deployment })
        }
        _ => ("Deployment", alert.deployment.as_str()),
    };
    let namespace = if kind == "Node" { String::new() } else { alert.namespace.clone() };
    ResourceRef { kind: kind.to_owned(), name: name.to_owned(), namespace }
}

/// An alert.
///
/// # Errors
/// Says what is missing.
pub(super) fn alert(alert: v1::WatcherAlert, now: Timestamp) -> Result<Alert, &'static str> {
    let signal = parse(&alert.signal_type)
        .or_else(|| legacy_signal(&alert.r#type))
        .ok_or("its type is none that an Anomaly can have")?;
    let named = alert.resource.clone().and_then(object);
    let resource_uid = named.as_ref().and_then(|r| r.uid.clone());
    let resource = named.map_or_else(
        || legacy_resource(&alert),
        |r| ResourceRef { kind: r.kind, name: r.name, namespace: r.namespace.unwrap_or_default() },
    );
    if resource.name.is_empty() {
        return Err("it names no workload");
    }
    let legacy_time = Timestamp::from_second(alert.timestamp_unix).ok().filter(|_| alert.timestamp_unix > 0);
    let first_seen = time(alert.first_seen.as_ref()).or(legacy_time).unwrap_or(now);
    // Older servers move the time of an alert that stays, so it is no part of the identity.
    let id = some(alert.id)
        .unwrap_or_else(|| hash_hex(&[&alert.r#type, &alert.namespace, &alert.deployment, &alert.object], 20));
    let resolved_at = alert.resolved.then(|| time(alert.resolved_at.as_ref()).unwrap_or(now));
    let evidence = alert
        .evidence
        .into_iter()
        .filter_map(|e| {
            Some(AnomalyEvidence {
                type_: e.r#type,
                object: e.object.and_then(object)?,
                detail: e.detail,
                time: time(e.time.as_ref()).map(Time),
            })
        })
        .collect();
    Ok(Alert {
        id,
        signal,
        resource,
        resource_uid,
        root: alert.root.and_then(object),
        severity: severity(&alert.level, &alert.severity),
        value: some(alert.value).unwrap_or_else(|| alert.message.clone()),
        message: alert.message,
        threshold: some(alert.threshold).unwrap_or_else(|| "normal".to_owned()),
        first_seen,
        last_seen: time(alert.last_seen.as_ref()).unwrap_or(now),
        count: alert.count.max(1),
        resolved_at,
        evidence,
        source: parse(&alert.source).unwrap_or(Source::Watcher),
        // A year at most, so that nothing stays for ever by mistake.
        kept: (alert.kept_seconds > 0).then(|| SignedDuration::from_secs(alert.kept_seconds.min(YEAR))),
    })
}

fn wire_object(object: &ObjectRef) -> v1::ObjectRef {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    v1::ObjectRef {
        api_version: text(&object.api_version),
        kind: object.kind.clone(),
        namespace: text(&object.namespace),
        name: object.name.clone(),
        uid: text(&object.uid),
    }
}

fn spelled<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The request of an analysis; older servers read the failures as text.
pub(super) fn question(question: &Question) -> v1::AnalyzeIssueRequest {
    let failed = question.failed.iter().map(|f| v1::FailedAttempt {
        attempt: f.attempt,
        actions: f
            .actions
            .iter()
            .map(|a| v1::SuggestedAction {
                name: spelled(&a.type_),
                action: spelled(&a.type_),
                description: String::new(),
                params: a.params.clone().into_iter().collect(),
            })
            .collect(),
        reason: f.reason.clone(),
    });
    let text: Vec<String> =
        question.failed.iter().map(|f| format!("Attempt {} failed: {}", f.attempt, f.reason)).collect();
    v1::AnalyzeIssueRequest {
        issue_name: question.issue.clone(),
        namespace: question.namespace.clone(),
        resource_kind: question.resource.kind.clone(),
        resource_name: question.resource.name.clone(),
        signal_type: question.signal.clone(),
        severity: spelled(&question.severity),
        description: question.description.clone(),
        risk_score: question.risk,
        provider: question.provider.clone(),
        model: question.model.clone(),
        previous_failure_context: text.join("\n"),
        root: question.root.as_ref().map(wire_object),
        attempt: question.attempt,
        failed_attempts: failed.collect(),
        spent: (question.spent != Usage::default()).then_some(v1::Usage {
            input_tokens: question.spent.input_tokens,
            output_tokens: question.spent.output_tokens,
            cost_usd: question.spent.cost_usd,
            calls: question.spent.calls,
        }),
        ..v1::AnalyzeIssueRequest::default()
    }
}

fn root_cause(cause: v1::RootCause) -> Option<RootCause> {
    let proof = |p: v1::Proof| {
        Some(Proof {
            object: p.object.and_then(object)?,
            path: some(p.path),
            value: some(p.value),
            resource_version: some(p.resource_version),
            time: time(p.time.as_ref()).map(Time),
            rule: p.rule,
        })
    };
    Some(RootCause {
        object: cause.object.and_then(object)?,
        path: some(cause.path),
        value: some(cause.value),
        class: parse(&cause.class).unwrap_or(CauseClass::Unknown),
        statement: some(cause.statement)?,
        confidence: unit(cause.confidence),
        proof: cause.proof.into_iter().filter_map(proof).collect(),
        ruled_out: cause
            .ruled_out
            .into_iter()
            .map(|r| RuledOut { hypothesis: r.hypothesis, because: r.because })
            .collect(),
    })
}

fn unit(value: f64) -> f64 {
    if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 }
}

/// An answer, unless it is empty. An action of an unknown type becomes advice.
pub(super) fn analysis(answer: v1::AnalyzeIssueResponse) -> Option<Analysis> {
    let root_cause = answer.root_cause.and_then(root_cause);
    let text = some(answer.analysis.trim().to_owned()).or_else(|| root_cause.as_ref().map(|c| c.statement.clone()))?;
    let mut recommendations = answer.recommendations;
    let mut actions = Vec::new();
    for action in answer.suggested_actions {
        if parse::<ActionType>(&action.action).is_some() {
            actions.push(AIInsightSuggestedAction {
                action: action.action,
                description: some(action.description),
                name: action.name,
                params: action.params.into_iter().collect(),
            });
        } else {
            recommendations.push(format!(
                "{}: {} (by hand: {:?} is no action of this platform)",
                action.name, action.description, action.action
            ));
        }
    }
    // f32 on the wire: 0.9 must not become 0.8999999761581421 in the resource.
    let confidence = unit((f64::from(answer.confidence) * 1000.0).round() / 1000.0);
    Some(Analysis {
        text,
        confidence,
        recommendations,
        actions,
        root_cause,
        log_analysis: some(answer.log_analysis),
        answered_by: some(answer.provider).unwrap_or_else(|| "unknown".to_owned()),
        usage: answer.usage.map(usage),
        fallback_reason: some(answer.fallback_reason),
    })
}

/// Counters that are below zero, or no number, count nothing.
fn usage(usage: v1::Usage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens.max(0),
        output_tokens: usage.output_tokens.max(0),
        cost_usd: if usage.cost_usd.is_finite() { usage.cost_usd.max(0.0) } else { 0.0 },
        calls: usage.calls.max(0),
    }
}

/// What a server says of itself.
pub(super) fn state(state: v1::ServerState) -> ServerState {
    let target = |t: v1::TargetState| TargetState {
        kind: t.kind,
        namespace: t.namespace,
        name: some(t.name),
        looked_at: t.looked_at,
        problem: some(t.problem),
    };
    ServerState {
        standby: state.standby,
        targets: state.targets.into_iter().map(target).collect(),
        provider: state.provider.map(|p| ProviderState {
            name: p.name,
            model: p.model,
            ready: p.ready,
            problem: some(p.problem),
        }),
    }
}
