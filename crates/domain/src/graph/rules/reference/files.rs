//! Credentials for a registry, and files that are mounted alone: what is missing of them explains, and no more.

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;

use super::{Known, REGISTRY};
use crate::detection::Rule;
use crate::graph::query::named;
use crate::graph::rules::shape::{self, finding, proven, who};
use crate::graph::rules::{cause, fact, meant};
use crate::graph::{Finding, Graph, Keyed, Standing, Workload, nearest};

/// Credentials for a registry that are missing or of a type that the kubelet does not read. Images that are on the node or
/// free for all need none, so this only explains.
pub(in crate::graph::rules) fn pull_secrets(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if !graph.knows("Secret") {
        return;
    }
    let secrets: BTreeMap<&str, &Keyed> = graph.secrets.iter().map(|s| (s.object.name.as_str(), s)).collect();
    // Several do not misspell the same name at once: then it is the Secret that is missing.
    let mut shared: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
    for workload in shape::starting(graph) {
        for wanted in workload.spec.image_pull_secrets.iter().flatten() {
            shared.entry(wanted.name.as_str()).or_default().push(workload);
        }
    }
    for (name, users) in shared {
        let target = named("v1", "Secret", &graph.namespace, name);
        let fault = match secrets.get(name) {
            None => fact(&target, "metadata.name", "(absent)", "no such object exists"),
            Some(secret) if !secret.type_.is_empty() && !REGISTRY.contains(&secret.type_.as_str()) => {
                fact(&secret.object, "type", &secret.type_, "the kubelet takes no credentials from this type")
            }
            Some(_) => continue,
        };
        let Some(first) = users.first() else { continue };
        let index = first.spec.image_pull_secrets.iter().flatten().position(|wanted| wanted.name == name);
        let path = format!("{}.imagePullSecrets[{}].name", first.spec_path, index.unwrap_or_default());
        let who = match users.len() {
            1 => format!("{} names", who(&first.object)),
            users => format!("{} and {} more name", who(&first.object), users - 1),
        };
        let lacks = match secrets.get(name) {
            None if users.len() == 1 => {
                format!("which does not exist{}", meant(nearest(name, secrets.keys().copied())))
            }
            None => "which does not exist".to_owned(),
            Some(secret) => format!("whose type is {} and not {}, so it is ignored", secret.type_, REGISTRY[0]),
        };
        let statement = format!("{who} in imagePullSecrets the Secret {name}, {lacks}");
        let missing = !secrets.contains_key(name);
        let (object, at) = match users.len() {
            1 => (&first.object, path.as_str()),
            _ => (&target, if missing { "metadata.name" } else { "type" }),
        };
        let cause = proven(
            cause(object, CauseClass::ImageUnauthorized, at, name, statement, 0.85),
            vec![fact(&first.object, &path, name, "the reference stands here"), fault],
        );
        out.push(Finding {
            concerns: users.iter().map(|workload| workload.object.clone()).collect(),
            words: shape::telling([name.to_owned()]),
            recommendations: vec![format!(
                "Create Secret {name} of type {} with credentials of the registry, or name the right one.",
                REGISTRY[0]
            )],
            ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &first.object, cause)
        });
    }
}

/// A file of a ConfigMap or Secret that is mounted alone, and of which no key is there: an empty directory takes its place.
pub(in crate::graph::rules) fn sub_paths(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let known = Known::of(graph);
    for workload in shape::starting(graph) {
        let spec = &workload.spec;
        let lists =
            [("initContainers", spec.init_containers.as_deref().unwrap_or_default()), ("containers", &spec.containers)];
        for (list, at, container) in lists
            .iter()
            .flat_map(|(list, all)| all.iter().enumerate().map(move |(at, container)| (list, at, container)))
        {
            for (number, mount) in container.volume_mounts.iter().flatten().enumerate() {
                let Some(file) = mount.sub_path.as_deref().filter(|file| !file.is_empty()) else { continue };
                let Some(volume) = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name) else {
                    continue;
                };
                let map = volume.config_map.as_ref().map(|s| ("ConfigMap", &s.name, &s.items, s.optional));
                let secret = volume
                    .secret
                    .as_ref()
                    .and_then(|s| Some(("Secret", s.secret_name.as_ref()?, &s.items, s.optional)));
                let Some((kind, name, items, optional)) = map.or(secret) else { continue };
                let from = if kind == "Secret" { &known.secrets } else { &known.maps };
                let Some(keyed) = from.get(name.as_str()) else { continue };
                let Some(keys) = keyed.keys.as_ref().filter(|_| optional != Some(true)) else { continue };
                let files: BTreeSet<&str> = match items {
                    Some(items) => items.iter().map(|item| item.path.as_str()).collect(),
                    None => keys.iter().map(String::as_str).collect(),
                };
                let inside = |path: &&str| *path == file || path.starts_with(&format!("{file}/"));
                if files.iter().any(inside) {
                    continue;
                }
                let path = format!("{}.{list}[{at}].volumeMounts[{number}].subPath", workload.spec_path);
                let statement = format!(
                    "{} mounts subPath {file} of {}, which has no such key, so {} is an empty directory{}",
                    who(&workload.object),
                    who(&keyed.object),
                    mount.mount_path,
                    meant(nearest(file, files.iter().copied()))
                );
                let shown: Vec<&str> = files.iter().copied().take(20).collect();
                let cause = proven(
                    cause(&workload.object, CauseClass::MissingReference, &path, file, statement, 0.85),
                    vec![
                        fact(&workload.object, &path, file, "this is mounted"),
                        fact(&keyed.object, "data", shown.join(", "), "these files are in the volume"),
                    ],
                );
                out.push(Finding {
                    concerns: vec![workload.object.clone()],
                    words: shape::telling([mount.mount_path.clone(), file.to_owned()]),
                    recommendations: vec![format!("Let subPath name a key of {}.", who(&keyed.object))],
                    ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &workload.object, cause)
                });
            }
        }
    }
}
