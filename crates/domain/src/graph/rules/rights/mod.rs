//! Bindings that give nobody anything: to a role that does not exist, or to an account that does not.
//!
//! A binding that nothing runs with is no fault: roles and accounts come and go with what needs them. What is looked at are
//! the accounts of workloads that will start a pod.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Severity};
use jiff::Timestamp;

use super::shape::{self, finding, not, proven, telling, who};
use super::{cause, fact, meant};
use crate::detection::Rule;
use crate::graph::query::{distance, name, named};
use crate::graph::rights::{Binding, account};
use crate::graph::{Finding, Graph, Standing, Workload, nearest};

/// A role may be applied a moment after its binding.
const HOLD: i64 = 10;
/// Letters by which a name that was meant differs at most.
const SLIPS: usize = 2;

/// Workloads that will start a pod, by the account that they run as.
fn by_account(graph: &Graph) -> BTreeMap<&str, Vec<&Workload>> {
    let mut found: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
    for workload in shape::starting(graph) {
        found.entry(account(&workload.spec)).or_default().push(workload);
    }
    found
}

/// An outage, unless one of the workloads speaks for itself.
fn standing(users: &[&Workload]) -> Standing {
    if users.iter().any(|workload| workload.troubled) { Standing::Suspect } else { Standing::Outage }
}

/// What a log says when the API server refuses an account something.
fn words(graph: &Graph, account: &str, more: [&str; 2]) -> Vec<String> {
    let user = format!("system:serviceaccount:{}:{account}", graph.namespace);
    let more = more.map(str::to_owned);
    telling([user].into_iter().chain(more))
}

/// Bindings of accounts that workloads use.
pub(super) fn bindings(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if graph.role_bindings.is_empty() && graph.cluster.cluster_role_bindings.is_empty() {
        return;
    }
    let users = by_account(graph);
    for binding in graph.bindings() {
        out.extend(no_role(graph, &binding, &users));
        out.extend(no_account(graph, &binding, &users));
    }
}

/// The object that a finding about a binding is shown at: one of the namespace.
fn about(binding: &Binding<'_>, users: &[&Workload]) -> Option<ObjectRef> {
    if binding.object.namespace.is_some() {
        return Some(binding.object.clone());
    }
    users.first().map(|workload| workload.object.clone())
}

/// A binding to a role that does not exist: whoever is bound has no right of it.
fn no_role(graph: &Graph, binding: &Binding<'_>, users: &BTreeMap<&str, Vec<&Workload>>) -> Option<Finding> {
    let kind = binding.role.kind.as_str();
    if !graph.knows(kind) || !matches!(kind, "Role" | "ClusterRole") || graph.rules_of(binding.role).is_some() {
        return None;
    }
    // Those of groups are many, and seldom about one workload.
    let of_account = |account: &str| {
        binding.subjects.iter().any(|subject| subject.kind == "ServiceAccount" && subject.name == account)
            && binding.holds(&graph.namespace, account)
    };
    let (account, users) = users.iter().find(|(account, _)| of_account(account))?;
    let wanted = binding.role.name.as_str();
    let roles = graph.roles.iter().filter(|_| kind == "Role").map(|role| name(&role.metadata));
    let cluster = graph.cluster.cluster_roles.iter().filter(|_| kind == "ClusterRole");
    let near = nearest(wanted, roles.chain(cluster.map(|role| name(&role.metadata))));
    // The other kind of role has the name: that was meant.
    let other = if kind == "Role" { "ClusterRole" } else { "Role" };
    let elsewhere = match other {
        "Role" => graph.roles.iter().any(|role| name(&role.metadata) == wanted),
        _ => graph.cluster.cluster_roles.iter().any(|role| name(&role.metadata) == wanted),
    };
    let hint = if elsewhere { format!("; a {other} of this name exists") } else { meant(near) };
    let first = users.first()?;
    let statement = format!(
        "{} refers to {kind} {wanted}, which does not exist, so ServiceAccount {account} of {} has no rights by it{hint}",
        who(&binding.object),
        who(&first.object)
    );
    let space = if kind == "Role" { graph.namespace.as_str() } else { "" };
    let role = named("rbac.authorization.k8s.io/v1", kind, space, wanted);
    let path = if elsewhere { "roleRef.kind" } else { "roleRef.name" };
    let value = if elsewhere { kind } else { wanted };
    let mut found = proven(
        cause(&binding.object, CauseClass::PermissionDenied, path, value, statement, 0.95),
        vec![
            fact(&binding.object, path, value, "this is bound"),
            fact(&role, "metadata.name", "(absent)", "no such role exists"),
            fact(
                &first.object,
                &format!("{}.serviceAccountName", first.spec_path),
                *account,
                "the workload runs with the rights of this account",
            ),
        ],
    );
    found.ruled_out.push(not("Nobody needs the rights", "a workload runs as the account that is bound"));
    let advice = match near.filter(|_| !elsewhere) {
        Some(near) => format!("Bind {kind} {near} instead (roleRef cannot be edited), or create {kind} {wanted}."),
        None => {
            format!("Create {kind} {wanted} with the rules that {} needs, or delete the binding.", who(&first.object))
        }
    };
    Some(Finding {
        concerns: users.iter().map(|workload| workload.object.clone()).collect(),
        words: words(graph, account, [account, wanted]),
        recommendations: vec![advice],
        hold: HOLD,
        ..finding(Rule::Configuration, standing(users), Severity::High, &about(binding, users)?, found)
    })
}

