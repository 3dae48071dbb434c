//! Controller of Instance: its objects, the certificate and the token that it does not bring, the links to its servers, and
//! how all that stands.
//!
//! Watches: Instance; everything that it makes, by the label of the operator; Secrets and ConfigMaps by name and version.
//! Reads (live): a Secret or ConfigMap that an Instance names, when its version has moved.
//! Writes: ServiceAccount, Roles and bindings (also in watched namespaces), ConfigMaps, Service, Deployment or StatefulSet,
//! PodDisruptionBudget, Secrets of its own; status and finalizer of Instance.
//! Conditions: SecretsReady, TLSReady, ProviderReady, Connected, WatcherReady, Available, Valid. Events: their reasons, when
//! they move.
//! Requeue: when a certificate of its own is to be replaced; after what was refused, ever more seldom.
//! RBAC: `domain::instance::operator_rights`.

mod act;
mod caches;
mod error;
mod observe;
mod report;
mod secrets;
mod tls;
mod triggers;
mod volumes;

#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::Instance;
use domain::instance::{Kind, Observed, Settings as Facts, TlsOf, View, conditions, desired, judge, needs};
use k8s_openapi::NamespaceResourceScope;
use kit::apply::Keeper;
use kit::cache::{Cache, Key};
use kit::clock::Clock;
use kit::controller::{Env, Next, Queue, Reconcile, Spec};
use kit::events::Events;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use secrecy::SecretString;

pub use caches::Caches;
pub use error::Error;

use crate::servers::{Servers, Target};

/// Field manager of this controller.
const MANAGER: &str = "chatcli-operator/instance";

/// Settings of the controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Images and the domain of the cluster.
    pub facts: Facts,
    /// File that CHATCLI_GRPC_TLS_CA names: trusted where a Secret has no `ca.crt`. Read whenever it counts.
    pub shared_ca: Option<PathBuf>,
}

/// The controller.
pub struct Controller {
    client: Client,
    settings: Settings,
    caches: Caches,
    servers: Servers,
    events: Events,
    clock: Arc<dyn Clock>,
    keeper: Keeper,
    memory: observe::Memory,
    said: report::Said,
}

impl Controller {
    /// A controller; `start` runs it.
    pub fn new(
        client: Client,
        settings: Settings,
        caches: &Caches,
        servers: Servers,
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            settings,
            caches: caches.clone(),
            servers,
            events,
            clock,
            keeper: Keeper::new(MANAGER),
            memory: observe::Memory::default(),
            said: report::Said::default(),
        }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn look(&self, instance: &Instance) -> Result<Next, Error> {
        let view = View::of(instance);
        self.finalizer(instance).await?;
        let found = self.find(view).await?;
        let mut secrets = Vec::new();
        let mut held = false;
        for need in needs(view) {
            let wrong = judge(view, &need, found.get(&(need.kind, need.name.clone())).unwrap_or(&None));
            held |= need.holds_pods && !wrong.is_empty();
            secrets.extend(wrong);
        }
        let token = self.token(view).await?;
        let own = match view.tls() {
            TlsOf::Own => Some(self.own_certificate(view, &self.settings.facts).await?),
            TlsOf::Off | TlsOf::Given(_) => None,
        };
        let shared = match &self.settings.shared_ca {
            Some(file) if matches!(view.tls(), TlsOf::Given(_)) => tokio::fs::read(file).await.ok(),
            _ => None,
        };
        let (trust, now) = (tls::without_ca(shared.as_deref()), self.clock.now());
        let judged = tls::judge(view, &found, own.as_ref(), &self.settings.facts, &trust, now);
        // Pods that run are left alone; none is started that could not authenticate its callers.
        let start_pods = !held && !judged.holds_pods && token.is_some();
        let wanted = desired(view, &found, &self.settings.facts);
        let round = self.bring(view, &wanted, start_pods).await;
        if let Some(token) = token {
            self.link(view, &token, judged.trust.as_ref());
        }
        let (pods, ready) = self.replicas(view);
        let existing = pods.existing;
        let links = self.links(instance);
        let seen = Observed { found: &found, secrets, tls: judged.tls, refused: round.troubles.clone(), pods, links };
        self.report(instance, &conditions(view, &seen), (existing, ready)).await?;
        round.outcome()?;
        Ok(own.map_or(Next::OnChange, |own| Next::At(own.renew_at)))
    }

