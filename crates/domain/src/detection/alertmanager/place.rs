//! Which object an alert is about, by its labels.
//!
//! Labels mix two things: what the metric says of the object, and where Prometheus has read it. The exporter's own pod,
//! container, service and namespace must not be taken for what is wrong, so the most specific kind goes first, and pods
//! and Services count only where they are.

use api::shared::ObjectRef;

use super::Notice;
use super::signal::split;

/// What is known of the objects of the cluster.
pub trait Objects {
    /// The object with its UID if it is there; of a pod or a ReplicaSet, the workload that it belongs to.
    fn workload(&self, kind: &str, namespace: &str, name: &str) -> Option<ObjectRef>;
    /// The node that a pod runs on.
    fn node_of(&self, namespace: &str, pod: &str) -> Option<String>;
    /// The node with this name or address.
    fn node_at(&self, host: &str) -> Option<String>;
    /// The one workload whose pods a Service selects.
    fn behind(&self, namespace: &str, service: &str) -> Option<ObjectRef>;
}

/// Where an alert belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The workload, node or other object.
    pub object: ObjectRef,
    /// The pod that it names.
    pub pod: Option<ObjectRef>,
    /// The container that it names.
    pub container: Option<String>,
}

/// Labels that name an object of a namespace, the most specific first, with its kind and API version.
const NAMED: [(&str, &str, &str); 17] = [
    ("deployment", "Deployment", "apps/v1"),
    ("statefulset", "StatefulSet", "apps/v1"),
    ("daemonset", "DaemonSet", "apps/v1"),
    ("replicaset", "ReplicaSet", "apps/v1"),
    ("job_name", "Job", "batch/v1"),
    ("cronjob", "CronJob", "batch/v1"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler", "autoscaling/v2"),
    ("hpa", "HorizontalPodAutoscaler", "autoscaling/v2"),
    ("persistentvolumeclaim", "PersistentVolumeClaim", "v1"),
    ("ingress", "Ingress", "networking.k8s.io/v1"),
    ("networkpolicy", "NetworkPolicy", "networking.k8s.io/v1"),
    ("poddisruptionbudget", "PodDisruptionBudget", "policy/v1"),
    ("resourcequota", "ResourceQuota", "v1"),
    ("secret", "Secret", "v1"),
    ("configmap", "ConfigMap", "v1"),
    ("pod", "Pod", "v1"),
    ("service", "Service", "v1"),
];
/// The exporter whose metrics are about other objects than itself.
const OF_OTHERS: &str = "kube-state-metrics";

/// Where an alert belongs. Always somewhere: an alert that names nothing is about its namespace, or about the cluster.
pub fn place(notice: &Notice, objects: &impl Objects) -> Place {
    let labels = Labels { notice, objects };
    let namespace = notice.label("namespace").filter(|name| is_label(name));
    let container = notice.label("container").filter(|name| is_label(name) && *name != "POD").map(str::to_owned);
    let bare = |object| Place { object, pod: None, container: None };
    if about_nodes(notice.name())
        && let Some(node) = labels.node(namespace)
    {
        return bare(labels.cluster_object("Node", &node));
    }
    let Some(namespace) = namespace else {
        let named = |label| notice.label(label).filter(|name| is_name(name));
        return bare(match (named("node"), named("persistentvolume")) {
            (Some(node), _) => labels.cluster_object("Node", node),
            (None, Some(volume)) => labels.cluster_object("PersistentVolume", volume),
            (None, None) => labels.cluster(),
        });
    };
    if let Some(object) = labels.named(namespace) {
        return Place { object, pod: None, container };
    }
    let exporter = [notice.label("job"), notice.label("container"), notice.label("service")];
    let of_others = exporter.iter().flatten().any(|name| name.contains(OF_OTHERS));
    let node = notice.label("node").filter(|name| is_name(name));
    if let Some(node) = node.filter(|_| of_others) {
        return bare(labels.cluster_object("Node", node));
    }
    if let Some(pod) = notice.label("pod").filter(|name| is_name(name))
        && let Some(place) = labels.pod(namespace, pod, container.clone())
    {
        return place;
    }
    if let Some(node) = node {
        return bare(labels.cluster_object("Node", node));
    }
    if let Some(service) = notice.label("service").filter(|name| is_name(name)) {
        let behind = objects.behind(namespace, service);
        if let Some(object) = behind.or_else(|| objects.workload("Service", namespace, service)) {
            return Place { object, pod: None, container };
        }
    }
    // A pod that is not known by any name still says more than its namespace.
    if let Some(pod) = notice.label("pod").filter(|name| is_name(name) && !of_others) {
        return Place { object: reference("Pod", "v1", namespace, pod), pod: None, container };
    }
    bare(reference("Namespace", "v1", namespace, namespace))
}

struct Labels<'a, O> {
    notice: &'a Notice,
    objects: &'a O,
}

