//! The instant at which a fault shows on the cluster: the first Warning event, or the first change of a status for the
//! worse. It is what a perfect observer could have seen, and from it the delay of the platform is counted. Pure.

use serde_json::Value;

use super::health::condition;
use super::object::Object;

/// Reasons for which a container waits while nothing is wrong.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The object that came to look worse by a change, and how.
pub fn shown(kind: &str, object: &Object, old: Option<&Value>, new: &Value) -> Option<(Object, String)> {
    if kind == "Event" {
        let text = |key: &str| new.get(key).and_then(Value::as_str).unwrap_or_default();
        let about = Object::referred(new.get("involvedObject")?)?;
        return (text("type") == "Warning").then(|| (about, format!("event {}", text("reason"))));
    }
    let before = old.map(|old| findings(kind, old)).unwrap_or_default();
    let fresh = findings(kind, new).into_iter().find(|finding| !before.contains(finding));
    fresh.or_else(|| old.and_then(|old| lost(kind, old, new))).map(|finding| (object.clone(), finding))
}

/// What is bad by itself.
fn findings(kind: &str, value: &Value) -> Vec<String> {
    match kind {
        "Pod" => pod(value),
        "Deployment" | "ReplicaSet" => {
            let mut found = Vec::new();
            if condition(value, "ReplicaFailure") == Some("True") {
                found.push("ReplicaFailure".to_owned());
            }
            if condition(value, "Progressing") == Some("False") {
                found.push("Progressing False".to_owned());
            }
            found
        }
        "Job" if condition(value, "Failed") == Some("True") => vec!["Failed".to_owned()],
        "PersistentVolumeClaim" if value.pointer("/status/phase").and_then(Value::as_str) == Some("Lost") => {
            vec!["Lost".to_owned()]
        }
        "Node" => ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]
            .into_iter()
            .filter(|type_| condition(value, type_) == Some("True"))
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// What was good and is no longer: something that starts is not ready either.
fn lost(kind: &str, old: &Value, new: &Value) -> Option<String> {
    let type_ = match kind {
        "Pod" | "Node" => "Ready",
        "Deployment" => "Available",
        _ => return None,
    };
    let going = new.pointer("/metadata/deletionTimestamp").is_some();
    (!going && condition(old, type_) == Some("True") && condition(new, type_) != Some("True"))
        .then(|| format!("no longer {type_}"))
}

fn pod(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["initContainerStatuses", "containerStatuses"] {
        for status in value.pointer(&format!("/status/{key}")).and_then(Value::as_array).into_iter().flatten() {
            let waiting = status.pointer("/state/waiting/reason").and_then(Value::as_str);
            found
                .extend(waiting.filter(|reason| !STARTING.contains(reason)).map(|reason| format!("waiting: {reason}")));
            for state in ["state", "lastState"] {
                let Some(ended) = status.pointer(&format!("/{state}/terminated")) else { continue };
                let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
                let reason = ended.get("reason").and_then(Value::as_str).unwrap_or_default();
                if code != 0 || reason == "OOMKilled" {
                    found.push(format!("terminated: {reason} {code}"));
                }
            }
        }
    }
    let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
    if conditions.into_iter().flatten().any(|c| c.get("reason").and_then(Value::as_str) == Some("Unschedulable")) {
        found.push("Unschedulable".to_owned());
    }
    if value.pointer("/status/phase").and_then(Value::as_str) == Some("Failed") {
        found.push("Failed".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web(kind: &str) -> Object {
        Object::new(kind, "k3x", "web")
    }

    fn said(kind: &str, old: Option<&Value>, new: &Value) -> Option<String> {
        shown(kind, &web(kind), old, new).map(|(_, finding)| finding)
    }

    fn waiting(reason: &str) -> Value {
        json!({"status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}})
    }

    fn ready(status: &str) -> Value {
        json!({"status": {"conditions": [{"type": "Ready", "status": status}]}})
    }

    #[test]
    fn a_start_is_no_symptom_and_a_failed_start_is() {
        assert_eq!(said("Pod", None, &waiting("ContainerCreating")), None);
        assert_eq!(said("Pod", None, &ready("False")), None);
        assert_eq!(said("Pod", Some(&ready("True")), &ready("False")).as_deref(), Some("no longer Ready"));
        assert_eq!(said("Pod", None, &waiting("ErrImagePull")).as_deref(), Some("waiting: ErrImagePull"));
        assert_eq!(said("Pod", Some(&waiting("ErrImagePull")), &waiting("ErrImagePull")), None, "known already");
    }

    #[test]
    fn a_container_that_ended_well_is_none() {
        let ended = |code: i64| json!({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": code, "reason": "Error"}}}]}});
        assert_eq!(said("Pod", None, &ended(0)), None);
        assert_eq!(said("Pod", None, &ended(3)).as_deref(), Some("terminated: Error 3"));
    }

    #[test]
    fn an_event_speaks_of_another_object() {
        let event = |type_: &str| json!({"type": type_, "reason": "BackOff", "involvedObject": {"kind": "Pod", "namespace": "k3x", "name": "web"}});
        let (about, finding) = shown("Event", &web("Event"), None, &event("Warning")).unwrap();
        assert_eq!((about, finding.as_str()), (web("Pod"), "event BackOff"));
        assert_eq!(shown("Event", &web("Event"), None, &event("Normal")), None);
    }
}
