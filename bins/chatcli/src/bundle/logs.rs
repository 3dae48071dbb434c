//! The last lines of the containers of affected workloads: of the run that is, and of the one before.

use std::collections::{BTreeMap, BTreeSet};

use api::Issue;
use api::shared::RootCause;
use domain::bundle::Log;
use domain::llm::Scrubber;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use serde_json::Value;

/// Pods whose logs are read; those in trouble first.
const PODS: usize = 20;
/// Bytes of one log.
const BYTES: i64 = 256 * 1024;

/// A container whose log is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    namespace: String,
    pod: String,
    name: String,
    /// Whether there was a run before.
    restarted: bool,
}

type Place = (String, String, String);

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The containers of the pods that an incident is about, or that belong to what it is about.
pub fn affected(issue: &Issue, cause: Option<&RootCause>, objects: &[&Value]) -> Vec<Container> {
    let status = issue.status.as_ref();
    let resources = status.iter().flat_map(|status| &status.affected_resources).chain([&issue.spec.resource]);
    let mut meant: BTreeSet<Place> =
        resources.map(|of| (of.kind.clone(), of.namespace.clone(), of.name.clone())).collect();
    let named = cause.iter().flat_map(|cause| cause.proof.iter().map(|step| &step.object).chain([&cause.object]));
    meant.extend(
        named
            .chain(&issue.spec.root)
            .map(|object| (object.kind.clone(), object.namespace.clone().unwrap_or_default(), object.name.clone())),
    );
    let owners: BTreeMap<Place, Place> = objects.iter().filter_map(|object| owner(object)).collect();
    let belongs = |object: &Value| {
        let mut place = place(object);
        // A pod has a few owners above it; more would be a circle.
        for _ in 0..8 {
            if meant.contains(&place) {
                return true;
            }
            match owners.get(&place) {
                Some(above) => place = above.clone(),
                None => return false,
            }
        }
        false
    };
    let pods = objects.iter().filter(|object| text(object, "/kind") == "Pod" && belongs(object));
    let mut pods: Vec<&&Value> = pods.collect();
    pods.sort_by_key(|pod| ready(pod));
    pods.into_iter().take(PODS).flat_map(|pod| containers(pod)).collect()
}

fn place(object: &Value) -> Place {
    let part = |path: &str| text(object, path).to_owned();
    (part("/kind"), part("/metadata/namespace"), part("/metadata/name"))
}

fn owner(object: &Value) -> Option<(Place, Place)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let above = (text(controller, "/kind").to_owned(), text(object, "/metadata/namespace").to_owned());
    Some((place(object), (above.0, above.1, text(controller, "/name").to_owned())))
}

fn ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True")
}

fn containers(pod: &Value) -> Vec<Container> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = lists.iter().filter_map(|path| pod.pointer(path)?.as_array()).flatten();
    let (_, namespace, name) = place(pod);
    statuses
        .map(|status| Container {
            namespace: namespace.clone(),
            pod: name.clone(),
            name: text(status, "/name").to_owned(),
            restarted: status.get("restartCount").and_then(Value::as_i64).unwrap_or_default() > 0,
        })
        .collect()
}

/// Reads the logs; returns them with what could not be read.
pub async fn read(
    client: &Client,
    scrubber: &Scrubber,
    containers: &[Container],
    lines: u32,
) -> (Vec<Log>, Vec<String>) {
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    if lines == 0 {
        return (found, gaps);
    }
    for container in containers {
        let api: Api<Pod> = Api::namespaced(client.clone(), &container.namespace);
        for previous in [true, false].into_iter().filter(|previous| container.restarted || !previous) {
            let params = LogParams {
                container: Some(container.name.clone()),
                previous,
                tail_lines: Some(i64::from(lines)),
                limit_bytes: Some(BYTES),
                ..LogParams::default()
            };
            match api.logs(&container.pod, &params).await {
                Ok(text) if text.is_empty() => {}
                Ok(text) => found.push(Log {
                    namespace: container.namespace.clone(),
                    pod: container.pod.clone(),
                    container: container.name.clone(),
                    previous,
                    // As a whole: a key may go over many lines.
                    lines: scrubber.scrub(&text).lines().map(str::to_owned).collect(),
                }),
                // No such run, or none yet.
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => {}
                Err(error) => {
                    let why = match error {
                        kube::Error::Api(status) => status.message.clone(),
                        other => other.to_string(),
                    };
                    let Container { pod, name, .. } = container;
                    gaps.push(format!("the log of container {name} of pod {pod}: {}", scrubber.scrub(&why)));
                }
            }
        }
    }
    (found, gaps)
}
