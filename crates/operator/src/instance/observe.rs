//! What the decisions about an Instance rest on. Reads only; values of Secrets are read when their version has moved.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use api::Instance;
use domain::instance::{
    Dial, Found, INSTANCE_LABEL, Kind, Link, Pods, ProviderSeen, Seen, ServerSeen, TargetSeen, View, needs,
};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, Pod, Secret};
use kit::cache::{Cache, Key};
use kube::core::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::Controller;
use super::error::Error;
use crate::servers::LinkState;

type Content = Arc<BTreeMap<String, ByteString>>;

/// Values that were read, by kind and name, each with the version that it was read at.
#[derive(Default)]
pub(super) struct Memory {
    read: Mutex<HashMap<(Kind, Key), (String, Content)>>,
}

impl Memory {
    fn at(&self, place: &(Kind, Key), version: &str) -> Option<Content> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(place).filter(|(at, _)| at == version).map(|(_, content)| content.clone())
    }

    fn put(&self, place: (Kind, Key), version: String, content: Content) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(place, (version, content));
    }

    /// Forgets what nobody names any more.
    pub(super) fn keep_only(&self, named: impl Fn(Kind, &Key) -> bool) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).retain(|(kind, key), _| named(*kind, key));
    }
}

fn version_of<K: Resource>(names: &Cache<PartialObjectMeta<K>>, key: &Key) -> Option<String>
where
    PartialObjectMeta<K>: Resource<DynamicType = ()>,
{
    names.get(key).map(|object| object.metadata.resource_version.clone().unwrap_or_default())
}

impl Controller {
    /// Everything that an Instance names, as it is now.
    pub(super) async fn find(&self, view: View<'_>) -> Result<Found, Error> {
        let mut found = Found::new();
        for need in needs(view) {
            if let Entry::Vacant(free) = found.entry((need.kind, need.name.clone())) {
                let seen = self.content(need.kind, &Key::new(view.namespace(), &need.name)).await?;
                free.insert(seen);
            }
        }
        Ok(found)
    }

    /// What stands in a Secret or ConfigMap.
    pub(super) async fn content(&self, kind: Kind, key: &Key) -> Result<Seen, Error> {
        let version = match kind {
            Kind::Secret => version_of(&self.caches.secret_names, key),
            Kind::ConfigMap => version_of(&self.caches.config_map_names, key),
            Kind::Claim => {
                let api: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> = self.api(&key.namespace);
                let what = || format!("PersistentVolumeClaim {key}");
                let there = api.get_metadata_opt(&key.name).await;
                let there = there.map_err(|source| Error::Read { what: what(), source })?;
                return Ok(there.map(|_| BTreeMap::new()));
            }
        };
        let Some(version) = version else { return Ok(None) };
        let place = (kind, key.clone());
        if let Some(known) = self.memory.at(&place, &version) {
            return Ok(Some(known.as_ref().clone()));
        }
        self.read_now(kind, key).await
    }

    /// The same, straight from the API server.
    pub(super) async fn read_now(&self, kind: Kind, key: &Key) -> Result<Seen, Error> {
        let what = || format!("{} {key}", if kind == Kind::Secret { "Secret" } else { "ConfigMap" });
        let read = |source| Error::Read { what: what(), source };
        let (version, content) = if kind == Kind::Secret {
            let api: Api<Secret> = self.api(&key.namespace);
            let Some(secret) = api.get_opt(&key.name).await.map_err(read)? else { return Ok(None) };
            (secret.resource_version(), secret.data.unwrap_or_default())
        } else {
            let api: Api<ConfigMap> = self.api(&key.namespace);
            let Some(map) = api.get_opt(&key.name).await.map_err(read)? else { return Ok(None) };
            let mut content = map.binary_data.unwrap_or_default();
            content.extend(map.data.unwrap_or_default().into_iter().map(|(k, v)| (k, ByteString(v.into_bytes()))));
            (map.metadata.resource_version, content)
        };
        self.memory.put((kind, key.clone()), version.unwrap_or_default(), Arc::new(content.clone()));
        Ok(Some(content))
    }

    /// The pods of an Instance that are not about to go.
    pub(super) fn pods(&self, view: View<'_>) -> Vec<Arc<Pod>> {
        let mut pods = self.caches.pods.in_namespace(view.namespace());
        pods.retain(|pod| {
            pod.labels().get(INSTANCE_LABEL).map(String::as_str) == Some(view.name())
                && pod.metadata.deletion_timestamp.is_none()
        });
        pods
    }

