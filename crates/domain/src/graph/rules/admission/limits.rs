//! LimitRanges: what the next pod may request and be limited to.

use std::collections::BTreeMap;

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, LimitRangeItem, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Breach, Gathered, Limit};
use crate::detection::Rule;
use crate::diagnosis::amount;
use crate::graph::query::reference;
use crate::graph::rules::shape::{self, finding, proven, who};
use crate::graph::rules::{cause, fact};
use crate::graph::{Finding, Graph, Standing, Workload};

type Quantities = BTreeMap<String, Quantity>;

/// Workloads whose next pod a LimitRange refuses.
pub(in crate::graph::rules) fn limits(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if graph.limits.is_empty() {
        return;
    }
    let pods = shape::pods(graph);
    let defaults = Defaults::of(graph);
    let mut gathered = Gathered::default();
    for range in &graph.limits {
        let object = reference("v1", "LimitRange", &range.metadata);
        for (index, item) in range.spec.iter().flat_map(|spec| &spec.limits).enumerate() {
            for workload in shape::starting(graph) {
                let Some((bound, resource, breach)) = breach(&workload.spec, item, &defaults) else { continue };
                let set = match bound {
                    "max" => item.max.as_ref(),
                    "min" => item.min.as_ref(),
                    _ => item.max_limit_request_ratio.as_ref(),
                };
                let value = set.and_then(|set| set.get(&resource)).map(|q| q.0.clone()).unwrap_or_default();
                let path = format!("spec.limits[{index}].{bound}.{resource}");
                let limit = Limit {
                    object: object.clone(),
                    path: &path,
                    value: &value,
                    name: format!("LimitRange {} ({bound} {resource} {value} per {})", object.name, item.type_),
                    advice: format!("Change {path} of LimitRange {}.", object.name),
                };
                let of = shape::of(&pods, &workload.object);
                gathered
                    .add(workload, of, &limit, &breach, out, |pod| self::breach(&pod.spec, item, &defaults).is_some());
            }
        }
    }
    gathered.finish(out);
}

/// Memory limits that containers have from a LimitRange, because nothing is said at the workload: that explains a kill.
pub(in crate::graph::rules) fn given(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    for range in &graph.limits {
        let object = reference("v1", "LimitRange", &range.metadata);
        for (index, item) in range.spec.iter().flat_map(|spec| &spec.limits).enumerate() {
            // Where there is no default, the maximum is one.
            let from = |bound, set: &Option<Quantities>| Some((bound, set.as_ref()?.get("memory")?.0.clone()));
            let found = from("default", &item.default).or_else(|| from("max", &item.max));
            let Some((bound, value)) = found.filter(|_| item.type_ == "Container") else { continue };
            let says_nothing = |container: &&Container| {
                let limits = container.resources.as_ref().and_then(|own| own.limits.as_ref());
                limits.is_none_or(|limits| !limits.contains_key("memory"))
            };
            let takes =
                |workload: &&Workload| workload.spec.containers.iter().any(|container| says_nothing(&container));
            let users: Vec<&Workload> = shape::starting(graph).filter(takes).collect();
            let Some(first) = users.first() else { continue };
            let Some(container) = first.spec.containers.iter().find(says_nothing) else { continue };
            let path = format!("spec.limits[{index}].{bound}.memory");
            let statement = format!(
                "LimitRange {} gives container {} of {}, which sets no memory limit, one of {value}",
                object.name,
                container.name,
                who(&first.object)
            );
            let cause = proven(
                cause(&object, CauseClass::OutOfMemory, &path, &value, statement, 0.85),
                vec![
                    fact(&object, &path, &value, "the API server writes this into new pods"),
                    fact(
                        &first.object,
                        &format!("{}.containers[{}].resources.limits.memory", first.spec_path, container.name),
                        "(absent)",
                        "the workload says nothing itself",
                    ),
                ],
            );
            out.push(Finding {
                concerns: users.iter().map(|workload| workload.object.clone()).collect(),
                recommendations: vec![format!("Set resources.limits.memory of the container, or raise {path}.")],
                ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &first.object, cause)
            });
        }
    }
}

/// What LimitRanges fill in for a container that says nothing.
#[derive(Default)]
pub(in crate::graph::rules) struct Defaults {
    limits: Quantities,
    requests: Quantities,
}

