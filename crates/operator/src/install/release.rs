//! After an uninstall nobody takes the operator's finalizers from Instances: their deletion would hang for ever. This takes
//! them away. Instances stay as they are, with their pods; an operator that is installed again puts its finalizer back.

use std::fmt::Debug;
use std::time::Duration;

use api::Instance;
use domain::instance::{FINALIZER, MANAGED_BY, MANAGED_BY_LABEL, OWNER};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Error, PAUSE, patiently};

/// How long the pods of the operator may take to end.
const ENDING: Duration = Duration::from_secs(90);
/// How long the rest may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Instances, as namespace/name.
    pub instances: Vec<String>,
    /// Roles and bindings of those that were being deleted, which no owner reference reaches.
    pub roles: Vec<String>,
}

/// Waits until no pod of the operator is left (`pods`: namespace and label selector), then takes its finalizer from every
/// Instance. One that is being deleted loses its objects in other namespaces first, as the operator would have done.
///
/// # Errors
/// When the API server refuses, or does not answer in time.
pub async fn release(client: &Client, pods: Option<(&str, &str)>) -> Result<Released, Error> {
    if let Some((namespace, selector)) = pods {
        gone(client, namespace, selector).await?;
    }
    let deadline = Instant::now() + PATIENCE;
    let all: Api<Instance> = Api::all(client.clone());
    let listed = patiently(deadline, "Instances cannot be listed", || async {
        match all.list(&ListParams::default()).await {
            // Without the definition there are none.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
            other => other.map(|list| list.items),
        }
    })
    .await?;
    let mut released = Released::default();
    for instance in listed {
        if !instance.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
            continue;
        }
        let owner = format!("{}/{}", instance.namespace().unwrap_or_default(), instance.name_any());
        if instance.metadata.deletion_timestamp.is_some() {
            released.roles.extend(remove::<RoleBinding>(client, &owner, deadline).await?);
            released.roles.extend(remove::<Role>(client, &owner, deadline).await?);
            released.roles.extend(remove::<ClusterRoleBinding>(client, &owner, deadline).await?);
        }
        let api: Api<Instance> = Api::namespaced(client.clone(), &instance.namespace().unwrap_or_default());
        patiently(deadline, &format!("the finalizer of Instance {owner} cannot be taken away"), || {
            without_finalizer(&api, instance.name_any())
        })
        .await?;
        released.instances.push(owner);
    }
    Ok(released)
}

/// Waits for the end of the pods. The operator puts its finalizer back as long as it runs; one that does not end in time
/// hangs, and is not waited for.
async fn gone(client: &Client, namespace: &str, selector: &str) -> Result<(), Error> {
    let deadline = Instant::now() + ENDING;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(selector);
    loop {
        let pods = patiently(deadline, "the pods of the operator cannot be listed", || api.list(&params)).await?.items;
        if pods.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
            tracing::warn!(
                pods = names.join(", "),
                "the operator still runs; its finalizers are taken away all the same"
            );
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

async fn without_finalizer(api: &Api<Instance>, name: String) -> Result<(), kube::Error> {
    let Some(instance) = api.get_opt(&name).await? else { return Ok(()) };
    let left: Vec<&String> = instance.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    // Only what was read is changed: somebody else's finalizer must not get lost.
    let patch = json!({"metadata": {"resourceVersion": instance.resource_version(), "finalizers": left}});
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// Removes what belongs to an Instance wherever it is; returns its names.
async fn remove<K>(client: &Client, owner: &str, deadline: Instant) -> Result<Vec<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Deletable,
{
    let kind = K::kind(&());
    let ours = ListParams::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}"));
    let all: Api<K> = Api::all(client.clone());
    let listed = patiently(deadline, &format!("{kind}s cannot be listed"), || all.list(&ours)).await?;
    let mut removed = Vec::new();
    for object in listed.items.iter().filter(|object| object.annotations().get(OWNER).is_some_and(|of| of == owner)) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let api = K::api(client, &namespace);
        patiently(deadline, &format!("{kind} {namespace}/{name} cannot be removed"), || async {
            match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                other => other.map(drop),
            }
        })
        .await?;
        removed.push(format!("{kind} {namespace}/{name}"));
    }
    Ok(removed)
}

/// Where an object of this kind is deleted: in its namespace, if it has one.
trait Deletable: Sized {
    fn api(client: &Client, namespace: &str) -> Api<Self>;
}

impl Deletable for Role {
    fn api(client: &Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client.clone(), namespace)
    }
}

impl Deletable for RoleBinding {
    fn api(client: &Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client.clone(), namespace)
    }
}

impl Deletable for ClusterRoleBinding {
    fn api(client: &Client, _: &str) -> Api<Self> {
        Api::all(client.clone())
    }
}