    /// Tells the links where the servers of an Instance are.
    fn link(&self, view: View<'_>, token: &SecretString, trust: Option<&crate::servers::TrustOf>) {
        if view.tls() != TlsOf::Off && trust.is_none() {
            // Nobody is called in plaintext who should be called encrypted.
            return;
        }
        let targets = self.addresses(view).into_iter().map(|(name, address)| Target {
            name,
            address,
            tls: trust.cloned(),
            token: Some(token.clone()),
        });
        self.servers.set(&Key::of(view.instance), targets.collect());
    }
}

impl Reconcile for Controller {
    type K = Instance;
    type Error = Error;

    async fn reconcile(&self, object: Arc<Instance>) -> Result<Next, Error> {
        let result = if object.metadata.deletion_timestamp.is_some() {
            self.clean_up(&object).await.map(|()| Next::OnChange)
        } else {
            Box::pin(self.look(&object)).await
        };
        self.announce();
        result
    }

    fn deleted(&self, key: &Key) {
        self.servers.set(key, Vec::new());
        self.said.forget(key);
        let instances = self.caches.instances.clone();
        self.memory
            .keep_only(|kind, named| triggers::of_named(&instances, kind, named).iter().any(|other| other != key));
        self.announce();
    }
}

/// Starts the controller.
pub fn start(client: Client, settings: Settings, caches: &Caches, servers: &Servers, events: Events, env: &Env) {
    let controller = Controller::new(client, settings, caches, servers.clone(), events, env.clock.clone());
    // So that an operator without any Instance says so.
    controller.announce();
    let spec = Spec { name: "instance", workers: 4, deadline: Duration::from_mins(2) };
    kit::controller::start(spec, &caches.instances, controller, env, |queue| {
        wake_by(&caches.accounts, queue);
        wake_by(&caches.roles, queue);
        wake_by(&caches.role_bindings, queue);
        wake_by(&caches.cluster_role_bindings, queue);
        wake_by(&caches.config_maps, queue);
        wake_by(&caches.services, queue);
        wake_by(&caches.deployments, queue);
        wake_by(&caches.stateful_sets, queue);
        wake_by(&caches.budgets, queue);
        wake_by(&caches.claims, queue);
        wake_by(&caches.pods, queue);
        let (wake, instances) = (queue.clone(), caches.instances.clone());
        caches.cluster_roles.listen(move |_| triggers::all(&instances).into_iter().for_each(|key| wake.add(key)));
        wake_by_name(&caches.secret_names, Kind::Secret, &caches.instances, queue);
        wake_by_name(&caches.config_map_names, Kind::ConfigMap, &caches.instances, queue);
        let wake = queue.clone();
        servers.on_change(move |instance| wake.add(instance.clone()));
    });
}

fn wake_by<K>(cache: &Cache<K>, queue: &Queue)
where
    K: Resource<DynamicType = ()> + Send + Sync + 'static,
{
    let wake = queue.clone();
    cache.listen(move |change| {
        if let Some(key) = triggers::of_object(change.object().as_ref()) {
            wake.add(key);
        }
    });
}

fn wake_by_name<K>(names: &Cache<PartialObjectMeta<K>>, kind: Kind, instances: &Cache<Instance>, queue: &Queue)
where
    K: Resource<DynamicType = ()> + Send + Sync + 'static,
{
    let (wake, instances) = (queue.clone(), instances.clone());
    names.listen(move |change| {
        for key in triggers::of_named(&instances, kind, &Key::of(change.object().as_ref())) {
            wake.add(key);
        }
    });
}
