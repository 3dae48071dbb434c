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
    let wanted = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    let has = serde_json::to_value(current).map_err(kube::Error::SerdeError)?.get_mut("status").map(Value::take).unwrap_or_default();
    if has == wanted {
        return Ok(Written::Unchanged);
    }
    let mut metadata = json!({"name": current.name_any(), "resourceVersion": current.resource_version()});
    if let (Some(namespace), Some(map)) = (current.namespace(), metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), Value::String(namespace));
    }
    let body = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata, "status": wanted});
    api.patch_status(&current.name_any(), &PatchParams::apply(manager).force(), &Patch::Apply(&body)).await.map(|newer| Written::Changed(Box::new(newer)))
}
