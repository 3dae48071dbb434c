//! Whether a plan may act at all, whoever wrote it.

use api::shared::{ResourceRef, Severity};
use api::{Issue, RemediationPlan};

use crate::remediation::actions::{self, Action};
use crate::remediation::preflight::Refusal;

/// A plan that may go on to its approval.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Workload that it acts on.
    pub resource: ResourceRef,
    /// UID that the plan was made for, as far as it says.
    pub uid: Option<String>,
    /// Severity for the policies: the worse of the plan's and the Issue's.
    pub severity: Severity,
    /// Actions, parsed.
    pub actions: Vec<Action>,
}

/// Most actions that a plan may have.
const MAX_ACTIONS: usize = 20;

/// Checks that a plan belongs to its Issue, stays in its namespace, and asks only for what this version does.
///
/// `issue` is the Issue that the plan names, in the plan's own namespace.
pub fn admit(plan: &RemediationPlan, issue: Option<&Issue>, operator_namespace: &str) -> Result<Admitted, Refusal> {
    let issue = owner(plan, issue)?;
    let resource = plan.spec.resource.clone().unwrap_or_else(|| issue.spec.resource.clone());
    in_scope(plan, &resource, operator_namespace)?;
    if plan.spec.agentic_mode == Some(true) {
        return Err(Refusal::new(
            "AgenticNotAvailable",
            "spec.agenticMode is true, which is not available in this version; name the actions in spec.actions",
        ));
    }
    if plan.spec.actions.is_empty() {
        return Err(Refusal::new("NoActions", "spec.actions is empty; a plan needs at least one action"));
    }
    if plan.spec.actions.len() > MAX_ACTIONS {
        return Err(Refusal::new(
            "TooManyActions",
            format!("spec.actions has {} entries; {MAX_ACTIONS} is the most", plan.spec.actions.len()),
        ));
    }
    let mut parsed = Vec::new();
    for (index, action) in plan.spec.actions.iter().enumerate() {
        let action_parsed =
            actions::parse(action).map_err(|e| Refusal::new("ActionRefused", format!("spec.actions[{index}]: {e}")))?;
        let kind = actions::info(action.type_).map_or("", |i| i.target_kind);
        if resource.kind != kind {
            return Err(Refusal::new(
                "WrongKind",
                format!(
                    "spec.actions[{index}]: {:?} acts on a {kind}; the plan is for {} {}",
                    action.type_, resource.kind, resource.name
                ),
            ));
        }
        parsed.push(action_parsed);
    }
    // Severities are ordered from the worst down.
    let severity = plan.spec.severity.map_or(issue.spec.severity, |s| s.min(issue.spec.severity));
    let same_workload = resource == issue.spec.resource;
    let uid = plan.spec.resource_uid.clone().or_else(|| issue.spec.resource_uid.clone().filter(|_| same_workload));
    Ok(Admitted { resource, uid, severity, actions: parsed })
}

fn owner<'a>(plan: &RemediationPlan, issue: Option<&'a Issue>) -> Result<&'a Issue, Refusal> {
    let name = &plan.spec.issue_ref.name;
    let Some(issue) = issue else {
        return Err(Refusal::new(
            "IssueNotFound",
            format!("spec.issueRef names Issue {name}, which is not in this namespace; a plan acts only for an Issue"),
        ));
    };
    let uid = issue.metadata.uid.as_deref().unwrap_or_default();
    let owned = plan.metadata.owner_references.iter().flatten().any(|o| {
        o.kind == "Issue" && o.name == *name && o.uid == uid && o.api_version.starts_with("platform.chatcli.io/")
    });
    if uid.is_empty() || !owned {
        return Err(Refusal::new(
            "NotOwnedByIssue",
            format!(
                "metadata.ownerReferences does not name Issue {name} with UID {uid}; plans are made by the Issue controller"
            ),
        ));
    }
    Ok(issue)
}

fn in_scope(plan: &RemediationPlan, resource: &ResourceRef, operator_namespace: &str) -> Result<(), Refusal> {
    let lives_in = plan.metadata.namespace.as_deref().unwrap_or_default();
    let cluster_scoped = resource.kind == "Node";
    let right = if cluster_scoped { lives_in == operator_namespace } else { lives_in == resource.namespace };
    if right {
        return Ok(());
    }
    Err(Refusal::new(
        "OutOfScope",
        format!(
            "the plan lives in namespace {lives_in} and names {} {}/{}; a plan acts only on the namespace that it lives in",
            resource.kind, resource.namespace, resource.name
        ),
    ))
}