    /// How many pods there are, how many are ready, and why the others are not.
    pub(super) fn replicas(&self, view: View<'_>) -> (Pods, i32) {
        let key = Key::new(view.namespace(), view.name());
        let (existing, ready, updated, complaint) = if view.persistence().is_some() {
            let set = self.caches.stateful_sets.get(&key);
            let status = set.as_ref().and_then(|set| set.status.clone()).unwrap_or_default();
            let current = set.as_ref().is_some_and(|set| status.observed_generation >= set.metadata.generation);
            let ready = status.ready_replicas.unwrap_or(0);
            let updated = if current { status.updated_replicas.unwrap_or(0) } else { ready };
            (status.replicas, ready, updated, None)
        } else {
            let deployment = self.caches.deployments.get(&key);
            let status = deployment.as_ref().and_then(|d| d.status.clone()).unwrap_or_default();
            let current = deployment.as_ref().is_some_and(|d| status.observed_generation >= d.metadata.generation);
            let ready = status.ready_replicas.unwrap_or(0);
            let updated = if current { status.updated_replicas.unwrap_or(0) } else { ready };
            let failure =
                status.conditions.iter().flatten().find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
            (status.replicas.unwrap_or(0), ready, updated, failure.and_then(|c| c.message.clone()))
        };
        let pods = self.pods(view);
        let trouble = complaint.or_else(|| pods.iter().find_map(|pod| trouble(pod)));
        (Pods { existing, ready: ready.min(updated), trouble }, ready)
    }

    /// The links of an Instance.
    pub(super) fn links(&self, instance: &Instance) -> Vec<Link> {
        self.servers.states(&Key::of(instance)).into_iter().map(link).collect()
    }

    /// Where the servers of an Instance are: name and `host:port` of each.
    pub(super) fn addresses(&self, view: View<'_>) -> Vec<(String, String)> {
        match view.dial() {
            Dial::Address(address) => vec![(address.clone(), address)],
            Dial::Pods(port) => self.pods(view).iter().filter_map(|pod| address(pod, port)).collect(),
        }
    }
}

/// Where a pod is reached; nothing while it does not run.
fn address(pod: &Pod, port: i32) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let ip = status.pod_ip.as_ref().filter(|_| status.phase.as_deref() == Some("Running"))?;
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
    Some((pod.name_any(), format!("{host}:{port}")))
}

fn link(state: LinkState) -> Link {
    let server = state.state.map(|server| ServerSeen {
        standby: server.standby,
        targets: server
            .targets
            .into_iter()
            .map(|target| TargetSeen {
                kind: target.kind,
                namespace: target.namespace,
                name: target.name.unwrap_or_default(),
                looked_at: target.looked_at,
                problem: target.problem.unwrap_or_default(),
            })
            .collect(),
        provider: server.provider.map(|provider| ProviderSeen {
            name: provider.name,
            model: provider.model,
            ready: provider.ready,
            problem: provider.problem.unwrap_or_default(),
        }),
    });
    Link { name: state.name, connected: state.connected, server }
}

/// Why a pod is not ready, in the words of whoever knows.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let is = |type_: &str, value: &str| {
        status.conditions.iter().flatten().find(|c| c.type_ == type_ && c.status == value).cloned()
    };
    if is("Ready", "True").is_some() {
        return None;
    }
    let name = pod.name_any();
    if let Some(condition) = is("PodScheduled", "False") {
        let why = condition.message.or(condition.reason).unwrap_or_default();
        return Some(format!("pod {name} finds no node: {why}"));
    }
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    for container in containers {
        if let Some(why) = waits(container) {
            return Some(format!("pod {name}: {why}"));
        }
    }
    status.message.clone().map(|why| format!("pod {name}: {why}"))
}

fn waits(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref();
    let ended = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    // These pass by themselves.
    if matches!(reason, "ContainerCreating" | "PodInitializing") || (reason.is_empty() && ended.is_none()) {
        return None;
    }
    let message = waiting.and_then(|waiting| waiting.message.clone()).unwrap_or_default();
    let mut text = format!("container {} waits: {reason} {message}", container.name).trim_end().to_owned();
    if let Some(ended) = ended {
        text = format!("{text}; it ended with code {}", ended.exit_code);
        if let Some(said) = ended.message.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
            let last = said.lines().last().unwrap_or(said);
            text = format!("{text}: {}", kit::condition::cut(last, 300));
        }
    }
    Some(text)
}
