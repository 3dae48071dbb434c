//! What a pod spec refers to by name.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

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
        let mut add = |kind, name: Option<&String>, path: &str, optional: Option<bool>| {
            if let Some(name) = name {
                found.push(Reference {
                    kind,
                    name: name.clone(),
                    key: None,
                    path: format!("volumes[{index}].{path}"),
                    variable: None,
                    optional: optional.unwrap_or_default(),
                });
            }
        };
        if let Some(source) = &volume.config_map {
            add("ConfigMap", Some(&source.name), "configMap.name", source.optional);
        }
        if let Some(source) = &volume.secret {
            add("Secret", source.secret_name.as_ref(), "secret.secretName", source.optional);
        }
        if let Some(source) = &volume.persistent_volume_claim {
            add("PersistentVolumeClaim", Some(&source.claim_name), "persistentVolumeClaim.claimName", None);
        }
        for (number, source) in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()).enumerate() {
            if let Some(source) = &source.config_map {
                add(
                    "ConfigMap",
                    Some(&source.name),
                    &format!("projected.sources[{number}].configMap.name"),
                    source.optional,
                );
            }
            if let Some(source) = &source.secret {
                add("Secret", Some(&source.name), &format!("projected.sources[{number}].secret.name"), source.optional);
            }
        }
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
