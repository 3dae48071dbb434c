//! Which changes of other objects wake which Instances.

use api::Instance;
use domain::instance::{INSTANCE_LABEL, Kind, OWNER, View, needs, own_secrets};
use kit::cache::{Cache, Key};
use kube::{Resource, ResourceExt};

/// Instance that an object was made for.
pub(super) fn of_object<K: Resource>(object: &K) -> Option<Key> {
    if let Some((namespace, name)) = object.annotations().get(OWNER).and_then(|owner| owner.split_once('/')) {
        return Some(Key::new(namespace, name));
    }
    let namespace = object.namespace()?;
    // The label may have been taken off by hand; the owner reference says the same.
    let owner = object.owner_references().iter().find(|owner| owner.kind == "Instance");
    let name = owner.map(|owner| owner.name.clone()).or_else(|| object.labels().get(INSTANCE_LABEL).cloned())?;
    Some(Key::new(namespace, name))
}

/// Instances that name an object, or that the operator makes it for.
pub(super) fn of_named(instances: &Cache<Instance>, kind: Kind, key: &Key) -> Vec<Key> {
    instances
        .in_namespace(&key.namespace)
        .iter()
        .filter(|instance| {
            let view = View::of(instance);
            needs(view).iter().any(|need| need.kind == kind && need.name == key.name)
                || (kind == Kind::Secret && own_secrets(view).contains(&key.name))
        })
        .map(|instance| Key::of(instance.as_ref()))
        .collect()
}

/// Instances that share an object which belongs to none of them alone.
pub(super) fn all(instances: &Cache<Instance>) -> Vec<Key> {
    instances.all().iter().map(|instance| Key::of(instance.as_ref())).collect()
}
