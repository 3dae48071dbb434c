//! Server-side apply of objects that we own whole.

use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Applies an object as `manager` and takes the fields that it sets, whoever had them.
///
/// # Errors
/// What the API server answers.
pub async fn apply<K>(api: &Api<K>, manager: &str, object: &K) -> Result<K, kube::Error>
where
    K: Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let mut desired = object.clone();
    desired.managed_fields_mut().clear();
    desired.meta_mut().resource_version = None;
    api.patch(&desired.name_any(), &PatchParams::apply(manager).force(), &Patch::Apply(&desired)).await
}
