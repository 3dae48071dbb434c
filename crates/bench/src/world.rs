//! A cluster that only exists as objects: nodes with heartbeats, and a kubelet stand-in that writes pod status.
//!
//! Deployments, ReplicaSets and the pods themselves are made by the real controllers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

/// Image of a healthy pod.
pub const GOOD: &str = "registry.invalid/shop:1.0";
/// Image that does not exist: its pods fail to pull at once.
pub const MISSING: &str = "registry.invalid/shop:0.0-missing";

/// Nodes, heartbeats and the kubelet stand-in, until dropped.
pub struct World {
    client: Client,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// When the failing status of a workload's pod was written, by workload.
    pub failed_at: Arc<Mutex<HashMap<String, Instant>>>,
}

impl World {
    /// Makes `nodes` nodes and starts their heartbeats and the kubelet stand-in.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn new(client: &Client, nodes: usize) -> anyhow::Result<Self> {
        let node_api: Api<Node> = Api::all(client.clone());
        for index in 0..nodes {
            let node: Node = serde_json::from_value(
                json!({"metadata": {"name": node_name(index), "labels": {"kubernetes.io/hostname": node_name(index)}}}),
            )?;
            if node_api.get_opt(&node_name(index)).await?.is_none() {
                node_api.create(&PostParams::default(), &node).await?;
            }
            let now = jiff::Timestamp::from_second(now_seconds())?.to_string();
            let status = json!({"status": {
                "capacity": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
                "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now}],
            }});
            node_api.patch_status(&node_name(index), &PatchParams::default(), &Patch::Merge(&status)).await?;
        }
        let failed_at = Arc::new(Mutex::new(HashMap::new()));
        let tasks = vec![spawn(heartbeats(client.clone(), nodes)), spawn(kubelet(client.clone(), failed_at.clone()))];
        Ok(Self { client: client.clone(), tasks, failed_at })
    }

    /// Makes `count` Deployments with `replicas` pods each in a namespace, and waits until all are ready.
    ///
    /// # Errors
    /// When they are not in ten minutes.
    pub async fn deploy(&self, namespace: &str, count: usize, replicas: usize, nodes: usize) -> anyhow::Result<()> {
        create_namespace(&self.client, namespace).await?;
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        futures::stream::iter(0..count)
            .map(|index| {
                let api = api.clone();
                async move {
                    let name = workload_name(index);
                    let deployment: Deployment = serde_json::from_value(json!({
                        "metadata": {"name": name},
                        "spec": {
                            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
                            "template": {
                                "metadata": {"labels": {"app": name}},
                                "spec": {
                                    "nodeName": node_name(index % nodes), "terminationGracePeriodSeconds": 0,
                                    "containers": [{"name": "app", "image": GOOD, "envFrom": [{"configMapRef": {"name": name, "optional": true}}], "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}}],
                                },
                            },
                        },
                    }))?;
                    api.create(&PostParams::default(), &deployment).await.map_err(anyhow::Error::from)
                }
            })
            .buffer_unordered(16)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let began = Instant::now();
        loop {
            let list = api.list(&kube::api::ListParams::default()).await?;
            let ready = list
                .iter()
                .filter(|d| d.status.as_ref().and_then(|s| s.ready_replicas) == Some(replicas as i32))
                .count();
            if ready == count {
                return Ok(());
            }
            ensure!(
                began.elapsed() < Duration::from_mins(10),
                "only {ready} of {count} Deployments are ready after 600 s"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Makes a Service and a ConfigMap for each of `count` workloads.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn furnish(&self, namespace: &str, count: usize) -> anyhow::Result<()> {
        create_namespace(&self.client, namespace).await?;
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        for index in 0..count {
            let name = workload_name(index);
            let service = json!({"metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}});
            services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
            let map = json!({"metadata": {"name": name}, "data": {"LOG_LEVEL": "info"}});
            maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
        }
        Ok(())
    }

    /// Begins a rollout to the image that does not exist. The old pods go on serving.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn roll_out_missing_image(&self, namespace: &str, workload: &str) -> anyhow::Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": MISSING}]}}}});
        api.patch(workload, &PatchParams::default(), &Patch::Strategic(&patch)).await?;
        Ok(())
    }

    /// Writes that the container of one pod was killed at its memory limit and is down.
    ///
    /// # Errors
    /// When the API server refuses, or the workload has no pod.
    pub async fn kill_for_memory(&self, namespace: &str, workload: &str) -> anyhow::Result<()> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = api.list(&kube::api::ListParams::default().labels(&format!("app={workload}"))).await?;
        let pod = pods.items.first().with_context(|| format!("{workload} has no pod"))?;
        let now = jiff::Timestamp::from_second(now_seconds())?.to_string();
        let terminated = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": now, "finishedAt": now, "containerID": "containerd://x"}});
        let status = json!({"status": {
            "phase": "Running",
            "conditions": conditions(false, &now),
            "containerStatuses": [{"name": "app", "image": GOOD, "imageID": "", "ready": false, "started": false, "restartCount": 1, "state": terminated, "lastState": terminated}],
        }});
        self.mark(workload);
        api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
        Ok(())
    }

    fn mark(&self, workload: &str) {
        mark(&self.failed_at, workload);
    }

    /// Deletes a namespace and waits until it is gone.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn remove(&self, namespace: &str) -> anyhow::Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.delete(namespace, &DeleteParams::default()).await?;
        while api.get_opt(namespace).await?.is_some() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Makes a namespace, if it is not there.
///
/// # Errors
/// When the API server refuses.
pub async fn create_namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    if api.get_opt(name).await?.is_none() {
        api.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": name}}))?).await?;
    }
    Ok(())
}

/// Name of the n-th workload.
pub fn workload_name(index: usize) -> String {
    format!("shop-{index:04}")
}

fn node_name(index: usize) -> String {
    format!("bench-{index:02}")
}

fn mark(failed_at: &Mutex<HashMap<String, Instant>>, workload: &str) {
    failed_at.lock().unwrap_or_else(PoisonError::into_inner).entry(workload.to_owned()).or_insert_with(Instant::now);
}

#[expect(clippy::disallowed_methods, reason = "the load generator has no supervisor; World aborts its tasks")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load generator writes the status that a kubelet writes, with its time"
)]
pub(crate) fn now_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Renews the Lease of every node, as kubelets do.
async fn heartbeats(client: Client, nodes: usize) {
    let api: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    loop {
        for index in 0..nodes {
            let Ok(now) = jiff::Timestamp::from_second(now_seconds()) else { continue };
            let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node_name(index)},
                "spec": {"holderIdentity": node_name(index), "leaseDurationSeconds": 40, "renewTime": format!("{now:.6}")}});
            let _ = api.patch(&node_name(index), &PatchParams::apply("bench").force(), &Patch::Apply(&lease)).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

/// Writes the status of every pod that has none: running and ready, or failing to pull the image that does not exist.
async fn kubelet(client: Client, failed_at: Arc<Mutex<HashMap<String, Instant>>>) {
    let pods: Api<Pod> = Api::all(client.clone());
    watcher(pods, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .filter_map(|pod| async {
            pod.ok().filter(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()))
        })
        .for_each_concurrent(32, |pod| {
            let client = client.clone();
            let failed_at = failed_at.clone();
            async move {
                let written = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.container_statuses.as_ref())
                    .is_some_and(|list| !list.is_empty());
                let api: Api<Pod> = Api::namespaced(client, &pod.namespace().unwrap_or_default());
                if pod.metadata.deletion_timestamp.is_some() {
                    let _ = api.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
                } else if !written {
                    let image = pod
                        .spec
                        .as_ref()
                        .and_then(|spec| spec.containers.first())
                        .and_then(|c| c.image.clone())
                        .unwrap_or_default();
                    let Ok(status) = first_status(&image) else { return };
                    if image == MISSING {
                        mark(&failed_at, pod.labels().get("app").map_or("", String::as_str));
                    }
                    let _ = api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await;
                }
            }
        })
        .await;
}

fn first_status(image: &str) -> anyhow::Result<Value> {
    let now = jiff::Timestamp::from_second(now_seconds())?.to_string();
    let good = image != MISSING;
    let state = if good {
        json!({"running": {"startedAt": now}})
    } else {
        json!({"waiting": {"reason": "ErrImagePull", "message": format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": not found")}})
    };
    Ok(json!({"status": {
        "phase": if good { "Running" } else { "Pending" }, "startTime": now, "podIP": "10.0.0.1", "conditions": conditions(good, &now),
        "containerStatuses": [{"name": "app", "image": image, "imageID": "", "ready": good, "started": good, "restartCount": 0, "state": state}],
    }}))
}

fn conditions(ready: bool, now: &str) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!([
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
        {"type": "Initialized", "status": "True", "lastTransitionTime": now},
        {"type": "ContainersReady", "status": ready, "reason": "ContainersNotReady", "lastTransitionTime": now},
        {"type": "Ready", "status": ready, "reason": "ContainersNotReady", "lastTransitionTime": now},
    ])
}
