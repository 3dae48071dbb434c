//! Builders for the tests of detection and diagnosis: a Deployment `web` in namespace `shop`, its pods and revisions.
//!
//! Times are seconds after a fixed instant. A pod is made ready and running; a test says what is different.

use std::sync::Arc;

use api::shared::ObjectRef;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition, PodTemplateSpec};
use serde_json::{Value, json};

use super::{EventNote, PodView, Revision, WorkloadView};

/// An instant.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn text(second: i64) -> String {
    at(second).to_string()
}

/// The container of revision 2: a readiness probe that gives up after 15 s.
pub(crate) fn container() -> Value {
    json!({
        "name": "web", "image": "registry.example/web:2", "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5, "failureThreshold": 3},
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi"}},
    })
}

/// A container with one field changed, by JSON pointer; its parent must be there.
pub(crate) fn with(mut container: Value, pointer: &str, value: Value) -> Value {
    if let Some(slot) = container.pointer_mut(pointer) {
        *slot = value;
    } else {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        container.pointer_mut(parent).unwrap()[last] = value;
    }
    container
}

/// A pod in the making.
pub(crate) struct Maker {
    pod: Value,
    revision: String,
    node_ready: bool,
    events: Vec<Arc<EventNote>>,
}

/// A ready pod of a revision, made at 0 and running since.
pub(crate) fn pod(name: &str, revision: &str) -> Maker {
    Maker {
        pod: json!({
            "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": text(0)},
            "spec": {"nodeName": "node-1", "restartPolicy": "Always", "containers": [container()]},
            "status": {
                "phase": "Running", "startTime": text(0),
                "conditions": [
                    {"type": "PodScheduled", "status": "True", "lastTransitionTime": text(0)},
                    {"type": "Ready", "status": "True", "lastTransitionTime": text(3)},
                ],
                "containerStatuses": [{
                    "name": "web", "image": "registry.example/web:2", "imageID": "", "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": text(1)}},
                }],
            },
        }),
        revision: revision.into(),
        node_ready: true,
        events: Vec::new(),
    }
}

impl Maker {
    /// Sets any field by JSON pointer; its parent must be there.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        self.pod = with(self.pod, pointer, value);
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
    pub(crate) fn spec(self, container: Value) -> Self {
        self.set("/spec/containers", json!([container]))
    }

    pub(crate) fn made(self, second: i64) -> Self {
        self.set("/metadata/creationTimestamp", json!(text(second))).set("/status/startTime", json!(text(second)))
    }

    pub(crate) fn phase(self, phase: &str) -> Self {
        self.set("/status/phase", json!(phase))
    }

    pub(crate) fn terminating(self) -> Self {
        self.set("/metadata/deletionTimestamp", json!(text(0)))
    }

    pub(crate) fn on_lost_node(mut self) -> Self {
        self.node_ready = false;
        self
    }

    pub(crate) fn ready_since(self, second: i64) -> Self {
        self.set("/status/conditions/1", json!({"type": "Ready", "status": "True", "lastTransitionTime": text(second)}))
            .set("/status/containerStatuses/0/ready", json!(true))
    }

    pub(crate) fn not_ready_since(self, second: i64) -> Self {
        self.set(
            "/status/conditions/1",
            json!({"type": "Ready", "status": "False", "lastTransitionTime": text(second)}),
        )
        .set("/status/containerStatuses/0/ready", json!(false))
    }

    pub(crate) fn unscheduled(self, second: i64, message: &str) -> Self {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": text(second)});
        self.phase("Pending")
            .not_ready_since(second)
            .set("/status/conditions/0", condition)
            .set("/status/containerStatuses", json!([]))
    }

    /// Not running yet, or not any more.
    pub(crate) fn waiting(self, reason: &str, message: &str) -> Self {
        self.phase("Pending")
            .not_ready_since(0)
            .set("/status/containerStatuses/0/state", json!({"waiting": {"reason": reason, "message": message}}))
    }

    pub(crate) fn running_since(self, second: i64) -> Self {
        self.phase("Running").set("/status/containerStatuses/0/state", json!({"running": {"startedAt": text(second)}}))
    }

