//! The last lines of the container that fails: of the run that failed, where it can still be had.

use domain::detection::{PodView, Rule, Symptom};
use domain::diagnosis::LogTail;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};

/// Bytes that are read at most.
const BYTES: i64 = 64 * 1024;
/// A run younger than this has not said yet what the one before it ended with.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// Whether a log can say something about a symptom.
pub(super) fn wanted(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::CrashLoop
            | Rule::StartError
            | Rule::OutOfMemory
            | Rule::ReadinessFailing
            | Rule::NotReady
            | Rule::LivenessFailing
            | Rule::RolloutStuck
            | Rule::JobFailed
            | Rule::ErrorRate
            | Rule::Latency
    )
}

/// Reads the log of the container that shows a symptom; the text of an error says what to do about it.
pub(super) async fn read(
    client: &Client,
    pod: &PodView,
    symptom: &Symptom,
    lines: u32,
    now: Timestamp,
) -> Result<Option<LogTail>, String> {
    let reference = pod.reference();
    let Some(container) = symptom.container.clone() else { return Ok(None) };
    let api: Api<Pod> = Api::namespaced(client.clone(), reference.namespace.as_deref().unwrap_or_default());
    // A container that has ended and waits for its next run still has its log; the one before is gone by then.
    let order: &[bool] = if previous_first(pod, &container, symptom.rule, now) { &[true, false] } else { &[false] };
    for previous in order {
        let params = LogParams {
            container: Some(container.clone()),
            previous: *previous,
            tail_lines: Some(i64::from(lines)),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        match api.logs(&reference.name, &params).await {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let lines = text.lines().map(str::to_owned).collect();
                return Ok(Some(LogTail { pod: reference.name, container, lines }));
            }
            // No such run, or none yet.
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => {}
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                return Err(format!(
                    "The log of container {container} may not be read; grant get on pods/log in namespace {}.",
                    reference.namespace.unwrap_or_default()
                ));
            }
            Err(error) => return Err(format!("The log of container {container} could not be read ({error}).")),
        }
    }
    Ok(None)
}

fn previous_first(pod: &PodView, container: &str, rule: Rule, now: Timestamp) -> bool {
    let Some(status) = pod.statuses().map(|(_, s)| s).find(|s| s.name == container) else { return false };
    let Some(running) = status.state.as_ref().and_then(|s| s.running.as_ref()) else { return false };
    let exits = matches!(rule, Rule::CrashLoop | Rule::StartError | Rule::OutOfMemory | Rule::JobFailed);
    let young = running.started_at.as_ref().is_none_or(|at| now.duration_since(at.0) < YOUNG);
    status.restart_count > 0 && (exits || young)
}
