//! Kinds that a cluster may have or not: which of them are read, and what is kept of their objects.
//!
//! What lives here: the list and the trimming. What does not: how it is found out that a cluster has them (`detector`), and
//! what is wrong with them (`rules`).

use serde_json::{Map, Value};

use super::Touch;

/// A kind of objects that a cluster may have or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalKind {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Resource, plural.
    pub plural: &'static str,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
}

const fn of(group: &'static str, kind: &'static str, plural: &'static str, namespaced: bool) -> OptionalKind {
    OptionalKind { group, kind, plural, namespaced }
}

const GATEWAY: &str = "gateway.networking.k8s.io";
const ARGO: &str = "argoproj.io";
const SOURCE: &str = "source.toolkit.fluxcd.io";
const CERTIFICATES: &str = "cert-manager.io";

/// The kinds.
pub const OPTIONAL: [OptionalKind; 18] = [
    of(GATEWAY, "Gateway", "gateways", true),
    of(GATEWAY, "HTTPRoute", "httproutes", true),
    of(GATEWAY, "GRPCRoute", "grpcroutes", true),
    of(GATEWAY, "ReferenceGrant", "referencegrants", true),
    of(GATEWAY, "GatewayClass", "gatewayclasses", false),
    of("keda.sh", "ScaledObject", "scaledobjects", true),
    of(ARGO, "Application", "applications", true),
    of(ARGO, "Rollout", "rollouts", true),
    of(SOURCE, "GitRepository", "gitrepositories", true),
    of(SOURCE, "OCIRepository", "ocirepositories", true),
    of(SOURCE, "HelmRepository", "helmrepositories", true),
    of(SOURCE, "HelmChart", "helmcharts", true),
    of(SOURCE, "Bucket", "buckets", true),
    of("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", true),
    of("helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", true),
    of(CERTIFICATES, "Certificate", "certificates", true),
    of(CERTIFICATES, "Issuer", "issuers", true),
    of(CERTIFICATES, "ClusterIssuer", "clusterissuers", false),
];

/// Type of the Secrets in which Helm notes its releases. Their labels say how a release is; what is in them is never read.
pub const HELM_RECORD: &str = "helm.sh/release.v1";

/// Most bytes of an object, written as JSON, once it is trimmed.
const MOST: usize = 64 * 1024;
/// Most bytes of a text: a name is shorter, and of a message the beginning says it.
const TEXT: usize = 1024;
/// Most objects that an Application lists which are not as they should be.
const LISTED: usize = 64;
/// Beginnings of the annotations that a rule reads.
const READ: [&str; 3] = ["cert-manager.io/", "autoscaling.keda.sh/paused", "acme.cert-manager.io/"];
/// What nobody reads, and where passwords may stand.
const DROPPED: [&str; 14] = [
    "/spec/values",
    "/spec/postRenderers",
    "/spec/postBuild/substitute",
    "/spec/patches",
    "/spec/template",
    "/spec/source/helm",
    "/spec/source/kustomize",
    "/spec/source/plugin",
    "/spec/source/directory",
    "/spec/triggers",
    "/spec/operation",
    "/status/history",
    "/status/summary",
    "/status/operationState/operation",
];

/// Keeps of an object what rules read: none when that is still too much. Then nobody may conclude from its absence.
pub fn trim(mut object: Value) -> Option<Value> {
    if let Some(metadata) = object.get_mut("metadata") {
        *metadata = lean(metadata);
    }
    for path in DROPPED {
        if let Some((parent, field)) = path.rsplit_once('/')
            && let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            parent.remove(field);
        }
    }
    for source in object.pointer_mut("/spec/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(source) = source.as_object_mut() {
            for field in ["helm", "kustomize", "plugin", "directory"] {
                source.remove(field);
            }
        }
    }
    for path in ["/status/resources", "/status/operationState/syncResult/resources"] {
        if let Some(list) = object.pointer_mut(path).and_then(Value::as_array_mut) {
            list.retain(|listed| !fine(listed));
            list.truncate(LISTED);
        }
    }
    shorten(&mut object, 0);
    let size = serde_json::to_vec(&object).map_or(usize::MAX, |bytes| bytes.len());
    (size <= MOST).then_some(object)
}

/// What an optional kind is called that is not what it should be, in the list of an Application.
fn fine(listed: &Value) -> bool {
    let is = |pointer: &str, good: &[&str]| {
        listed.pointer(pointer).and_then(Value::as_str).is_none_or(|found| good.contains(&found))
    };
    is("/status", &["Synced", "Pruned", "PruneSkipped"])
        && is("/health/status", &["Healthy", "Progressing", "Suspended"])
        && is("/hookPhase", &["Succeeded", "Running"])
}

