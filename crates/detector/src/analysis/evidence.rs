//! The reads behind a diagnosis, all at once and each with a deadline.
//!
//! What is watched comes from the caches; logs, claims, measurements and names of Secrets are read now. What cannot be read
//! is told in a sentence, with the remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use api::ai_insight::AIInsightSuggestedAction;
use domain::detection::{PodView, Revision, Rule, Symptom, WorkloadView};
use domain::diagnosis::refs::references;
use domain::diagnosis::{ClaimFact, ConfigHistory, Evidence, LogTail, NodeRoom, amount};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, PodSpec, Secret, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kit::cache::Key as Place;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::logs;
use crate::eyes::Eyes;
use crate::graph::taken;
use crate::seen::touched;

/// How long one read may take; an analysis takes little more.
const PATIENCE: Duration = Duration::from_secs(3);
/// ConfigMaps and claims of one workload that are read.
const OBJECTS: usize = 16;
/// Names of one kind that are compared.
const NAMES: u32 = 500;

/// What was read, and what could not be.
struct Read<T> {
    found: T,
    gaps: Vec<String>,
}

impl<T> Read<T> {
    fn all(found: T) -> Self {
        Self { found, gaps: Vec::new() }
    }
}

/// Gathers what a diagnosis of this symptom may look at, and says what could not be read.
pub(super) async fn gather(
    eyes: &Eyes,
    client: &Client,
    mut view: WorkloadView,
    symptom: Symptom,
    failed: &[AIInsightSuggestedAction],
    now: Timestamp,
) -> (Evidence, Vec<String>) {
    let revisions = revisions(client, &view).await;
    let mut gaps = revisions.gaps;
    if view.revisions.is_empty() {
        view.revisions = revisions.found;
    }
    let spec = spec(&view, &symptom).unwrap_or_default();
    let namespace = view.workload.namespace.clone().unwrap_or_default();
    let (logs, config_maps, claims, names, memory_used) = tokio::join!(
        logs(client, &view, &symptom, eyes.log_lines, now),
        config_maps(eyes, client, &namespace, &spec),
        claims(client, &namespace, &spec, symptom.rule),
        names(eyes, client, &namespace, symptom.rule),
        memory(client, &namespace, &symptom),
    );
    let priority = pod(&view, &symptom).and_then(PodView::spec).and_then(|spec| spec.priority).unwrap_or_default();
    let nodes = nodes(eyes, symptom.rule, priority);
    gaps.extend([logs.gaps, config_maps.gaps, claims.gaps, names.gaps, memory_used.gaps, nodes.gaps].concat());
    let evidence = Evidence {
        view,
        symptom,
        logs: logs.found,
        config_maps: config_maps.found,
        nodes: nodes.found,
        claims: claims.found,
        names: names.found,
        memory_used: memory_used.found,
        failed: failed.to_vec(),
        suspects: Vec::new(),
        around: Vec::new(),
        grants: None,
    };
    (evidence, gaps)
}

/// Gives a read its deadline, and its failure a sentence.
async fn read<T>(what: &str, read: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
            Err(format!("{what} may not be read; grant get and list on it."))
        }
        Ok(Err(error)) => Err(format!("{what} could not be read ({error}).")),
        Err(_) => Err(format!("{what} could not be read within {} s.", PATIENCE.as_secs())),
    }
}

fn pod<'a>(view: &'a WorkloadView, symptom: &Symptom) -> Option<&'a PodView> {
    let name = &symptom.pod.as_ref()?.name;
    view.pods.iter().find(|pod| pod.reference().name == *name)
}

/// The spec that the failing pod was made from.
fn spec(view: &WorkloadView, symptom: &Symptom) -> Option<PodSpec> {
    let pod = pod(view, symptom);
    let hash = pod.map_or_else(|| view.current.clone().unwrap_or_default(), |pod| pod.revision.clone());
    let mut spec = view.revisions.iter().find(|r| r.hash == hash).and_then(|r| r.template.spec.clone());
    // Claims that a StatefulSet makes stand in the pods only.
    if let (Some(spec), Some(own)) = (&mut spec, pod.and_then(PodView::spec)) {
        let claims = own.volumes.iter().flatten().filter(|volume| volume.persistent_volume_claim.is_some());
        spec.volumes.get_or_insert_default().extend(claims.cloned());
    }
    spec.or_else(|| pod?.spec().cloned())
}

