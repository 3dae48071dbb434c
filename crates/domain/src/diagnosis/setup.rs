//! Pods whose volumes or network cannot be set up: what the kubelet's words are about.

use api::shared::{CauseClass, ObjectRef};

use super::{Conclusion, Evidence, cause, fact};

/// Where a volume stands that cannot be set up.
pub(super) struct Place {
    pub(super) path: String,
    pub(super) value: String,
    pub(super) class: CauseClass,
    /// The claim, where the volume is one of the cluster.
    pub(super) claim: Option<ObjectRef>,
}

/// What the words prove by themselves.
pub(super) fn explain(evidence: &Evidence) -> Option<Conclusion> {
    driver(evidence).or_else(|| runtime(evidence)).or_else(|| network(evidence))
}

fn node(evidence: &Evidence) -> Option<ObjectRef> {
    let name = evidence.pod()?.spec()?.node_name.clone().filter(|node| !node.is_empty())?;
    let version = Some("v1".to_owned());
    Some(ObjectRef { api_version: version, kind: "Node".into(), namespace: None, name, uid: None })
}

fn conclusion(cause: api::shared::RootCause, advice: String) -> Conclusion {
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}

/// A volume whose driver does not run on the node.
fn driver(evidence: &Evidence) -> Option<Conclusion> {
    let said = &evidence.symptom.value;
    let rest =
        said.split("driver name ").nth(1).filter(|_| said.contains("not found in the list of registered CSI"))?;
    let name = rest.split_whitespace().next()?;
    let object = node(evidence)?;
    let statement = format!(
        "Pods of {} cannot be set up on node {}: CSI driver {name}, which their volume needs, does not run there",
        evidence.who(),
        object.name
    );
    let class = CauseClass::StorageUnavailable;
    let mut cause = cause(evidence, class, Some("spec.drivers".into()), Some(name.to_owned()), statement, 0.9);
    cause.proof.push(fact(&object, "spec.drivers", "(absent)", "the kubelet knows no such driver"));
    let advice =
        format!("Look at the pods of driver {name} on node {}, or let these pods run on another node.", object.name);
    cause.object = object;
    Some(conclusion(cause, advice))
}

/// A runtime that the node does not have.
fn runtime(evidence: &Evidence) -> Option<Conclusion> {
    let said = &evidence.symptom.value;
    let rest = said.split("no runtime for \"").nth(1)?;
    let handler = rest.split('"').next().filter(|handler| !handler.is_empty())?;
    let (spec, prefix) = evidence.spec()?;
    let class = spec.runtime_class_name.clone().unwrap_or_default();
    let on = node(evidence).map(|node| format!(" on node {}", node.name)).unwrap_or_default();
    let statement = format!(
        "Pods of {} cannot be set up{on}: its container runtime has no handler {handler}, which runtimeClassName {class} asks for",
        evidence.who()
    )
    .replace("runtimeClassName  asks", "the pods ask");
    let path = Some(format!("{prefix}.runtimeClassName"));
    let cause = cause(evidence, CauseClass::BadConfiguration, path, Some(class), statement, 0.9);
    Some(conclusion(cause, format!("Configure handler {handler} on the node, or use another RuntimeClass.")))
}

/// A network that the node cannot set up.
fn network(evidence: &Evidence) -> Option<Conclusion> {
    let said = evidence.symptom.value.trim_end_matches('.');
    let detail =
        said.split("failed to setup network for sandbox ").nth(1).or_else(|| said.split("network: plugin").nth(1));
    let away = said.contains("NetworkPluginNotReady") || said.contains("cni plugin not initialized");
    if detail.is_none() && !away {
        return None;
    }
    let object = node(evidence)?;
    let why =
        detail.and_then(|detail| detail.split_once(": ")).map_or("its network plugin is not ready", |(_, why)| why);
    let why: String = why.chars().take(200).collect();
    let statement = format!("Node {} cannot set up the network of pods of {}: {why}", object.name, evidence.who());
    let mut cause = cause(evidence, CauseClass::NodeFault, Some("status.conditions".into()), None, statement, 0.8);
    cause.proof.push(fact(&object, "status.conditions", said, "its kubelet says so"));
    let advice = format!("Look at the network plugin's pods and configuration on node {}.", object.name);
    cause.object = object;
    Some(conclusion(cause, advice))
}

/// The volume that the words name.
pub(super) fn volume(evidence: &Evidence) -> Option<Place> {
    let said = &evidence.symptom.value;
    let quoted = said.split("for volume \"").nth(1).and_then(|rest| rest.split('"').next());
    let listed = said.split("unmounted volumes=[").nth(1).and_then(|rest| rest.split([',', ' ', ']']).next());
    let name = quoted.or(listed).filter(|name| !name.is_empty())?;
    let (spec, prefix) = evidence.spec()?;
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let claim_of = |index: usize| Some(volumes.get(index)?.persistent_volume_claim.as_ref()?.claim_name.clone());
    // A volume of the cluster is called by its own name there; with one claim it is clear which.
    let own = volumes.iter().position(|volume| volume.name == name);
    let claims: Vec<usize> = (0..volumes.len()).filter(|index| claim_of(*index).is_some()).collect();
    let index = own.or(match claims.as_slice() {
        [only] => Some(*only),
        _ => None,
    })?;
    if let Some(claim) = claim_of(index) {
        let object = ObjectRef {
            api_version: Some("v1".into()),
            kind: "PersistentVolumeClaim".into(),
            namespace: evidence.view.workload.namespace.clone(),
            name: claim.clone(),
            uid: None,
        };
        let (path, class) = ("spec.volumeName".to_owned(), CauseClass::StorageUnavailable);
        return Some(Place { path, value: name.to_owned(), class, claim: Some(object) });
    }
    let whole = serde_json::to_value(volumes.get(index)?).ok()?;
    let (source, fields) = whole.as_object()?.iter().find(|(key, _)| *key != "name")?;
    // The field that says where it is, as far as its kind has one.
    let at = ["path", "server", "driver", "monitors", "name", "secretName"];
    let field = at.iter().find_map(|field| Some((*field, fields.get(field)?.as_str()?.to_owned())));
    let (path, value) = match field {
        Some((field, value)) => (format!("{prefix}.volumes[{index}].{source}.{field}"), value),
        None => (format!("{prefix}.volumes[{index}].{source}"), name.to_owned()),
    };
    Some(Place { path, value, class: CauseClass::BadConfiguration, claim: None })
}
