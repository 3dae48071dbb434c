//! Status writes: the whole status of one owner, only when it changed, never on top of an object that moved on.

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a write did.
#[derive(Debug)]
pub enum Written<K> {
    /// The status was that already.
    Unchanged,
    /// The object as the server has it now.
    Changed(Box<K>),
}

impl<K> Written<K> {
    /// The newer object, or the one that was current before.
    pub fn or(self, current: &K) -> K
    where
        K: Clone,
    {
        match self {
            Self::Unchanged => current.clone(),
            Self::Changed(newer) => *newer,
        }
    }
}

/// Writes `status` onto the object, if it differs from what `current` has.
///
/// The write carries the resourceVersion of `current`: when the object has changed since, the server answers 409 and
/// nothing happens, so that a decision made from an old state is never recorded.
///
/// # Errors
/// What the API server answers.
pub async fn write<K, S>(api: &Api<K>, manager: &str, current: &K, status: &S) -> Result<Written<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
    S: Serialize,
{
    let mut wanted = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    let mut has = serde_json::to_value(current)
        .map_err(kube::Error::SerdeError)?
        .get_mut("status")
        .map(Value::take)
        .unwrap_or_default();
    drop_nulls(&mut wanted);
    drop_nulls(&mut has);
    keep_transition_times(&mut wanted, &has);
    if has == wanted || (has.is_null() && wanted.as_object().is_some_and(serde_json::Map::is_empty)) {
        return Ok(Written::Unchanged);
    }
    let mut metadata = json!({"name": current.name_any(), "resourceVersion": current.resource_version()});
    if let (Some(namespace), Some(map)) = (current.namespace(), metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), Value::String(namespace));
    }
    let body = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata, "status": wanted});
    api.patch_status(&current.name_any(), &PatchParams::apply(manager).force(), &Patch::Apply(&body))
        .await
        .map(|newer| Written::Changed(Box::new(newer)))
}

/// What is null on one side is absent on the other.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// A condition whose status stays keeps its transition time, so that the time alone never makes a write.
fn keep_transition_times(wanted: &mut Value, has: &Value) {
    let old = has.get("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for condition in wanted.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = old
            .iter()
            .find(|old| old.get("type") == condition.get("type") && old.get("status") == condition.get("status"));
        if let (Some(time), Some(condition)) =
            (same.and_then(|old| old.get("lastTransitionTime")), condition.as_object_mut())
        {
            condition.insert("lastTransitionTime".to_owned(), time.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Namespace;
    use testkit::fake_api::FakeApi;

    use super::*;

    fn status(time: &str, message: &str) -> Value {
        json!({"replicas": 1, "readyReplicas": null, "conditions": [{"type": "Available", "status": "True", "message": message, "lastTransitionTime": time}]})
    }

    #[tokio::test]
    async fn a_write_happens_when_something_but_the_time_changed() {
        let fake = FakeApi::new();
        fake.put_json::<Deployment>(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {}, "template": {}}}));
        let api: Api<Deployment> = Api::namespaced(fake.client(), "shop");
        let first = api.get("web").await.unwrap();
        let second = write(&api, "kit/test", &first, &status("2026-01-01T00:00:00Z", "up")).await.unwrap().or(&first);
        assert!(matches!(
            write(&api, "kit/test", &second, &status("2026-02-02T00:00:00Z", "up")).await,
            Ok(Written::Unchanged)
        ));
        let third =
            write(&api, "kit/test", &second, &status("2026-02-02T00:00:00Z", "still up")).await.unwrap().or(&second);
        let condition = third.status.clone().unwrap().conditions.unwrap().remove(0);
        assert_eq!(condition.last_transition_time.unwrap().0.to_string(), "2026-01-01T00:00:00Z");
        // Decided from an old state: refused.
        let error = write(&api, "kit/test", &second, &status("2026-03-03T00:00:00Z", "late")).await.unwrap_err();
        assert!(matches!(error, kube::Error::Api(status) if status.is_conflict()));
        assert_eq!(fake.writes().len(), 2);
    }

    #[tokio::test]
    async fn an_empty_status_is_no_status() {
        let fake = FakeApi::new();
        fake.put_json::<Namespace>(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
        let api: Api<Namespace> = Api::all(fake.client());
        let object = api.get("shop").await.unwrap();
        assert!(matches!(write(&api, "kit/test", &object, &json!({})).await, Ok(Written::Unchanged)));
    }
}
