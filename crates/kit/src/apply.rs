//! Server-side apply of objects that we own whole, and only when something has moved.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cache::Key;

/// Applies an object as `manager` and takes the fields that it sets, whoever had them.
///
/// # Errors
/// What the API server answers.
pub async fn apply<K>(api: &Api<K>, manager: &str, object: &K) -> Result<K, kube::Error>
where
    K: Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let mut desired = object.clone();
    // Not an empty list: the API server refuses every list here.
    desired.meta_mut().managed_fields = None;
    desired.meta_mut().resource_version = None;
    api.patch(&desired.name_any(), &PatchParams::apply(manager).force(), &Patch::Apply(&desired)).await
}

/// What was wanted when an object was last applied, and what the API server made of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rest {
    wanted: u64,
    there: u64,
}

/// Keeps objects as they must be: applies one when what is wanted has changed, or when somebody changed what is there.
///
/// The API server fills in defaults and writes quantities its own way, so what is wanted is never compared with what is
/// there. What is compared is what came back from the last apply: as long as the object looks like that, nobody touched it.
/// A process that starts again applies each object once, which changes nothing where nothing has moved.
pub struct Keeper {
    manager: &'static str,
    rests: Mutex<HashMap<(String, Key), Rest>>,
}

impl Keeper {
    /// A keeper that applies as `manager`.
    pub fn new(manager: &'static str) -> Self {
        Self { manager, rests: Mutex::default() }
    }

    /// Brings an object to where it must be. `there` is how the caller sees it now. Returns the newer object when something
    /// was applied.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn keep<K>(&self, api: &Api<K>, wanted: &K, there: Option<&K>) -> Result<Option<K>, kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let place = (K::kind(&()).into_owned(), Key::of(wanted));
        let wanted_print = print(wanted);
        let now = there.map(|there| Rest { wanted: wanted_print, there: print(there) });
        let known = self.rests.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        if now.is_some() && now == known {
            return Ok(None);
        }
        let newer = apply(api, self.manager, wanted).await?;
        let rest = Rest { wanted: wanted_print, there: print(&newer) };
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).insert(place, rest);
        Ok(Some(newer))
    }

    /// Forgets an object that is gone.
    pub fn forget<K: Resource<DynamicType = ()>>(&self, key: &Key) {
        let place = (K::kind(&()).into_owned(), key.clone());
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
    }
}

/// A number for what an object says, without what the API server and the controllers keep in it.
fn print<K: Serialize>(object: &K) -> u64 {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.remove("status");
        if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
            metadata.retain(|key, _| {
                matches!(
                    key.as_str(),
                    "name" | "namespace" | "labels" | "annotations" | "ownerReferences" | "finalizers" | "uid"
                )
            });
            if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
                annotations.remove("deployment.kubernetes.io/revision");
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;
    use testkit::fake_api::FakeApi;

    use super::*;

    fn map(value: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "m", "namespace": "n"}, "data": {"k": value}})).unwrap()
    }

    #[tokio::test]
    async fn what_is_at_rest_is_left_alone_and_what_somebody_changed_is_put_right() {
        let fake = FakeApi::new();
        let api: Api<ConfigMap> = Api::namespaced(fake.client(), "n");
        let keeper = Keeper::new("kit-test");
        let there = keeper.keep(&api, &map("a"), None).await.unwrap().expect("made");
        assert!(keeper.keep(&api, &map("a"), Some(&there)).await.unwrap().is_none());
        let mut moved = there.clone();
        moved.metadata.resource_version = Some("77".to_owned());
        moved.metadata.managed_fields = None;
        assert!(keeper.keep(&api, &map("a"), Some(&moved)).await.unwrap().is_none(), "only its version moved");
        fake.edit::<ConfigMap>("n", "m", |map| map["data"]["k"] = json!("b"));
        let changed: ConfigMap = fake.get("n", "m").unwrap();
        let mended = keeper.keep(&api, &map("a"), Some(&changed)).await.unwrap().expect("put right");
        assert_eq!(mended.data.unwrap()["k"], "a");
        assert!(keeper.keep(&api, &map("c"), Some(&changed)).await.unwrap().is_some(), "something else is wanted");
        assert!(Keeper::new("kit-test").keep(&api, &map("c"), Some(&there)).await.unwrap().is_some(), "a new process");
    }
}