/// A binding to an account that does not exist, where the one that was meant has no rights at all.
fn no_account(graph: &Graph, binding: &Binding<'_>, users: &BTreeMap<&str, Vec<&Workload>>) -> Option<Finding> {
    if !graph.knows("ServiceAccount") || !graph.knows_rights() {
        return None;
    }
    let unbound = |account: &str| !graph.bindings().any(|other| other.holds(&graph.namespace, account));
    for (at, subject) in binding.subjects.iter().enumerate().filter(|(_, subject)| subject.kind == "ServiceAccount") {
        let space = subject.namespace.as_deref().or(binding.object.namespace.as_deref()).unwrap_or_default();
        let (field, value, why, meant) = if space == graph.namespace {
            if graph.accounts.contains(&subject.name) || subject.name == "default" {
                continue;
            }
            let near = nearest(&subject.name, users.keys().copied().filter(|account| unbound(account)));
            let Some(near) = near.filter(|near| distance(near, &subject.name) <= SLIPS) else { continue };
            ("name", subject.name.as_str(), "which does not exist", near)
        } else {
            // A namespace that is not there, and an account of the same name that is here.
            let known = &graph.cluster.namespaces;
            let gone = !known.is_empty() && graph.knows("Namespace") && !known.contains_key(space);
            let here = users.keys().find(|account| **account == subject.name).filter(|account| unbound(account));
            let Some(here) = here.filter(|_| gone && binding.object.namespace.is_some()) else { continue };
            ("namespace", space, "whose namespace does not exist", *here)
        };
        let of = users.get(meant)?;
        let first = of.first()?;
        let question = if field == "name" {
            format!("did you mean {meant}?")
        } else {
            format!("did you mean namespace {}?", graph.namespace)
        };
        let at_space = if field == "namespace" { format!(" in namespace {space}") } else { String::new() };
        let statement = format!(
            "{} grants {} to ServiceAccount {}{at_space}, {why}, so ServiceAccount {meant} of {} has no rights; {question}",
            who(&binding.object),
            binding.role.name,
            subject.name,
            who(&first.object)
        );
        let path = format!("subjects[{at}].{field}");
        let found = proven(
            cause(&binding.object, CauseClass::PermissionDenied, &path, value, statement, 0.9),
            vec![
                fact(&binding.object, &path, value, "this account is bound"),
                fact(
                    &first.object,
                    &format!("{}.serviceAccountName", first.spec_path),
                    meant,
                    "the workload runs as this account, which no binding names",
                ),
            ],
        );
        return Some(Finding {
            concerns: of.iter().map(|workload| workload.object.clone()).collect(),
            words: words(graph, meant, [meant, subject.name.as_str()]),
            recommendations: vec![format!("Let {path} name the account that the workload runs as.")],
            hold: HOLD,
            ..finding(Rule::Configuration, standing(of), Severity::High, &about(binding, of)?, found)
        });
    }
    None
}
