//! The volumes of the sessions. What a StatefulSet says of them cannot be changed, so it is made anew around its pods.

use std::collections::BTreeMap;

use domain::instance::{Trouble, View};
use domain::remediation::actions::Quantity;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use kit::cache::Key;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::act::Round;
use super::{Controller, MANAGER};

fn size(spec: Option<&PersistentVolumeClaimSpec>) -> Option<Quantity> {
    let requests: &BTreeMap<_, _> = spec?.resources.as_ref()?.requests.as_ref()?;
    Quantity::parse(&requests.get("storage")?.0)
}

fn template(set: &StatefulSet) -> Option<&PersistentVolumeClaimSpec> {
    set.spec.as_ref()?.volume_claim_templates.as_ref()?.first()?.spec.as_ref()
}

impl Controller {
    /// Sees to the volumes. Returns whether the StatefulSet can be applied as it is wanted.
    pub(super) async fn volumes(&self, round: &mut Round, view: View<'_>, wanted: &StatefulSet) -> bool {
        let key = Key::new(view.namespace(), view.name());
        let want = template(wanted);
        for claim in self.caches.claims.in_namespace(view.namespace()) {
            let prefix = format!("sessions-{}-", view.name());
            if claim.name_any().strip_prefix(&prefix).is_some_and(|rest| rest.parse::<u32>().is_ok()) {
                self.grow(round, view, &claim, want).await;
            }
        }
        let Some(there) = self.caches.stateful_sets.get(&key) else { return true };
        if there.metadata.deletion_timestamp.is_some() {
            // Its end wakes this Instance again.
            return false;
        }
        let has = template(&there);
        let class = |spec: Option<&PersistentVolumeClaimSpec>| spec.and_then(|spec| spec.storage_class_name.clone());
        let same = size(has).map(|q| q.millis()) == size(want).map(|q| q.millis())
            && (class(want).is_none() || class(has) == class(want));
        if same {
            return true;
        }
        let api: Api<StatefulSet> = self.api(view.namespace());
        let preconditions = Preconditions { uid: there.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::orphan() };
        match api.delete(&key.name, &params).await {
            Ok(_) => {
                tracing::info!(instance = %key, "the StatefulSet is made anew for other volumes; its pods and volumes stay");
            }
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            Err(error) => round.troubled(view, &format!("StatefulSet {key}"), &error),
        }
        false
    }

    /// Asks for a larger volume, where it is smaller than wanted.
    async fn grow(
        &self,
        round: &mut Round,
        view: View<'_>,
        claim: &PersistentVolumeClaim,
        want: Option<&PersistentVolumeClaimSpec>,
    ) {
        let (Some(has), Some(want)) = (size(claim.spec.as_ref()), size(want)) else { return };
        let key = Key::of(claim);
        if want.millis() < has.millis() {
            round.note(Trouble::new(
                "VolumeCannotShrink",
                format!("PersistentVolumeClaim {key} has {has}, and spec.persistence.size asks for {want}: a volume cannot shrink"),
                format!("set spec.persistence.size to {has}, or delete the claim: its sessions are lost"),
            ));
        }
        if want.millis() <= has.millis() {
            return;
        }
        let api: Api<PersistentVolumeClaim> = self.api(view.namespace());
        let body = json!({"spec": {"resources": {"requests": {"storage": want.to_string()}}}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(&key.name, &params, &Patch::Merge(&body)).await {
            Ok(_) => {
                tracing::info!(instance = %Key::of(view.instance), claim = %key, from = %has, to = %want, "a larger volume is asked for");
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
                round.note(Trouble::new(
                    "VolumeCannotGrow",
                    format!(
                        "PersistentVolumeClaim {key} stays at {has}, and spec.persistence.size asks for {want}: {}",
                        status.message
                    ),
                    "set allowVolumeExpansion: true in its StorageClass, or set spec.persistence.size back",
                ));
            }
            Err(error) => round.troubled(view, &format!("PersistentVolumeClaim {key}"), &error),
        }
    }
}