/// Metadata without what nobody reads; of the managers the last one stays.
fn lean(metadata: &Value) -> Value {
    let typed = serde_json::from_value(metadata.clone()).unwrap_or_default();
    let touch = Touch::of(&typed);
    let mut kept = Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "finalizers",
        "labels",
        "ownerReferences",
    ] {
        if let Some(value) = metadata.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    let notes = metadata.get("annotations").and_then(Value::as_object).into_iter().flatten();
    let notes: Map<String, Value> = notes
        .filter(|(key, _)| READ.iter().any(|read| key.starts_with(read)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !notes.is_empty() {
        kept.insert("annotations".to_owned(), Value::Object(notes));
    }
    if let Some(touch) = touch {
        let last = serde_json::json!([{"manager": touch.by, "time": touch.at.to_string()}]);
        kept.insert("managedFields".to_owned(), last);
    }
    Value::Object(kept)
}

/// Shortens texts; what is nested deeper than any rule reads is dropped.
fn shorten(value: &mut Value, depth: usize) {
    match value {
        Value::String(text) if text.len() > TEXT => {
            let end = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        Value::Array(_) | Value::Object(_) if depth >= 16 => *value = Value::Null,
        Value::Array(list) => list.iter_mut().for_each(|value| shorten(value, depth + 1)),
        Value::Object(map) => map.values_mut().for_each(|value| shorten(value, depth + 1)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_hold_a_password_and_what_nobody_reads_is_dropped() {
        let object = trim(json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "generation": 3,
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "s3cret", "autoscaling.keda.sh/paused": "true"},
                "managedFields": [
                    {"manager": "helm", "time": "2026-11-25T09:00:00Z", "fieldsV1": {"f:spec": {}}},
                    {"manager": "controller", "time": "2026-11-25T10:00:00Z", "subresource": "status"},
                ]},
            "spec": {"values": {"password": "s3cret"}, "interval": "1m", "sources": [{"repoURL": "https://example.org", "helm": {"values": "s3cret"}}]},
            "status": {"history": [1, 2], "conditions": [{"type": "Ready", "message": "x".repeat(5000)}]},
        }))
        .unwrap();
        let text = object.to_string();
        assert!(!text.contains("s3cret") && !text.contains("fieldsV1") && !text.contains("resourceVersion"), "{text}");
        assert_eq!(object["metadata"]["managedFields"], json!([{"manager": "helm", "time": "2026-11-25T09:00:00Z"}]));
        assert_eq!(object["metadata"]["generation"], 3);
        assert_eq!(object["metadata"]["annotations"], json!({"autoscaling.keda.sh/paused": "true"}));
        assert_eq!(object["spec"]["sources"][0], json!({"repoURL": "https://example.org"}));
        assert!(text.len() < 3000 && text.contains('…'));
    }

    #[test]
    fn of_a_large_application_what_is_not_fine_stays() {
        let mut listed: Vec<Value> = (0..5000)
            .map(|n| json!({"kind": "ConfigMap", "name": format!("c{n}"), "status": "Synced", "health": {"status": "Healthy"}}))
            .collect();
        listed.push(json!({"kind": "Deployment", "name": "web", "status": "Synced", "health": {"status": "Degraded"}}));
        let object = trim(json!({"metadata": {"name": "a"}, "status": {"resources": listed}})).unwrap();
        assert_eq!(object["status"]["resources"].as_array().map(Vec::len), Some(1));
        assert_eq!(object["status"]["resources"][0]["name"], "web");
    }

    #[test]
    fn what_is_too_large_or_no_object_is_bounded() {
        let many: Vec<Value> = (0..10_000).map(|n| json!({"name": format!("listener-{n}")})).collect();
        assert_eq!(trim(json!({"metadata": {"name": "a"}, "spec": {"listeners": many}})), None);
        let mut deep = json!("end");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert!(trim(json!({"metadata": [1], "spec": deep})).unwrap().to_string().len() < 100);
        assert_eq!(trim(json!(7)), Some(json!(7)));
    }

    #[test]
    fn each_kind_is_listed_once() {
        let mut names: Vec<String> = OPTIONAL.iter().map(|kind| format!("{}.{}", kind.plural, kind.group)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), OPTIONAL.len());
    }
}
