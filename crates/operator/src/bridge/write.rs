//! What the bridge writes.

use std::collections::BTreeMap;

use api::anomaly::{Anomaly, AnomalySpec};
use api::keys;
use api::shared;
use domain::incident::{Tracked, label};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kit::cache::Key;
use kit::condition::cut;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use ports::server_link::Alert;
use serde_json::json;

use super::accounts::Source;
use super::{Bridge, Error};

const MANAGER: &str = "chatcli-operator/bridge";

impl Bridge {
    fn anomalies(&self, namespace: &str) -> Api<Anomaly> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes an Anomaly, or finds the one that an attempt with a lost answer made.
    pub(super) async fn create(&self, anomaly: &Anomaly) -> Result<Anomaly, Error> {
        let name = Key::of(anomaly);
        let api = self.anomalies(&name.namespace);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match api.create(&params, anomaly).await {
            Ok(made) => {
                tracing::info!(anomaly = %name, resource = anomaly.spec.resource.name, "Anomaly recorded");
                Ok(made)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                api.get(&name.name).await.map_err(|source| Error::Create { name, source })
            }
            Err(source) => Err(Error::Create { name, source }),
        }
    }

    /// Writes the state of an Anomaly. The fields are the bridge's alone, so a merge does. Returns nothing when the
    /// Anomaly is gone.
    pub(super) async fn track(
        &self,
        name: &Key,
        uid: Option<&str>,
        tracked: &Tracked,
    ) -> Result<Option<Anomaly>, Error> {
        // The UID keeps the state off an object of the same name that was made meanwhile.
        let body = json!({
            "metadata": {"uid": uid},
            "status": {
                "state": tracked.state,
                "lastSeen": tracked.last_seen,
                "count": tracked.count,
                "resolvedAt": tracked.resolved_at,
            },
        });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.anomalies(&name.namespace).patch_status(&name.name, &params, &Patch::Merge(&body)).await {
            Ok(newer) => {
                tracing::info!(anomaly = %name, state = ?tracked.state, "Anomaly updated");
                Ok(Some(newer))
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(source) => Err(Error::Status { name: name.clone(), source }),
        }
    }
}

/// Longest texts that are taken over, in bytes; whole sentences are far below.
const TEXT: usize = 16 << 10;
/// Most observations that are taken over.
const EVIDENCE: usize = 100;

/// The Instance that an Anomaly says it comes from.
pub(super) fn source_of(anomaly: &Anomaly) -> Source {
    let label = |key| anomaly.labels().get(key).cloned();
    Source { name: label(keys::INSTANCE).unwrap_or_default(), namespace: label(keys::INSTANCE_NAMESPACE) }
}

/// When an Anomaly of an alert that its source tells only once is over.
pub(super) fn expires(anomaly: &Anomaly) -> Option<Timestamp> {
    let kept = SignedDuration::from_secs(anomaly.spec.kept_seconds?.max(1));
    let stated = anomaly.status.as_ref().and_then(|status| status.last_seen.as_ref());
    // Before its first state was written it was just made, whenever it began.
    let seen = stated.or(anomaly.metadata.creation_timestamp.as_ref()).or(anomaly.spec.first_seen.as_ref())?;
    seen.0.checked_add(kept).ok()
}

/// A text that the API server takes.
fn text(text: &str) -> String {
    if text.trim().is_empty() { "unknown".to_owned() } else { cut(text, TEXT).to_owned() }
}

/// The spelling of a source in the resources.
fn spelled(source: shared::Source) -> String {
    serde_json::to_value(source).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The Anomaly of an alert.
pub(super) fn new_anomaly(alert: &Alert, name: &str, namespace: &str, teller: Option<&Source>) -> Anomaly {
    let instance = teller.map(|source| source.name.clone()).unwrap_or_default();
    let instance_namespace = teller.and_then(|source| source.namespace.clone());
    let mut labels = BTreeMap::from([
        (keys::SOURCE.to_owned(), spelled(alert.source)),
        (keys::DEPLOYMENT.to_owned(), label(&alert.resource.name)),
        (keys::INSTANCE.to_owned(), instance.clone()),
    ]);
    if let Some(namespace) = &instance_namespace {
        labels.insert(keys::INSTANCE_NAMESPACE.to_owned(), namespace.clone());
    }
    let mut anomaly = Anomaly::new(
        name,
        AnomalySpec {
            description: Some(alert.message.as_str()).filter(|words| !words.trim().is_empty()).map(text),
            resource: alert.resource.clone(),
            signal_type: alert.signal,
            source: alert.source,
            threshold: text(&alert.threshold),
            value: text(&alert.value),
            alert_id: Some(alert.id.clone()),
            severity: Some(alert.severity),
            first_seen: Some(Time(alert.first_seen)),
            resource_uid: alert.resource_uid.clone(),
            root: alert.root.clone(),
            evidence: alert.evidence.iter().take(EVIDENCE).cloned().collect(),
            instance: instance_namespace.map(|namespace| format!("{namespace}/{instance}")),
            kept_seconds: alert.kept.map(|kept| kept.as_secs().max(1)),
        },
    );
    anomaly.metadata.namespace = Some(namespace.to_owned());
    *anomaly.labels_mut() = labels;
    anomaly
}
