//! What runs the pods, the Service in front of them, and how many may be away at once.

use std::collections::BTreeMap;

use api::instance::ServiceType;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment, StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, PersistentVolumeClaimSpec, Service, ServicePort, ServiceSpec,
    VolumeResourceRequirements,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config::WATCH_FILE;
use super::desired::{Found, Settings, Workload, labels, owned};
use super::needs::{Hash, Kind, secret_hash};
use super::pod::template;
use super::spec::View;

fn selector(view: View<'_>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels(view)), match_expressions: None }
}

/// The Service. It is never headless: the operator calls the pods themselves, and others want one address.
pub(super) fn service(view: View<'_>) -> Service {
    let given = view.instance.spec.service.clone().unwrap_or_default();
    let port = |name: &str, number: i32| ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(name.to_owned())),
        app_protocol: (name == "grpc").then(|| "kubernetes.io/h2c".to_owned()).filter(|_| view.tls_secret().is_none()),
        ..ServicePort::default()
    };
    let ports = [Some(port("grpc", view.port())), view.metrics_port().map(|number| port("metrics", number))];
    let type_ = match given.type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    Service {
        metadata: ObjectMeta {
            annotations: Some(given.annotations).filter(|annotations| !annotations.is_empty()),
            ..owned(view, view.name())
        },
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(labels(view)),
            ports: Some(ports.into_iter().flatten().collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// One pod at a time may be taken away, when there are several.
pub(super) fn disruption_budget(view: View<'_>) -> Option<PodDisruptionBudget> {
    (view.instance.spec.replicas > 1).then(|| PodDisruptionBudget {
        metadata: owned(view, view.name()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(view)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

/// Hashes of what a pod reads only when it starts. Computed from what will stand there, not from what stands there now:
/// a change takes new pods once.
fn hashes(view: View<'_>, found: &Found, maps: &[ConfigMap]) -> BTreeMap<String, String> {
    let mut hashes = BTreeMap::new();
    let (mut config, mut watch) = (Hash::new("config"), None);
    for map in maps {
        for (key, value) in map.data.iter().flatten() {
            if key == WATCH_FILE {
                let mut hash = Hash::new("watch");
                hash.add(value.as_bytes());
                watch = Some(hash.hex());
            } else {
                config.add(key.as_bytes());
                config.add(value.as_bytes());
            }
        }
    }
    if let Some(referenced) = secret_hash(view, found, Kind::ConfigMap) {
        config.add(referenced.as_bytes());
    }
    hashes.insert("chatcli.io/configmap-hash".to_owned(), config.hex());
    if let Some(watch) = watch {
        hashes.insert("chatcli.io/watch-config-hash".to_owned(), watch);
    }
    if let Some(secrets) = secret_hash(view, found, Kind::Secret) {
        hashes.insert("chatcli.io/secret-hash".to_owned(), secrets);
    }
    hashes
}

pub(super) fn workload(view: View<'_>, found: &Found, maps: &[ConfigMap], settings: &Settings) -> Workload {
    let template = template(view, hashes(view, found, maps), settings);
    let replicas = Some(view.instance.spec.replicas);
    let Some(persistence) = view.persistence() else {
        return Workload::Deployment(Box::new(Deployment {
            metadata: owned(view, view.name()),
            spec: Some(DeploymentSpec {
                replicas,
                selector: selector(view),
                template,
                strategy: Some(strategy(view)),
                revision_history_limit: Some(3),
                ..DeploymentSpec::default()
            }),
            status: None,
        }));
    };
    let claim = PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some("sessions".to_owned()), labels: Some(labels(view)), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: persistence.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(persistence.size.clone()))])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    };
    Workload::StatefulSet(Box::new(StatefulSet {
        metadata: owned(view, view.name()),
        spec: Some(StatefulSetSpec {
            replicas,
            selector: selector(view),
            template,
            service_name: Some(view.name().to_owned()),
            // They do not depend on each other, so they start together.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Delete".to_owned()),
                when_scaled: Some("Retain".to_owned()),
            }),
            volume_claim_templates: Some(vec![claim]),
            revision_history_limit: Some(3),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }))
}

/// With several replicas, or a volume that only one node may mount, one goes before the next comes: that needs no room
/// on any node. A single replica is replaced by one that already answers.
fn strategy(view: View<'_>) -> DeploymentStrategy {
    let claim = view.instance.spec.plugins.as_ref().is_some_and(|plugins| plugins.pvc_name.is_some());
    let (surge, unavailable) = if view.instance.spec.replicas > 1 || claim { (0, 1) } else { (1, 0) };
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(surge)),
            max_unavailable: Some(IntOrString::Int(unavailable)),
        }),
    }
}
