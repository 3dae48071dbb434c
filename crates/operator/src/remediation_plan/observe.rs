//! What a plan's decisions rest on, read fresh from the API server. Reads only.

use api::shared::ResourceRef;
use api::{ApprovalPolicy, ApprovalRequest, Issue, RemediationPlan};
use domain::approval::{Policies, UnreadablePolicy};
use domain::remediation::actions::{Action, Quantity};
use domain::remediation::preflight::{LargestNode, TargetKind, World};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Error;

/// Reads objects. Nothing is taken from a cache: a decision to act never rests on what was true a moment ago.
#[derive(Clone)]
pub struct Reader {
    client: Client,
}

impl Reader {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// API of a kind that effects change, as JSON.
    pub(crate) fn raw(&self, kind: TargetKind, namespace: &str) -> Api<DynamicObject> {
        match kind {
            TargetKind::Deployment => self.dynamic("apps", "v1", "Deployment", namespace),
            TargetKind::ConfigMap => self.dynamic("", "v1", "ConfigMap", namespace),
            TargetKind::Pod => self.dynamic("", "v1", "Pod", namespace),
        }
    }

    fn dynamic(&self, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    pub(crate) async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        self.api::<K>(namespace)
            .get_opt(name)
            .await
            .map_err(|source| Error::Read { what: format!("{} {namespace}/{name}", K::kind(&())), source })
    }

    /// One object as JSON; none when it does not exist.
    pub(crate) async fn object(&self, kind: TargetKind, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let what = || format!("{} {namespace}/{name}", kind.name());
        let found =
            self.raw(kind, namespace).get_opt(name).await.map_err(|source| Error::Read { what: what(), source })?;
        found.map(|o| json(&o, what)).transpose()
    }

    async fn list(&self, api: Api<DynamicObject>, params: &ListParams, what: &str) -> Result<Vec<Value>, Error> {
        let list = api.list(params).await.map_err(|source| Error::Read { what: what.to_owned(), source })?;
        list.items.iter().map(|o| json(o, || what.to_owned())).collect()
    }

    /// The Issue and the request of a plan.
    pub(crate) async fn issue(&self, plan: &RemediationPlan) -> Result<Option<Issue>, Error> {
        self.get(&plan.namespace().unwrap_or_default(), &plan.spec.issue_ref.name).await
    }

    /// The request that a plan refers to, if it is one of this plan.
    pub(crate) async fn request(&self, plan: &RemediationPlan) -> Result<Option<ApprovalRequest>, Error> {
        let Some(name) = plan.status.as_ref().and_then(|s| s.approval.as_ref()).and_then(|a| a.request.clone()) else {
            return Ok(None);
        };
        let request: Option<ApprovalRequest> = self.get(&plan.namespace().unwrap_or_default(), &name).await?;
        Ok(request.filter(|r| belongs(r, plan)))
    }

    /// The policies that govern a namespace. One that does not decode is not skipped: it could ask for more.
    pub(crate) async fn policies(&self, namespace: &str, operator_namespace: &str) -> Result<Policies, Error> {
        let mut policies = Policies { operator_namespace: operator_namespace.to_owned(), ..Policies::default() };
        let mut namespaces = vec![namespace];
        if namespace != operator_namespace {
            namespaces.push(operator_namespace);
        }
        for namespace in namespaces {
            let api = self.dynamic("platform.chatcli.io", "v1alpha1", "ApprovalPolicy", namespace);
            let what = format!("ApprovalPolicies of namespace {namespace}");
            for object in self.list(api, &ListParams::default(), &what).await? {
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
                match serde_json::from_value::<ApprovalPolicy>(object) {
                    Ok(policy) => policies.readable.push(policy),
                    Err(error) => policies.unreadable.push(UnreadablePolicy {
                        namespace: namespace.to_owned(),
                        name,
                        why: error.to_string(),
                    }),
                }
            }
        }
        Ok(policies)
    }

    /// Plans of a namespace, as JSON: one that does not decode must not hide the others.
    pub(crate) async fn plans(&self, namespace: &str) -> Result<Vec<Value>, Error> {
        let api = self.dynamic("platform.chatcli.io", "v1alpha1", "RemediationPlan", namespace);
        self.list(api, &ListParams::default(), &format!("RemediationPlans of namespace {namespace}")).await
    }

    pub(crate) async fn deployment(&self, resource: &ResourceRef) -> Result<Option<Value>, Error> {
        self.object(TargetKind::Deployment, &resource.namespace, &resource.name).await
    }

