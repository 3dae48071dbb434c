//! Requests that the API server refused an account: which rule is missing, in which role.

use api::shared::CauseClass;
use k8s_openapi::api::rbac::v1::PolicyRule;

use super::{Link, Place};
use crate::diagnosis::fact;
use crate::diagnosis::log::{Access, Told};
use crate::graph::{Grant, nearest};

pub(super) fn forbidden(place: &Place<'_>, told: &Told) -> Option<Link> {
    let access = told.access.as_ref()?;
    let may_not = may_not(access);
    let path = format!("{}.serviceAccountName", place.prefix);
    let account = &access.account;
    let ours = place.spec.service_account_name.as_deref().unwrap_or("default");
    if access.namespace.is_empty() {
        let clause = format!("user {account} {may_not}");
        return Some(place.link(CauseClass::PermissionDenied, path, Some(ours), clause, 0.8));
    }
    let here = Some(&access.namespace) == place.evidence.view.workload.namespace.as_ref() && account == ours;
    let grants = place.evidence.grants.as_deref().filter(|_| here);
    if let Some(link) = grants.and_then(|grants| lacking(place, access, &may_not, grants)) {
        return Some(link);
    }
    // Nobody grants rights to the default account: the workload lacks one of its own.
    if account == "default" {
        let clause = format!("it runs as ServiceAccount default, which {may_not}");
        return Some(place.link(CauseClass::PermissionDenied, path, Some(ours), clause, 0.85));
    }
    let none = grants.is_some_and(<[Grant]>::is_empty);
    let why = if none { "no binding names it" } else { "no Role or ClusterRole that is bound to it allows this" };
    let clause = format!("ServiceAccount {account} {may_not}: {why}");
    let mut link = place.link(CauseClass::PermissionDenied, path, Some(ours), clause, 0.9);
    link.object = place.named("ServiceAccount", account);
    link.object.namespace = Some(access.namespace.clone());
    link.path = Some("rules".into());
    link.value = Some(format!("{} {}", access.verb, resource(access)));
    link.advice = format!("Bind a Role with verb {} on {} to ServiceAccount {account}.", access.verb, resource(access));
    Some(link)
}

/// The resource with its group, as kubectl names it.
fn resource(access: &Access) -> String {
    if access.group.is_empty() { access.resource.clone() } else { format!("{}.{}", access.resource, access.group) }
}

fn may_not(access: &Access) -> String {
    let scope = access.place.as_ref().map_or_else(|| " in the cluster".to_owned(), |ns| format!(" in namespace {ns}"));
    format!("may not {} {}{scope}", access.verb, resource(access))
}

/// What a rule lacks for a request: the field, what stands there, and why that does not do. The lower the rank, the nearer
/// the rule is to what was asked.
struct Lack {
    rank: u8,
    field: &'static str,
    value: String,
    why: String,
}

/// How the group without a name is called.
const CORE: &str = "core";

fn has(list: Option<&Vec<String>>, wanted: &str) -> bool {
    list.into_iter().flatten().any(|item| item == "*" || item == wanted)
}

fn shown(list: Option<&Vec<String>>) -> String {
    let all: Vec<&str> = list.into_iter().flatten().map(|item| if item.is_empty() { CORE } else { item }).collect();
    all.join(", ")
}

/// Why a rule that could be meant for a request does not allow it.
fn lack(rule: &PolicyRule, access: &Access) -> Option<Lack> {
    let (groups, resources, verbs) = (rule.api_groups.as_ref(), rule.resources.as_ref(), Some(&rule.verbs));
    let verb = has(verbs, &access.verb);
    let resource = has(resources, &access.resource)
        || access.resource.split_once('/').is_some_and(|(_, sub)| has(resources, &format!("*/{sub}")));
    let group = has(groups, &access.group);
    match (group, resource, verb) {
        (true, true, false) => Some(Lack {
            rank: 0,
            field: "verbs",
            value: shown(verbs),
            why: format!("allows only {} of {}, not {}", shown(verbs), access.resource, access.verb),
        }),
        (true, true, true) => rule.resource_names.as_ref().filter(|names| !names.is_empty()).map(|names| Lack {
            rank: 0,
            field: "resourceNames",
            value: names.join(", "),
            why: format!("allows this only for {}", names.join(", ")),
        }),
        (false, true, _) => Some(Lack {
            rank: 1,
            field: "apiGroups",
            value: groups.into_iter().flatten().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(", "),
            why: format!(
                "has {} in API group {}, and it is in {}",
                access.resource,
                shown(groups),
                shown(Some(&vec![access.group.clone()]))
            ),
        }),
        (true, false, true) => {
            let near = nearest(&access.resource, resources.into_iter().flatten().map(String::as_str))?;
            Some(Lack {
                rank: 2,
                field: "resources",
                value: near.to_owned(),
                why: format!("names {near}, and the resource is {}", access.resource),
            })
        }
        _ => None,
    }
}