impl<O: Objects> Labels<'_, O> {
    /// The object that a label of its own names, other than a pod or a Service.
    fn named(&self, namespace: &str) -> Option<ObjectRef> {
        let owner = self.notice.label("workload_type").zip(self.notice.label("workload"));
        let owner = owner.and_then(|(kind, name)| {
            NAMED
                .iter()
                .find(|(label, ..)| *label == kind.to_ascii_lowercase())
                .map(|(_, kind, version)| (*kind, *version, name))
        });
        let labels = NAMED.iter().take_while(|(label, ..)| *label != "pod");
        let mut all = labels.filter_map(|(label, kind, version)| Some((*kind, *version, self.notice.label(label)?)));
        let (kind, version, name) = all.find(|(.., name)| is_name(name)).or(owner.filter(|(.., name)| is_name(name)))?;
        let known = self.objects.workload(kind, namespace, name);
        Some(known.unwrap_or_else(|| reference(kind, version, namespace, name)))
    }

    /// The workload of a pod. One that is gone is named after its owner: Kubernetes appends to that name.
    fn pod(&self, namespace: &str, pod: &str, container: Option<String>) -> Option<Place> {
        let known = self.objects.workload("Pod", namespace, pod);
        let there = known.is_some();
        let (owner, _) = pod.rsplit_once('-').unwrap_or((pod, ""));
        let (above, _) = owner.rsplit_once('-').unwrap_or((owner, ""));
        let candidates = [
            ("ReplicaSet", owner),
            ("StatefulSet", owner),
            ("DaemonSet", owner),
            ("Job", owner),
            ("Deployment", above),
        ];
        let guessed = || candidates.iter().find_map(|(kind, name)| self.objects.workload(kind, namespace, name));
        let object = known.or_else(guessed)?;
        let of_it = there && !(object.kind == "Pod" && object.name == pod);
        Some(Place { pod: of_it.then(|| reference("Pod", "v1", namespace, pod)), object, container })
    }

    /// The node that an alert about nodes means: by name, by the pod of the exporter that runs on it, by its address.
    fn node(&self, namespace: Option<&str>) -> Option<String> {
        let notice = self.notice;
        let named = ["node", "nodename", "kubernetes_node", "kubernetes_io_hostname"];
        if let Some(node) = named.iter().find_map(|label| notice.label(label)).filter(|name| is_name(name)) {
            return Some(self.objects.node_at(node).unwrap_or_else(|| node.to_owned()));
        }
        let from_pod = || self.objects.node_of(namespace?, notice.label("pod")?);
        let address = notice.label("instance").map(|at| at.rsplit_once(':').map_or(at, |(host, _)| host));
        let at = address.and_then(|host| self.objects.node_at(host));
        at.or_else(from_pod).or_else(|| address.filter(|host| is_name(host)).map(str::to_owned))
    }

    fn cluster_object(&self, kind: &str, name: &str) -> ObjectRef {
        self.objects.workload(kind, "", name).unwrap_or_else(|| reference(kind, "v1", "", name))
    }

    fn cluster(&self) -> ObjectRef {
        let name = self.notice.label("cluster").filter(|name| is_name(name)).unwrap_or("cluster");
        ObjectRef { api_version: None, ..reference("Cluster", "", "", name) }
    }
}

/// Whether the name of an alert speaks of a node: `KubeNodeNotReady`, `NodeFilesystemAlmostOutOfSpace`, `KubeletDown`.
fn about_nodes(alert: &str) -> bool {
    let words = split(alert);
    let words: Vec<&str> = words.iter().map(String::as_str).skip_while(|word| *word == "kube").take(2).collect();
    match words.as_slice() {
        // The runtime of that name is none of the cluster's nodes.
        [] | ["node" | "nodes", "js" | "app" | "pool"] => false,
        [first, ..] => matches!(*first, "node" | "nodes" | "kubelet" | "host"),
    }
}

fn reference(kind: &str, version: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(version.to_owned()),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
        name: name.to_owned(),
        uid: None,
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_name(text)
}

/// Whether something can be the name of an object.
fn is_name(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|part| {
            let bytes = part.as_bytes();
            bytes.first().is_some_and(|c| inner(*c))
                && bytes.last().is_some_and(|c| inner(*c))
                && bytes.iter().all(|c| inner(*c) || *c == b'-')
        })
}