    /// Everything that an action looks at.
    pub(crate) async fn world(&self, resource: &ResourceRef, action: &Action) -> Result<World, Error> {
        let ns = &resource.namespace;
        let all = ListParams::default();
        let mut world = World { deployment: self.deployment(resource).await?, ..World::default() };
        match action {
            Action::RollbackDeployment { .. } => {
                world.replica_sets =
                    self.list(self.dynamic("apps", "v1", "ReplicaSet", ns), &all, "ReplicaSets").await?;
            }
            Action::ScaleDeployment { .. } => {
                let api = self.dynamic("autoscaling", "v2", "HorizontalPodAutoscaler", ns);
                world.autoscalers = self.list(api, &all, "HorizontalPodAutoscalers").await?;
                world.quotas = self.quotas(ns).await?;
            }
            Action::AdjustResources { .. } => {
                world.largest_node = self.largest_node().await?;
                world.quotas = self.quotas(ns).await?;
            }
            Action::PatchConfig { config_map, .. } => {
                world.config_map = self.object(TargetKind::ConfigMap, ns, config_map).await?;
            }
            Action::DeletePod { .. } => {
                world.replica_sets =
                    self.list(self.dynamic("apps", "v1", "ReplicaSet", ns), &all, "ReplicaSets").await?;
                world.pods = self.pods(world.deployment.as_ref(), ns).await?;
                let api = self.dynamic("policy", "v1", "PodDisruptionBudget", ns);
                world.disruption_budgets = self.list(api, &all, "PodDisruptionBudgets").await?;
            }
            Action::RestartDeployment => {}
        }
        Ok(world)
    }

    /// Pods that the selector of a Deployment matches.
    pub(crate) async fn pods(&self, deployment: Option<&Value>, namespace: &str) -> Result<Vec<Value>, Error> {
        let Some(selector) =
            deployment.and_then(|d| d.pointer("/spec/selector/matchLabels")).and_then(Value::as_object)
        else {
            return Ok(Vec::new());
        };
        let labels: Vec<String> =
            selector.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
        let params = ListParams::default().labels(&labels.join(","));
        self.list(self.dynamic("", "v1", "Pod", namespace), &params, "pods").await
    }

    /// Names of the Services that send to the pods of a Deployment.
    pub(crate) async fn services(&self, deployment: Option<&Value>, namespace: &str) -> Result<Vec<String>, Error> {
        let Some(labels) =
            deployment.and_then(|d| d.pointer("/spec/template/metadata/labels")).and_then(Value::as_object)
        else {
            return Ok(Vec::new());
        };
        let all = self.list(self.dynamic("", "v1", "Service", namespace), &ListParams::default(), "Services").await?;
        let selects = |service: &Value| {
            service
                .pointer("/spec/selector")
                .and_then(Value::as_object)
                .is_some_and(|s| !s.is_empty() && s.iter().all(|(k, v)| labels.get(k) == Some(v)))
        };
        let name = |s: &Value| s.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Ok(all.iter().filter(|s| selects(s)).filter_map(name).collect())
    }

    async fn quotas(&self, namespace: &str) -> Result<Vec<Value>, Error> {
        self.list(self.dynamic("", "v1", "ResourceQuota", namespace), &ListParams::default(), "ResourceQuotas").await
    }

    async fn largest_node(&self) -> Result<Option<LargestNode>, Error> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let nodes = self.list(api, &ListParams::default(), "Nodes").await?;
        let most = |pointer: &str| {
            nodes.iter().filter_map(|n| Quantity::parse(n.pointer(pointer)?.as_str()?)).max_by_key(Quantity::millis)
        };
        Ok(most("/status/allocatable/cpu")
            .zip(most("/status/allocatable/memory"))
            .map(|(cpu, memory)| LargestNode { cpu, memory }))
    }
}

/// Whether a request was made for this very plan.
pub(crate) fn belongs(request: &ApprovalRequest, plan: &RemediationPlan) -> bool {
    let uid = plan.metadata.uid.as_deref().unwrap_or_default();
    !uid.is_empty()
        && request.spec.remediation_plan_ref == plan.name_any()
        && request.owner_references().iter().any(|o| o.kind == "RemediationPlan" && o.uid == uid)
}

fn json(object: &DynamicObject, what: impl Fn() -> String) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|source| Error::Json { what: what(), source })
}