/// Whether a grant holds where the request was.
fn reaches(grant: &Grant, access: &Access) -> bool {
    grant.within.is_none() || grant.within == access.place
}

/// Whether rules allow a request.
fn allows(rules: &[PolicyRule], access: &Access) -> bool {
    let all = |rule: &PolicyRule| {
        has(rule.api_groups.as_ref(), &access.group)
            && has(rule.resources.as_ref(), &access.resource)
            && has(Some(&rule.verbs), &access.verb)
            && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
    };
    rules.iter().any(all)
}

/// The role in which a rule is missing or too narrow.
fn lacking(place: &Place<'_>, access: &Access, may_not: &str, grants: &[Grant]) -> Option<Link> {
    let account = &access.account;
    // Roles that every account has say nothing about this one.
    let own = || grants.iter().filter(|grant| !grant.binding.name.starts_with("system:"));
    if let Some(gone) = own().find(|grant| grant.rules.is_none() && reaches(grant, access)) {
        let clause = format!(
            "ServiceAccount {account} {may_not}: {} {} refers to {} {}, which does not exist",
            gone.binding.kind, gone.binding.name, gone.role.kind, gone.role.name
        );
        let fields = (gone.binding.clone(), "roleRef.name".to_owned(), gone.role.name.clone());
        let advice =
            format!("Create {} {} with verb {} on {}.", gone.role.kind, gone.role.name, access.verb, resource(access));
        return Some(link(place, fields, clause, 0.95, advice));
    }
    // The rule is there, and the binding does not reach as far.
    let narrow =
        own().find(|grant| !reaches(grant, access) && allows(grant.rules.as_deref().unwrap_or_default(), access));
    if let Some(grant) = narrow {
        let within = grant.within.as_deref().unwrap_or_default();
        let clause = format!(
            "ServiceAccount {account} {may_not}: {} {} grants this in namespace {within} only",
            grant.binding.kind, grant.binding.name
        );
        let fields = (grant.binding.clone(), "metadata.namespace".to_owned(), within.to_owned());
        let advice = match &access.place {
            Some(other) => format!("Bind {} {} in namespace {other} too.", grant.role.kind, grant.role.name),
            None => format!("Bind a ClusterRole to ServiceAccount {account} with a ClusterRoleBinding."),
        };
        return Some(link(place, fields, clause, 0.93, advice));
    }
    let near = own()
        .filter(|grant| reaches(grant, access))
        .flat_map(|grant| grant.rules.iter().flatten().enumerate().map(move |(at, rule)| (grant, at, rule)))
        .filter_map(|(grant, at, rule)| Some((grant, at, lack(rule, access)?)))
        .min_by_key(|(_, _, lack)| lack.rank);
    let advice = |role: &str| format!("Add verb {} on {} to {role}.", access.verb, resource(access));
    if let Some((grant, at, lack)) = near {
        let role = format!("{} {}", grant.role.kind, grant.role.name);
        let clause = format!("ServiceAccount {account} {may_not}: {role}, which is bound to it, {}", lack.why);
        let fields = (grant.role.clone(), format!("rules[{at}].{}", lack.field), lack.value);
        return Some(link(place, fields, clause, 0.95, advice(&role)));
    }
    // A Role of the namespace is made for the workload; a ClusterRole is shared.
    let grant = own().filter(|grant| reaches(grant, access)).min_by_key(|grant| grant.role.kind != "Role")?;
    let role = format!("{} {}", grant.role.kind, grant.role.name);
    let clause = format!(
        "ServiceAccount {account} {may_not}: {role}, which is bound to it, has no rule for {}",
        resource(access)
    );
    let fields = (grant.role.clone(), "rules".to_owned(), format!("{} {}", access.verb, resource(access)));
    Some(link(place, fields, clause, 0.93, advice(&role)))
}

fn link(
    place: &Place<'_>,
    (object, path, value): (api::shared::ObjectRef, String, String),
    clause: String,
    sure: f64,
    advice: String,
) -> Link {
    let account = format!("{}.serviceAccountName", place.prefix);
    let runs = place.spec.service_account_name.as_deref().unwrap_or("(absent)");
    Link {
        proof: vec![
            fact(place.evidence.culprit(), &account, runs, "the workload has the rights of this account"),
            fact(&object, &path, &value, "this is what it is granted"),
        ],
        object,
        path: Some(path),
        value: Some(value),
        class: CauseClass::PermissionDenied,
        clause,
        sure,
        advice,
    }
}
