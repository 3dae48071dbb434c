//! How far an action reaches, for the person who decides.

use std::fmt::Write as _;

use api::approval_request::ApprovalRequestBlastRadius;
use api::shared::{ActionType, RemediationAction};

/// What is known about the workload and its surroundings.
#[derive(Clone, Debug, Default)]
pub struct BlastInput<'a> {
    /// Kind and name of the workload, for the text.
    pub target: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Pods of the workload.
    pub pods: usize,
    /// Names of Services that select them.
    pub services: Vec<String>,
    /// Other workloads that an action reaches, for example those that share a ConfigMap.
    pub others: Vec<String>,
    /// What the plan would do.
    pub actions: &'a [RemediationAction],
}

/// Impact estimate. It informs and never decides: what must not happen is refused by the preflight.
pub fn blast_radius(input: &BlastInput<'_>) -> ApprovalRequestBlastRadius {
    let pods = touched(input);
    let risk = risk(input, pods);
    let actions: Vec<String> = input.actions.iter().map(|a| format!("{:?}", a.type_)).collect();
    let mut description =
        format!("{} on {}: {pods} of {} pods are replaced or removed", actions.join(", "), input.target, input.pods);
    if !input.services.is_empty() {
        let _ = write!(description, "; Services that send to them: {}", input.services.join(", "));
    }
    if !input.others.is_empty() {
        let _ = write!(description, "; also read what is changed: {}", input.others.join(", "));
    }
    ApprovalRequestBlastRadius {
        affected_namespaces: vec![input.namespace.to_owned()],
        affected_pods: i32::try_from(pods).unwrap_or(i32::MAX),
        affected_services: i32::try_from(input.services.len()).unwrap_or(i32::MAX),
        description,
        risk_level: risk.to_owned(),
    }
}

fn touched(input: &BlastInput<'_>) -> usize {
    let each = |a: &RemediationAction| match a.type_ {
        ActionType::DeletePod => 1.min(input.pods),
        ActionType::ScaleDeployment => {
            let wanted = a.params.get("replicas").and_then(|r| r.parse::<usize>().ok()).unwrap_or(input.pods);
            input.pods.saturating_sub(wanted)
        }
        _ => input.pods,
    };
    input.actions.iter().map(each).max().unwrap_or(0)
}

fn risk(input: &BlastInput<'_>, pods: usize) -> &'static str {
    let to_zero = input
        .actions
        .iter()
        .any(|a| a.type_ == ActionType::ScaleDeployment && a.params.get("replicas").is_some_and(|r| r.trim() == "0"));
    match pods {
        _ if to_zero => "critical",
        11.. => "critical",
        6.. => "high",
        _ if input.services.len() >= 3 || !input.others.is_empty() => "high",
        3.. => "medium",
        _ if !input.services.is_empty() && pods > 0 => "medium",
        _ => "low",
    }
}
