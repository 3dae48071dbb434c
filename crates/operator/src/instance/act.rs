//! Brings the objects of an Instance to where they must be, and removes what is no longer wanted.

use std::fmt::Debug;

use api::Instance;
use domain::graph::controller;
use domain::instance::{
    Desired, FINALIZER, INSTANCE_LABEL, NODE_ROLE, OWNER, Trouble, View, Workload, foreign_name, node_binding_name,
};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kit::cache::{Cache, Key};
use kit::classify::{Class, of_kube};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::Error;
use super::{Controller, MANAGER};

/// What a round over the objects came to.
#[derive(Default)]
pub(super) struct Round {
    /// Objects that are not as they must be.
    pub troubles: Vec<Trouble>,
    /// Whether trying again may help.
    pub again: bool,
}

impl Round {
    /// Something that only a change of the Instance, or of the cluster, mends.
    pub(super) fn note(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }

    /// A request that did not come through.
    pub(super) fn troubled(&mut self, view: View<'_>, what: &str, error: &kube::Error) {
        self.failed(view, what, error);
    }

    fn failed(&mut self, view: View<'_>, what: &str, error: &kube::Error) {
        let class = of_kube(error);
        self.again |= class != Class::Invalid;
        self.troubles.push(words(view, what, error));
    }

    /// The error that brings the round up again, if anything failed.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        let Some(first) = self.troubles.first() else { return Ok(()) };
        Err(Error::Partly { count: self.troubles.len(), first: first.to_string(), invalid: !self.again })
    }
}

/// A refusal of the API server, with what to do about it.
fn words(view: View<'_>, what: &str, error: &kube::Error) -> Trouble {
    let kube::Error::Api(status) = error else {
        return Trouble::new("ApiServerAway", format!("{what} cannot be written: {error}"), "it is tried again");
    };
    let (reason, remedy) = match of_kube(error) {
        Class::Blocked if status.message.contains("being terminated") => (
            "NamespaceTerminating",
            "wait until the namespace is gone, or take its targets out of spec.watcher".to_owned(),
        ),
        Class::Blocked if status.is_not_found() => (
            "NamespaceMissing",
            format!(
                "create the namespace, or take its targets out of spec.watcher: kubectl -n {} edit instance {}",
                view.namespace(),
                view.name()
            ),
        ),
        Class::Blocked if status.message.contains("attempting to grant") => (
            "RightsMissing",
            "the operator can grant only what it has: update its ClusterRole, helm upgrade does that".to_owned(),
        ),
        Class::Blocked if status.message.contains("quota") => {
            ("QuotaExceeded", format!("raise the quota: kubectl -n {} describe resourcequota", view.namespace()))
        }
        Class::Blocked => ("Forbidden", "grant the operator this right, or correct what refused it".to_owned()),
        Class::Invalid => (
            "Refused",
            format!("correct the field in the Instance: kubectl -n {} edit instance {}", view.namespace(), view.name()),
        ),
        Class::Conflict | Class::Transient => ("ApiServerAway", "it is tried again".to_owned()),
    };
    Trouble::new(reason, format!("{what} is refused: {}", status.message), remedy)
}

/// Whether an object was made for this Instance.
fn made_for<K: Resource>(object: &K, view: View<'_>) -> bool {
    if let Some(owner) = controller(object.meta()) {
        return owner.uid == view.uid();
    }
    let label = object.labels().get(INSTANCE_LABEL).map(String::as_str) == Some(view.name());
    match object.annotations().get(OWNER) {
        Some(of) => *of == format!("{}/{}", view.namespace(), view.name()),
        None => label && object.namespace().is_none_or(|namespace| namespace == view.namespace()),
    }
}

impl Controller {
    /// Applies everything; the workload only when its pods may start.
    pub(super) async fn bring(&self, view: View<'_>, wanted: &Desired, start_pods: bool) -> Round {
        let mut round = Round::default();
        let caches = &self.caches;
        self.keep(&mut round, view, &caches.accounts, &wanted.service_account).await;
        for (role, binding) in &wanted.roles {
            self.keep(&mut round, view, &caches.roles, role).await;
            self.keep(&mut round, view, &caches.role_bindings, binding).await;
        }
        if let Some((role, binding)) = &wanted.nodes {
            let (roles, bindings): (Api<ClusterRole>, Api<ClusterRoleBinding>) =
                (Api::all(self.client.clone()), Api::all(self.client.clone()));
            self.keep_at(&mut round, view, &roles, &caches.cluster_roles, role, false).await;
            self.keep_at(&mut round, view, &bindings, &caches.cluster_role_bindings, binding, true).await;
        }
        for map in &wanted.config_maps {
            self.keep(&mut round, view, &caches.config_maps, map).await;
        }
        self.keep(&mut round, view, &caches.services, &wanted.service).await;
        if let Some(budget) = &wanted.disruption_budget {
            self.keep(&mut round, view, &caches.budgets, budget).await;
        }
        if start_pods {
            match &wanted.workload {
                Workload::Deployment(deployment) => {
                    self.remove_named(&mut round, view, &caches.stateful_sets, view.name()).await;
                    self.keep(&mut round, view, &caches.deployments, deployment.as_ref()).await;
                }
                Workload::StatefulSet(set) => {
                    self.remove_named(&mut round, view, &caches.deployments, view.name()).await;
                    if self.volumes(&mut round, view, set).await {
                        self.keep(&mut round, view, &caches.stateful_sets, set.as_ref()).await;
                    }
                }
            }
        }
        self.leftovers(&mut round, view, wanted).await;
        round
    }

