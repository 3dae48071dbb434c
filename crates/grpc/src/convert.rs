//! Domain to wire and back. Fields below 50 are filled as chatcli 1.188 fills them, so that its operator understands them.
//! What is said leaves without credentials: resources and messages are read by many. Parameters of actions stay as they are.

use api::ai_insight::AIInsightSuggestedAction;
use api::shared::{ObjectRef, Proof, ResourceRef, RootCause, Severity, SignalType};
use domain::detection::{Alert, Observation, Rule};
use domain::llm::{Ask, Usage, logged, told};
use jiff::Timestamp;
use proto::v1;
use serde::Serialize;

use crate::{Analysis, Question};

/// Source of what Alertmanager has sent, as the resources spell it.
const ALERTMANAGER: &str = "alertmanager";

pub(crate) fn spelled<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn time(time: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    // On the wire the fraction counts forward, before 1970 too.
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
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

fn object(object: v1::ObjectRef) -> Option<ObjectRef> {
    (!object.kind.is_empty() && !object.name.is_empty()).then(|| ObjectRef {
        api_version: some(object.api_version),
        kind: object.kind,
        namespace: some(object.namespace),
        name: object.name,
        uid: some(object.uid),
    })
}

/// The name that chatcli 1.188 gives to a signal.
pub fn legacy_type(signal: SignalType) -> String {
    let known = match signal {
        SignalType::PodRestart => "HighRestartCount",
        SignalType::OomKill => "OOMKilled",
        SignalType::PodNotReady => "PodNotReady",
        SignalType::DeployFailing => "DeploymentFailing",
        SignalType::JobFailed => "JobFailed",
        SignalType::CronjobMissed => "CronJobMissed",
        SignalType::NodeNotReady => "NodeNotReady",
        SignalType::DiskPressure => "DiskPressure",
        SignalType::MemoryHigh => "MemoryPressure",
        SignalType::NetworkUnavailable => "NetworkUnavailable",
        SignalType::PidPressure => "PIDPressure",
        SignalType::PodCapacityHigh => "PodCapacityHigh",
        SignalType::CrashloopBackoff => "CrashLoopBackOff",
        SignalType::ImagePullError => "ImagePullBackOff",
        // Its operator turns any other name into lower case and takes it as the signal.
        other => return spelled(&other),
    };
    known.to_owned()
}

fn legacy_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "CRITICAL",
        Severity::Medium => "WARNING",
        Severity::Low => "INFO",
    }
}

/// `Kind/name` of the workload, from which an older operator takes the kind; for a Deployment, which it takes anyway, the
/// pod as before.
fn legacy_object(alert: &Alert) -> String {
    match &alert.pod {
        Some(pod) if alert.workload.kind == "Deployment" => pod.name.clone(),
        _ => format!("{}/{}", alert.workload.kind, alert.workload.name),
    }
}

pub(crate) fn alert(alert: &Alert) -> v1::WatcherAlert {
    v1::WatcherAlert {
        r#type: legacy_type(alert.signal),
        severity: legacy_severity(alert.severity).to_owned(),
        message: told(&alert.message),
        object: legacy_object(alert),
        namespace: alert.workload.namespace.clone().unwrap_or_default(),
        deployment: alert.workload.name.clone(),
        // The time of the beginning: an older operator makes a new Anomaly of the same alert with another time.
        timestamp_unix: alert.first_seen.as_second(),
        id: alert.id.clone(),
        signal_type: spelled(&alert.signal),
        resource: Some(wire_object(&alert.workload)),
        root: Some(wire_object(&alert.root)),
        level: spelled(&alert.severity),
        first_seen: Some(time(alert.first_seen)),
        last_seen: Some(time(alert.last_seen)),
        count: alert.count,
        resolved: alert.resolved_at.is_some(),
        resolved_at: alert.resolved_at.map(time),
        evidence: alert.evidence.iter().map(observation).collect(),
        value: told(&alert.value),
        threshold: alert.threshold.clone(),
        source: if alert.rule == Rule::Reported { ALERTMANAGER.to_owned() } else { String::new() },
        kept_seconds: alert.kept.map_or(0, |kept| kept.as_secs()),
    }
}

fn observation(seen: &Observation) -> v1::Evidence {
    let source: &'static str = seen.source.into();
    v1::Evidence {
        r#type: source.to_owned(),
        object: Some(wire_object(&seen.object)),
        detail: told(&seen.detail),
        time: seen.time.map(time),
    }
}

