//! Reads the cause of an Issue and the objects that its proof names.

use std::collections::HashMap;

use anyhow::{Context, bail};
use api::shared::{ObjectRef, RootCause};
use api::{AIInsight, Issue};
use domain::proof::Reading;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Discovery, Scope, pinned_kind};
use kube::{Api, Client};

/// The cause of an Issue: as its AIInsight says it, or else as the Issue does.
pub async fn cause(client: &Client, namespace: &str, name: &str) -> anyhow::Result<RootCause> {
    let (issue, insight) = incident(client, namespace, name).await?;
    let said = insight.and_then(|insight| insight.status?.root_cause);
    let Some(cause) = said.or_else(|| issue.status?.root_cause) else {
        bail!(
            "Issue {namespace}/{name} has no cause yet; remedy: wait for its analysis: kubectl get aiinsights -n {namespace}"
        );
    };
    Ok(cause)
}

/// An Issue and its AIInsight, if there is one.
pub async fn incident(client: &Client, namespace: &str, name: &str) -> anyhow::Result<(Issue, Option<AIInsight>)> {
    let issues: Api<Issue> = Api::namespaced(client.clone(), namespace);
    let found = issues.get_opt(name).await.with_context(|| {
        format!("Issue {namespace}/{name} cannot be read; remedy: check --kubeconfig, --context and your right to get issues")
    })?;
    let Some(issue) = found else {
        bail!("Issue {namespace}/{name} does not exist; remedy: kubectl get issues -A");
    };
    let insights: Api<AIInsight> = Api::namespaced(client.clone(), namespace);
    let list = insights.list(&ListParams::default()).await.with_context(|| {
        format!("AIInsights of {namespace} cannot be read; remedy: grant get and list on aiinsights")
    })?;
    let insight = list.items.into_iter().find(|insight| insight.spec.issue_ref.name == name);
    Ok((issue, insight))
}

/// Reads each object once.
pub struct Reader<'a> {
    client: &'a Client,
    /// All kinds of the cluster; looked up when a proof does not say the version of one.
    all: Option<Discovery>,
    known: HashMap<ObjectRef, Reading>,
}

impl<'a> Reader<'a> {
    pub fn new(client: &'a Client) -> Self {
        Self { client, all: None, known: HashMap::new() }
    }

    /// An object as it is now, or why it was not read.
    pub async fn read(&mut self, object: &ObjectRef) -> Reading {
        // Another UID means the same place: who is there is seen by the comparison.
        let place = ObjectRef { uid: None, ..object.clone() };
        if let Some(known) = self.known.get(&place) {
            return known.clone();
        }
        let now = match self.resource(object).await {
            Ok((resource, scope)) => self.get(object, &resource, &scope).await,
            Err(why) => Reading::Unread(why),
        };
        self.known.insert(place, now.clone());
        now
    }

    async fn get(&self, object: &ObjectRef, resource: &ApiResource, scope: &Scope) -> Reading {
        let api: Api<DynamicObject> = match (scope, object.namespace.as_deref().unwrap_or_default()) {
            (Scope::Namespaced, "") => return Reading::Unread("the proof does not say its namespace".to_owned()),
            (Scope::Namespaced, namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            (Scope::Cluster, _) => Api::all_with(self.client.clone(), resource),
        };
        if object.kind == "Secret" {
            // The API server sends no more than this.
            return reading(api.get_metadata_opt(&object.name).await, Reading::Metadata);
        }
        reading(api.get_opt(&object.name).await, Reading::Whole)
    }

    /// The resource behind a kind.
    async fn resource(&mut self, object: &ObjectRef) -> Result<(ApiResource, Scope), String> {
        let unknown = || format!("the cluster does not know the kind {}", object.kind);
        if let Some(version) = object.api_version.as_deref().filter(|version| !version.is_empty()) {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let kind = GroupVersionKind::gvk(group, version, &object.kind);
            let found = pinned_kind(self.client, &kind).await.map_err(|error| format!("{}: {error}", unknown()))?;
            return Ok((found.0, found.1.scope));
        }
        if self.all.is_none() {
            let all = Discovery::new(self.client.clone()).run().await;
            self.all = Some(all.map_err(|error| format!("the kinds of the cluster cannot be read: {error}"))?);
        }
        // The core group comes first; a kind of its own is meant before one of the same name elsewhere.
        let mut groups = self.all.iter().flat_map(Discovery::groups_alphabetical);
        let found = groups.find_map(|group| group.recommended_kind(&object.kind)).ok_or_else(unknown)?;
        Ok((found.0, found.1.scope))
    }
}

fn reading<T: serde::Serialize>(
    answer: kube::Result<Option<T>>,
    whole: impl FnOnce(serde_json::Value) -> Reading,
) -> Reading {
    match answer {
        Ok(Some(found)) => match serde_json::to_value(found) {
            Ok(value) => whole(value),
            Err(error) => Reading::Unread(error.to_string()),
        },
        Ok(None) => Reading::Absent,
        Err(kube::Error::Api(status)) => Reading::Unread(status.message.clone()),
        Err(error) => Reading::Unread(error.to_string()),
    }
}
