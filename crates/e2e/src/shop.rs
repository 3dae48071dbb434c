//! A workload of the demo shop in a namespace of its own, the faults, and what became of them.

use std::sync::Arc;

use api::shared::IssueState;
use api::{AIInsight, Anomaly, ApprovalRequest, Issue, PostMortem, RemediationPlan, keys};
use cluster::Cluster;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use testkit::cluster::Namespace;

use crate::{build, look};

/// One workload in its namespace.
pub struct Shop {
    /// Client with the administrator's rights.
    pub client: Client,
    /// The namespace; it goes when this is dropped.
    pub namespace: Namespace<'static>,
    /// Name of the Deployment.
    pub workload: &'static str,
    cluster: &'static Cluster,
}

impl Shop {
    /// Deploys a service of the demo as its manifest says, and waits until it serves.
    pub async fn deploy(client: &Client, cluster: &'static Cluster, prefix: &str, workload: &'static str) -> Arc<Self> {
        let namespace = Namespace::new(cluster, prefix);
        let shop = Self { client: client.clone(), namespace, workload, cluster };
        let manifest = std::fs::read_to_string(build::root().join("demo/manifests/shop.yaml")).expect("shop.yaml");
        let parts: Vec<&str> = manifest
            .split("\n---\n")
            .filter(|part| part.contains("kind: ConfigMap") || part.contains(&format!("name: {workload},")))
            .collect();
        assert!(parts.len() >= 2, "the manifest of {workload}");
        let file = cluster.kubeconfig.with_file_name(format!("{}.yaml", shop.name()));
        let text = parts.join("\n---\n").replace("namespace: production", &format!("namespace: {}", shop.name()));
        std::fs::write(&file, text).expect("manifest");
        shop.kubectl(&["apply", "-f", &file.display().to_string()]);
        std::fs::remove_file(&file).expect("manifest");
        shop.serves().await;
        Arc::new(shop)
    }

    /// Name of the namespace.
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    /// kubectl in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.cluster.run_kubectl(&[&["-n", self.name()], args].concat()).expect("kubectl")
    }

    /// The Deployment.
    pub async fn deployment(&self) -> Deployment {
        look::until("the Deployment can be read", 30, || async {
            Api::<Deployment>::namespaced(self.client.clone(), self.name()).get(self.workload).await.ok()
        })
        .await
    }

    /// Waits until the rollout is complete.
    pub async fn serves(&self) {
        look::until("the rollout is complete", 60, || async {
            let deployment = self.deployment().await;
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            let status = deployment.status.as_ref()?;
            let complete = status.observed_generation == deployment.metadata.generation
                && status.updated_replicas.unwrap_or(0) == wanted
                && status.available_replicas.unwrap_or(0) == wanted
                && status.replicas.unwrap_or(0) == wanted;
            complete.then_some(())
        })
        .await;
    }

    /// Changes the Deployment.
    pub async fn patch(&self, patch: Value) {
        Api::<Deployment>::namespaced(self.client.clone(), self.name())
            .patch(self.workload, &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .expect("patch");
    }

    /// Changes the container of the Deployment.
    pub async fn patch_container(&self, mut fields: Value) {
        fields.as_object_mut().expect("fields").insert("name".to_owned(), json!("app"));
        self.patch(json!({"spec": {"template": {"spec": {"containers": [fields]}}}})).await;
    }

    /// A rollout to an image that does not exist.
    pub async fn break_image(&self) {
        self.patch_container(json!({"image": "chatcli/demo-service:1.0.1-rc"})).await;
    }

    /// Waits for the only Issue to have a cause, and returns it.
    pub async fn diagnosed(&self, seconds: u64) -> Issue {
        look::until("an Issue with its cause", seconds, || async {
            let insights: Vec<AIInsight> = look::list(&self.client, self.name()).await;
            let known = insights.iter().any(|i| i.status.as_ref().is_some_and(|s| s.root_cause.is_some()));
            self.issues().await.into_iter().find(|i| known && i.status.as_ref().is_some_and(|s| s.root_cause.is_some()))
        })
        .await
    }

    /// Issues of the namespace.
    pub async fn issues(&self) -> Vec<Issue> {
        look::list(&self.client, self.name()).await
    }

    /// Anomalies of the namespace.
    pub async fn anomalies(&self) -> Vec<Anomaly> {
        look::list(&self.client, self.name()).await
    }

    /// Plans of the namespace.
    pub async fn plans(&self) -> Vec<RemediationPlan> {
        look::list(&self.client, self.name()).await
    }

    /// Waits for a request for approval and approves it, as a person with kubectl does.
    pub async fn approve(&self, seconds: u64) -> ApprovalRequest {
        let api: Api<ApprovalRequest> = Api::namespaced(self.client.clone(), self.name());
        let request = look::until("a request for approval", seconds, || async {
            let requests: Vec<ApprovalRequest> = look::list(&self.client, self.name()).await;
            requests.into_iter().find(|r| r.status.as_ref().is_some_and(|s| s.decisions.is_empty()))
        })
        .await;
        let patch = json!({"metadata": {"annotations": {keys::APPROVE: "tester:looked at it"}}});
        api.patch(&request.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await.expect("approval");
        request
    }

    /// Waits until the only Issue is in a state.
    pub async fn issue_is(&self, state: IssueState, seconds: u64) -> Issue {
        look::until(&format!("the Issue is {state:?}"), seconds, || async {
            self.issues().await.into_iter().find(|i| i.status.as_ref().and_then(|s| s.state) == Some(state))
        })
        .await
    }

    /// Waits for the report.
    pub async fn report(&self, seconds: u64) -> PostMortem {
        look::until("the post-mortem", seconds, || async {
            let reports: Vec<PostMortem> = look::list(&self.client, self.name()).await;
            reports.into_iter().find(|r| r.status.as_ref().is_some_and(|s| !s.timeline.is_empty()))
        })
        .await
    }

    /// Everything that must hold after one rollback: one of each, and the template changed exactly once since the fault.
    pub async fn was_rolled_back_once(&self, generation_with_fault: i64) {
        self.issue_is(IssueState::Resolved, 90).await;
        self.report(20).await;
        self.serves().await;
        let (issues, plans) = (self.issues().await, self.plans().await);
        assert_eq!((issues.len(), plans.len()), (1, 1), "one Issue and one plan: {issues:#?} {plans:#?}");
        let reports: Vec<PostMortem> = look::list(&self.client, self.name()).await;
        let requests: Vec<ApprovalRequest> = look::list(&self.client, self.name()).await;
        assert_eq!((reports.len(), requests.len()), (1, 1), "one report and one request");
        let deployment = self.deployment().await;
        assert_eq!(deployment.metadata.generation, Some(generation_with_fault + 1), "the spec changed once");
        let revision = deployment.annotations().get("deployment.kubernetes.io/revision").cloned();
        assert_eq!(revision.as_deref(), Some("3"), "good, bad, good again");
        let status = plans.first().and_then(|plan| plan.status.clone()).expect("status");
        assert_eq!(status.steps.len(), 1, "{status:#?}");
        assert!(!status.rollback_performed.unwrap_or(false), "nothing had to be undone: {status:#?}");
    }
}
