//! ResourceQuotas: what they demand of every pod, and whether a rollout has room for one more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodSpec, ResourceQuota};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::limits::Defaults;
use super::{Breach, Gathered, Limit};
use crate::detection::Rule;
use crate::diagnosis::{amount, requests};
use crate::graph::query::reference;
use crate::graph::rules::shape::{self, finding, proven, share, who};
use crate::graph::rules::{cause, fact};
use crate::graph::{Finding, Graph, Standing};

/// Quotas that count every pod; what a scope leaves out is not guessed.
fn plain(graph: &Graph) -> impl Iterator<Item = &Arc<ResourceQuota>> {
    graph.quotas.iter().filter(|quota| {
        quota.spec.as_ref().is_some_and(|spec| {
            spec.scopes.as_ref().is_none_or(Vec::is_empty)
                && spec.scope_selector.as_ref().and_then(|s| s.match_expressions.as_ref()).is_none_or(Vec::is_empty)
        })
    })
}

/// What a quota counts of a container: request or limit, and of which resource.
fn counted(key: &str) -> Option<(&'static str, &str)> {
    match key {
        "cpu" | "memory" => Some(("requests", key)),
        _ => key
            .strip_prefix("requests.")
            .map(|r| ("requests", r))
            .or_else(|| key.strip_prefix("limits.").map(|r| ("limits", r))),
    }
}

/// Workloads whose containers lack a request or limit that a quota demands of all.
pub(in crate::graph::rules) fn demands(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if graph.quotas.is_empty() {
        return;
    }
    let pods = shape::pods(graph);
    let defaults = Defaults::of(graph);
    let mut gathered = Gathered::default();
    for quota in plain(graph) {
        let object = reference("v1", "ResourceQuota", &quota.metadata);
        for (key, hard) in quota.spec.iter().flat_map(|spec| spec.hard.iter().flatten()) {
            let Some((field, resource)) = counted(key).filter(|(_, resource)| matches!(*resource, "cpu" | "memory"))
            else {
                continue;
            };
            let path = format!("spec.hard.{key}");
            let limit = Limit {
                object: object.clone(),
                path: &path,
                value: &hard.0,
                name: format!("ResourceQuota {} ({key})", object.name),
                advice: format!(
                    "Give the namespace a LimitRange with a default for {resource}, or take {path} out of the quota."
                ),
            };
            for workload in shape::starting(graph) {
                let Some(breach) = lacks(&workload.spec, field, resource, &defaults) else { continue };
                let of = shape::of(&pods, &workload.object);
                gathered.add(workload, of, &limit, &breach, out, |pod| {
                    lacks(&pod.spec, field, resource, &defaults).is_some()
                });
            }
        }
    }
    gathered.finish(out);
}

/// The first container that says nothing about a resource.
fn lacks(spec: &PodSpec, field: &str, resource: &str, defaults: &Defaults) -> Option<Breach> {
    if spec.resources.is_some() {
        return None;
    }
    let init = spec.init_containers.iter().flatten().enumerate().map(|(at, c)| (format!("initContainers[{at}]"), c));
    let main = spec.containers.iter().enumerate().map(|(at, c)| (format!("containers[{at}]"), c));
    init.chain(main).find_map(|(base, container)| {
        let (request, limit) = defaults.of_container(container, resource);
        let set = if field == "limits" { limit } else { request };
        set.is_none().then(|| Breach {
            path: format!("{base}.resources.{field}.{resource}"),
            value: "(absent)".into(),
            words: format!("container {} must set {field}.{resource}", container.name),
            more: 0,
        })
    })
}

/// What one pod takes of each key of a quota, in thousandths.
fn takes(spec: &PodSpec, key: &str, defaults: &Defaults) -> i128 {
    match key {
        "pods" | "count/pods" => return 1000,
        _ => {}
    }
    let Some((field, resource)) = counted(key) else { return 0 };
    if field == "requests" {
        let wished: BTreeMap<String, i128> = requests(spec);
        if let Some(amount) = wished.get(resource) {
            return *amount;
        }
    }
    let each = spec.containers.iter().map(|container| {
        let (request, limit) = defaults.of_container(container, resource);
        if field == "limits" { limit } else { request }
    });
    each.map(Option::unwrap_or_default).sum()
}

/// Deployments whose next rollout cannot begin: no pod may go before a new one is there, and a quota that is used up
/// leaves no room for one. A quota may be full for years: this is a fault once a rollout hangs on it, which the API
/// server's refusals tell; until then it only explains.
pub(in crate::graph::rules) fn surge(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let defaults = Defaults::of(graph);
    let mut told = BTreeSet::new();
    for quota in plain(graph) {
        let object = reference("v1", "ResourceQuota", &quota.metadata);
        let Some(status) = &quota.status else { continue };
        for (key, hard) in status.hard.iter().flatten() {
            let used = status.used.as_ref().and_then(|used| used.get(key)).and_then(|q| amount::millis(&q.0));
            let (Some(hard_millis), Some(used)) = (amount::millis(&hard.0), used) else { continue };
            if used < hard_millis || hard_millis == 0 {
                continue;
            }
            for workload in shape::starting(graph).filter(|workload| workload.object.kind == "Deployment") {
                let quarter = || IntOrString::String("25%".into());
                let (unavailable, surge) = &workload.rolling;
                // Recreate has neither.
                if unavailable.is_none() && surge.is_none() {
                    continue;
                }
                let may_go = share(unavailable.as_ref().unwrap_or(&quarter()), workload.desired, false);
                let may_come = share(surge.as_ref().unwrap_or(&quarter()), workload.desired, true);
                // With a surge of zero the API server lets one pod go.
                let stuck = may_go == Some(0) && may_come.is_some_and(|surge| surge > 0);
                if !stuck || takes(&workload.spec, key, &defaults) == 0 || !told.insert(workload.object.name.clone()) {
                    continue;
                }
                let resource = counted(key).map_or(key.as_str(), |(_, resource)| resource);
                let statement = format!(
                    "The next rollout of {} cannot begin: it needs one more pod first (maxUnavailable rounds to 0), and ResourceQuota {} has no {key} left of {}",
                    who(&workload.object),
                    object.name,
                    hard.0
                );
                let found = proven(
                    cause(&object, CauseClass::AdmissionRefused, &format!("spec.hard.{key}"), &hard.0, statement, 0.8),
                    vec![
                        fact(
                            &object,
                            &format!("status.used.{key}"),
                            amount::show(resource, used),
                            "all of the quota is used",
                        ),
                        fact(
                            &workload.object,
                            "spec.strategy.rollingUpdate.maxUnavailable",
                            "0",
                            "no pod may go before a new one is ready",
                        ),
                    ],
                );
                out.push(Finding {
                    concerns: vec![workload.object.clone()],
                    words: vec![format!("exceeded quota: {}", object.name)],
                    recommendations: vec![format!(
                        "Raise spec.hard.{key} of ResourceQuota {} by one pod, or set maxSurge 0 and maxUnavailable 1.",
                        object.name
                    )],
                    ..finding(Rule::AdmissionBlocked, Standing::Suspect, Severity::Low, &object, found)
                });
            }
        }
    }
}