impl Defaults {
    pub(in crate::graph::rules) fn of(graph: &Graph) -> Self {
        let mut found = Self::default();
        let items = graph.limits.iter().flat_map(|range| range.spec.iter().flat_map(|spec| &spec.limits));
        for item in items.filter(|item| item.type_ == "Container") {
            let add = |into: &mut Quantities, from: Option<&Quantities>| {
                for (resource, quantity) in from.into_iter().flatten() {
                    into.entry(resource.clone()).or_insert_with(|| quantity.clone());
                }
            };
            // The API server itself takes a missing default from max, and a missing default request from the default.
            add(&mut found.limits, item.default.as_ref());
            add(&mut found.limits, item.max.as_ref());
            add(&mut found.requests, item.default_request.as_ref());
            add(&mut found.requests, item.default.as_ref());
            add(&mut found.requests, item.min.as_ref());
        }
        found
    }

    /// Request and limit of a container in thousandths, with what is filled in.
    pub(in crate::graph::rules) fn of_container(
        &self,
        container: &Container,
        resource: &str,
    ) -> (Option<i128>, Option<i128>) {
        let own = container.resources.as_ref();
        let read = |map: Option<&Quantities>| map.and_then(|map| map.get(resource)).and_then(|q| amount::millis(&q.0));
        let own_limit = read(own.and_then(|own| own.limits.as_ref()));
        let limit = own_limit.or_else(|| read(Some(&self.limits)));
        // A limit without a request is the request, before any default is.
        let request =
            read(own.and_then(|own| own.requests.as_ref())).or(own_limit).or_else(|| read(Some(&self.requests)));
        (request, limit)
    }
}

/// The bound that a pod breaks, of which resource, and how.
fn breach(spec: &PodSpec, item: &LimitRangeItem, defaults: &Defaults) -> Option<(&'static str, String, Breach)> {
    let bounds = [("max", &item.max), ("min", &item.min), ("maxLimitRequestRatio", &item.max_limit_request_ratio)];
    for (bound, set) in bounds {
        for (resource, quantity) in set.iter().flatten() {
            let Some(value) = amount::millis(&quantity.0) else { continue };
            let found = match item.type_.as_str() {
                "Container" => of_containers(spec, bound, resource, value, defaults),
                "Pod" => of_pod(spec, bound, resource, value, defaults),
                _ => None,
            };
            if let Some(breach) = found {
                return Some((bound, resource.clone(), breach));
            }
        }
    }
    None
}

/// The field that breaks a bound, and its amount.
fn broken(bound: &str, value: i128, request: Option<i128>, limit: Option<i128>) -> Option<(&'static str, i128)> {
    match bound {
        "max" => {
            let over =
                |field, amount: Option<i128>| amount.filter(|amount| *amount > value).map(|amount| (field, amount));
            over("limits", limit).or_else(|| over("requests", request))
        }
        "min" => {
            let under =
                |field, amount: Option<i128>| amount.filter(|amount| *amount < value).map(|amount| (field, amount));
            under("requests", request).or_else(|| under("limits", limit))
        }
        _ => {
            let (request, limit) = (request.filter(|request| *request > 0)?, limit?);
            // Both sides in thousandths: limit / request > value / 1000.
            (limit.checked_mul(1000)? > request.checked_mul(value)?).then_some(("limits", limit))
        }
    }
}

fn of_containers(spec: &PodSpec, bound: &str, resource: &str, value: i128, defaults: &Defaults) -> Option<Breach> {
    let init = spec.init_containers.iter().flatten().enumerate().map(|(at, c)| (format!("initContainers[{at}]"), c));
    let main = spec.containers.iter().enumerate().map(|(at, c)| (format!("containers[{at}]"), c));
    init.chain(main).find_map(|(base, container)| {
        let (request, limit) = defaults.of_container(container, resource);
        let (field, amount) = broken(bound, value, request, limit)?;
        Some(told(
            format!("{base}.resources.{field}.{resource}"),
            &format!("container {}", container.name),
            field,
            resource,
            amount,
        ))
    })
}

fn of_pod(spec: &PodSpec, bound: &str, resource: &str, value: i128, defaults: &Defaults) -> Option<Breach> {
    let each: Vec<_> = spec.containers.iter().map(|container| defaults.of_container(container, resource)).collect();
    let request: i128 = each.iter().filter_map(|(request, _)| *request).sum();
    let limits: Option<i128> = each.iter().map(|(_, limit)| *limit).sum();
    let (field, amount) = broken(bound, value, Some(request), limits)?;
    let largest =
        spec.containers.iter().enumerate().max_by_key(|(_, container)| defaults.of_container(container, resource));
    let at = largest.map_or(0, |(at, _)| at);
    Some(told(format!("containers[{at}].resources.{field}.{resource}"), "the pod", field, resource, amount))
}

fn told(path: String, who: &str, field: &str, resource: &str, amount: i128) -> Breach {
    let shown = amount::show(resource, amount);
    let verb = if field == "limits" { "has a limit of" } else { "requests" };
    Breach { path, value: shown.clone(), words: format!("{who} {verb} {shown} {resource}"), more: 0 }
}
