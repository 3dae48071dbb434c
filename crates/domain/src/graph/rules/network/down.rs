//! Services of which no pod is ready because their workload is in trouble: that explains what those go through who need
//! them. The trouble itself is told where it is.

use api::shared::CauseClass;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::index::{Front, Index, selector};
use super::needs::Need;
use super::selection::shown;
use super::{called, concerned, finding, needed, somebody};
use crate::detection::Rule;
use crate::diagnosis::DOWN;
use crate::graph::query::{of_service, same};

/// Looks at all Services.
pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    if index.graph.knows("Pod") {
        out.extend(index.fronts.iter().filter_map(|front| down(index, front)));
    }
}

fn down(index: &Index, front: &Front) -> Option<Finding> {
    let [workload] = front.workloads.as_slice() else { return None };
    let kind = workload.object.kind.as_str();
    let counts = matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet");
    if !counts || !workload.troubled || workload.desired == 0 || front.pods.iter().any(|pod| pod.ready) {
        return None;
    }
    let object = of_service(front.service);
    let needs: Vec<&Need> = index
        .needs(&object.name)
        .iter()
        .filter(|need| need.client.is_some() && !need.spare && !same(&need.by, &workload.object))
        .collect();
    let first = needs.first()?;
    let statement = format!(
        "{} has no ready pod, and {} needs it as Service {}",
        called(&workload.object),
        somebody(&needs),
        object.name
    );
    // The API server leaves out what is zero.
    let mut cause = cause(&workload.object, CauseClass::DependencyUnavailable, DOWN, "(absent)", statement, 0.85);
    cause.proof = needed(needs.iter().copied());
    let labels = shown(selector(front.service)?);
    cause.proof.push(fact(&object, "spec.selector", labels, "it leads to pods of this workload only"));
    cause.proof.push(fact(&workload.object, DOWN, "(absent)", "none of them is ready"));
    Some(Finding {
        concerns: concerned(needs.iter().copied()),
        words: super::dependency::words(&object.name, &needs),
        recommendations: vec![format!("Look at {} first.", called(&workload.object))],
        ..finding(Rule::ServiceBroken, Standing::Suspect, &first.by, cause)
    })
}
