//! What a pod spec refers to by name.

use k8s_openapi::api::core::v1::{Container, EnvVar, KeyToPath, PodSpec, Volume};

/// A reference from a pod spec to another object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// ConfigMap, Secret, PersistentVolumeClaim or ServiceAccount.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Key, where one is named.
    pub key: Option<String>,
    /// Where the reference stands, below the pod spec.
    pub path: String,
    /// Environment variable that takes its value from there.
    pub variable: Option<String>,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// All references of a pod spec.
pub fn references(spec: &PodSpec) -> Vec<Reference> {
    let mut found = Vec::new();
    for (list, containers) in
        [("initContainers", spec.init_containers.as_deref().unwrap_or_default()), ("containers", &spec.containers)]
    {
        for (index, container) in containers.iter().enumerate() {
            of_container(container, &format!("{list}[{index}]"), &mut found);
        }
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        of_volume(volume, &format!("volumes[{index}]"), &mut found);
    }
    if let Some(name) = &spec.service_account_name {
        found.push(Reference {
            kind: "ServiceAccount",
            name: name.clone(),
            key: None,
            path: "serviceAccountName".into(),
            variable: None,
            optional: false,
        });
    }
    found
}

fn of_volume(volume: &Volume, path: &str, found: &mut Vec<Reference>) {
    let mut add = |kind, name: &String, field: &str, items: Option<&Vec<KeyToPath>>, optional: Option<bool>| {
        let (place, _) = field.rsplit_once('.').unwrap_or((field, ""));
        let optional = optional.unwrap_or_default();
        let path_to = |field: &str| format!("{path}.{field}");
        found.push(Reference { kind, name: name.clone(), key: None, path: path_to(field), variable: None, optional });
        for (number, item) in items.into_iter().flatten().enumerate() {
            let path = path_to(&format!("{place}.items[{number}].key"));
            found.push(Reference {
                kind,
                name: name.clone(),
                key: Some(item.key.clone()),
                path,
                variable: None,
                optional,
            });
        }
    };
    if let Some(source) = &volume.config_map {
        add("ConfigMap", &source.name, "configMap.name", source.items.as_ref(), source.optional);
    }
    if let Some((source, name)) = volume.secret.as_ref().and_then(|s| Some((s, s.secret_name.as_ref()?))) {
        add("Secret", name, "secret.secretName", source.items.as_ref(), source.optional);
    }
    if let Some(source) = &volume.persistent_volume_claim {
        add("PersistentVolumeClaim", &source.claim_name, "persistentVolumeClaim.claimName", None, None);
    }
    for (number, source) in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()).enumerate() {
        let place = format!("projected.sources[{number}]");
        if let Some(source) = &source.config_map {
            let field = format!("{place}.configMap.name");
            add("ConfigMap", &source.name, &field, source.items.as_ref(), source.optional);
        }
        if let Some(source) = &source.secret {
            add("Secret", &source.name, &format!("{place}.secret.name"), source.items.as_ref(), source.optional);
        }
    }
}

fn of_container(container: &Container, path: &str, found: &mut Vec<Reference>) {
    for (index, source) in container.env_from.iter().flatten().enumerate() {
        let mut add = |kind, name: &String, field: &str, optional: Option<bool>| {
            let path = format!("{path}.envFrom[{index}].{field}.name");
            found.push(Reference {
                kind,
                name: name.clone(),
                key: None,
                path,
                variable: None,
                optional: optional.unwrap_or_default(),
            });
        };
        if let Some(source) = &source.config_map_ref {
            add("ConfigMap", &source.name, "configMapRef", source.optional);
        }
        if let Some(source) = &source.secret_ref {
            add("Secret", &source.name, "secretRef", source.optional);
        }
    }
    for (index, variable) in container.env.iter().flatten().enumerate() {
        of_variable(variable, &format!("{path}.env[{index}]"), found);
    }
}

fn of_variable(variable: &EnvVar, path: &str, found: &mut Vec<Reference>) {
    let Some(source) = &variable.value_from else { return };
    let mut add = |kind, name: &String, key: &String, field: &str, optional: Option<bool>| {
        found.push(Reference {
            kind,
            name: name.clone(),
            key: Some(key.clone()),
            path: format!("{path}.valueFrom.{field}"),
            variable: Some(variable.name.clone()),
            optional: optional.unwrap_or_default(),
        });
    };
    if let Some(reference) = &source.config_map_key_ref {
        add("ConfigMap", &reference.name, &reference.key, "configMapKeyRef", reference.optional);
    }
    if let Some(reference) = &source.secret_key_ref {
        add("Secret", &reference.name, &reference.key, "secretKeyRef", reference.optional);
    }
}