    async fn keep<K>(&self, round: &mut Round, view: View<'_>, cache: &Cache<K>, wanted: &K)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
    {
        let api = self.api(&wanted.namespace().unwrap_or_default());
        self.keep_at(round, view, &api, cache, wanted, true).await;
    }

    /// Applies one object where it is not as it must be. One of that name that belongs to somebody else is left alone.
    async fn keep_at<K>(
        &self,
        round: &mut Round,
        view: View<'_>,
        api: &Api<K>,
        cache: &Cache<K>,
        wanted: &K,
        only_ours: bool,
    ) where
        K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + Debug,
    {
        let key = Key::of(wanted);
        let what = format!("{} {key}", K::kind(&()));
        let there = cache.get(&key);
        if only_ours {
            let foreign = match &there {
                Some(there) => !made_for(there.as_ref(), view),
                // Without our label it is not in the cache, and may be there all the same.
                None => match api.get_metadata_opt(&key.name).await {
                    Ok(there) => there.is_some_and(|there| !made_for(&there, view)),
                    Err(error) => return round.failed(view, &what, &error),
                },
            };
            if foreign {
                let remedy = format!(
                    "rename or delete it, or give the Instance another name; look: kubectl get {} {}",
                    K::plural(&()),
                    key.name
                );
                round.again = true;
                round.troubles.push(Trouble::new("NameTaken", format!("{what} belongs to somebody else"), remedy));
                return;
            }
        }
        match self.keeper.keep(api, wanted, there.as_deref()).await {
            Ok(None) => {}
            Ok(Some(newer)) => {
                let moved = there.is_none_or(|there| there.resource_version() != newer.resource_version());
                if moved {
                    tracing::info!(instance = %Key::of(view.instance), "{what} applied");
                }
                // Until the watch has it, a second look would apply it once more.
                let mut newer = newer;
                newer.meta_mut().managed_fields = None;
                if K::kind(&()) != "PersistentVolumeClaim" {
                    cache.apply(newer);
                }
            }
            Err(error) => round.failed(view, &what, &error),
        }
    }

    async fn remove_named<K>(&self, round: &mut Round, view: View<'_>, cache: &Cache<K>, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        if let Some(object) = cache.find(view.namespace(), name).filter(|object| made_for(object.as_ref(), view)) {
            let api = self.api(view.namespace());
            self.remove(round, view, &api, object.as_ref()).await;
        }
    }

    /// Removes exactly this object; one that was made anew under its name stays.
    async fn remove<K>(&self, round: &mut Round, view: View<'_>, api: &Api<K>, object: &K)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        if object.meta().deletion_timestamp.is_some() {
            return;
        }
        let key = Key::of(object);
        let preconditions = Preconditions { uid: object.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match api.delete(&key.name, &params).await {
            Ok(_) => {
                self.keeper.forget::<K>(&key);
                tracing::info!(instance = %Key::of(view.instance), "{} {key} is not wanted any more and was removed", K::kind(&()));
            }
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            Err(error) => round.failed(view, &format!("{} {key}", K::kind(&())), &error),
        }
    }

    /// Removes what earlier versions of the spec, or of the operator, needed. Volumes and ServiceAccounts stay.
    async fn leftovers(&self, round: &mut Round, view: View<'_>, wanted: &Desired) {
        let caches = &self.caches;
        let roles: Vec<Key> = wanted.roles.iter().map(|(role, _)| Key::of(role)).collect();
        let maps: Vec<Key> = wanted.config_maps.iter().map(Key::of).collect();
        let bindings: Vec<Key> = wanted.nodes.iter().map(|(_, binding)| Key::of(binding)).collect();
        let budgets: Vec<Key> = wanted.disruption_budget.iter().map(Key::of).collect();
        self.sweep(round, view, &caches.role_bindings, &roles).await;
        self.sweep(round, view, &caches.roles, &roles).await;
        self.sweep(round, view, &caches.config_maps, &maps).await;
        self.sweep(round, view, &caches.budgets, &budgets).await;
        for binding in caches.cluster_role_bindings.all() {
            if belongs(&binding, view) && !bindings.contains(&Key::of(binding.as_ref())) {
                self.remove(round, view, &Api::all(self.client.clone()), binding.as_ref()).await;
            }
        }
    }

