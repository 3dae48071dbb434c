//! Services that give the pods of StatefulSets their names.

use api::shared::{CauseClass, RootCause, Severity, SignalType};

use super::super::super::{Finding, Standing, Workload};
use super::super::{cause, fact, meant};
use super::dependency::slip;
use super::index::Index;
use super::needs::Need;
use super::offer::headless;
use super::{called, concerned, finding, needed};
use crate::detection::Rule;
use crate::graph::query::{named, nearest};

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    let here = &index.graph.namespace;
    for set in index.graph.workloads.iter().filter(|workload| workload.object.kind == "StatefulSet") {
        let Some(wanted) = set.service_name.as_deref() else { continue };
        let service = named("v1", "Service", here, wanted);
        if let Some(front) = index.front(wanted) {
            let other = front.workloads.first().filter(|_| !front.covers(&set.object));
            out.extend(other.map(|other| foreign(set, other, wanted)));
            continue;
        }
        let needs: Vec<&Need> = index.needs(wanted).iter().collect();
        // Somebody looks for it: that is found with them.
        if needs.iter().any(|need| need.plain) {
            continue;
        }
        let mine = index.fronts.iter().filter(|front| front.covers(&set.object) && headless(front.service));
        let mine = mine.filter_map(|front| front.service.metadata.name.as_deref());
        let slipped = index.service_names(here).into_iter().filter(|name| slip(wanted, name));
        let near = nearest(wanted, mine).or_else(|| nearest(wanted, slipped));
        let statement = format!(
            "{} refers to Service {wanted} by serviceName, which does not exist, so its pods have no names in DNS{}",
            called(&set.object),
            meant(near)
        );
        let mut cause = cause(&set.object, CauseClass::MissingReference, "spec.serviceName", wanted, statement, 0.9);
        cause.proof = vec![
            fact(&set.object, "spec.serviceName", wanted, "its pods are called by this Service"),
            fact(&service, "metadata.name", "(absent)", "no Service of this name exists in the namespace"),
        ];
        cause.proof.extend(needed(needs.iter().copied()));
        // A single pod has nobody to call by such a name, and many name a Service that never was.
        let standing = if near.is_some() || set.desired > 1 { Standing::Outage } else { Standing::Suspect };
        let mut concerns = vec![set.object.clone()];
        concerns.extend(concerned(needs.iter().copied()));
        out.push(Finding {
            concerns,
            signal: SignalType::ServiceError,
            severity: Severity::Medium,
            words: vec![wanted.to_owned(), "serviceName".to_owned()],
            recommendations: vec![format!("Create the headless Service {wanted} in front of {}.", called(&set.object))],
            ..finding(Rule::Configuration, standing, &set.object, cause)
        });
    }
}

/// The governing Service selects pods of something else.
fn foreign(set: &Workload, other: &Workload, wanted: &str) -> Finding {
    let statement = format!(
        "Service {wanted}, the serviceName of {}, selects pods of {} and not its own, so these have no names in DNS",
        called(&set.object),
        called(&other.object)
    );
    let mut cause: RootCause =
        cause(&set.object, CauseClass::ServiceMisconfigured, "spec.serviceName", wanted, statement, 0.7);
    cause.proof = vec![fact(&set.object, "spec.serviceName", wanted, "the Service does not select its pods")];
    Finding {
        signal: SignalType::ServiceError,
        concerns: vec![set.object.clone()],
        words: vec![wanted.to_owned()],
        ..finding(Rule::Configuration, Standing::Suspect, &set.object, cause)
    }
}
