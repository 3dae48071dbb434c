//! The CustomResourceDefinitions, as YAML for the chart and for `chatcli crds`.
//!
//! What lives here: what every resource has in common and the derive cannot say, and the rendering.
//! What does not: anything about one resource (it stands at its type).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{
    AIInsight, Anomaly, ApprovalPolicy, ApprovalRequest, AuditEvent, ChaosExperiment, ClusterRegistration,
    EscalationPolicy, IncidentSLA, Instance, Issue, NotificationPolicy, PostMortem, RemediationPlan, Runbook,
    ServiceLevelObjective, SourceRepository,
};

/// The 17 definitions, in alphabetical order of their kinds.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![
        AIInsight::crd(),
        Anomaly::crd(),
        ApprovalPolicy::crd(),
        ApprovalRequest::crd(),
        AuditEvent::crd(),
        ChaosExperiment::crd(),
        ClusterRegistration::crd(),
        EscalationPolicy::crd(),
        IncidentSLA::crd(),
        Instance::crd(),
        Issue::crd(),
        NotificationPolicy::crd(),
        PostMortem::crd(),
        RemediationPlan::crd(),
        Runbook::crd(),
        ServiceLevelObjective::crd(),
        SourceRepository::crd(),
    ]
}

/// Name of each definition and the object as it is installed.
#[must_use]
pub fn objects() -> Vec<(String, Value)> {
    let object = |crd: CustomResourceDefinition| {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let mut value = json!(crd);
        conditions_are_maps(&mut value);
        // The order must not depend on whether another crate of the build asks serde_json to keep that of insertion.
        value.sort_all_objects();
        (name, value)
    };
    all().into_iter().map(object).collect()
}

/// Name of each definition and its YAML.
///
/// # Errors
/// When a definition cannot be rendered, which a test excludes.
pub fn manifests() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    objects().into_iter().map(|(name, value)| serde_saphyr::to_string(&value).map(|text| (name, text))).collect()
}

/// Conditions merge by type: two writers, each with its own types, keep out of each other's way. The schema of one is that of
/// Kubernetes; the library's own leaves its limits out.
fn conditions_are_maps(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(list)) = map.get_mut("conditions")
                && list.get("type").is_some_and(|kind| kind == "array")
            {
                list.insert("items".to_owned(), condition());
                list.insert("x-kubernetes-list-type".to_owned(), json!("map"));
                list.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
            }
            map.values_mut().for_each(conditions_are_maps);
        }
        Value::Array(items) => items.iter_mut().for_each(conditions_are_maps),
        _ => {}
    }
}

fn condition() -> Value {
    json!({
        "type": "object", "description": "One thing that is known about the object.",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When `status` last changed."},
            "message": {"type": "string", "maxLength": 32_768, "description": "Why, in a sentence for people."},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "Generation of the object that the condition is about."},
            "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", "description": "Why, in one word for programs."},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds: `True`, `False` or `Unknown`."},
            "type": {"type": "string", "maxLength": 316, "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$", "description": "What the condition is about, such as `Ready`."},
        },
    })
}