/// The question in a request, once its fields were checked.
pub(crate) fn question(request: v1::AnalyzeIssueRequest) -> Question {
    let failed = request.failed_attempts.into_iter().flat_map(|attempt| attempt.actions).map(suggested);
    let ask = Ask {
        issue: request.issue_name,
        provider: request.provider,
        model: request.model,
        signal: request.signal_type.clone(),
        severity: request.severity,
        description: request.description,
        kubernetes_context: request.kubernetes_context,
        previous_failures: request.previous_failure_context,
        attempt: request.attempt,
        spent: request.spent.map(usage).unwrap_or_default(),
    };
    // The namespace of a request is the Issue's; a node has none.
    let namespace = if request.resource_kind == "Node" { String::new() } else { request.namespace };
    Question {
        resource: ResourceRef { kind: request.resource_kind, name: request.resource_name, namespace },
        root: request.root.and_then(object),
        signal: request.signal_type,
        failed: failed.collect(),
        ask,
    }
}

/// An action that was suggested before, or done.
pub(crate) fn suggested(action: v1::SuggestedAction) -> AIInsightSuggestedAction {
    AIInsightSuggestedAction {
        action: some(action.action).unwrap_or_else(|| action.name.clone()),
        description: some(action.description),
        name: action.name,
        params: action.params.into_iter().collect(),
    }
}

fn usage(usage: v1::Usage) -> Usage {
    let v1::Usage { input_tokens, output_tokens, cost_usd, calls } = usage;
    Usage { input_tokens, output_tokens, cost_usd, calls }.sane()
}

pub(crate) fn analysis(analysis: Analysis) -> v1::AnalyzeIssueResponse {
    let Analysis { diagnosis, provider, model, usage, fallback } = analysis;
    v1::AnalyzeIssueResponse {
        analysis: told(&diagnosis.analysis),
        confidence: diagnosis.cause.confidence as f32,
        recommendations: diagnosis.recommendations.iter().map(|advice| told(advice)).collect(),
        model,
        provider,
        suggested_actions: diagnosis.actions.into_iter().map(action).collect(),
        root_cause: Some(root_cause(diagnosis.cause)),
        log_analysis: logged(&diagnosis.log_analysis.unwrap_or_default()),
        usage: usage.map(|usage| v1::Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_usd: usage.cost_usd,
            calls: usage.calls,
        }),
        fallback_reason: fallback.unwrap_or_default(),
    }
}

pub(crate) fn action(action: AIInsightSuggestedAction) -> v1::SuggestedAction {
    v1::SuggestedAction {
        name: action.name,
        action: action.action,
        description: action.description.unwrap_or_default(),
        params: action.params.into_iter().collect(),
    }
}

fn root_cause(cause: RootCause) -> v1::RootCause {
    v1::RootCause {
        object: Some(wire_object(&cause.object)),
        path: cause.path.unwrap_or_default(),
        value: told(&cause.value.unwrap_or_default()),
        class: spelled(&cause.class),
        statement: told(&cause.statement),
        confidence: cause.confidence,
        proof: cause.proof.into_iter().map(proof).collect(),
        ruled_out: cause
            .ruled_out
            .into_iter()
            .map(|other| v1::RuledOut { hypothesis: other.hypothesis, because: told(&other.because) })
            .collect(),
    }
}

fn proof(proof: Proof) -> v1::Proof {
    v1::Proof {
        object: Some(wire_object(&proof.object)),
        path: proof.path.unwrap_or_default(),
        value: told(&proof.value.unwrap_or_default()),
        resource_version: proof.resource_version.unwrap_or_default(),
        time: proof.time.map(|at| time(at.0)),
        rule: proof.rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_count_forward_too() {
        assert_eq!(
            time(Timestamp::new(-2, -500_000_000).unwrap()),
            prost_types::Timestamp { seconds: -3, nanos: 500_000_000 }
        );
        assert_eq!(time(Timestamp::new(2, 5).unwrap()), prost_types::Timestamp { seconds: 2, nanos: 5 });
    }

    #[test]
    fn signals_have_the_names_of_older_servers_or_their_own() {
        assert_eq!(legacy_type(SignalType::OomKill), "OOMKilled");
        assert_eq!(legacy_type(SignalType::HpaMaxed), "hpa_maxed");
        assert_eq!(legacy_severity(Severity::High), "CRITICAL");
    }
}
