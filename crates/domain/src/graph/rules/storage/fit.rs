//! Whether a volume that is there fits a claim, and what differs where it does not.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use crate::diagnosis::amount;
use crate::graph::query::name;
use crate::graph::{Graph, selects};

/// Why a volume does not fit.
pub(super) struct Misfit {
    /// How far it is from fitting: the number of things that differ, and how bad the worst is.
    distance: (usize, u8),
    /// What is the matter, as the end of a sentence about the volume.
    pub(super) words: String,
    /// Field of the claim.
    pub(super) path: &'static str,
    /// What stands there.
    pub(super) value: String,
    /// Field of the volume.
    pub(super) volume_path: &'static str,
    /// What stands there.
    pub(super) has: String,
    /// Whether all that keeps them apart is a claim that does not exist any more.
    pub(super) released: bool,
}

fn free(volume: &PersistentVolume) -> bool {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.is_none_or(|phase| matches!(phase, "Available" | "Pending" | ""))
}

/// Whether any volume fits, so that the binder only needs a moment.
pub(super) fn any(graph: &Graph, claim: &PersistentVolumeClaim, class: &str) -> bool {
    graph.cluster.volumes.iter().any(|volume| misfit(claim, volume, class).is_none())
}

/// The volume that lacks least, and what it lacks.
pub(super) fn nearest<'a>(
    graph: &'a Graph,
    claim: &PersistentVolumeClaim,
    class: &str,
) -> Option<(&'a PersistentVolume, Misfit)> {
    let judged = graph.cluster.volumes.iter().filter_map(|volume| Some((volume, misfit(claim, volume, class)?)));
    let least = judged.min_by_key(|(volume, misfit)| (misfit.distance, name(&volume.metadata).to_owned()));
    least.map(|(volume, misfit)| (&**volume, misfit))
}

/// What keeps a volume from a claim; none when it fits.
pub(super) fn misfit(claim: &PersistentVolumeClaim, volume: &PersistentVolume, class: &str) -> Option<Misfit> {
    let wants = claim.spec.clone().unwrap_or_default();
    let has = volume.spec.clone().unwrap_or_default();
    let mut found: Vec<Misfit> = Vec::new();
    let differ = |bad: u8, words: String, path, value: &str, volume_path, has: &str| {
        let (value, has) = (value.to_owned(), has.to_owned());
        Misfit { distance: (1, bad), words, path, value, volume_path, has, released: false }
    };
    let its_class = has.storage_class_name.as_deref().unwrap_or_default();
    if its_class != class {
        let shown =
            if its_class.is_empty() { "no StorageClass".to_owned() } else { format!("StorageClass {its_class}") };
        found.push(differ(
            2,
            format!("which has {shown}"),
            "spec.storageClassName",
            class,
            "spec.storageClassName",
            its_class,
        ));
    }
    let wanted = wants.resources.and_then(|r| r.requests).and_then(|r| r.get("storage").map(|q| q.0.clone()));
    let size = has.capacity.as_ref().and_then(|c| c.get("storage")).map(|q| q.0.clone()).unwrap_or_default();
    if let Some(wanted) = wanted
        && amount::millis(&wanted).unwrap_or_default() > amount::millis(&size).unwrap_or_default()
    {
        let words = format!("which has {size}, less than the {wanted} requested");
        found.push(differ(1, words, "spec.resources.requests.storage", &wanted, "spec.capacity.storage", &size));
    }
    let modes = wants.access_modes.unwrap_or_default();
    let its_modes = has.access_modes.unwrap_or_default();
    if let Some(mode) = modes.iter().find(|mode| !its_modes.contains(mode)) {
        let words = format!("which offers {} and not {mode}", its_modes.join(", "));
        found.push(differ(2, words, "spec.accessModes", mode, "spec.accessModes", &its_modes.join(", ")));
    }
    let mode = |mode: Option<String>| mode.unwrap_or_else(|| "Filesystem".into());
    let (wanted, its) = (mode(wants.volume_mode), mode(has.volume_mode));
    if wanted != its {
        found.push(differ(
            3,
            format!("which has volumeMode {its} and not {wanted}"),
            "spec.volumeMode",
            &wanted,
            "spec.volumeMode",
            &its,
        ));
    }
    if let Some(selector) = &wants.selector {
        let labels = volume.metadata.labels.clone().unwrap_or_default();
        if !selects(selector, &labels) {
            let wanted: Vec<String> = selector.match_labels.iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
            let its: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let words = "whose labels the claim's selector does not match".to_owned();
            found.push(differ(2, words, "spec.selector", &wanted.join(","), "metadata.labels", &its.join(",")));
        }
    }
    let holder = has.claim_ref.as_ref().map(|holder| {
        let place = |part: &Option<String>| part.clone().unwrap_or_default();
        (place(&holder.namespace), place(&holder.name), holder.uid.clone())
    });
    let own = (claim.metadata.namespace.clone().unwrap_or_default(), name(&claim.metadata).to_owned());
    let fits_otherwise = found.is_empty();
    match holder {
        Some((space, holder, uid))
            if (&space, &holder) != (&own.0, &own.1) || (uid.is_some() && uid != claim.metadata.uid) =>
        {
            let released = volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Released");
            let earlier = (&space, &holder) == (&own.0, &own.1);
            let words = match (released, earlier) {
                (true, true) => {
                    "which is Released and still refers in claimRef to an earlier claim of this name".to_owned()
                }
                (true, false) => format!("which is Released and still kept by claimRef for claim {space}/{holder}"),
                (false, _) => format!("which is bound to claim {space}/{holder}"),
            };
            let has = format!("{space}/{holder}");
            // A volume that another claim really has is no near miss.
            let bad = if released { 1 } else { 9 };
            found.push(Misfit {
                distance: (1, bad),
                words,
                path: "spec.volumeName",
                value: String::new(),
                volume_path: "spec.claimRef",
                has,
                released: released && fits_otherwise,
            });
        }
        None if !free(volume) => {
            let phase = volume.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
            let words = format!("which is {phase}");
            found.push(differ(4, words, "spec.volumeName", "", "status.phase", &phase));
        }
        _ => {}
    }
    let distance = (found.len(), found.iter().map(|misfit| misfit.distance.1).max().unwrap_or_default());
    let all = found.iter().map(|misfit| misfit.words.clone()).collect::<Vec<_>>().join(" and ");
    let first = found.into_iter().next()?;
    Some(Misfit { distance, words: all, ..first })
}
