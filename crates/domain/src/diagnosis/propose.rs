//! Actions that a diagnosis proposes.

use std::collections::BTreeMap;

use api::ai_insight::AIInsightSuggestedAction;

use super::Evidence;

fn action(name: String, action: &str, description: String, params: &[(&str, String)]) -> AIInsightSuggestedAction {
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    AIInsightSuggestedAction { action: action.into(), description: Some(description), name, params }
}

/// Whether the same was done before and did not help. Rolling back and undoing it gives every template a new revision
/// number, so a second rollback can be the first one again under another number: one that failed counts for all.
pub(crate) fn tried(candidate: &AIInsightSuggestedAction, failed: &[AIInsightSuggestedAction]) -> bool {
    let once = candidate.action == "RollbackDeployment";
    failed.iter().any(|f| f.action == candidate.action && (once || f.params == candidate.params))
}

/// Back to the revision before the one that fails. Only Deployments have it.
pub(super) fn rollback(evidence: &Evidence, why: &str) -> Option<AIInsightSuggestedAction> {
    if evidence.view.workload.kind != "Deployment" {
        return None;
    }
    let (bad, good) = (evidence.revision()?, evidence.previous()?);
    Some(action(
        format!("Roll back to revision {}", good.number),
        "RollbackDeployment",
        format!("Revision {} {why}; revision {} is the last one before it.", bad.number, good.number),
        &[("toRevision", good.number.to_string())],
    ))
}

/// More memory for a container of a Deployment.
pub(super) fn memory(
    evidence: &Evidence,
    container: &str,
    limit: &str,
    request: Option<&str>,
    why: String,
) -> Option<AIInsightSuggestedAction> {
    if evidence.view.workload.kind != "Deployment" {
        return None;
    }
    let mut params = vec![("container", container.to_owned()), ("memory_limit", limit.to_owned())];
    if let Some(request) = request {
        params.push(("memory_request", request.to_owned()));
    }
    Some(action(format!("Raise the memory limit of {container} to {limit}"), "AdjustResources", why, &params))
}

/// A key of a ConfigMap back to what it was.
pub(super) fn patch_config(config_map: &str, key: &str, value: &str) -> AIInsightSuggestedAction {
    action(
        format!("Set {key} of ConfigMap {config_map} back"),
        "PatchConfig",
        format!("{key} had this value before the change that preceded the fault."),
        &[("configmap", config_map.to_owned()), ("key", key.to_owned()), ("value", value.to_owned())],
    )
}
