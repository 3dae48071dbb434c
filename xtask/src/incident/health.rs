//! When the state before the fault is healthy: as the objects say, not as somebody waits. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::object::Object;
use super::pattern::Pattern;

/// What is not as it should be yet, each with its reason; empty means healthy. `expected` are the objects of the setup, of
/// the kinds that are looked at; what `old_trouble` names is not waited for.
pub fn unhealthy(expected: &[Object], there: &HashMap<Object, Value>, old_trouble: &[Pattern]) -> Vec<String> {
    let waits_for = |object: &&Object| !old_trouble.iter().any(|pattern| pattern.is(&object.id()));
    let missing = expected.iter().filter(|object| !there.contains_key(*object)).map(|object| (object, "is not there"));
    let mut found: Vec<String> =
        missing.filter(|(object, _)| waits_for(object)).map(|(object, why)| format!("{} {why}", object.id())).collect();
    let mut known: Vec<(&Object, &Value)> = there.iter().filter(|(object, _)| waits_for(object)).collect();
    known.sort_by_key(|(object, _)| *object);
    for (object, value) in known {
        found.extend(reason(&object.kind, value).map(|why| format!("{} {why}", object.id())));
    }
    found
}

fn reason(kind: &str, value: &Value) -> Option<String> {
    let count = |pointer: &str| value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let behind = count("/status/observedGeneration") < count("/metadata/generation");
    match kind {
        "Deployment" | "StatefulSet" => {
            let wanted = value.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            let pods = ["replicas", "updatedReplicas", "readyReplicas"].map(|key| count(&format!("/status/{key}")));
            (behind || pods.iter().any(|there| *there != wanted)).then(|| {
                let [all, updated, ready] = pods;
                format!("has {all} pods, {updated} updated, {ready} ready, of {wanted}")
            })
        }
        "DaemonSet" => {
            let wanted = count("/status/desiredNumberScheduled");
            let (updated, ready) = (count("/status/updatedNumberScheduled"), count("/status/numberReady"));
            (behind || updated != wanted || ready != wanted)
                .then(|| format!("has {updated} updated pods, {ready} ready, of {wanted}"))
        }
        "PersistentVolumeClaim" => {
            let phase = value.pointer("/status/phase").and_then(Value::as_str).unwrap_or("new");
            (phase != "Bound").then(|| format!("is {phase}"))
        }
        "Job" => {
            let suspended = value.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false);
            (!suspended && condition(value, "Complete") != Some("True")).then(|| "is not complete".to_owned())
        }
        "Pod" => {
            let owned = value.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            let controlled = owned.is_some_and(|owners| {
                owners.iter().any(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
            });
            let succeeded = value.pointer("/status/phase").and_then(Value::as_str) == Some("Succeeded");
            (!controlled && !succeeded && condition(value, "Ready") != Some("True")).then(|| "is not ready".to_owned())
        }
        "Node" => (condition(value, "Ready") != Some("True")).then(|| "is not ready".to_owned()),
        _ => None,
    }
}

/// Status of a condition.
pub fn condition<'a>(value: &'a Value, type_: &str) -> Option<&'a str> {
    let conditions = value.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(type_))?
        .get("status")?
        .as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(kind: &str, value: Value) -> Vec<String> {
        unhealthy(&[], &HashMap::from([(Object::new(kind, "k3x", "web"), value)]), &[])
    }

    fn deployment(generation: i64, pods: [i64; 3]) -> Value {
        let [all, updated, ready] = pods;
        json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": generation, "replicas": all, "updatedReplicas": updated, "readyReplicas": ready}})
    }

    #[test]
    fn a_deployment_has_all_its_pods_updated_and_ready() {
        assert!(why("Deployment", deployment(2, [2, 2, 2])).is_empty());
        assert_eq!(
            why("Deployment", deployment(2, [3, 2, 2])),
            ["Deployment/web has 3 pods, 2 updated, 2 ready, of 2"]
        );
        assert!(!why("Deployment", deployment(1, [2, 2, 2])).is_empty(), "its controller has not looked yet");
        assert!(why("Deployment", json!({"spec": {"replicas": 0}})).is_empty());
    }

    #[test]
    fn a_new_daemon_set_is_not_taken_for_one_without_nodes() {
        assert!(!why("DaemonSet", json!({"metadata": {"generation": 1}})).is_empty());
        assert!(
            why("DaemonSet", json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}})).is_empty()
        );
    }

    #[test]
    fn claims_jobs_pods_and_nodes() {
        assert_eq!(why("PersistentVolumeClaim", json!({})), ["PersistentVolumeClaim/web is new"]);
        assert!(why("PersistentVolumeClaim", json!({"status": {"phase": "Bound"}})).is_empty());
        assert!(why("Job", json!({"spec": {"suspend": true}})).is_empty());
        assert!(!why("Job", json!({})).is_empty());
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(why("Pod", ready.clone()).is_empty() && why("Node", ready).is_empty());
        assert!(why("Pod", json!({"status": {"phase": "Succeeded"}})).is_empty());
        assert!(why("Pod", json!({"metadata": {"ownerReferences": [{"controller": true}]}})).is_empty());
        assert_eq!(why("Pod", json!({})), ["Pod/web is not ready"]);
    }

    #[test]
    fn what_is_not_there_is_waited_for_and_old_trouble_is_not() {
        let expected = [Object::new("Pod", "k3x", "web"), Object::new("Pod", "k3x", "old")];
        assert_eq!(unhealthy(&expected, &HashMap::new(), &[]).len(), 2);
        let old = [Pattern::new("Pod/old").unwrap()];
        assert_eq!(unhealthy(&expected, &HashMap::new(), &old), ["Pod/web is not there"]);
    }
}