    fn run(from: i64, to: i64, code: i32, reason: &str) -> Value {
        json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": text(from), "finishedAt": text(to)}})
    }

    /// The container is between two runs: this was the last one.
    pub(crate) fn ended(self, from: i64, to: i64, code: i32, reason: &str) -> Self {
        self.not_ready_since(to).set("/status/containerStatuses/0/state", Self::run(from, to, code, reason))
    }

    /// The run before the one that `state` speaks of.
    pub(crate) fn last(self, from: i64, to: i64, code: i32, reason: &str) -> Self {
        self.set("/status/containerStatuses/0/lastState", Self::run(from, to, code, reason))
    }

    pub(crate) fn restarts(self, count: i32) -> Self {
        self.set("/status/containerStatuses/0/restartCount", json!(count))
    }

    /// A Warning about the container.
    pub(crate) fn event(mut self, reason: &str, message: &str, count: i32, first: i64, last: i64) -> Self {
        let name = self.pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.events.push(note("Pod", &name, reason, message, count, first, last));
        self
    }

    pub(crate) fn done(self) -> PodView {
        let pod: Pod = serde_json::from_value(self.pod).unwrap();
        PodView { pod: Arc::new(pod), revision: self.revision, node_ready: self.node_ready, events: self.events }
    }
}

/// A Warning event.
pub(crate) fn note(
    kind: &str,
    name: &str,
    reason: &str,
    message: &str,
    count: i32,
    first: i64,
    last: i64,
) -> Arc<EventNote> {
    let field_path = if kind == "Pod" { "spec.containers{web}".to_owned() } else { String::new() };
    Arc::new(EventNote {
        object: ObjectRef {
            api_version: None,
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
            uid: None,
        },
        field_path,
        reason: reason.into(),
        message: message.into(),
        count,
        first: at(first),
        last: at(last),
    })
}

/// A pod template with one container.
#[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
pub(crate) fn template(container: Value) -> Arc<PodTemplateSpec> {
    Arc::new(serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [container]}})).unwrap())
}

pub(crate) fn revision(number: i64, container: Value) -> Revision {
    Revision {
        hash: format!("r{number}"),
        number,
        object: ObjectRef {
            api_version: Some("apps/v1".into()),
            kind: "ReplicaSet".into(),
            namespace: Some("shop".into()),
            name: format!("web-r{number}"),
            uid: Some(format!("uid-rs-{number}")),
        },
        resource_version: Some(format!("{number}00")),
        created: Some(at(0)),
        template: template(container),
        desired: 1,
        ready: 0,
    }
}

pub(crate) fn workload() -> ObjectRef {
    ObjectRef {
        api_version: Some("apps/v1".into()),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
        uid: Some("uid-web".into()),
    }
}

/// The Deployment with these pods; two are wished for, revision 2 is the current one and like revision 1.
pub(crate) fn view(pods: impl IntoIterator<Item = Maker>) -> WorkloadView {
    let before = with(container(), "/image", json!("registry.example/web:1"));
    WorkloadView {
        workload: workload(),
        resource_version: Some("7".into()),
        desired: 2,
        paused: false,
        current: Some("r2".into()),
        conditions: Vec::new(),
        revisions: vec![revision(2, container()), revision(1, before)],
        pods: pods.into_iter().map(Maker::done).collect(),
        events: Vec::new(),
        job: None,
    }
}

pub(crate) fn condition(type_: &str, status: &str, reason: &str, message: &str, second: i64) -> PodCondition {
    serde_json::from_value(
        json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": text(second)}),
    )
    .unwrap()
}

/// A node made at -10 000 with these conditions: type, status, since.
pub(crate) fn node(conditions: &[(&str, &str, i64)]) -> Node {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(type_, status, since)| json!({"type": type_, "status": status, "lastTransitionTime": text(*since), "reason": "KubeletNotReady", "message": "it says so"}))
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": "node-1", "uid": "uid-node-1", "creationTimestamp": text(-10_000)},
        "status": {"conditions": conditions},
    }))
    .unwrap()
}
