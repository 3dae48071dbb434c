//! Services that are another name for a host. What does not live here: addresses that somebody writes down (`by_hand`).

use std::net::IpAddr;

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::core::v1::Service;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact, meant};
use super::index::Index;
use super::needs::Need;
use super::offer::external;
use super::place::{Place, place};
use super::{concerned, finding, needed};
use crate::detection::Rule;
use crate::graph::query::{name, named, nearest, of_service};

/// The domain that clusters have by custom.
const DOMAIN: &str = "cluster.local";

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let aliases = index.graph.services.iter().filter(|service| external(service));
    out.extend(aliases.filter_map(|service| alias(index, service)));
}

/// What is wrong with the host: as a clause, what would be right, and what is missing.
struct Wrong {
    clause: String,
    right: Option<String>,
    missing: Option<ObjectRef>,
}

fn wrong(index: &Index, service: &Service, host: &str) -> Option<Wrong> {
    if host.parse::<IpAddr>().is_ok() {
        let clause = "but an address is no name that DNS could answer with".to_owned();
        return Some(Wrong { clause, right: None, missing: None });
    }
    let absent = |what: String, missing: ObjectRef, near: Option<&str>| Wrong {
        clause: format!("but {what} does not exist"),
        right: near.map(str::to_owned),
        missing: Some(missing),
    };
    match place(index, host) {
        Place::Missing { namespace, name, sure: true } => {
            let near = nearest(&name, index.service_names(&namespace));
            let what = format!("Service {name} of namespace {namespace}");
            Some(absent(what, named("v1", "Service", &namespace, &name), near))
        }
        Place::NoNamespace { namespace, .. } if host.contains(".svc") => {
            let near = nearest(&namespace, index.namespace_names());
            Some(absent(format!("namespace {namespace}"), named("v1", "Namespace", "", &namespace), near))
        }
        Place::Incomplete { .. } => {
            Some(Wrong { clause: "but that name has no namespace".to_owned(), right: None, missing: None })
        }
        Place::Service { namespace, service: other, pod: false } => {
            let of = name(&other.metadata);
            if namespace == index.graph.namespace && of == name(&service.metadata) {
                return Some(Wrong { clause: "which is its own name".to_owned(), right: None, missing: None });
            }
            // The answer of DNS is taken as it is: nobody adds the domains that a pod would.
            let whole = format!("{of}.{namespace}.svc.{DOMAIN}");
            let short = !host.contains(".svc.");
            short.then(|| Wrong {
                clause: "but DNS needs the whole name there".to_owned(),
                right: Some(whole),
                missing: None,
            })
        }
        _ => None,
    }
}

/// Another name for a host that does not exist, or cannot be meant so.
fn alias(index: &Index, service: &Service) -> Option<Finding> {
    let host = service.spec.as_ref()?.external_name.as_deref()?.trim_end_matches('.');
    let wrong = wrong(index, service, &host.to_ascii_lowercase())?;
    let object = of_service(service);
    let needs: Vec<&Need> = index.needs(&object.name).iter().collect();
    let statement = format!(
        "Service {} is another name for {host} (externalName), {}{}",
        object.name,
        wrong.clause,
        meant(wrong.right.as_deref())
    );
    let mut cause = cause(&object, CauseClass::ServiceMisconfigured, "spec.externalName", host, statement, 0.92);
    cause.proof = needed(needs.iter().copied());
    cause.proof.push(fact(&object, "spec.externalName", host, "its name leads to this host"));
    if let Some(missing) = &wrong.missing {
        cause.proof.push(fact(missing, "metadata.name", "(absent)", "the host can only be a name of the cluster"));
    }
    let mut words = super::dependency::words(&object.name, &needs);
    words.push(host.to_owned());
    Some(Finding {
        concerns: concerned(needs.iter().copied()),
        words,
        recommendations: vec![match &wrong.right {
            Some(right) => format!("Let externalName of Service {} name {right}.", object.name),
            None => format!("Let externalName of Service {} be a host that exists.", object.name),
        }],
        ..finding(Rule::ServiceBroken, Standing::Outage, &object, cause)
    })
}
