//! Claims that were asked to grow and did not.

use api::shared::{CauseClass, Severity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::super::shape::{ago, finding, proven};
use super::super::{cause, fact};
use super::of_claim;
use crate::detection::Rule;
use crate::diagnosis::amount;
use crate::graph::{Finding, Graph, Standing, Touch};

/// Growing a volume takes some minutes where it is done outside of the cluster.
const LONG: SignedDuration = SignedDuration::from_mins(5);
/// A file system grows when the kubelet mounts it, or soon after.
const MOUNTED: &str = "FileSystemResizePending";

/// The size that is asked for and the one that is there, where the first is larger.
fn sizes(claim: &PersistentVolumeClaim) -> Option<(&str, &str)> {
    let wanted = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?;
    let has = claim.status.as_ref()?.capacity.as_ref()?.get("storage")?;
    (amount::millis(&wanted.0)? > amount::millis(&has.0)?).then_some((wanted.0.as_str(), has.0.as_str()))
}

/// Since when it is asked for: the last change of the claim.
fn since(claim: &PersistentVolumeClaim) -> Option<Timestamp> {
    Touch::of(&claim.metadata).map(|touch| touch.at)
}

/// When one has taken too long.
pub(super) fn turns(graph: &Graph, at: &mut dyn FnMut(Timestamp)) {
    for claim in graph.claims.iter().filter(|claim| sizes(claim).is_some()) {
        since(claim).and_then(|since| since.checked_add(LONG).ok()).into_iter().for_each(&mut *at);
    }
}

/// Why a bound claim has not grown.
pub(super) fn waits(claim: &PersistentVolumeClaim, now: Timestamp) -> Option<Finding> {
    let (wanted, has) = sizes(claim)?;
    let since = since(claim)?;
    let conditions = claim.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let held: Vec<_> = conditions.filter(|condition| condition.status == "True").collect();
    let error = held.iter().find(|condition| condition.type_.ends_with("ResizeError"));
    if error.is_none() && ago(since, now) <= LONG {
        return None;
    }
    let object = of_claim(claim);
    let pending = held.iter().any(|condition| condition.type_ == MOUNTED);
    let (why, advice) = match error {
        Some(error) => (
            format!(
                "resizing fails: {}",
                error.message.as_deref().unwrap_or("no reason is given").trim_end_matches('.')
            ),
            "Correct what the volume driver complains of, or ask for the old size again.".to_owned(),
        ),
        None if pending => (
            "its file system grows only when a pod mounts it anew".to_owned(),
            format!("Restart the pod that uses {}.", object.name),
        ),
        None => (
            "nothing has resized its volume".to_owned(),
            "See whether the volume driver can grow volumes and its resizer runs.".to_owned(),
        ),
    };
    let why: String = why.chars().take(200).collect();
    let statement = format!("PersistentVolumeClaim {} asks for {wanted} and still has {has}: {why}", object.name);
    let cause = proven(
        cause(&object, CauseClass::StorageUnavailable, "spec.resources.requests.storage", wanted, statement, 0.85),
        vec![
            fact(&object, "spec.resources.requests.storage", wanted, "this is what it asks for"),
            fact(&object, "status.capacity.storage", has, "this is what it has"),
        ],
    );
    Some(Finding {
        recommendations: vec![advice],
        hold: 5,
        ..finding(Rule::ClaimPending, Standing::Latent, Severity::Medium, &object, cause)
    })
}