/// The revisions of a StatefulSet or DaemonSet, which are asked for too rarely to be watched.
async fn revisions(client: &Client, view: &WorkloadView) -> Read<Vec<Revision>> {
    if !matches!(view.workload.kind.as_str(), "StatefulSet" | "DaemonSet") {
        return Read::all(Vec::new());
    }
    let namespace = view.workload.namespace.clone().unwrap_or_default();
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), &namespace);
    let list = match read("Revisions (controllerrevisions.apps)", api.list(&ListParams::default())).await {
        Ok(list) => list,
        Err(gap) => return Read { found: Vec::new(), gaps: vec![gap] },
    };
    let ours = |r: &ControllerRevision| {
        r.metadata.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == view.workload.uid.as_ref())
    };
    let mut found: Vec<Revision> = list.into_iter().filter(ours).filter_map(|r| revision(&r, view)).collect();
    found.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Read::all(found)
}

fn revision(object: &ControllerRevision, view: &WorkloadView) -> Option<Revision> {
    let template = serde_json::from_value(object.data.as_ref()?.0.pointer("/spec/template")?.clone()).ok()?;
    // The pods' label is the revision's name in a StatefulSet, and its hash in a DaemonSet.
    let hash = if view.workload.kind == "StatefulSet" {
        object.name_any()
    } else {
        object.labels().get("controller-revision-hash").cloned()?
    };
    let pods: Vec<&PodView> = view.live_pods().filter(|pod| pod.revision == hash).collect();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    Some(Revision {
        number: object.revision,
        object: api::shared::ObjectRef {
            api_version: Some("apps/v1".into()),
            kind: "ControllerRevision".into(),
            namespace: object.namespace(),
            name: object.name_any(),
            uid: object.uid(),
        },
        resource_version: object.resource_version(),
        created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        template: std::sync::Arc::new(template),
        desired: count(pods.len()),
        ready: count(pods.iter().filter(|pod| pod.ready()).count()),
        hash,
    })
}

async fn logs(
    client: &Client,
    view: &WorkloadView,
    symptom: &Symptom,
    lines: u32,
    now: Timestamp,
) -> Read<Vec<LogTail>> {
    let Some(pod) = pod(view, symptom).filter(|_| lines > 0 && logs::wanted(symptom.rule)) else {
        return Read::all(Vec::new());
    };
    match tokio::time::timeout(PATIENCE, logs::read(client, pod, symptom, lines, now)).await {
        Ok(Ok(tail)) => Read::all(tail.into_iter().collect()),
        Ok(Err(gap)) => Read { found: Vec::new(), gaps: vec![gap] },
        Err(_) => {
            let gap =
                format!("The log of pod {} could not be read within {} s.", pod.reference().name, PATIENCE.as_secs());
            Read { found: Vec::new(), gaps: vec![gap] }
        }
    }
}

/// Names that a spec refers to.
fn referred(spec: &PodSpec, kind: &str) -> BTreeSet<String> {
    references(spec).into_iter().filter(|r| r.kind == kind).map(|r| r.name).take(OBJECTS).collect()
}

async fn config_maps(eyes: &Eyes, client: &Client, namespace: &str, spec: &PodSpec) -> Read<Vec<ConfigHistory>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let one = async |name: String| {
        let known = eyes.histories.of(&Place::new(namespace, name.as_str()));
        if let Some(known) = known.filter(|known| known.data.is_some()) {
            return Ok(known);
        }
        let gone = eyes.histories.of(&Place::new(namespace, name.as_str()));
        let map = read(&format!("ConfigMap {name}"), api.get_opt(&name)).await?;
        let touched = map.as_ref().and_then(touched);
        Ok::<_, String>(ConfigHistory {
            uid: map.as_ref().and_then(ResourceExt::uid),
            resource_version: map.as_ref().and_then(ResourceExt::resource_version),
            data: map.map(|map| map.data.unwrap_or_default()),
            before: gone.as_ref().and_then(|gone| gone.before.clone()),
            changed: touched.as_ref().map(|(time, _)| *time).or(gone.and_then(|gone| gone.changed)),
            manager: touched.map(|(_, manager)| manager).filter(|manager| !manager.is_empty()),
            name,
        })
    };
    split(futures::future::join_all(referred(spec, "ConfigMap").into_iter().map(one)).await)
}

fn split<T>(results: Vec<Result<T, String>>) -> Read<Vec<T>> {
    let mut read = Read::all(Vec::new());
    for result in results {
        match result {
            Ok(found) => read.found.push(found),
            Err(gap) => read.gaps.push(gap),
        }
    }
    read
}

