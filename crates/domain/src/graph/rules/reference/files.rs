//! Credentials for a registry, and files that are mounted alone: what is missing of them explains, and no more.

use std::collections::{BTreeMap, BTreeSet};

use api::shared::{CauseClass, Severity};
use jiff::Timestamp;

use super::{Known, REGISTRY};
use crate::detection::Rule;
use crate::graph::query::named;
use crate::graph::rules::shape::{self, finding, proven, who};
use crate::graph::rules::{cause, fact, meant};
use crate::graph::{Finding, Graph, Keyed, Standing, nearest};

/// Credentials for a registry that are missing or of a type that the kubelet does not read. Images that are on the node or
/// free for all need none, so this only explains.
pub(in crate::graph::rules) fn pull_secrets(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    if !graph.knows("Secret") {
        return;
    }
    let secrets: BTreeMap<&str, &Keyed> = graph.secrets.iter().map(|s| (s.object.name.as_str(), s)).collect();
    for workload in shape::starting(graph) {
        for (index, wanted) in workload.spec.image_pull_secrets.iter().flatten().enumerate() {
            let path = format!("{}.imagePullSecrets[{index}].name", workload.spec_path);
            let who = who(&workload.object);
            let name = wanted.name.as_str();
            let (statement, proof) = match secrets.get(name) {
                None => {
                    let near = nearest(name, secrets.keys().copied());
                    let target = named("v1", "Secret", &graph.namespace, name);
                    (
                        format!(
                            "{who} names in imagePullSecrets the Secret {name}, which does not exist{}",
                            meant(near)
                        ),
                        fact(&target, "metadata.name", "(absent)", "no such object exists"),
                    )
                }
                Some(secret) if !secret.type_.is_empty() && !REGISTRY.contains(&secret.type_.as_str()) => (
                    format!(
                        "{who} names in imagePullSecrets the Secret {name}, whose type is {} and not {}, so it is ignored",
                        secret.type_, REGISTRY[0]
                    ),
                    fact(&secret.object, "type", &secret.type_, "the kubelet takes no credentials from this type"),
                ),
                Some(_) => continue,
            };
            let cause = proven(
                cause(&workload.object, CauseClass::ImageUnauthorized, &path, name, statement, 0.85),
                vec![fact(&workload.object, &path, name, "the reference stands here"), proof],
            );
            out.push(Finding {
                concerns: vec![workload.object.clone()],
                words: shape::telling([name.to_owned()]),
                recommendations: vec![format!(
                    "Create Secret {name} of type {} with credentials of the registry, or name the right one.",
                    REGISTRY[0]
                )],
                ..finding(Rule::Configuration, Standing::Suspect, Severity::Medium, &workload.object, cause)
            });
        }
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
