//! What correlation writes.

use std::sync::Arc;

use api::anomaly::Anomaly;
use api::issue::IssueSpec;
use api::{Issue, keys};
use domain::incident::{RootKey, incident_id, issue_name, label, open_issue, score, signal_name};
use jiff::Timestamp;
use kit::cache::Key;
use kube::api::{Patch, PatchParams, PostParams, ValidationDirective};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Correlator, Error, Joined, Known, Touched};

const MANAGER: &str = "chatcli-operator/anomaly";

impl Correlator {
    fn issues(&self, namespace: &str) -> Api<Issue> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Opens the Issue of a root, or finds the one that another has just opened.
    pub(super) async fn open_issue(
        &self,
        root: &RootKey,
        batch: &[Arc<Anomaly>],
        now: Timestamp,
    ) -> Result<Known, Error> {
        let mut previous = self.index.of_root(root).1.map(|known| known.uid.unwrap_or(known.name)).unwrap_or_default();
        let api = self.issues(&root.home);
        loop {
            let issue = new_issue(root, batch, &previous, now);
            let name = issue.name_any();
            let error = |source| Error::Issue { name: name.clone(), source };
            let there = match api
                .create(&PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }, &issue)
                .await
            {
                Ok(made) => {
                    tracing::info!(namespace = root.home, issue = name, root = %root, anomalies = batch.len(), "Issue opened");
                    made
                }
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    match api.get_opt(&name).await.map_err(error)? {
                        Some(there) => there,
                        None => continue,
                    }
                }
                Err(source) => return Err(error(source)),
            };
            self.index.issue(&there);
            let known = Known::of(&there);
            if open_issue(known.state) {
                return Ok(known);
            }
            previous = known.uid.unwrap_or(known.name);
        }
    }

    /// Raises severity and risk of an Issue to what its anomalies amount to; never lowers them.
    pub(super) async fn raise(&self, issue: &Key, known: &Known, batch: &[Arc<Anomaly>]) -> Result<(), Error> {
        let more = batch.iter().map(|a| (a.spec.signal_type, a.spec.severity));
        let scored = score(self.index.signals(issue).into_iter().chain(more));
        // Severities are ordered from the worst down.
        if scored.risk <= known.risk && scored.severity >= known.severity {
            return Ok(());
        }
        let spec = json!({"spec": {"riskScore": scored.risk.max(known.risk), "severity": scored.severity.min(known.severity)}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.issues(&issue.namespace).patch(&issue.name, &params, &Patch::Merge(&spec)).await {
            Ok(newer) => {
                self.index.issue(&newer);
                Ok(())
            }
            Err(source) => Err(Error::Issue { name: issue.name.clone(), source }),
        }
    }

    /// Marks an anomaly as belonging to an Issue. The fields are this controller's alone, so a merge does; no condition
    /// says the same again, which would make a storm a fifth more expensive for the API server.
    pub(super) async fn mark(&self, anomaly: &Anomaly, issue: &Key, touched: &Touched) -> Result<(), Error> {
        let refused_before = anomaly.status.as_ref().is_some_and(|s| !s.conditions.is_empty());
        let status = if refused_before {
            json!({"correlated": true, "issueRef": {"name": issue.name}, "conditions": []})
        } else {
            json!({"correlated": true, "issueRef": {"name": issue.name}})
        };
        if self.write(anomaly, status).await? {
            match self.index.join(anomaly, issue) {
                Joined::Known => {}
                joined => touched(issue.clone(), joined),
            }
        }
        Ok(())
    }

    /// Says why an anomaly is not looked at.
    pub(super) async fn refuse(&self, anomaly: &Anomaly, why: &str, now: Timestamp) -> Result<(), Error> {
        tracing::warn!(anomaly = %Key::of(anomaly), why, "the Anomaly is refused");
        self.write(anomaly, json!({"conditions": [condition(anomaly, "False", "Refused", why, now)]})).await.map(drop)
    }

    /// Returns false when the anomaly is gone, or is another one by now.
    async fn write(&self, anomaly: &Anomaly, status: serde_json::Value) -> Result<bool, Error> {
        let name = anomaly.name_any();
        let api: Api<Anomaly> = Api::namespaced(self.client.clone(), &anomaly.namespace().unwrap_or_default());
        // The UID keeps the mark off an object of the same name that was made meanwhile.
        let body = json!({"metadata": {"uid": anomaly.metadata.uid}, "status": status});
        // The fields are ours and known; having the API server look for unknown ones costs a storm a tenth more.
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Ignore),
            ..PatchParams::default()
        };
        match api.patch_status(&name, &params, &Patch::Merge(&body)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(source) => Err(Error::Mark { name, source }),
        }
    }
}

fn condition(anomaly: &Anomaly, status: &str, reason: &str, message: &str, now: Timestamp) -> serde_json::Value {
    json!({"type": api::conditions::CORRELATED, "status": status, "reason": reason, "message": message, "observedGeneration": anomaly.metadata.generation, "lastTransitionTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now)})
}

fn new_issue(root: &RootKey, batch: &[Arc<Anomaly>], previous: &str, now: Timestamp) -> Issue {
    let mut worst = batch.iter().collect::<Vec<_>>();
    worst.sort_by_key(|a| (a.spec.severity.is_none(), a.spec.severity));
    let Some(first) = worst.first() else { return Issue::new("none", empty()) };
    let scored = score(batch.iter().map(|a| (a.spec.signal_type, a.spec.severity)));
    let signal = signal_name(first.spec.signal_type);
    let mut resource = first.spec.resource.clone();
    if resource.kind != "Node" && resource.namespace.is_empty() {
        resource.namespace.clone_from(&root.home);
    }
    let name = issue_name(&resource.name, &signal, &root.to_string(), previous);
    let description = first
        .spec
        .description
        .clone()
        .unwrap_or_else(|| format!("{signal}: {} (expected {})", first.spec.value, first.spec.threshold));
    let number = incident_id(&root.home, &name, now);
    let labels = [(keys::INCIDENT_ID, number), (keys::RESOURCE, label(&resource.name)), (keys::SIGNAL, label(&signal))];
    let mut issue = Issue::new(
        &name,
        IssueSpec {
            correlation_id: None,
            description,
            resource,
            risk_score: Some(scored.risk),
            severity: scored.severity,
            signal_type: Some(signal),
            source: first.spec.source,
            root: first.spec.root.clone(),
            resource_uid: first.spec.resource_uid.clone(),
        },
    );
    issue.metadata.namespace = Some(root.home.clone());
    issue.metadata.labels = Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    issue
}

fn empty() -> IssueSpec {
    IssueSpec {
        correlation_id: None,
        description: String::new(),
        resource: api::shared::ResourceRef { kind: String::new(), name: String::new(), namespace: String::new() },
        risk_score: None,
        severity: api::shared::Severity::Low,
        signal_type: None,
        source: api::shared::Source::Watcher,
        root: None,
        resource_uid: None,
    }
}