async fn claims(client: &Client, namespace: &str, spec: &PodSpec, rule: Rule) -> Read<Vec<ClaimFact>> {
    if !matches!(rule, Rule::Unschedulable | Rule::SetupFailing | Rule::MissingReference) {
        return Read::all(Vec::new());
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let classes: Api<StorageClass> = Api::all(client.clone());
    let one = async |name: String| {
        let claim = read(&format!("PersistentVolumeClaim {name}"), api.get_opt(&name)).await?;
        let class = claim.as_ref().and_then(|c| c.spec.as_ref()?.storage_class_name.clone());
        let class_exists = match class.as_deref() {
            // Without a name there is nothing that could be missing; an empty one asks for a volume made by hand.
            None | Some("") => true,
            Some(name) => read(&format!("StorageClass {name}"), classes.get_metadata_opt(name)).await?.is_some(),
        };
        Ok::<_, String>(ClaimFact {
            uid: claim.as_ref().and_then(ResourceExt::uid),
            phase: claim.map(|c| c.status.and_then(|s| s.phase).unwrap_or_else(|| "Pending".into())),
            class,
            class_exists,
            name,
        })
    };
    split(futures::future::join_all(referred(spec, "PersistentVolumeClaim").into_iter().map(one)).await)
}

/// Names that exist, for one that is nearly right, of the kinds that such a symptom can be about. Of Secrets nothing but
/// the names is read.
async fn names(eyes: &Eyes, client: &Client, namespace: &str, rule: Rule) -> Read<BTreeMap<String, Vec<String>>> {
    let set_up = matches!(rule, Rule::MissingReference | Rule::SetupFailing);
    let placing = rule == Rule::Unschedulable;
    let (secrets, claims, accounts, classes) = tokio::join!(
        list(set_up, Api::<Secret>::namespaced(client.clone(), namespace)),
        list(set_up || placing, Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace)),
        list(rule == Rule::Refused, Api::<ServiceAccount>::namespaced(client.clone(), namespace)),
        list(placing, Api::<StorageClass>::all(client.clone())),
    );
    let listed = split([secrets, claims, accounts, classes].into_iter().flatten().collect());
    let mut found: BTreeMap<String, Vec<String>> = listed.found.into_iter().collect();
    if set_up {
        let maps = eyes.caches.config_maps.in_namespace(namespace);
        found.insert("ConfigMap".into(), maps.iter().map(|map| map.name().to_owned()).collect());
    }
    Read { found, gaps: listed.gaps }
}

/// Kind and names, where they are wanted.
async fn list<K>(wanted: bool, api: Api<K>) -> Option<Result<(String, Vec<String>), String>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if !wanted {
        return None;
    }
    let what = format!("Names of {}", K::plural(&()));
    let list = read(&what, api.list_metadata(&ListParams::default().limit(NAMES))).await;
    Some(list.map(|list| (K::kind(&()).into_owned(), list.iter().map(ResourceExt::name_any).collect())))
}

/// The memory in use, by container, where it is measured.
async fn memory(client: &Client, namespace: &str, symptom: &Symptom) -> Read<BTreeMap<String, i128>> {
    let mut used = BTreeMap::new();
    let Some(pod) = symptom.pod.as_ref().filter(|_| symptom.rule == Rule::OutOfMemory) else { return Read::all(used) };
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{}", pod.name);
    let Ok(request) = http::Request::get(path).body(Vec::new()) else { return Read::all(used) };
    // A cluster without metrics-server is nothing to complain about.
    let answer = tokio::time::timeout(PATIENCE, client.request::<serde_json::Value>(request)).await;
    let Ok(Ok(measured)) = answer else { return Read::all(used) };
    for container in measured.get("containers").and_then(|c| c.as_array()).into_iter().flatten() {
        let text = |path: &str| container.pointer(path).and_then(|v| v.as_str());
        if let (Some(name), Some(millis)) = (text("/name"), text("/usage/memory").and_then(amount::millis)) {
            used.insert(name.to_owned(), millis / 1000);
        }
    }
    Read::all(used)
}

/// What each node offers, what the pods on it request, and which of those come before the pod in question.
fn nodes(eyes: &Eyes, rule: Rule, priority: i32) -> Read<Vec<NodeRoom>> {
    if rule != Rule::Unschedulable {
        return Read::all(Vec::new());
    }
    if !eyes.caches.whole {
        let gap = "The free room of each node is not known, because this server sees the pods of some namespaces only.";
        return Read { found: Vec::new(), gaps: vec![gap.to_owned()] };
    }
    Read::all(taken(&eyes.caches, &eyes.graphs.cluster(&eyes.caches), Some(priority)).nodes)
}