    async fn sweep<K>(&self, round: &mut Round, view: View<'_>, cache: &Cache<K>, wanted: &[Key])
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        for object in cache.all() {
            let key = Key::of(object.as_ref());
            if !wanted.contains(&key) && made_for(object.as_ref(), view) {
                self.remove(round, view, &self.api(&key.namespace), object.as_ref()).await;
            }
        }
    }

    /// Sees to it that the Instance has our finalizer exactly when something of it lives where no owner reference reaches.
    pub(super) async fn finalizer(&self, instance: &Instance) -> Result<(), Error> {
        let has = instance.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
        let view = View::of(instance);
        let needed = view.reaches_out() || self.reaches(view);
        if has != needed {
            self.set_finalizer(instance, needed).await?;
        }
        Ok(())
    }

    /// Whether something of it still lives outside its namespace.
    fn reaches(&self, view: View<'_>) -> bool {
        let (name, binding) = (foreign_name(view), node_binding_name(view));
        self.caches.roles.all().iter().any(|role| role.name_any() == name)
            || self.caches.role_bindings.all().iter().any(|role| role.name_any() == name)
            || self.caches.cluster_role_bindings.find("", &binding).is_some()
    }

    async fn set_finalizer(&self, instance: &Instance, wanted: bool) -> Result<(), Error> {
        let mut finalizers = instance.finalizers().to_vec();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        let api: Api<Instance> = self.api(&instance.namespace().unwrap_or_default());
        let body = json!({"metadata": {"uid": instance.uid(), "resourceVersion": instance.resource_version(), "finalizers": finalizers}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch(&instance.name_any(), &params, &Patch::Merge(&body)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(source) => Err(Error::Write { what: format!("the finalizer of {}", instance.name_any()), source }),
        }
    }

    /// Takes away what no owner reference reaches, then lets the Instance go.
    pub(super) async fn clean_up(&self, instance: &Instance) -> Result<(), Error> {
        let view = View::of(instance);
        self.servers.set(&Key::of(instance), Vec::new());
        if !instance.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(());
        }
        let mut round = Round::default();
        let elsewhere = |key: &Key| key.namespace != view.namespace();
        for object in self.caches.role_bindings.all() {
            let key = Key::of(object.as_ref());
            if elsewhere(&key) && made_for(object.as_ref(), view) {
                self.remove(&mut round, view, &self.api(&key.namespace), object.as_ref()).await;
            }
        }
        for object in self.caches.roles.all() {
            let key = Key::of(object.as_ref());
            if elsewhere(&key) && made_for(object.as_ref(), view) {
                self.remove(&mut round, view, &self.api(&key.namespace), object.as_ref()).await;
            }
        }
        for binding in self.caches.cluster_role_bindings.all() {
            if belongs(&binding, view) {
                self.remove(&mut round, view, &Api::all(self.client.clone()), binding.as_ref()).await;
            }
        }
        self.last_of_nodes(&mut round, view).await;
        round.outcome()?;
        self.set_finalizer(instance, false).await
    }

    /// Removes the shared ClusterRole with the last Instance that needs it.
    async fn last_of_nodes(&self, round: &mut Round, view: View<'_>) {
        let needed = self
            .caches
            .instances
            .all()
            .iter()
            .any(|other| other.metadata.deletion_timestamp.is_none() && View::of(other).reaches_out());
        if let Some(role) = self.caches.cluster_roles.find("", NODE_ROLE).filter(|_| !needed) {
            self.remove(round, view, &Api::all(self.client.clone()), role.as_ref()).await;
        }
    }
}

/// Whether a binding of the cluster was made for this Instance, by this operator or the one before it.
fn belongs(binding: &ClusterRoleBinding, view: View<'_>) -> bool {
    if binding.annotations().contains_key(OWNER) {
        return made_for(binding, view);
    }
    binding.labels().get(INSTANCE_LABEL).map(String::as_str) == Some(view.name())
        && binding
            .subjects
            .iter()
            .flatten()
            .any(|subject| subject.name == view.name() && subject.namespace.as_deref() == Some(view.namespace()))
}
